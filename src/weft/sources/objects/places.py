"""Reads the address of a bucket, or of a folder or object in one."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from weft.domain.text.characters import HIDDEN_OR_BREAK
from weft.sources.secret_names import is_secret_folder

Provider = Literal["s3", "gcs", "azure"]

_SCHEMES: Final[dict[str, Provider]] = {"s3": "s3", "gs": "gcs", "az": "azure"}
_BUCKET: Final = re.compile(r"\$?[A-Za-z0-9][A-Za-z0-9._-]{0,221}")
_FORM: Final = "must be s3://bucket/folder, gs://bucket/folder or az://container/folder"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, which Azure calls a container, and the folder or object in it; empty for all."""

    provider: Provider
    bucket: str
    prefix: str
    address: str


def read_place(address: str) -> Place:
    """Read the address of a place. Raises ValueError, which does not quote it."""
    scheme, found, rest = address.strip().partition("://")
    provider = _SCHEMES.get(scheme.lower())
    if not found or provider is None:
        raise ValueError(_FORM)
    bucket, _, prefix = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{_FORM}: this name of a bucket has characters that none may have")
    prefix = prefix.rstrip("/")
    if HIDDEN_OR_BREAK.search(prefix):
        raise ValueError("must not have hidden characters")
    if any(is_secret_folder(part) for part in prefix.split("/")):
        raise ValueError("is in a folder that usually holds credentials, which is never read")
    whole = f"{scheme.lower()}://{bucket}"
    return Place(provider, bucket, prefix, f"{whole}/{prefix}" if prefix else whole)
