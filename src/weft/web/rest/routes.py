"""The API's routes: each path with and without `/v1` and a trailing slash; no redirects."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from weft.backend import Backend
from weft.domain.access.acting import acting
from weft.domain.access.permissions import Ceilings, Impact
from weft.domain.access.principals import Principal
from weft.errors import WeftError
from weft.web.gate.gate import principal_of
from weft.web.rest import collections, connections, ingest, jobs, search, sources
from weft.web.rest.error_responses import (
    error_response,
    parse_json,
    report_crash,
    validation_response,
)
from weft.web.rest.operations import ApiCall, Nothing, Operation
from weft.wire.requests import MalformedRequest, Problem, read_request

VERSION_PREFIX: Final = "/v1"
OPERATIONS: Final[tuple[Operation, ...]] = (
    *sources.OPERATIONS,
    *collections.OPERATIONS,
    *search.OPERATIONS,
    *connections.OPERATIONS,
    *jobs.OPERATIONS,
    *ingest.OPERATIONS,
)
_IDS: Final = ("source_connection_id", "job_id")
_AGENTIC: Final = (
    "/collections/{readable_id}/search/agentic",
    "/collections/{readable_id}/search/agentic/stream",
)

BackendFor = Callable[[Principal], Backend]

ObserveRefusal = Callable[[Principal, str], Awaitable[None]]
"""Called for each operation that a ceiling or a role forbids, with the principal."""


@dataclass(frozen=True, slots=True)
class _Input:
    """The parts of a request that were read before an error, for locating it."""

    query: Mapping[str, str]
    body: dict[str, Any]


def rest_routes(
    backend_for: BackendFor, ceilings: Ceilings, observe_refusal: ObserveRefusal | None = None
) -> list[BaseRoute]:
    """Build all routes of the API. Paths with a parameter come after those without."""

    async def admit(one: Operation, principal: Principal, impact: Impact) -> None:
        refusal = ceilings.refusal(impact, one.toolset, principal)
        if refusal is not None:
            if observe_refusal is not None:
                await observe_refusal(principal, f"{one.method} {one.path}")
            raise refusal

    ordered = sorted(OPERATIONS, key=lambda one: ("{" in one.path, one.path))
    routes: list[BaseRoute] = []
    for path, together in groupby(ordered, key=lambda one: one.path):
        methods = {one.method: one for one in together}
        endpoint = _build_endpoint(methods, backend_for, admit)
        routes += [Route(form, endpoint, methods=list(methods)) for form in path_variants(path)]
    routes += [
        Route(form, _refuse_agentic, methods=["POST"])
        for path in _AGENTIC
        for form in path_variants(path)
    ]
    return routes


def path_variants(path: str) -> tuple[str, ...]:
    """Return all paths under which ``path`` is served."""
    return tuple(f"{start}{path}{end}" for start in ("", VERSION_PREFIX) for end in ("", "/"))


def template_of(path: str) -> str | None:
    """Return the template that a request's path matches, for metrics and logs, or None."""
    bare = path.removeprefix(VERSION_PREFIX).rstrip("/")
    return next((name for pattern, name in _TEMPLATES if pattern.fullmatch(bare)), None)


_TEMPLATES: Final = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path)
    for path in sorted({one.path for one in OPERATIONS}, key=lambda path: ("{" in path, path))
]


def _build_endpoint(
    methods: Mapping[str, Operation],
    backend_for: BackendFor,
    admit: Callable[[Operation, Principal, Impact], Awaitable[None]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        one = methods["GET" if request.method == "HEAD" else request.method]
        given = _Input(request.query_params, {})
        try:
            principal = principal_of(request.scope)
            await admit(one, principal, one.impact)
            call = await _parse_call(one, request, given, backend_for(principal))
            await admit(one, principal, one.impact_of(call.query))
            arguments = {**call.path, **given.query, **given.body}
            # The audit records the caller and the operation, and only a digest of the arguments.
            with acting(operation=f"{one.method} {one.path}", arguments=arguments):
                answer = await one.handler(call)
            return Response(one.answer.dump_json(answer), media_type="application/json")
        except MalformedRequest as error:
            return validation_response(*error.problems)
        except WeftError as error:
            return error_response(error, given.query.keys(), given.body)
        except ClientDisconnect:
            return Response(status_code=400)  # The client is gone and will not read it.
        except Exception as error:  # noqa: BLE001 (its text, which may hold a secret, ends here)
            return report_crash(error, f"{one.method} {one.path}")

    return endpoint


async def _parse_call(
    one: Operation, request: Request, given: _Input, backend: Backend
) -> ApiCall[BaseModel, BaseModel]:
    path = {name: str(value) for name, value in request.path_params.items()}
    for name in _IDS:
        if name in path:
            path[name] = _parse_uuid(path[name], name)
    query = read_request(one.query, dict(request.query_params), "query")
    body: BaseModel = Nothing()
    if one.body is not None:
        body = await _parse_body(one, one.body, request, given)
    return ApiCall(backend, path, query, body)


async def _parse_body(
    one: Operation, model: type[BaseModel], request: Request, given: _Input
) -> BaseModel:
    raw = await request.body()
    if not raw.strip():
        if one.body_required:
            raise MalformedRequest(Problem(("body",), "Field required", "missing"))
        return model()
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise MalformedRequest(Problem(("body",), "Must be a JSON object.", "dict_type"))
    given.body.update(cast("dict[str, Any]", value))
    return read_request(model, given.body, "body")


def _parse_uuid(text: str, name: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise MalformedRequest(Problem(("path", name), "Must be a UUID.", "uuid_parsing")) from None


async def _refuse_agentic(_: Request) -> Response:
    text = "This server offers no agentic search; use search/instant."
    return JSONResponse({"detail": text}, 404)
