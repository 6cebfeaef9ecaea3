"""Azure Blob Storage: listing, errors, and requests signed with an account key or by a SAS.

https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs and
https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key
"""

import base64
import hmac
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

import httpx

from weft.errors import AccessDenied, AuthenticationFailed, SourceMisconfigured, WeftError
from weft.net.dates import parse_http_date
from weft.net.http_factory import HttpFactory
from weft.sources.objects.config import ObjectsConfig, ObjectsCredentials
from weft.sources.objects.listing_xml import ENCODED, Shape, read_listing
from weft.sources.objects.store import (
    BUCKET,
    Listed,
    Page,
    Store,
    broken_list,
    no_such_bucket,
    read_tag,
    reveal,
    write_query,
)

API_VERSION: Final = "2021-08-06"
_SHAPE: Final = Shape(
    "EnumerationResults",
    "Blob",
    frozenset(
        {"NextMarker", "Name", "Last-Modified", "Etag", "Content-Length"}
        | {"AccessTier", "ResourceType", "BlobType"}
    ),
)
_NO_ACCESS: Final = frozenset(
    {"AuthorizationFailure", "AuthorizationPermissionMismatch", "AuthorizationProtocolMismatch"}
    | {"AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch"}
)
_NO_PUBLIC: Final = frozenset({"PublicAccessNotPermitted", "NoAuthenticationInformation"})

Now = Callable[[], datetime]


def endpoint_of(config: ObjectsConfig) -> str:
    """Return the address of the storage account."""
    return config.endpoint or f"https://{config.account_name}.blob.core.windows.net"


@asynccontextmanager
async def open_azure(
    http: HttpFactory, config: ObjectsConfig, credentials: ObjectsCredentials
) -> AsyncGenerator["AzureStore"]:
    """Open the container."""
    auth = None
    if key := reveal(credentials.account_key):
        auth = SharedKey(config.account_name or "", key)
    elif token := reveal(credentials.sas_token):
        auth = SharedAccessSignature(token)
    base_url = endpoint_of(config)
    async with http(base_url=base_url, auth=auth) as client:
        base = f"{base_url}/{config.place.bucket}"
        yield AzureStore(client, base, is_anonymous=auth is None)


class SharedKey(httpx.Auth):
    """Signs requests without a body; each attempt anew, as a signature is good for minutes."""

    def __init__(self, account: str, key: str, now: Now = lambda: datetime.now(UTC)) -> None:
        self._account = account
        self._key = base64.b64decode(key)
        self._now = now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the headers of the signature."""
        request.headers["x-ms-date"] = format_datetime(self._now(), usegmt=True)
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        names = sorted(name for name in request.headers if name.startswith("x-ms-"))
        pairs = sorted(pair.partition("=") for pair in query.split("&") if pair)
        lines = [
            request.method,
            # Eleven headers, such as the length of the body, that these requests do not have.
            *[""] * 11,
            *(f"{name}:{request.headers[name]}" for name in names),
            f"/{self._account}{path}",
            *(f"{unquote(name).lower()}:{unquote(value)}" for name, _, value in pairs),
        ]
        digest = hmac.digest(self._key, "\n".join(lines).encode(), "sha256")
        signature = base64.b64encode(digest).decode()
        request.headers["authorization"] = f"SharedKey {self._account}:{signature}"
        yield request


class SharedAccessSignature(httpx.Auth):
    """Adds the signature that somebody made to each address."""

    def __init__(self, token: str) -> None:
        self._token = token.lstrip("?&")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the parameters of the signature."""
        address = str(request.url)
        request.url = httpx.URL(f"{address}{'&' if '?' in address else '?'}{self._token}")
        yield request


class AzureStore(Store):
    """One container."""

    async def list_page(self, prefix: str, following: str | None, limit: int) -> Page:
        """As in `Store`."""
        asked = {"restype": "container", "comp": "list", "maxresults": str(limit)}
        asked |= {"prefix": prefix} if prefix else {}
        asked |= {"marker": following} if following is not None else {}
        found = await read_listing(
            await self._fetch_list(f"{self._base}?{write_query(asked)}"), _SHAPE
        )
        marker = found.values.get("NextMarker")
        if marker is None:
            raise broken_list("does not say whether there is more")
        read = [_read_record(record) for record in found.records]
        return Page([listed for listed in read if listed], marker or None)

    async def _headers(self) -> dict[str, str]:
        return {"x-ms-version": API_VERSION}

    def _explain_code(self, code: str, response: httpx.Response, what: str) -> WeftError | None:
        """As in `Store`."""
        code = code or response.headers.get("x-ms-error-code", "")
        if code in {"ContainerNotFound", "ContainerBeingDeleted"}:
            return no_such_bucket("container")
        if code == "ResourceNotFound" and what == BUCKET:
            return SourceMisconfigured(
                "There is no such container, or it is not public.",
                field="url",
                hint="Check the name of the container, or give account_key or sas_token.",
            )
        if code == "AuthenticationFailed":
            return AuthenticationFailed(
                "Azure refused the account key or shared access signature.",
                hint="It may be mistyped, expired, or of another account.",
            )
        if code in _NO_PUBLIC:
            return AccessDenied("The storage account is not public.")
        if code in _NO_ACCESS:
            return AccessDenied(
                f"Access to {what} is denied ({code}).",
                hint="A shared access signature needs the permissions read and list (sp=rl) for "
                "the container, and the account's firewall must let this machine in.",
            )
        return None


def _read_record(record: dict[str, str]) -> Listed | None:
    """Read a blob; None for a folder, which some accounts list as well."""
    if record.get("ResourceType") == "directory":
        return None
    name, size = record.get("Name", ""), record.get("Content-Length", "")
    if not name or not (size.isascii() and size.isdigit()):
        raise broken_list("has an entry without a name or size")
    return Listed(
        unquote_to_bytes(name) if record.get(ENCODED) else name.encode(),
        int(size[:18]),
        parse_http_date(record.get("Last-Modified", "")),
        read_tag(record.get("Etag", "")),
        is_archived=record.get("AccessTier") == "Archive",
    )
