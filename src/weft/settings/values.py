"""The kinds of values that settings have, and how a text becomes one."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import NoDecode

from weft.net.urls import refuse_user, refuse_users, validate_url


def make_lower(hosts: frozenset[str]) -> frozenset[str]:
    """Return hosts in the spelling in which they are compared."""
    return frozenset(host.lower() for host in hosts)


def make_absolute(path: Path) -> Path:
    """Return the path in full, with the user's folder spelt out. Raises ValueError."""
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("it begins with a user who has no home here") from None


Hosts = Annotated[frozenset[str], NoDecode, AfterValidator(refuse_users)]
AbsolutePath = Annotated[Path, AfterValidator(make_absolute)]
Host = Annotated[str, AfterValidator(refuse_user)]
Url = Annotated[str, AfterValidator(validate_url)]
ShortName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class SecretMapping(BaseModel):
    """A table `[secrets.NAME]` in config.toml: the place of a secret, and where it may be sent.

    ``sources`` are short names; ``hosts`` are hosts, reached over HTTPS, or origins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(default=None, min_length=1)
    file: Path | None = None
    sources: tuple[str, ...] = Field(min_length=1)
    hosts: tuple[str, ...] = Field(min_length=1)
    organization: str = "local"

    @model_validator(mode="after")
    def _one_place(self) -> "SecretMapping":
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret needs either env or file")
        return self


def split_parts(value: object, separator: str) -> list[str] | None:
    """Return the parts of a text or list; None for what can be neither."""
    if isinstance(value, str):
        return [part for part in value.split(separator) if part.strip()]
    if isinstance(value, Collection) and not isinstance(value, Mapping):
        parts = cast("Collection[object]", value)
        is_text = all(isinstance(part, str | Path) for part in parts)
        return [str(part) for part in parts] if is_text else None
    return None
