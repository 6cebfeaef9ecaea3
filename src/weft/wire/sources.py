"""Kinds of sources in Airweave's JSON, as they are sent and as they are read."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter

from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo
from weft.wire.answer import EMPTY_IS_NONE, Answer, AuthMethodName
from weft.wire.upstream import METHODS, Strings, Upstream, read, read_list


class FieldAnswer(Answer):
    """One field that a source takes."""

    name: str
    title: str
    description: Annotated[str | None, EMPTY_IS_NONE] = None
    type: str
    required: bool
    items_type: str | None = None
    feature_flag: str | None = None
    is_secret: bool = Field(default=False, validation_alias="secret")
    enum_values: Annotated[list[str] | None, EMPTY_IS_NONE] = Field(
        default=None, validation_alias="choices"
    )
    default: JsonValue = Field(default=None, description="Weft's own.")


class FieldsAnswer(Answer):
    """The fields that a source takes."""

    fields: list[FieldAnswer]


def _class_name(name: str) -> str:
    return "".join(part for part in name.title() if part.isalnum()) + "Source"


def _wrap_fields(fields: Sequence[FieldInfo]) -> dict[str, Sequence[FieldInfo]]:
    return {"fields": fields}


class SourceAnswer(Answer):
    """A kind of source."""

    name: str
    description: str | None
    auth_methods: list[AuthMethodName]
    oauth_type: str | None = None
    requires_byoc: bool = False
    auth_config_class: str | None = None
    config_class: str | None = None
    short_name: str
    class_name: Annotated[str, BeforeValidator(_class_name)] = Field(validation_alias="name")
    output_entity_definitions: list[str] = Field(validation_alias="entity_types")
    labels: list[str]
    supports_continuous: bool
    federated_search: bool = False
    supports_temporal_relevance: bool = False
    supports_access_control: bool = False
    rate_limit_level: str | None = None
    feature_flag: str | None = None
    supports_browse_tree: bool = False
    auth_fields: Annotated[FieldsAnswer, BeforeValidator(_wrap_fields)]
    config_fields: Annotated[FieldsAnswer, BeforeValidator(_wrap_fields)]
    supported_auth_providers: list[str] = Field(default_factory=list[str])
    auth_required: bool = Field(description="Weft's own: whether credentials must be given.")
    cursor_fields: list[str] = Field(description="Weft's own: for `schedule.cursor_field`.")
    checked_against: str = Field(description="Weft's own: what its tests hold it to, if told.")


class _Field(Upstream):
    name: str
    title: str | None = None
    description: str | None = None
    type: str = "string"
    required: bool = True
    items_type: str | None = None
    is_secret: bool = False
    enum_values: Strings = ()
    default: str | int | float | bool | None = None

    def to_field(self, *, secret: bool) -> FieldInfo:
        return self.to_domain(
            FieldInfo,
            title=self.title or self.name,
            description=self.description or "",
            secret=secret or self.is_secret,
            choices=self.enum_values,
        )


class _Fields(Upstream):
    fields: tuple[_Field, ...] = ()


def _known_methods(value: object) -> object:
    names = TypeAdapter(list[str]).validate_python(value or [])
    return tuple(dict.fromkeys(METHODS[name] for name in names if name in METHODS))


class UpstreamSource(Upstream):
    """A kind of source as an API describes it."""

    short_name: str
    name: str
    description: str | None = None
    auth_methods: Annotated[tuple[AuthMethod, ...], BeforeValidator(_known_methods)] = ()
    auth_fields: _Fields | None = None
    config_fields: _Fields | None = None
    supports_continuous: bool = False
    output_entity_definitions: Strings = ()
    labels: Strings = ()
    oauth_type: str | None = None
    requires_byoc: bool = False
    supported_auth_providers: Strings = ()
    federated_search: bool = False
    auth_required: bool | None = None
    cursor_fields: Strings = ()
    checked_against: Annotated[str, BeforeValidator(lambda value: value or "")] = ""

    def to_source(self) -> SourceInfo:
        auth = self.auth_fields.fields if self.auth_fields else ()
        config = self.config_fields.fields if self.config_fields else ()
        # Only Weft says whether credentials are needed; Airweave always needs some.
        is_weft = self.auth_required is not None
        return self.to_domain(
            SourceInfo,
            description=" ".join((self.description or "").split()),
            auth_required=self.auth_required is not False,
            keeps_pending=is_weft,
            auth_fields=tuple(field.to_field(secret=not is_weft) for field in auth),
            config_fields=tuple(field.to_field(secret=False) for field in config),
            entity_types=self.output_entity_definitions,
        )


def read_source(body: JsonValue) -> SourceInfo:
    """Read a kind of source. All credential fields of Airweave's count as secret: its own flag is
    false for GitHub's token.
    """
    return read(UpstreamSource, body).to_source()


def read_sources(body: JsonValue) -> list[SourceInfo]:
    """Read the catalogue."""
    return read_list(read_source, body)


class UpstreamAccount(Upstream):
    """An account at an auth provider."""

    readable_id: str
    short_name: str


def read_accounts(body: JsonValue) -> list[UpstreamAccount]:
    """Read the accounts at auth providers, whose secrets the API does not show."""
    return read_list(lambda item: read(UpstreamAccount, item), body)
