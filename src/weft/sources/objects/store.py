"""The parts that the stores of all clouds share: what they list, and how they are asked."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.errors import status_error
from weft.net.transport import MAX_BYTES

# Such a page is parsed in a thread; one of twice the size would mostly need the child process.
PAGE_SIZE: Final = 500
PAGE_BYTES_MAX: Final = 10 * 1024 * 1024
_ERROR_BYTES_MAX: Final = 64 * 1024
# What errors are about.
BUCKET: Final = "the bucket"
OBJECT: Final = "the object"
_CODE: Final = re.compile(rb"<Code>([A-Za-z]{1,60})</Code>")


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a page of the listing names it.

    ``tag`` changes with the content; ``digest`` is the MD5 of it in Base64, where the store has it.
    """

    key: bytes
    size: int
    modified: datetime | None = None
    tag: str = ""
    digest: str = ""
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the listing, and how to ask for the next one; None says that this is the last."""

    objects: list[Listed]
    following: str | None


class Store(ABC):
    """One bucket. Its requests raise our errors only."""

    # Response headers that tell the tag of the content.
    tag_header: str = "etag"

    def __init__(self, client: httpx.AsyncClient, base: str, *, is_anonymous: bool) -> None:
        self._client = client
        self._base = base
        self._is_anonymous = is_anonymous

    @abstractmethod
    async def list_page(self, prefix: str, following: str | None, limit: int) -> Page:
        """Fetch the page of all keys with that prefix that ``following`` names, or the first."""

    async def download(self, listed: Listed, limit: int) -> httpx.Response:
        """Download an object of up to ``limit`` bytes. Raises ResponseTooLarge."""
        extensions = {MAX_BYTES: max(limit, _ERROR_BYTES_MAX)}
        url = self._url_of(listed.key)
        response = await self._client.get(url, headers=await self._headers(), extensions=extensions)
        if response.status_code != 200:
            raise self.explain(response, OBJECT)
        return response

    async def has(self, key: bytes) -> bool:
        """Return whether an object of that name is there."""
        response = await self._client.head(self._url_of(key), headers=await self._headers())
        if response.status_code == 404:
            return False
        if response.status_code != 200:
            raise self.explain(response, OBJECT)
        return True

    def explain(self, response: httpx.Response, what: str) -> WeftError:
        """Return our error for an unsuccessful answer."""
        error = self._explain_code(error_code_of(response), response, what)
        if error is None:
            error = status_error(response, what)
        if not (self._is_anonymous and isinstance(error, AccessDenied | AuthenticationFailed)):
            return error
        if what != BUCKET:
            return AccessDenied(f"Access to {what} is denied without credentials.")
        return AuthenticationFailed(
            f"Access to {what} is denied without credentials.",
            hint="Give credentials, or make the bucket public.",
        )

    def _explain_code(self, code: str, response: httpx.Response, what: str) -> WeftError | None:
        """Return our error for a code of this store's own, if it tells more than the status."""
        del code, response, what
        return None

    async def _headers(self) -> dict[str, str]:
        return {}

    def _url_of(self, key: bytes) -> str:
        return f"{self._base}/{quote_key(key)}"

    async def _fetch_list(self, url: str) -> bytes:
        extensions = {MAX_BYTES: PAGE_BYTES_MAX}
        response = await self._client.get(url, headers=await self._headers(), extensions=extensions)
        if response.status_code != 200:
            raise self.explain(response, BUCKET)
        return response.content


def quote_key(key: bytes, safe: str = "/") -> str:
    """Write a key as the path of a URL, in the one way that signatures are made of."""
    return quote(key, safe=f"{safe}-_.~")


def write_query(parameters: dict[str, str]) -> str:
    """Write a query sorted and quoted as signatures want it."""
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parameters.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def is_addressable(key: bytes) -> bool:
    """Return whether a URL can hold the key: clients and servers take such folders out."""
    return not any(part in (b".", b"..") for part in key.split(b"/")) and bool(key)


def error_code_of(response: httpx.Response) -> str:
    """Return the code of an answer in XML, or an empty text."""
    found = _CODE.search(response.content[:4096])
    return found.group(1).decode() if found else ""


def read_moment(text: str) -> datetime | None:
    """Parse an ISO 8601 time; None if it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def read_tag(text: str) -> str:
    """Return an ETag without its quotes and mark of weakness, which proxies change."""
    return text.strip().removeprefix("W/").strip('"')


def reveal(secret: SecretStr | None) -> str:
    """Return a secret without the spaces that are pasted with it; empty if there is none."""
    return secret.get_secret_value().strip() if secret else ""


def no_such_bucket(word: str = "bucket") -> SourceMisconfigured:
    """Return the error of a bucket that is not there; ``word`` is what the cloud calls it."""
    return SourceMisconfigured(
        f"There is no such {word}.", field="url", hint=f"Check the name of the {word}."
    )


def broken_list(why: str) -> SourceUnavailable:
    """Return the error of a listing that cannot be believed; ``why`` goes on after "it"."""
    return SourceUnavailable(f"The store's list of objects is no good: it {why}.")
