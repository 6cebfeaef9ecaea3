"""The OpenAPI document of the HTTP API, generated from its operations.

Everyone who reaches the server may read it: it is the same on every Weft of one version, so it
reveals nothing about this one, and tools that read it often cannot send a key.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from weft.domain.connections import Auth
from weft.web.rest.operations import Operation
from weft.web.rest.routes import OPERATIONS, path_variants
from weft.wire.answer import ErrorAnswer, ValidationAnswer

OPENAPI_PATH: Final = "/openapi.json"
OPENAPI_PATHS: Final = frozenset(path_variants(OPENAPI_PATH))

_REF: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_UUIDS: Final = ("source_connection_id", "job_id")
_COMMON: Final = (401, 403, 422, 429, 503)
_METHODS: Final = ("direct", "oauth_token", "oauth_browser", "auth_provider")
_DESCRIPTION: Final = (
    "Airweave's API for sources, collections and source connections, served by Weft. Every path "
    "also answers under `/v1` and with a trailing slash. Send the key as `x-api-key` or as "
    "`Authorization: Bearer`. Fields described as Weft's own are not Airweave's."
)


def openapi_routes(version: str) -> list[BaseRoute]:
    """Build the routes that serve the document."""

    async def answer(_: Request) -> Response:
        return Response(_document_bytes(version), media_type=_JSON)

    handler: Callable[[Request], Awaitable[Response]] = answer
    return [Route(path, handler, methods=["GET"]) for path in sorted(OPENAPI_PATHS)]


def openapi_document(version: str) -> dict[str, Any]:
    """Build the document (OpenAPI 3.1)."""
    schemas, components = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    _describe_auth(components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Weft", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}, {"url": "/v1"}],
        "security": [{"ApiKeyAuth": []}, {"BearerAuth": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "BearerAuth": {"type": "http", "scheme": "bearer"},
            },
        },
    }


@lru_cache(maxsize=1)
def _document_bytes(version: str) -> bytes:
    return json.dumps(openapi_document(version)).encode()


_Schemas = dict[str, dict[str, Any]]


def _schemas() -> tuple[_Schemas, _Schemas]:
    """Return the schemas of answers and bodies by key, and the components that they refer to."""
    inputs: list[tuple[str, Any, TypeAdapter[Any]]] = [
        ("auth", "validation", TypeAdapter(Auth)),
        ("error", "serialization", TypeAdapter(ErrorAnswer)),
        ("problems", "serialization", TypeAdapter(ValidationAnswer)),
    ]
    for one in OPERATIONS:
        inputs.append((f"{one.name}.answer", "serialization", one.answer))
        if one.body is not None:
            inputs.append((f"{one.name}.body", "validation", TypeAdapter(one.body)))
    found, rest = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    return {key: schema for (key, _), schema in found.items()}, rest.get("$defs", {})


def _operation(one: Operation, schemas: _Schemas) -> dict[str, Any]:
    errors = sorted({*_COMMON, *one.statuses, *((413,) if one.body else ())})
    about: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.toolset],
        "summary": one.summary,
        "parameters": [*_path_parameters(one.path), *_query_parameters(one.query)],
        "responses": {
            "200": _response("Done.", schemas[f"{one.name}.answer"]),
            **{str(status): _error_response(status, schemas) for status in errors},
        },
    }
    if one.body is not None:
        about["requestBody"] = {
            "required": one.body_required,
            "content": {_JSON: {"schema": schemas[f"{one.name}.body"]}},
        }
    return about


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        schema = {"type": "string"} | ({"format": "uuid"} if name in _UUIDS else {})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: type[BaseModel]) -> Iterable[dict[str, Any]]:
    for name, schema in query.model_json_schema().get("properties", {}).items():
        # A query parameter can be omitted, but not null.
        choices = [part for part in schema.pop("anyOf", ()) if part.get("type") != "null"]
        if choices:
            schema |= choices[0]
            schema.pop("default", None)
        yield {"name": name, "in": "query", "required": False, "schema": schema}


def _error_response(status: int, schemas: _Schemas) -> dict[str, Any]:
    response = _response(
        HTTPStatus(status).phrase, schemas["problems" if status == 422 else "error"]
    )
    if status in (429, 503):
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait.",
                "schema": {"type": "integer", "minimum": 0},
            }
        }
    return response


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _describe_auth(components: _Schemas) -> None:
    """Describe the forms of authentication: the models accept any object and check it later."""
    tagged = components["Auth"]
    for name, choice in tagged["properties"].items():
        (form,) = [part for part in choice["anyOf"] if "$ref" in part]
        tagged["properties"][name] = form
    tagged |= {"minProperties": 1, "maxProperties": 1}
    untagged = [tagged["properties"][name] for name in _METHODS]
    both = [*untagged, {"$ref": _REF.format(model="Auth")}, {"type": "null"}]
    for body in ("CreateConnectionBody", "UpdateConnectionBody"):
        for field in ("authentication", "auth"):
            components[body]["properties"][field] = {"anyOf": both}
