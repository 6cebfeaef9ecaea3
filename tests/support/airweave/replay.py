"""Recorded exchanges with the real API, and clients whose network is a function."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from weft.remote.api.client import ApiClient, open_client
from weft.remote.api.timeouts import Timeouts
from weft.remote.backend import RemoteBackend

KEY = SecretStr("k3y-canary-Zq8vR2mX71")
URL = "https://api.example.com"
QUICK = Timeouts(attempts=2, pause=0.001, looks=2, look_pause=0.001, watch=0.001, follow=0.01)
_FILE = Path(__file__).parents[2] / "fixtures" / "airweave" / "recorded.jsonl"

Answers = Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True)
class Exchange:
    """A request, and the real API's answer to it."""

    name: str
    method: str
    path: str
    sent: Any
    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    text: str | None = None

    @property
    def bare(self) -> str:
        """Return the path without its query and trailing slash."""
        return self.path.partition("?")[0].rstrip("/")

    def response(self) -> httpx.Response:
        """Build the recorded answer."""
        content = self.text if self.text is not None else json.dumps(self.body)
        headers = {"content-type": "application/json", **self.headers}
        return httpx.Response(self.status, headers=headers, content=content.encode())


def load_exchanges() -> list[Exchange]:
    """Load all exchanges, in the order in which they happened."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return [Exchange(**json.loads(line)) for line in lines]


@asynccontextmanager
async def open_scripted_client(answer: Answers) -> AsyncGenerator[ApiClient]:
    """Open a client that is answered by a function."""

    def answer_unread(request: httpx.Request) -> httpx.Response:
        # httpx reads what is made of content at once, as no answer from a network is.
        made = answer(request)
        return httpx.Response(made.status_code, headers=made.headers, stream=made.stream)

    transport = httpx.MockTransport(answer_unread)
    async with open_client(URL, KEY, timeouts=QUICK, transport=transport) as client:
        yield client


@asynccontextmanager
async def open_scripted_backend(answer: Answers) -> AsyncGenerator[RemoteBackend]:
    """Open a backend over such a client."""
    async with open_scripted_client(answer) as client:
        yield RemoteBackend(client)
