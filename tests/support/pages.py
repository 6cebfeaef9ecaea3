"""A browser at the pages, links that answer as told, and a reader of what is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
from starlette.applications import Starlette

from weft.backend import AuthSessions
from weft.domain.authorizations import AuthOutcome, ConsentStart, CredentialForm
from weft.domain.base import Json
from weft.domain.sources import FieldInfo
from weft.errors import NotFound, WeftError
from weft.web.gate.gate import Gate, guard
from weft.web.gate.hosts import build_host_rules
from weft.web.gate.limits import Rates, Slots
from weft.web.gate.metrics import Metrics
from weft.web.pages.routes import PageSettings, page_of, page_routes

URL = "http://127.0.0.1:8765"
LINK = "/authorize/t0k3n"
START = "/source-connections/authorize/t0k3n"
CALLBACK = "/source-connections/callback"
SECRET = "canary-6fd1e0b2"


def info(name: str, kind: str = "string", **given: Any) -> FieldInfo:
    given.setdefault("required", False)
    title = name.replace("_", " ").capitalize()
    return FieldInfo(name=name, title=title, type=kind, description=f"About {name}.", **given)


FIELDS = (
    info("token", required=True, secret=True),
    info("user"),
    info("limit", "integer", default=100),
    info("region", choices=("eu", "us"), default="eu"),
    info("sandbox", "boolean", default=True),
    info("private_key", secret=True, multiline=True),
    info("extra", "object"),
)


def build_form(name: str = "My notes", source: str = "Notes", **given: Any) -> CredentialForm:
    given = {"endpoint": "https://api.notes.example", "fields": FIELDS, **given}
    return CredentialForm(connection_id="c1", connection_name=name, source_name=source, **given)


@dataclass
class Sessions(AuthSessions):
    """Answers links as told, and records their use."""

    shows: CredentialForm = field(default_factory=build_form)
    ends: AuthOutcome | WeftError = field(
        default_factory=lambda: AuthOutcome(
            ok=True, message="It works.", connection_name="My notes"
        )
    )
    begins: ConsentStart | WeftError = field(
        default_factory=lambda: ConsentStart(
            url="https://provider.example/consent?state=s1", browser="b-secret"
        )
    )
    given: list[Json] = field(default_factory=list[Json])
    started: int = 0
    called_back: list[tuple[dict[str, str], str | None]] = field(
        default_factory=list[tuple[dict[str, str], str | None]]
    )

    async def form(self, token: str) -> CredentialForm:
        if token != "t0k3n":
            raise NotFound("No link has that token.")
        return self.shows

    async def submit(self, token: str, values: Json) -> AuthOutcome:
        self.given.append(values)
        return self._end()

    async def start(self, token: str) -> ConsentStart:
        self.started += 1
        if token != "t0k3n":
            raise NotFound("No link has that token.")
        if isinstance(self.begins, WeftError):
            raise self.begins
        return self.begins

    async def callback(self, params: Mapping[str, str], browser: str | None) -> AuthOutcome:
        self.called_back.append((dict(params), browser))
        return self._end()

    def _end(self) -> AuthOutcome:
        if isinstance(self.ends, WeftError):
            raise self.ends
        return self.ends


class Page(HTMLParser):
    """The elements of a page by their ids and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def element(self, name: str) -> dict[str, str | None]:
        return next(attrs for _, attrs in self.elements if attrs.get("name") == name)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for each, attrs in self.elements if each == tag]


def open_browser(
    sessions: Sessions, *, base: str = URL, rates: int = 1000, metrics: Metrics | None = None
) -> httpx.AsyncClient:
    settings = PageSettings(base, rates=Rates(rates))
    gate = Gate(
        hosts=build_host_rules("127.0.0.1", ["weft.example"], []),
        authenticators=(),
        open_paths=frozenset(),
        stream_paths=frozenset(),
        known_paths=frozenset(),
        requests=Slots(10),
        streams=Slots(0),
        rates=Rates(1000),
        metrics=metrics or Metrics(),
        page_of=page_of,
    )
    app = guard(Starlette(routes=page_routes(sessions, settings)), gate)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)


async def read_proof(client: httpx.AsyncClient, path: str = LINK) -> str:
    page = Page((await client.get(path)).text)
    return page.element("proof")["value"] or ""


async def fill_in(client: httpx.AsyncClient, **values: str) -> httpx.Response:
    """Fill in the form in a browser and send it."""
    entries = {f"entry.{name}": text for name, text in values.items()}
    return await client.post(LINK, data={"proof": await read_proof(client), **entries})
