"""S3 and stores that speak its language: listing, errors, and signature version 4.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import re
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote_to_bytes

import httpx

from weft.errors import AccessDenied, AuthenticationFailed, SourceMisconfigured, WeftError
from weft.net.http_factory import HttpFactory
from weft.sources.objects.config import ObjectsConfig, ObjectsCredentials
from weft.sources.objects.listing_xml import Shape, read_listing
from weft.sources.objects.store import (
    BUCKET,
    Listed,
    Page,
    Store,
    broken_list,
    no_such_bucket,
    read_moment,
    read_tag,
    reveal,
    write_query,
)

DEFAULT_REGION: Final = "us-east-1"
REGION_HEADER: Final = "x-amz-bucket-region"
_REGION: Final = re.compile(r"[a-z0-9-]{2,40}")
_NO_BODY: Final = hashlib.sha256(b"").hexdigest()
_ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
SHAPE: Final = Shape(
    "ListBucketResult",
    "Contents",
    frozenset(
        {"Name", "IsTruncated", "NextContinuationToken", "KeyCount", "EncodingType"}
        | {"Key", "LastModified", "ETag", "Size", "StorageClass"}
    ),
)
# The field at fault, and what to do about it.
_REFUSALS: Final = {
    "InvalidAccessKeyId": ("access_key_id", "It may be mistyped or deleted."),
    "SignatureDoesNotMatch": ("secret_access_key", "It may be mistyped, or of another key."),
    "ExpiredToken": ("session_token", "It has expired: give a new temporary key."),
    "InvalidToken": ("session_token", "It is of another key, or the key is none of a session."),
    "TokenRefreshRequired": ("session_token", "It has expired: give a new temporary key."),
}
_WRONG_REGION: Final = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocation"}
)

Now = Callable[[], datetime]


def endpoint_of(config: ObjectsConfig) -> str:
    """Return the origin of the store, for AWS that of all regions."""
    return config.endpoint or f"https://s3.{_domain(config)}"


@asynccontextmanager
async def open_s3(
    http: HttpFactory, config: ObjectsConfig, credentials: ObjectsCredentials
) -> AsyncGenerator["S3Store"]:
    """Open the bucket, in AWS where it is."""
    region = config.region or DEFAULT_REGION
    base_url = config.endpoint
    if base_url is None:
        if config.region is None:
            region = await _find_region(http, config)
        base_url = f"https://s3.{region}.{_domain(config)}"
    auth = None
    if key_id := reveal(credentials.access_key_id):
        secret, token = reveal(credentials.secret_access_key), reveal(credentials.session_token)
        auth = SignatureV4(key_id, secret, token, region)
    async with http(base_url=base_url, auth=auth) as client:
        yield S3Store(client, base_url, config.place.bucket, region, is_anonymous=auth is None)


class SignatureV4(httpx.Auth):
    """Signs requests without a body; each attempt anew, as a signature is good for minutes."""

    def __init__(
        self,
        key_id: str,
        secret: str,
        token: str,
        region: str,
        now: Now = lambda: datetime.now(UTC),
    ) -> None:
        self._key_id = key_id
        self._secret = secret
        self._token = token
        self._region = region
        self._now = now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the headers of the signature."""
        moment = self._now().strftime("%Y%m%dT%H%M%SZ")
        request.headers["x-amz-date"] = moment
        request.headers["x-amz-content-sha256"] = _NO_BODY
        if self._token:
            request.headers["x-amz-security-token"] = self._token
        names = sorted(n for n in request.headers if n in {"host", "range"} or n[:6] == "x-amz-")
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        lines = ["AWS4-HMAC-SHA256", moment, scope, _digest(self._canonical(request, names))]
        signature = self._sign(scope, "\n".join(lines))
        request.headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope},"
            f"SignedHeaders={';'.join(names)},Signature={signature}"
        )
        yield request

    @staticmethod
    def _canonical(request: httpx.Request, names: list[str]) -> str:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        headers = [f"{name}:{request.headers[name].strip()}" for name in names]
        return "\n".join([request.method, path, query, *headers, "", ";".join(names), _NO_BODY])

    def _sign(self, scope: str, text: str) -> str:
        key = f"AWS4{self._secret}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


class S3Store(Store):
    """One bucket, in a URL's path: as a host's name, one with dots has no certificate."""

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, bucket: str, region: str, **options: bool
    ) -> None:
        super().__init__(client, f"{base_url}/{bucket}", **options)
        self._bucket = bucket
        self._region = region

    async def list_page(self, prefix: str, following: str | None, limit: int) -> Page:
        """As in `Store`."""
        # Quoted, keys may hold characters that XML has no way to write.
        asked = {"list-type": "2", "encoding-type": "url", "max-keys": str(limit), "prefix": prefix}
        if following is not None:
            asked["continuation-token"] = following
        found = await read_listing(
            await self._fetch_list(f"{self._base}?{write_query(asked)}"), SHAPE
        )
        values = found.values
        if values.get("Name", self._bucket) != self._bucket:
            raise broken_list("is of another bucket")
        if values.get("KeyCount", str(len(found.records))) != str(len(found.records)):
            raise broken_list("has another number of keys than it says")
        is_quoted = values.get("EncodingType") == "url"
        objects = [_read_record(record, is_quoted) for record in found.records]
        match values.get("IsTruncated"):
            case "false":
                return Page(objects, None)
            case "true" if values.get("NextContinuationToken"):
                return Page(objects, values["NextContinuationToken"])
            case "true":
                raise broken_list("says that there is more, but not where")
            case _:
                raise broken_list("does not say whether there is more")

    def _explain_code(self, code: str, response: httpx.Response, what: str) -> WeftError | None:
        """As in `Store`."""
        told = response.headers.get(REGION_HEADER, "")
        is_elsewhere = _REGION.fullmatch(told) and told != self._region
        if code in _WRONG_REGION or (is_elsewhere and response.status_code in {301, 307, 400}):
            hint = f"Set region to {told}." if is_elsewhere else "Set the region of the bucket."
            return SourceMisconfigured(
                "The bucket is in another region.", field="region", hint=hint
            )
        if code == "NoSuchBucket":
            return no_such_bucket()
        if code in _REFUSALS:
            field, hint = _REFUSALS[code]
            return AuthenticationFailed(f"The store refused {field} ({code}).", hint=hint)
        if code == "RequestTimeTooSkewed":
            return SourceMisconfigured(
                "The store refuses the time of the request.",
                hint="The clock of the machine that runs Weft is wrong.",
            )
        if response.status_code == 403:
            action = "s3:ListBucket on it" if what == BUCKET else "s3:GetObject on it"
            return AccessDenied(
                f"Access to {what} is denied (HTTP 403).", hint=f"The key needs {action}."
            )
        return None


def _read_record(record: dict[str, str], is_quoted: bool) -> Listed:
    key, size = record.get("Key", ""), record.get("Size", "")
    if not key or not (size.isascii() and size.isdigit()):
        raise broken_list("has an entry without a key or size")
    return Listed(
        # In this form, unlike in URLs, a space is a plus.
        unquote_to_bytes(key.replace("+", " ")) if is_quoted else key.encode(),
        int(size[:18]),
        read_moment(record.get("LastModified", "")),
        read_tag(record.get("ETag", "")),
        is_archived=record.get("StorageClass") in _ARCHIVES,
    )


async def _find_region(http: HttpFactory, config: ObjectsConfig) -> str:
    """Ask AWS, without credentials, where the bucket is; it tells that even to strangers."""
    async with http(base_url=endpoint_of(config)) as client:
        response = await client.head(f"{endpoint_of(config)}/{config.place.bucket}")
    if response.status_code == 404:
        raise no_such_bucket()
    told = response.headers.get(REGION_HEADER, "")
    return told if _REGION.fullmatch(told) else DEFAULT_REGION


def _domain(config: ObjectsConfig) -> str:
    is_china = (config.region or "").startswith("cn-")
    return "amazonaws.com.cn" if is_china else "amazonaws.com"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
