"""Sources in Airweave's JSON."""

from typing import Annotated

from pydantic import BeforeValidator

from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo, SourceInfo
from weft.wire.reading import Strings, Upstream, known_methods


class _Field(Upstream):
    name: str
    title: str | None = None
    description: str | None = None
    type: str = "string"
    required: bool = True
    is_secret: bool = False
    enum_values: Strings = ()
    default: str | int | float | bool | None = None

    def domain(self, *, secret: bool) -> FieldInfo:
        return FieldInfo(
            name=self.name,
            title=self.title or self.name,
            type=self.type,
            description=self.description or "",
            required=self.required,
            secret=secret or self.is_secret,
            default=self.default,
            choices=self.enum_values,
        )


class _Fields(Upstream):
    fields: tuple[_Field, ...] = ()


class UpstreamSource(Upstream):
    short_name: str
    name: str
    description: str | None = None
    auth_methods: Annotated[tuple[AuthMethod, ...], BeforeValidator(known_methods)] = ()
    auth_fields: _Fields | None = None
    config_fields: _Fields | None = None
    supports_continuous: bool = False
    output_entity_definitions: Strings = ()
    labels: Strings = ()
    auth_required: bool | None = None
    cursor_fields: Strings = ()

    def domain(self) -> SourceInfo:
        auth = self.auth_fields.fields if self.auth_fields else ()
        required = self.auth_required
        if required is None:
            direct_only = self.auth_methods == (AuthMethod.DIRECT,)
            required = any(field.required for field in auth) or not direct_only
        return SourceInfo(
            short_name=self.short_name,
            name=self.name,
            description=" ".join((self.description or "").split()),
            auth_methods=self.auth_methods,
            auth_required=required,
            auth_fields=tuple(field.domain(secret=True) for field in auth),
            config_fields=tuple(
                field.domain(secret=False)
                for field in (self.config_fields.fields if self.config_fields else ())
            ),
            supports_continuous=self.supports_continuous,
            cursor_fields=self.cursor_fields,
            entity_types=self.output_entity_definitions,
            labels=self.labels,
        )
