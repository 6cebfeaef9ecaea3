"""Rate at which sources read: records of a service, beside plain paging and dlt; documents."""

import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import httpx

from bench.table import Row
from weft.document.model import Unreadable
from weft.document.read import is_document, parse_file
from weft.domain.entities import Entity
from weft.net.client import http_factory
from weft.sources.base import NoFields, SourceContext
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import NextUrl, NoAuth, Stream

RECORDS = 20_000
ROUNDS = 5
DOCUMENT_ROUNDS = 3
START_SECONDS = 60
RECORDS_TARGET = 20_000
DOCUMENTS_TARGET = 20
HOST = "127.0.0.1"
DOCUMENTS = Path(__file__).parents[1] / "tests" / "fixtures" / "documents"

Rates = dict[str, list[float]]


class TicketSource(RestSource[NoFields, NoFields]):
    """The service of `page_server`."""

    short_name = "tickets"
    name = "Tickets"
    description = "Tickets of a server that the bench runs."
    Config = NoFields
    base_url = "https://tickets.example"
    auth = NoAuth()
    streams = (
        Stream(
            name="ticket",
            path="/tickets",
            records="items",
            paging=NextUrl(at="next"),
            title="title",
            text="body",
            updated="updated_at",
            author="author.name",
            metadata={"labels": "labels[].name"},
        ),
    )


async def rows() -> list[Row]:
    """Measure all in turn, in CPU time of this process, so that other load matters little."""
    rates: Rates = defaultdict(list)
    with _serve_pages() as url:
        for _ in range(ROUNDS):
            await _measure(rates, "plain", lambda: _read_plainly(url))
            await _measure(rates, "RestSource", lambda: _read_by_source(url))
            if find_spec("dlt"):
                await _measure(rates, "dlt", lambda: _read_by_dlt(url))
    own, plain = median(rates["RestSource"]), median(rates["plain"])
    detail = f"{plain:,.0f} by httpx alone"
    if rates["dlt"]:
        detail += f", {median(rates['dlt']):,.0f} by dlt's rest_api"
    documents, names = _measure_documents()
    return [
        Row(
            "records of a service", own, RECORDS_TARGET, at_most=False, unit="/CPU s", detail=detail
        ),
        Row("records of a service, beside httpx alone", own / plain),
        Row(
            "documents",
            documents,
            DOCUMENTS_TARGET,
            at_most=False,
            unit="/CPU s",
            detail=f"{names} of all kinds",
        ),
    ]


async def _measure(rates: Rates, what: str, read: Callable[[], Awaitable[int]]) -> None:
    start = process_time()
    count = await read()
    rates[what].append(count / (process_time() - start))
    assert count == RECORDS, (what, count)


async def _read_plainly(url: str) -> int:
    count, path = 0, "/tickets"
    async with httpx.AsyncClient(base_url=url) as client:
        while path:
            page: dict[str, Any] = (await client.get(path)).json()
            count, path = count + len(page["items"]), page["next"]
    return count


async def _read_by_source(url: str) -> int:
    context = SourceContext(http=http_factory({HOST}), options={"tickets_api_url": url})
    source = TicketSource(NoFields(), NoFields(), context)
    return sum([isinstance(event, Entity) async for event in source.fetch(None)])


async def _read_by_dlt(url: str) -> int:
    rest: Any = import_module("dlt.sources.helpers.rest_client")
    paginators: Any = import_module("dlt.sources.helpers.rest_client.paginators")
    client = rest.RESTClient(
        base_url=url, paginator=paginators.JSONLinkPaginator(next_url_path="next")
    )
    return sum(len(page) for page in client.paginate("/tickets", data_selector="items"))


def _measure_documents() -> tuple[float, int]:
    """Return the rate, and the number of documents; what they weigh differs, so all count."""
    files = [path for path in sorted(DOCUMENTS.iterdir()) if is_document(path.name)]
    contents = [(path.name, path.read_bytes()) for path in files]
    start = process_time()
    for _ in range(DOCUMENT_ROUNDS):
        for name, content in contents:
            try:
                parse_file(name, content)
            except Unreadable:
                # Some are locked or scanned, which must be found out too.
                continue
    return DOCUMENT_ROUNDS * len(contents) / (process_time() - start), len(contents)


@contextmanager
def _serve_pages() -> Generator[str]:
    with closing(socket.create_server((HOST, 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bench.page_server", str(port), str(RECORDS)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    url = f"http://{HOST}:{port}"
    try:
        _wait_for(url)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            httpx.get(f"{url}/tickets")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server of pages did not start")
