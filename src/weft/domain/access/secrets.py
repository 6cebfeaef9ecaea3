"""Named secrets of the operator, which connections refer to instead of holding them."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Discriminator, Field, Tag

from weft.domain.base import Frozen

# The linter takes both for secrets because of their names.
SECRET_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # noqa: S105
SECRET_REF: Final = "secret_ref"  # noqa: S105
"""The key of an object that stands for a secret: ``{"secret_ref": NAME}``."""


class SecretRef(Frozen):
    """Stands for a secret in a field of its own."""

    secret_ref: str


SecretText = Annotated[
    Annotated[str, Tag("text")] | Annotated[SecretRef, Tag("reference")],
    Discriminator(lambda given: "reference" if isinstance(given, Mapping | SecretRef) else "text"),
]
"""A secret, or a reference to one that has to be replaced before the value is used."""


def require_value(secret: str | SecretRef | None) -> str | None:
    """Return the secret itself, which references have been replaced by."""
    if isinstance(secret, SecretRef):
        raise AssertionError("references are replaced before secrets are used")
    return secret


class SecretOrigin(StrEnum):
    """The place of a secret's value."""

    STORED = "stored"
    ENV = "env"
    FILE = "file"


class OperatorSecret(Frozen):
    """A secret without its value.

    ``sources`` are the short names that it may serve, ``hosts`` the origins that may receive it.
    ``lost``: the master key that opened it is gone, so the value must be given again.
    """

    name: str = Field(pattern=SECRET_NAME_PATTERN)
    organization_id: str
    origin: SecretOrigin
    sources: tuple[str, ...]
    hosts: tuple[str, ...]
    modified_at: datetime | None = None
    used_by: tuple[str, ...] = ()
    lost: bool = False
