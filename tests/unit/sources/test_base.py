"""A source's catalogue entry is made from its class."""

from collections.abc import AsyncGenerator
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from weft.domain.base import Json
from weft.domain.connections import AuthMethod
from weft.domain.sources import FieldInfo
from weft.sources.base import ENDPOINT, MULTILINE, AnySource, Event, NoFields, Source
from weft.testing.stub import SecretStubSource, StubSource


class Options(BaseModel):
    path: str = Field(description="Where to look.")
    site: str | None = Field(default=None, json_schema_extra=ENDPOINT)
    depth: int = Field(default=3, title="How deep", description="Levels.")
    ratio: float = 0.5
    hidden: bool = False
    order: Literal["new", "old"] = "new"
    since: str | None = None
    tags: list[str] = Field(default_factory=list)


class Keys(BaseModel):
    token: SecretStr
    spare: SecretStr | None = None
    key: SecretStr | None = Field(default=None, json_schema_extra=MULTILINE)
    user: str = "me"


class Plain(Source[Options, NoFields]):
    short_name = "plain"
    name = "Plain"
    description = "A source for these tests"
    Config = Options

    async def check(self) -> str:
        return "nothing"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event, None]:
        return
        yield


class Locked(Plain):
    short_name = "locked"
    Credentials = Keys


class OptionalKeys(BaseModel):
    token: SecretStr | None = None


class Open(Plain):
    short_name = "open"
    Credentials = OptionalKeys


class Browser(Plain):
    short_name = "browser"
    auth_methods = (AuthMethod.OAUTH_BROWSER,)


def fields(found: tuple[FieldInfo, ...]) -> dict[str, FieldInfo]:
    return {field.name: field for field in found}


def test_config_fields_are_described_in_the_order_of_the_model() -> None:
    info = Plain.info()
    assert [field.name for field in info.config_fields] == list(Options.model_fields)
    found = fields(info.config_fields)
    assert (found["path"].required, found["path"].description) == (True, "Where to look.")
    assert (found["depth"].title, found["depth"].required) == ("How deep", False)


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("path", "string", None),
        ("depth", "integer", 3),
        ("ratio", "number", 0.5),
        ("hidden", "boolean", False),
        ("order", "string", "new"),
        ("since", "string", None),
        ("tags", "array", None),
    ],
)
def test_field_has_its_json_type_and_its_default(name: str, kind: str, default: Any) -> None:
    field = fields(Plain.info().config_fields)[name]
    assert (field.type, field.default) == (kind, default)
    assert type(field.default) is type(default)


def test_closed_set_of_values_is_listed() -> None:
    found = fields(Plain.info().config_fields)
    assert (found["order"].choices, found["path"].choices) == (("new", "old"), ())


def test_secret_fields_are_marked_whether_required_or_not() -> None:
    found = fields(Locked.info().auth_fields)
    secret = {name for name, field in found.items() if field.secret}
    required = {name for name, field in found.items() if field.required}
    assert (secret, required) == ({"token", "spare", "key"}, {"token"})


def test_only_declared_fields_are_marked_and_marks_are_shown_where_they_are() -> None:
    found = fields((*Locked.info().config_fields, *Locked.info().auth_fields))
    assert [name for name, field in found.items() if field.endpoint] == ["site"]
    assert [name for name, field in found.items() if field.multiline] == ["key"]
    for mark, name in (("endpoint", "site"), ("multiline", "key")):
        assert [n for n, field in found.items() if mark in field.model_dump()] == [name]
    for field in found.values():
        assert FieldInfo.model_validate_json(field.model_dump_json()) == field


@pytest.mark.parametrize(
    ("kind", "required"),
    [
        (Plain, False),
        (Open, False),
        (Locked, True),
        (Browser, True),
        (StubSource, False),
        (SecretStubSource, True),
    ],
)
def test_auth_is_required_when_a_credential_is_or_direct_is_not_offered(
    kind: type[AnySource], required: bool
) -> None:
    assert kind.info().auth_required is required


def test_source_without_network_has_no_endpoint() -> None:
    assert Plain.endpoint(Options(path="x"), {}) is None


def test_entry_repeats_what_the_class_says() -> None:
    info = StubSource.info()
    assert (info.short_name, info.name) == ("stub", "Stub")
    assert info.auth_methods == (AuthMethod.DIRECT,)
    assert (info.supports_continuous, info.cursor_fields) == (True, ("last_entity",))
    assert (info.entity_types, info.labels) == (("note",), ("testing",))
