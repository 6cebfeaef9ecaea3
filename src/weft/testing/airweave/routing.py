"""The table of routes, and the request as their handlers see it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from weft.testing.airweave.answers import (
    connection_answer,
)
from weft.testing.airweave.state import Collection, Connection, Json
from weft.testing.airweave.validation import (
    read_id,
    read_part,
)
from weft.testing.airweave.world import Airweave

ModelT = TypeVar("ModelT", bound=BaseModel)


class Call:
    """One request, with the world that it is asked of."""

    def __init__(self, world: Airweave, request: Request, caller: str, body: object) -> None:
        self.world = world
        self.caller = caller
        self.body = body
        self.query = dict(request.query_params)
        self.path: dict[str, str] = request.path_params
        self.base_url = str(request.base_url).rstrip("/")

    def read_body(self, model: type[ModelT]) -> ModelT:
        return read_part(model, self.body, "body")

    def read_query(self, model: type[ModelT]) -> ModelT:
        return read_part(model, self.query, "query")

    def find_connection(self) -> Connection:
        return self.world.find_connection(self.connection_id())

    def connection_id(self) -> str:
        return read_id(self.path["connection"], "source_connection_id")

    def job_id(self) -> str:
        return read_id(self.path["job"], "job_id")

    def find_collection(self) -> Collection:
        return self.world.find_collection(self.path["collection"])

    def show(self, connection: Connection, claim_token: str | None = None) -> Json:
        return connection_answer(self.world, connection, self.base_url, claim_token=claim_token)


Handler = Callable[[Call], Awaitable[Any]]
ROUTES: list[tuple[str, str, Handler]] = []


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Register a handler."""

    def register(handler: Handler) -> Handler:
        ROUTES.append((method, path, handler))
        return handler

    return register
