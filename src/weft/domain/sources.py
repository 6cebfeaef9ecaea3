"""What a kind of source is: the fields it takes and the ways it authenticates."""

from weft.domain.base import Frozen
from weft.domain.connections import AuthMethod


class FieldInfo(Frozen):
    """One field of a source's configuration or credentials."""

    name: str
    title: str
    type: str
    description: str
    required: bool
    secret: bool = False
    default: str | int | float | bool | None = None
    choices: tuple[str, ...] = ()


class SourceInfo(Frozen):
    """A source's entry in the catalogue."""

    short_name: str
    name: str
    description: str
    auth_methods: tuple[AuthMethod, ...]
    auth_required: bool
    auth_fields: tuple[FieldInfo, ...] = ()
    config_fields: tuple[FieldInfo, ...] = ()
    supports_continuous: bool = False
    cursor_fields: tuple[str, ...] = ()
    entity_types: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
