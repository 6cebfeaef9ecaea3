"""S3: signatures as in AWS's examples, where a bucket is, and what refusals say."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest

from tests.support.sources.buckets import BUCKET, KEY_ID, SECRET, Bucket, s3, s3_error
from weft.errors import AccessDenied, AuthenticationFailed, SourceMisconfigured, WeftError
from weft.net.http_factory import HttpFactory
from weft.sources.objects.config import ObjectsConfig, ObjectsCredentials
from weft.sources.objects.s3 import S3Store, SignatureV4, open_s3
from weft.sources.objects.store import read_moment
from weft.testing.scripted_http import HttpReply, HttpRequest

pytestmark = pytest.mark.anyio

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
EXAMPLES: dict[str, tuple[tuple[str, dict[str, str]], str]] = {
    "get an object": (
        ("https://examplebucket.s3.amazonaws.com/test.txt", {"range": "bytes=0-9"}),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "list objects": (
        ("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", {}),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}
THEN = datetime(2013, 5, 24, tzinfo=UTC)
KEYS = {"access_key_id": KEY_ID, "secret_access_key": SECRET}


@pytest.mark.parametrize("name", EXAMPLES)
def test_signature_is_that_of_the_example(name: str) -> None:
    (url, headers), signature = EXAMPLES[name]
    auth = SignatureV4(KEY_ID, SECRET, "", "us-east-1", now=lambda: THEN)
    request = next(auth.auth_flow(httpx.Request("GET", url, headers=headers)))
    assert request.headers["authorization"].endswith(f"Signature={signature}")


def test_session_token_is_signed() -> None:
    auth = SignatureV4(KEY_ID, SECRET, "a-session", "us-east-1")
    request = next(auth.auth_flow(httpx.Request("GET", "https://s3.example/b")))
    assert request.headers["x-amz-security-token"] == "a-session"
    assert "x-amz-security-token" in request.headers["authorization"]
    assert SECRET not in str(request.headers)


class Cloud:
    """AWS, whatever its hosts are called: a factory of clients that it answers itself."""

    def __init__(self, handle: Callable[[HttpRequest], HttpReply]) -> None:
        self.asked: list[httpx.Request] = []
        self._handle = handle

    @asynccontextmanager
    async def __call__(
        self, base_url: str = "", headers: Any = None, auth: Any = None
    ) -> AsyncGenerator[httpx.AsyncClient]:
        transport = httpx.MockTransport(self._answer)
        async with httpx.AsyncClient(transport=transport, base_url=base_url, auth=auth) as client:
            yield client

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        target = request.url.raw_path.decode()
        reply = self._handle(HttpRequest(request.method, target, dict(request.headers)))
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)


def in_region(region: str) -> Cloud:
    """Return AWS with a bucket in one region."""
    there = s3(Bucket({"a.txt": b"a"}))

    def handle(asked: HttpRequest) -> HttpReply:
        if asked.headers["host"] == f"s3.{region}.amazonaws.com":
            return there(asked)
        return s3_error(301, "PermanentRedirect", x_amz_bucket_region=region)

    return Cloud(handle)


async def list_at(cloud: Cloud, **config: Any) -> list[bytes]:
    made = ObjectsConfig.model_validate({"url": f"s3://{BUCKET}", **config})
    async with open_s3(
        cast("HttpFactory", cloud), made, ObjectsCredentials.model_validate(KEYS)
    ) as store:
        return [listed.key for listed in (await store.list_page("", None, 10)).objects]


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "0001-01-01T00:00:00+14:00"])
def test_time_that_is_none_is_none(text: str) -> None:
    assert read_moment(text) is None


async def test_region_is_asked_for_without_credentials() -> None:
    cloud = in_region("eu-west-3")
    assert await list_at(cloud) == [b"a.txt"]
    first, second = cloud.asked
    assert (first.url.host, first.method) == ("s3.amazonaws.com", "HEAD")
    assert "authorization" not in first.headers
    assert "/eu-west-3/s3/" in second.headers["authorization"]


async def test_region_that_is_given_is_not_asked_for() -> None:
    cloud = in_region("eu-west-3")
    assert await list_at(cloud, region="eu-west-3") == [b"a.txt"]
    assert len(cloud.asked) == 1


async def test_wrong_region_is_named_with_the_right_one() -> None:
    with pytest.raises(SourceMisconfigured) as raised:
        await list_at(in_region("eu-west-3"), region="us-west-2")
    assert raised.value.field == "region"
    assert raised.value.hint == "Set region to eu-west-3."


async def test_region_of_china_is_at_another_domain() -> None:
    def handle(asked: HttpRequest) -> HttpReply:
        assert asked.headers["host"] == "s3.cn-north-1.amazonaws.com.cn"
        return s3(Bucket({}))(asked)

    assert await list_at(Cloud(handle), region="cn-north-1") == []


async def test_bucket_that_is_not_there_is_told_by_its_field() -> None:
    with pytest.raises(SourceMisconfigured, match="no such bucket") as raised:
        await list_at(Cloud(lambda _: s3_error(404, "NoSuchBucket")))
    assert raised.value.field == "url"


REFUSALS = {
    "InvalidAccessKeyId": (403, AuthenticationFailed, "access_key_id"),
    "SignatureDoesNotMatch": (403, AuthenticationFailed, "secret_access_key"),
    "ExpiredToken": (400, AuthenticationFailed, "session_token"),
    "InvalidToken": (400, AuthenticationFailed, "session_token"),
    "RequestTimeTooSkewed": (403, SourceMisconfigured, "clock"),
    "AccessDenied": (403, AccessDenied, "s3:ListBucket"),
    "AuthorizationHeaderMalformed": (400, SourceMisconfigured, "region"),
    "NoSuchBucket": (404, SourceMisconfigured, "no such bucket"),
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_refusal_says_what_to_mend_and_no_secret(code: str) -> None:
    status, kind, word = REFUSALS[code]
    cloud = Cloud(lambda _: s3_error(status, code, f"<Resource>{SECRET}</Resource>"))
    with pytest.raises(kind) as raised:
        await list_at(cloud, region="us-east-1")
    assert word in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("status", [401, 403])
async def test_private_bucket_asks_for_credentials_where_none_were_given(status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status))
    async with httpx.AsyncClient(transport=transport) as client:
        store = S3Store(client, "https://s3.example", BUCKET, "us-east-1", is_anonymous=True)
        with pytest.raises(AuthenticationFailed, match="without credentials"):
            await store.list_page("", None, 10)


def listing(inside: str) -> bytes:
    return f"<ListBucketResult>{inside}</ListBucketResult>".encode()


ENTRY = "<Contents><Key>a</Key><Size>1</Size></Contents>"
NOT_BELIEVED = {
    "more, but not where": listing(f"<IsTruncated>true</IsTruncated>{ENTRY}"),
    "more, at an empty place": listing(
        f"<IsTruncated>true</IsTruncated><NextContinuationToken/>{ENTRY}"
    ),
    "no word of more": listing(ENTRY),
    "another word": listing(f"<IsTruncated>maybe</IsTruncated>{ENTRY}"),
    "another count": listing(f"<IsTruncated>false</IsTruncated><KeyCount>2</KeyCount>{ENTRY}"),
    "another bucket": listing(f"<Name>theirs</Name><IsTruncated>false</IsTruncated>{ENTRY}"),
    "an entry without a key": listing(
        "<IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>"
    ),
    "an entry without a size": listing(
        "<IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>"
    ),
    "cut": listing(f"<IsTruncated>false</IsTruncated>{ENTRY}")[:-9],
    "a page": b"<html><body><p>Please sign in.</p></body></html>",
    "an old page": b"<!DOCTYPE html><title>Sign in</title>",
    "nothing": b"",
    "an error": b"<Error><Code>InternalError</Code></Error>",
    "an external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    + listing("&b;"),
}


@pytest.mark.parametrize("name", NOT_BELIEVED)
async def test_page_that_is_no_listing_is_not_believed(name: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=NOT_BELIEVED[name]))
    async with httpx.AsyncClient(transport=transport) as client:
        store = S3Store(client, "https://s3.example", BUCKET, "us-east-1", is_anonymous=True)
        with pytest.raises(WeftError, match="list of objects is no good"):
            await store.list_page("", None, 10)
