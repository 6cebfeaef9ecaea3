"""Secrets that an operator named, for connections to refer to instead of holding them."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from weft.domain.base import Frozen

# Neither is a secret, whatever the linter takes their names for.
SECRET_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # noqa: S105
SECRET_REF: Final = "secret_ref"  # noqa: S105
"""The key of an object that stands for a secret: ``{"secret_ref": NAME}``."""


class SecretOrigin(StrEnum):
    """Where the value is."""

    STORED = "stored"
    ENV = "env"
    FILE = "file"


class OperatorSecret(Frozen):
    """What is known of a secret: everything but its value.

    ``sources`` are the short names that it may serve, ``hosts`` the origins that may receive it.
    ``lost``: the key that opened it is gone, so it has to be given again.
    """

    name: str = Field(pattern=SECRET_NAME_PATTERN)
    organization_id: str
    origin: SecretOrigin
    sources: tuple[str, ...]
    hosts: tuple[str, ...]
    modified_at: datetime | None = None
    used_by: tuple[str, ...] = ()
    lost: bool = False
