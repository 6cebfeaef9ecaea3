"""Reads a service's table that a person wrote, in YAML or JSON."""

import json
from functools import lru_cache
from typing import Any, ClassVar, Final, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from weft.net.urls import validate_url
from weft.sources.rest.checks import check_auth, check_headers, check_request, check_row
from weft.sources.rest.source import check_streams
from weft.sources.rest.table import Auth, Budget, NoAuth, Request, Stream

CHARS_MAX: Final = 100_000
CREDENTIALS: Final = ("password", "token", "username")
_OF_PYTHON: Final = frozenset({"load", "unproven", "feed", "gather", "prepare"})
_TAGS: Final = frozenset({"single", "pages", "token", "next_url", "str", "callable", "tuple"})


class Definition(BaseModel):
    """A service as a person describes it; see `table`.

    ``auth`` may name the credentials ``token``, ``username`` and ``password``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    auth: Auth = NoAuth()
    headers: dict[str, str] = {}
    budget: Budget | None = None
    check: Request | None = None
    streams: tuple[Stream, ...] = Field(min_length=1, max_length=50)

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return validate_url(value).rstrip("/")

    @field_validator("auth", mode="before")
    @classmethod
    def _name_token(cls, value: object) -> object:
        if value == "bearer" or value == {"kind": "bearer"}:
            return {"kind": "bearer", "field": "token"}
        return value


def read_definition(given: object) -> Definition:
    """Read a definition: an object, or YAML or JSON. Raises ValueError that names the field."""
    return _read_text(given) if isinstance(given, str) else _check(given)


# Each sync, check and listing of a connection asks for its definition several times.
@lru_cache(maxsize=16)
def _read_text(text: str) -> Definition:
    return _check(_parse(text))


def _check(found: object) -> Definition:
    if not isinstance(found, dict):
        raise ValueError("must be an object with base_url and streams")
    definition = _validate(cast("dict[str, object]", found))
    check_headers(definition.headers)
    check_auth(definition.auth, CREDENTIALS)
    if definition.check is not None:
        check_request(definition.check)
    check_streams(definition.streams)
    for number, row in enumerate(definition.streams):
        check_row(number, row, definition.streams)
    return definition


def _validate(found: dict[str, object]) -> Definition:
    streams = found.get("streams")
    rows = cast("list[object]", streams) if isinstance(streams, list) else []
    for number, row in enumerate(rows):
        names = cast("dict[str, object]", row) if isinstance(row, dict) else {}
        for name in sorted(_OF_PYTHON & names.keys()):
            raise ValueError(f"streams.{number}.{name}: only sources in Python have it")
    try:
        return Definition.model_validate(found)
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # Where several kinds are possible, the name of the kind stands among the fields.
    names = [str(part) for part in problem["loc"]]
    path = ".".join(name for name in names if name.partition("[")[0] not in _TAGS)
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {message}"


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, by which a short text can stand for gigabytes, and names that come twice.

    A date stays the text that it is, as JSON has none.
    """

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            raise ValueError(
                f"a name comes twice in what begins at line {node.start_mark.line + 1}"
            )
        return found

    def compose_node(self, parent: Any, index: Any) -> Any:
        if cast("Any", self).check_event(yaml.AliasEvent):
            raise ValueError("aliases (*name) are not allowed")
        return super().compose_node(parent, index)


def _refuse_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice in an object")
    return found


def _parse(text: str) -> object:
    if len(text) > CHARS_MAX:
        raise ValueError(f"at most {CHARS_MAX:,} characters are allowed")
    try:
        # Not all JSON is YAML: that may not be indented by tabs.
        return json.loads(text, object_pairs_hook=_refuse_twins)
    except (json.JSONDecodeError, RecursionError):
        pass
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"neither YAML nor JSON{where}") from None
