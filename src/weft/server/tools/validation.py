"""Check the parameters of a request without ever repeating a value that was given.

A caller may put a secret anywhere, also where a name belongs. So error texts hold only our own
field names and what each field expects, and the name of an unknown argument if it looks like one.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from weft.domain.connections import AUTH_FORMS, METHOD_BY_FIELD, Auth
from weft.domain.text.names import SHORT_NAME_HINT, suggest
from weft.errors import InvalidInput
from weft.server.questions.missing_config import OTHER_CONFIG_NAME
from weft.server.tools.schema import compact

_PROBLEMS_SHOWN_MAX = 5
_NAME = re.compile(r"[a-z]{1,15}(?:_[a-z]{1,15}|[A-Z][a-z]{1,14}){0,3}")
_NEAR_ENOUGH = 0.78
# A method name of any other form may be a secret in the wrong place.
_METHOD = re.compile(r"[a-zA-Z]{1,20}(?:/[a-zA-Z_]{1,20}){0,2}")
_STALE_ROUND = (
    "Invalid or expired requestState: the question was put too long ago, in another call or by "
    "another process. Nothing was done; call again without requestState to be asked anew."
)
# An empty description clears it; an empty token must be refused and must not ask for a preview.
_EMPTY_SAYS_SOMETHING = ("description", "confirmation_token")
# Names that callers know from other tools or Airweave's API, each with ours: the first one that
# the tool takes.
_OTHER_NAMES = {
    "id": ("connection_id", "job_id", "entity_id", "readable_collection_id"),
    "collection": ("readable_collection_id",),
    "collection_id": ("readable_collection_id",),
    "source": ("short_name",),
    "source_type": ("short_name",),
    "authentication": ("auth",),
    "credentials": ("auth",),
    "cron": ("schedule",),
    "continuous": ("schedule",),
    "wait": ("wait_seconds",),
}

# Pydantic's texts for these types say what is expected; those of other types may quote the input.
_SAFE_TYPES = re.compile(
    r"(string|int|float|bool|dict|list|model|datetime|date)_(type|parsing|too_short|too_long|"
    r"from_float|attributes_type|pattern_mismatch|unicode|from_date_parsing|object_invalid)"
    r"|missing|greater_than(_equal)?|less_than(_equal)?|enum|literal_error|too_(short|long)"
    r"|finite_number|int_parsing_size|timezone_(naive|aware)|none_required"
)

_OBJECT_TYPES = ("model_type", "model_attributes_type", "dict_type")

_AUTH_FORMS = (
    "Give exactly one of: {direct: {credentials: {...}}}, "
    "{oauth_browser: {redirect_uri?, client_id?, client_secret?}}, "
    "{oauth_token: {access_token, refresh_token?, expires_at?}}, "
    "{auth_provider: {provider_readable_id, provider_config?}}."
)


def parse_arguments(
    model: type[BaseModel], schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Parse the arguments by name, as ``model`` types them.

    Because clients send all three, an optional argument that is null or empty counts as not given,
    an object in a JSON string is parsed, and a number is accepted for a text, as its digits.
    Raises InvalidInput for anything that does not fit.
    """
    properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {}))
    arguments = _rename_config(arguments, properties)
    _refuse_unknown(arguments, list(properties))
    given = {
        name: _parse_value(name, value, properties[name])
        for name, value in arguments.items()
        if value is not None and not (value == "" and _means_nothing(name, properties[name]))
    }
    try:
        valid = model.model_validate(given)
    except ValidationError as error:
        known = compact(model.model_json_schema(), closed=True, brief=False)["properties"]
        raise rebuild_error(error, known) from None
    return {name: getattr(valid, name) for name in model.model_fields}


def clamp_numbers(
    schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments with amounts brought within their limits, and what was changed.

    An amount is a whole number that has a default; any other, such as a version, says which thing
    is meant, so another number would be another thing.
    """
    clamped, notes = dict(arguments), list[str]()
    for name, field in schema.get("properties", {}).items():
        value = arguments.get(name)
        if type(value) is not int or field.get("type") != "integer" or "default" not in field:
            continue
        least, most = field.get("minimum", value), field.get("maximum", value)
        clamped[name] = min(max(value, least), most)
        if clamped[name] != value:
            limit = "most" if value > most else "least"
            notes.append(f"{name} was set to {clamped[name]}, the {limit} that is possible.")
    return clamped, notes


def _means_nothing(name: str, schema: Mapping[str, Any]) -> bool:
    """Return whether an empty text can only stand for "not given"."""
    optional = schema.get("type") == "string" and "minLength" not in schema
    return optional and name not in _EMPTY_SAYS_SOMETHING


def _rename_config(arguments: Mapping[str, Any], known: Iterable[str]) -> Mapping[str, Any]:
    """Rename the argument that replaces `config` in frameworks that reserve that name."""
    if "config" in known and OTHER_CONFIG_NAME in arguments and "config" not in arguments:
        return {
            "config" if name == OTHER_CONFIG_NAME else name: value
            for name, value in arguments.items()
        }
    return arguments


def rebuild_error(
    error: ValidationError, properties: Mapping[str, Mapping[str, Any]], prefix: str = ""
) -> InvalidInput:
    """Rebuild the error in our own words: dotted names of known fields, and what each expects."""
    details = error.errors(include_input=False, include_context=False, include_url=False)
    problems = list(dict.fromkeys(_problem(detail, properties, prefix) for detail in details))
    text = "; ".join(problem for _, problem in problems[:_PROBLEMS_SHOWN_MAX])
    hint = "Correct the named fields and call again."
    if any(each["type"] == "string_too_short" and each["loc"] == ("name",) for each in details):
        hint = f"{SHORT_NAME_HINT} {hint}"
    return InvalidInput(f"{text}.", field=problems[0][0] or None, hint=hint)


async def explain_refusals(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Say what is wrong with a request where the SDK does not, or would repeat a value."""
    try:
        return await call_next(ctx)
    except ValidationError as error:
        raise MCPError(code=INVALID_PARAMS, message=_describe_params_error(error)) from None
    except MCPError as error:
        code, data = error.error.code, cast("object", error.error.data)
        if data == {"reason": "invalid_request_state"}:
            raise MCPError(code=code, message=_STALE_ROUND, data=data) from None
        if code == METHOD_NOT_FOUND and not _METHOD.fullmatch(ctx.method):
            raise MCPError(code=code, message="Method not found") from None
        raise


def _describe_params_error(error: ValidationError) -> str:
    """Say which parameter of a request is wrong, and what it should be."""
    problems: list[str] = []
    for detail in error.errors(include_input=False, include_context=False, include_url=False):
        # The first level has the protocol's own names; the caller may have named those below.
        path = [part for part in detail["loc"] if part != "params"][:1]
        name = str(path[0]) if path and detail["type"] != "extra_forbidden" else "params"
        _, problem = _problem({**detail, "loc": (name,)}, {name: {}}, "")
        problems.append(problem)
    return f"{'; '.join(list(dict.fromkeys(problems))[:_PROBLEMS_SHOWN_MAX])}."


def parse_auth(value: Mapping[str, Any] | None) -> Auth | None:
    """Parse ``auth`` in Weft's tagged or Airweave's untagged form; None if not given."""
    if not value:
        return None
    tagged = _tag_auth(value)
    try:
        return Auth.model_validate(tagged)
    except ValidationError as error:
        (method,) = tagged
        failure = rebuild_error(error, {method: AUTH_FORMS[method].model_json_schema()}, "auth")
        failure.hint = _AUTH_FORMS
        raise failure from None


def _tag_auth(value: Mapping[str, Any]) -> dict[str, Any]:
    methods = [name for name in Auth.model_fields if value.get(name) is not None]
    if len(methods) == 1 and all(name in Auth.model_fields for name in value):
        return {methods[0]: value[methods[0]]}
    untagged = {
        METHOD_BY_FIELD.get(name) for name in value if name not in ("expires_at", "provider_config")
    }
    (method,) = untagged if len(untagged) == 1 else (None,)
    if methods or method is None:
        raise InvalidInput("auth has a form that is not known.", field="auth", hint=_AUTH_FORMS)
    return {method: dict(value)}


def _refuse_unknown(arguments: Iterable[str], accepted: Sequence[str]) -> None:
    unknown = [name for name in arguments if name not in accepted]
    if not unknown:
        return
    takes = f"Accepted: {', '.join(accepted)}."
    if "config" in accepted:
        takes += " A source's own fields go into config."
    meant = [name for name in _OTHER_NAMES.get(unknown[0], ()) if name in accepted]
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", unknown[0]).lower()
    near = meant[0] if meant else suggest(name, accepted, cutoff=_NEAR_ENOUGH)
    called = f"'{unknown[0]}'" if _NAME.fullmatch(unknown[0]) else "with that name"
    suggestion = f"Did you mean {near}? " if near else ""
    raise InvalidInput(f"There is no argument {called}.", hint=f"{suggestion}{takes}")


def _parse_value(name: str, value: object, schema: Mapping[str, Any]) -> object:
    if isinstance(value, bool) and schema.get("type") in ("integer", "number"):
        # Python counts True as 1, and so does pydantic.
        raise InvalidInput(f"{name}: should be a number, not true or false.", field=name)
    if type(value) is int and schema.get("type") == "string":
        return str(value)
    if not isinstance(value, str) or schema.get("type") not in ("object", "array"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _problem(
    detail: ErrorDetails, properties: Mapping[str, Mapping[str, Any]], prefix: str
) -> tuple[str, str]:
    path, accepted = _our_path(detail["loc"], properties)
    name = ".".join(part for part in (prefix, path) if part) or "arguments"
    kind = detail["type"]
    if kind == "extra_forbidden":
        return name, f"{name} has {_name_field(detail, prefix)} (accepted: {', '.join(accepted)})"
    if kind in _OBJECT_TYPES:
        fields = f" with {', '.join(accepted)}" if accepted else ""
        return name, f"{name}: should be an object{fields}"
    if kind == "missing":
        return name, f"{name} is missing"
    said = detail["msg"] if _SAFE_TYPES.fullmatch(kind) else "Is not valid"
    return name, f"{name}: {said[:1].lower()}{said[1:]}"


def _name_field(detail: ErrorDetails, prefix: str) -> str:
    """Name an unknown field, unless it may be a secret: those are given below `auth`."""
    last = detail["loc"][-1]
    plain = not prefix and isinstance(last, str) and _NAME.fullmatch(last)
    return f"no field '{last}'" if plain else "an unknown field"


def _our_path(
    loc: tuple[int | str, ...], properties: Mapping[str, Mapping[str, Any]]
) -> tuple[str, list[str]]:
    """Return the leading parts of ``loc`` that are our names, and the names one level below."""
    path: list[str] = []
    level: Mapping[str, Mapping[str, Any]] = properties
    for part in loc:
        if not isinstance(part, str) or part not in level:
            break
        path.append(part)
        level = cast("Mapping[str, Mapping[str, Any]]", level[part].get("properties", {}))
    return ".".join(path), list(level)
