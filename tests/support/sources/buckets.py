"""Buckets of the three clouds, played from the vendors' descriptions of their APIs.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html,
https://cloud.google.com/storage/docs/json_api/v1/objects/list,
https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote_to_bytes
from xml.sax.saxutils import escape

from joserfc.jwk import RSAKey

from weft.testing.http_faults import Answer, Spoil
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

BUCKET = "notes"
ACCOUNT = "weftaccount"
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT_KEY = base64.b64encode(b"the key of the storage account").decode()
SAS = "sv=2021-08-06&sp=rl&sr=c&sig=c2lnbmF0dXJlLW9mLWEtc2hhcmVk"
ACCOUNT_EMAIL = "weft@project.example"
TOKEN = "ya29.token-of-an-hour"
DATE = "Tue, 03 Feb 2026 10:00:00 GMT"
MOMENT = "2026-02-03T10:00:00.000Z"
XML = {"content-type": "application/xml"}

Serve = Callable[[HttpRequest], HttpReply]


@dataclass
class Bucket:
    """The objects by key; a request is let in if ``admits`` says so."""

    objects: dict[str, bytes]
    admits: Callable[[HttpRequest], bool] = lambda _: True
    classes: dict[str, str] = field(default_factory=dict[str, str])
    """Storage classes, of objects that have another than the usual one."""
    denied: set[str] = field(default_factory=set[str])
    """Keys that may be listed but not read."""
    hidden: set[str] = field(default_factory=set[str])
    """Keys that can be read, and which the listing leaves out."""

    def page(self, prefix: str, after: str | None, limit: int) -> tuple[list[str], str | None]:
        """Return the keys of a page, and the last one if there are more."""
        keys = sorted(
            key for key in self.objects if key.startswith(prefix) and key not in self.hidden
        )
        rest = [key for key in keys if after is None or key > after]
        return rest[:limit], rest[limit - 1] if len(rest) > limit else None

    def tag(self, key: str) -> str:
        """Return the MD5 of an object, as hexadecimal digits."""
        return hashlib.md5(self.objects[key]).hexdigest()


def s3(bucket: Bucket) -> Serve:
    """Return a server of S3's language."""

    def handle(asked: HttpRequest) -> HttpReply:
        name, _, key = unquote_to_bytes(asked.path).decode().removeprefix("/").partition("/")
        if name != BUCKET:
            return s3_error(404, "NoSuchBucket")
        if not bucket.admits(asked):
            return s3_error(403, "InvalidAccessKeyId")
        if key:
            return _object(bucket, key, s3_error(404, "NoSuchKey"))
        query = _query(asked)
        keys, last = bucket.page(
            query.get("prefix", ""), query.get("continuation-token"), int(query["max-keys"])
        )
        entries = "".join(
            f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>{MOMENT}</LastModified>"
            f"<ETag>&quot;{bucket.tag(key)}&quot;</ETag><Size>{len(bucket.objects[key])}</Size>"
            f"<Owner><ID>1</ID></Owner>"
            f"<StorageClass>{bucket.classes.get(key, 'STANDARD')}</StorageClass></Contents>"
            for key in keys
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last else ""
        return HttpReply(
            200,
            (
                '<?xml version="1.0" encoding="UTF-8"?>'
                '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<Name>{BUCKET}</Name><Prefix></Prefix><EncodingType>url</EncodingType>"
                f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>{str(bool(last)).lower()}"
                f"</IsTruncated>{entries}{more}</ListBucketResult>"
            ).encode(),
            XML,
        )

    return handle


def azure(bucket: Bucket) -> Serve:
    """Return a server of Azure's storage."""

    def handle(asked: HttpRequest) -> HttpReply:
        name, _, key = unquote_to_bytes(asked.path).decode().removeprefix("/").partition("/")
        if name != BUCKET:
            return azure_error(404, "ContainerNotFound")
        if not bucket.admits(asked):
            return azure_error(403, "AuthenticationFailed")
        if key:
            return _object(bucket, key, azure_error(404, "BlobNotFound"))
        query = _query(asked)
        keys, last = bucket.page(
            query.get("prefix", ""), query.get("marker"), int(query["maxresults"])
        )
        entries = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>{DATE}</Last-Modified>"
            f"<Etag>{bucket.tag(key)}</Etag><ResourceType>file</ResourceType>"
            f"<Content-Length>{len(bucket.objects[key])}</Content-Length>"
            f"<AccessTier>{bucket.classes.get(key, 'Hot')}</AccessTier></Properties></Blob>"
            for key in keys
        )
        return HttpReply(
            200,
            (
                '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults '
                f'ContainerName="{BUCKET}"><Blobs>{entries}</Blobs>'
                f"<NextMarker>{last or ''}</NextMarker></EnumerationResults>"
            ).encode(),
            XML,
        )

    return handle


def gcs(bucket: Bucket) -> Serve:
    """Return a server of Google's storage, which gives tokens as well."""
    start = f"/storage/v1/b/{BUCKET}/o"

    def handle(asked: HttpRequest) -> HttpReply:
        if asked.path == "/token":
            return _give_token(asked)
        if not asked.path.startswith(start):
            return as_json({"error": {"code": 404}}, 404)
        if not bucket.admits(asked):
            return as_json({"error": {"code": 401}}, 401)
        key = unquote_to_bytes(asked.path.removeprefix(start)).decode().removeprefix("/")
        query = _query(asked)
        if key and "alt" not in query:
            return as_json({"name": key}, 200 if key in bucket.objects else 404)
        if key:
            return _object(bucket, key, as_json({"error": {"code": 404}}, 404))
        keys, last = bucket.page(
            query.get("prefix", ""), query.get("pageToken"), int(query["maxResults"])
        )
        found: dict[str, Any] = {"kind": "storage#objects"}
        if keys:
            found["items"] = [
                {
                    "name": key,
                    "size": str(len(bucket.objects[key])),
                    "updated": MOMENT,
                    "generation": _generation(bucket, key),
                    "md5Hash": base64.b64encode(bytes.fromhex(bucket.tag(key))).decode(),
                }
                for key in keys
            ]
        return as_json(found | ({"nextPageToken": last} if last else {}))

    return handle


def s3_error(status: int, code: str, more: str = "", **headers: str) -> HttpReply:
    """Return an error as S3 writes it; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message>{more}</Error>"
    return HttpReply(status, body.encode(), XML | named)


def azure_error(status: int, code: str) -> HttpReply:
    """Return an error as Azure writes it."""
    body = f"\ufeff<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>"
    return HttpReply(status, body.encode(), XML | {"x-ms-error-code": code})


def key_file(account: str, token_uri: str) -> str:
    """Return the key file of a service account of Google."""
    fields = {"client_email": account, "private_key": _private_key(), "token_uri": token_uri}
    return json.dumps({"type": "service_account", **fields})


def listing_faults() -> dict[str, Spoil]:
    """Return the faults of listings that no server of other things has."""
    return {
        "no entries": _cut(rb"<(Contents|Blob)>.*</\1>"),
        "no entries, counted": _chain(
            _cut(rb"<(Contents|Blob)>.*</\1>"), _change(rb"(?<=<KeyCount>)\d+", b"0")
        ),
        "only the first entry": _cut(rb"(?<=</Contents>)<Contents>.*</Contents>"),
        "no sign of more": _chain(
            _cut(rb"<NextContinuationToken>.*</NextContinuationToken>"),
            _change(rb"(?<=<IsTruncated>)true", b"false"),
        ),
        "more, but not where": _cut(rb"<NextContinuationToken>.*</NextContinuationToken>"),
        "no marker": _change(rb"(?<=<NextMarker>)[^<]+", b""),
        "no page token": _cut(rb', "nextPageToken": "[^"]*"'),
        "no word of more": _cut(rb"<IsTruncated>.*</IsTruncated>|<NextMarker>.*</NextMarker>"),
        "another bucket": _change(rb"(?<=<Name>)notes(?=</Name>)", b"other"),
        "cut in an entry": _cut(rb"</(Key|Name)>.*"),
        "a doctype": _change(rb"<(?=ListBucketResult|EnumerationResults)", b"<!DOCTYPE a><"),
        "another root": _change(rb"ListBucketResult|EnumerationResults", b"html"),
        "nothing but the root": _cut(rb"(?<=<ListBucketResult>).*(?=</ListBucketResult>)"),
        "no kind": _cut(rb'"kind": "storage#objects",? ?'),
    }


def _change(pattern: bytes, by: bytes) -> Spoil:
    fault = re.compile(pattern, re.DOTALL)

    def spoil(good: Answer) -> Answer | None:
        body = fault.sub(by, good.body)
        return None if body == good.body else Answer(good.status, {}, body)

    return spoil


def _cut(pattern: bytes) -> Spoil:
    return _change(pattern, b"")


def _chain(first: Spoil, second: Spoil) -> Spoil:
    def spoil(good: Answer) -> Answer | Exception | None:
        found = first(good)
        return (second(found) or found) if isinstance(found, Answer) else found

    return spoil


def _object(bucket: Bucket, key: str, missing: HttpReply) -> HttpReply:
    if key not in bucket.objects:
        return missing
    if key in bucket.denied:
        return s3_error(403, "AccessDenied")
    headers = {
        "etag": f'"{bucket.tag(key)}"',
        "x-goog-generation": _generation(bucket, key),
        "content-type": "binary/octet-stream",
    }
    return HttpReply(200, bucket.objects[key], headers)


def _generation(bucket: Bucket, key: str) -> str:
    return str(int(bucket.tag(key)[:12], 16))


def _query(asked: HttpRequest) -> dict[str, str]:
    _, _, query = asked.target.partition("?")
    return {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}


def _give_token(asked: HttpRequest) -> HttpReply:
    assertion = parse_qs(asked.body.decode())["assertion"][0]
    claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
    if claims["iss"] != ACCOUNT_EMAIL:
        return as_json({"error": "invalid_grant"}, 400)
    return as_json({"access_token": TOKEN, "expires_in": 3599})


@cache
def _private_key() -> str:
    return RSAKey.generate_key(2048).as_pem(private=True).decode()
