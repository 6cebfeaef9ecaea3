"""What a stream's own functions add to its records: before they are judged, and when they load."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar

import httpx
import pytest

from tests.support.sources.rest import FakeService
from weft.document.model import Unreadable
from weft.domain.entities import Entity
from weft.errors import RateLimited, WeftError
from weft.net.client import http_factory
from weft.sources.base import Complete, NoFields, Skipped, SourceContext, Unchanged
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import NoAuth, Record, Stream
from weft.sources.rest.values import find
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve
from weft.testing.source_contract import SourceCase, events_of

pytestmark = pytest.mark.anyio


async def load(source: "Papers", record: Record) -> Record:
    if record["id"] == 3:
        raise Unreadable("a picture")
    content = await source.api.download(f"/papers/{record['id']}/text", what="a paper")
    return {**record, "_text": content.decode()}


async def name_folders(source: "Papers", records: Sequence[Record]) -> Sequence[Record]:
    return [{**record, "_folder": f"folder {record['folder']}"} for record in records]


class Papers(RestSource[NoFields, NoFields]):
    """Papers in folders, of which folder 9 is not wanted."""

    short_name = "papers"
    name = "Papers"
    description = "Papers in folders."
    Config = NoFields
    base_url = "https://papers.example"
    auth = NoAuth()
    waits: ClassVar[list[float]] = []
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="paper",
            path="/papers",
            prepare=name_folders,
            wanted=lambda record: record["_folder"] != "folder 9",
            item="/papers/{key}",
            version="changed",
            load=load,
            unproven="folder",
            text="_text",
            breadcrumbs=("_folder",),
        ),
    )

    @staticmethod
    async def sleep(seconds: float) -> None:
        Papers.waits.append(seconds)

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        if response.status_code == 403 and find(answer, "why") == "too fast":
            return RateLimited("Too fast.", retry_after=7)
        return None


class FakePapers(FakeService):
    text = "Tea."
    refusals = 0

    def __call__(self, request: HttpRequest) -> HttpReply:
        if not request.path.endswith("/text"):
            return super().__call__(request)
        if self.refusals:
            self.refusals -= 1
            return as_json({"why": "too fast"}, 403)
        return HttpReply(200, self.text.encode())


@pytest.fixture
def papers() -> FakePapers:
    rows = [{"id": n, "folder": folder, "changed": "v1"} for n, folder in ((1, 1), (2, 9), (3, 1))]
    return FakePapers("number", {"/papers": rows}, header="host", cap=9)


@pytest.fixture
async def case(papers: FakePapers) -> AsyncGenerator[SourceCase]:
    Papers.waits.clear()
    async with serve(papers) as site:
        papers.token = f"127.0.0.1:{site.port}"
        context = SourceContext(
            http=http_factory({"127.0.0.1"}, clock=NO_WAIT), options={"papers_api_url": site.url}
        )
        yield SourceCase(Papers, {}, context)


def entity_in(events: Sequence[Any]) -> Entity:
    [found] = [each for each in events if isinstance(each, Entity)]
    return found


async def test_records_are_judged_by_what_was_added_to_them(case: SourceCase) -> None:
    events = await events_of(case.make())
    assert entity_in(events).breadcrumbs == ("folder 1",)
    assert not [each for each in events if getattr(each, "id", "") == "paper:2"]
    # One that is missing is judged by the same, when it is asked for by itself.
    again = await events_of(case.make(stored={"paper:1", "paper:2"}))
    assert isinstance(again[-1], Complete)


async def test_record_without_anything_to_store_is_skipped_for_its_reason(
    case: SourceCase,
) -> None:
    assert Skipped("paper:3", "a picture") in await events_of(case.make())


async def test_version_counts_once_its_content_was_the_same_twice(
    case: SourceCase, papers: FakePapers
) -> None:
    papers.text = "Sign in."
    lie = entity_in(await events_of(case.make()))
    papers.text = "Tea."
    version = lie.version
    for _ in range(2):
        found = entity_in(await events_of(case.make(known={"paper:1": version or ""})))
        assert found.text == "Tea."
        version = found.version
    assert version == "v1"
    assert Unchanged("paper:1") in await events_of(case.make(known={"paper:1": version}))


async def test_download_waits_as_long_as_the_service_says_in_its_own_way(
    case: SourceCase, papers: FakePapers
) -> None:
    papers.refusals = 2
    assert entity_in(await events_of(case.make())).text == "Tea."
    assert Papers.waits == [7, 7]
