"""The rules for settings that go together; ``before`` are those that are defined before one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from weft.net.urls import is_loopback, validate_url

_PRINTABLE: Final = re.compile(r"[!-~]{1,1000}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PATH: Final = "/embeddings"


def check_api_key(value: SecretStr | None, before: Mapping[str, Any]) -> SecretStr | None:
    """Return the key if it goes with the address of the API. Raises ValueError."""
    address = before.get("api_url")
    if value is None and address is not None:
        raise ValueError("WEFT_API_URL needs it, and it is not set")
    if value is not None and "api_url" in before and address is None:
        raise ValueError("it is set without WEFT_API_URL")
    return _refuse_unprintable(value)


def check_organization(value: str | None, before: Mapping[str, Any]) -> str | None:
    """Return the id of an organisation if there is an API for it. Raises ValueError."""
    if value is not None and "api_url" in before and before["api_url"] is None:
        raise ValueError("it is set without WEFT_API_URL")
    if value is not None and not _UUID.fullmatch(value):
        raise ValueError("it is not a UUID")
    return value


def validate_embeddings_url(value: str) -> str:
    """Return the address below which the API has its `/embeddings`. Raises ValueError."""
    return validate_url(value).rstrip("/").removesuffix(_PATH)


def check_embeddings_model(value: str | None, before: Mapping[str, Any]) -> str | None:
    """Return the name of a model if there is an API to ask for it. Raises ValueError."""
    # A setting that is not valid itself is not among them.
    if "embeddings_url" not in before:
        return value
    if value is None and before["embeddings_url"] is not None:
        raise ValueError("WEFT_EMBEDDINGS_URL needs it, and it is not set")
    if value is not None and before["embeddings_url"] is None:
        raise ValueError("it is set without WEFT_EMBEDDINGS_URL")
    return value


def check_embeddings_key(
    value: SecretStr | Path | None, before: Mapping[str, Any]
) -> SecretStr | Path | None:
    """Return a key, or the file of one, if it may go to the API. Raises ValueError."""
    if value is None or "embeddings_url" not in before:
        return value
    url: str | None = before["embeddings_url"]
    if url is None:
        raise ValueError("it is set without WEFT_EMBEDDINGS_URL")
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("a key must not travel without TLS: use https in WEFT_EMBEDDINGS_URL")
    if before.get("embeddings_key") is not None:
        raise ValueError("WEFT_EMBEDDINGS_KEY is set too: use one of them")
    return _refuse_unprintable(value) if isinstance(value, SecretStr) else value


def _refuse_unprintable(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _PRINTABLE.fullmatch(value.get_secret_value()):
        raise ValueError("it has spaces or characters that no header can carry")
    return value
