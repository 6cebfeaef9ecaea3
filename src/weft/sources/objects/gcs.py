"""Google Cloud Storage: listing, and the tokens of a service account.

https://cloud.google.com/storage/docs/json_api/v1/objects/list and
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpx
from pydantic import SecretStr

from weft.document.child import run_parser
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    SourceUnavailable,
    WeftError,
)
from weft.net.errors import decode_json, raise_for_status
from weft.net.http_factory import HttpFactory
from weft.net.urls import validate_api_url
from weft.sources.objects.config import ObjectsConfig, ObjectsCredentials, read_key_file
from weft.sources.objects.store import (
    BUCKET,
    Listed,
    Page,
    Store,
    broken_list,
    no_such_bucket,
    quote_key,
    read_moment,
    write_query,
)

API: Final = "https://storage.googleapis.com"
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_only"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_SECONDS: Final = 3600
_SPARE_SECONDS: Final = 300
_FIELDS: Final = "kind,nextPageToken,items(name,size,updated,generation,md5Hash,storageClass)"


def endpoint_of(config: ObjectsConfig) -> str:
    """Return the address of the API."""
    return config.endpoint or API


@asynccontextmanager
async def open_gcs(
    http: HttpFactory, config: ObjectsConfig, credentials: ObjectsCredentials
) -> AsyncGenerator["GcsStore"]:
    """Open the bucket."""
    key = credentials.service_account_key
    tokens = None if key is None else ServiceAccount(http, key)
    base_url = endpoint_of(config)
    async with http(base_url=base_url) as client:
        yield GcsStore(client, f"{base_url}/storage/v1/b/{config.place.bucket}/o", tokens)


class ServiceAccount:
    """Gets access tokens for a service account, one for each hour."""

    def __init__(self, http: HttpFactory, key: SecretStr) -> None:
        self._http = http
        self._key = key
        self._token = ""
        self._good_until = 0.0

    async def get_token(self) -> str:
        """Return a token that is good for some minutes more. Raises AuthenticationFailed."""
        if time.monotonic() < self._good_until:
            return self._token
        asked = time.monotonic()
        url, assertion = self._make_assertion()
        async with self._http() as client:
            response = await client.post(url, data={"grant_type": GRANT, "assertion": assertion})
        if response.status_code in {400, 401, 403}:
            raise _refusal("Google refused the key of the service account.")
        raise_for_status(response, "an access token")
        answer = decode_json(response.content, "an access token")
        fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
        token = fields.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise SourceUnavailable("Google's answer for an access token has none.")
        self._token = token
        self._good_until = asked + TOKEN_SECONDS - _SPARE_SECONDS
        return token

    def _make_assertion(self) -> tuple[str, str]:
        # Imported here, as most of those who import all sources need none of it.
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import RSAKey

        fields = read_key_file(self._key)
        now = int(time.time())
        try:
            url = validate_api_url(str(fields.get("token_uri") or TOKEN_URL))
            claims = {
                "iss": fields["client_email"],
                "scope": SCOPE,
                "aud": url,
                "iat": now,
                "exp": now + TOKEN_SECONDS,
            }
            key = RSAKey.import_key(fields["private_key"])
            return url, jwt.encode({"alg": "RS256"}, claims, key)
        except (ValueError, TypeError, JoseError):
            raise _refusal("The key of the service account cannot be used.") from None


class GcsStore(Store):
    """One bucket."""

    tag_header = "x-goog-generation"

    def __init__(self, client: httpx.AsyncClient, base: str, tokens: ServiceAccount | None) -> None:
        super().__init__(client, base, is_anonymous=tokens is None)
        self._tokens = tokens

    async def list_page(self, prefix: str, following: str | None, limit: int) -> Page:
        """As in `Store`."""
        asked = {"fields": _FIELDS, "maxResults": str(limit), "prefix": prefix}
        if following is not None:
            asked["pageToken"] = following
        content = await self._fetch_list(f"{self._base}?{write_query(asked)}")
        return await run_parser(len(content), parse_page, content)

    async def has(self, key: bytes) -> bool:
        """As in `Store`."""
        url = f"{self._base}/{quote_key(key, safe='')}?fields=name"
        response = await self._client.get(url, headers=await self._headers())
        if response.status_code not in {200, 404}:
            raise self.explain(response, "the object")
        return response.status_code == 200

    async def _headers(self) -> dict[str, str]:
        if self._tokens is None:
            return {}
        return {"authorization": f"Bearer {await self._tokens.get_token()}"}

    def _url_of(self, key: bytes) -> str:
        return f"{self._base}/{quote_key(key, safe='')}?alt=media"

    def _explain_code(self, code: str, response: httpx.Response, what: str) -> WeftError | None:
        """As in `Store`."""
        del code
        if response.status_code == 404 and what == BUCKET:
            return no_such_bucket()
        if response.status_code == 401:
            return _refusal("Google refused the access token of the service account.")
        if response.status_code == 403:
            return AccessDenied(
                f"Access to {what} is denied (HTTP 403).",
                hint="The service account needs the role Storage Object Viewer on the bucket.",
            )
        return None


def parse_page(content: bytes) -> Page:
    """Parse a page of the listing. Raises SourceUnavailable for anything else."""
    answer = decode_json(content, "the list of objects")
    found = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if found.get("kind") != "storage#objects":
        raise broken_list("is no listing")
    items, following = found.get("items", []), found.get("nextPageToken")
    if not isinstance(items, list) or not isinstance(following, str | None):
        raise broken_list("is not as documented")
    return Page([_read_item(item) for item in cast("list[Any]", items)], following or None)


def _read_item(item: Any) -> Listed:
    fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
    wanted = ("name", "size", "generation", "updated", "md5Hash", "storageClass")
    name, size, generation, updated, digest, _ = (str(fields.get(field, "")) for field in wanted)
    if not name or not (size.isascii() and size.isdigit()):
        raise broken_list("has an entry without a name or size")
    # JSON can hold lone surrogates, which UTF-8 cannot encode.
    key = name.encode(errors="surrogatepass")
    return Listed(key, int(size[:18]), read_moment(updated), generation, digest)


def _refusal(text: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        text,
        hint="It may be deleted or disabled: make a new key, and give its whole file.",
    )
