"""`objects` against servers that others wrote: moto, which verifies signatures, and Google's."""

import json
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.optional import install_python_with
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import AuthenticationFailed, SourceMisconfigured
from weft.net.client import http_factory
from weft.sources.base import Complete, SourceContext
from weft.sources.objects.gcs import open_gcs
from weft.sources.objects.s3 import open_s3
from weft.sources.objects.source import ObjectsSource
from weft.testing.source_contract import SourceCase, events_of

pytestmark = pytest.mark.anyio

PACKAGES = (
    "moto[s3]==5.2.5",
    "flask==3.1.3",
    "flask-cors==6.0.5",
    "gcp-storage-emulator==2026.7.19",
)
PROGRAM = Path(__file__).parents[1] / "support" / "process" / "bucket_servers.py"
OBJECTS = {
    "a": "one letter",
    "docs/": "",
    "docs/a b+c.md": "# Guide",
    "docs//twice.txt": "two slashes",
    "docs/\xfcber%20'(x)*!~.txt": "signs",
    "q?a=1&b#.txt": "a query",
}


class PagedObjects(ObjectsSource):
    """The source, with small pages."""

    page_size = 2


@pytest.fixture(scope="module")
def told() -> Generator[dict[str, str]]:
    """Start the servers; return what they say of themselves."""
    python = install_python_with(PACKAGES, "buckets")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [python, str(PROGRAM)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True, **pipes) as servers:
        assert servers.stdin
        assert servers.stdout
        servers.stdin.write(f"{json.dumps(OBJECTS)}\n")
        servers.stdin.flush()
        line = servers.stdout.readline()
        assert line, "the servers did not start"
        yield json.loads(line)
        servers.stdin.close()


def case_at(endpoint: str, credentials: Mapping[str, str], **config: str) -> SourceCase:
    context = SourceContext(http=http_factory({"127.0.0.1"}))
    given: Json = {"endpoint": endpoint, **config}
    return SourceCase(PagedObjects, given, context, credentials=dict(credentials))


def key_of(told: dict[str, str]) -> dict[str, str]:
    return {name: told[name] for name in ("access_key_id", "secret_access_key")}


async def read_texts(case: SourceCase) -> dict[str, str]:
    events = await events_of(case.make())
    assert isinstance(events[-1], Complete)
    return {event.id: event.text for event in events if isinstance(event, Entity)}


async def test_real_servers_give_all_objects_of_all_pages(told: dict[str, str]) -> None:
    wanted = {key: text for key, text in OBJECTS.items() if text}
    s3 = case_at(told["s3"], key_of(told), url="s3://notes", region="eu-west-1")
    assert await read_texts(s3) == wanted
    assert await read_texts(case_at(told["gcs"], {}, url="gs://notes")) == wanted
    folder = case_at(told["s3"], key_of(told), url="s3://notes/docs", region="eu-west-1")
    assert (await read_texts(folder)).keys() == {key for key in wanted if key.startswith("docs/")}


async def test_real_server_refuses_another_key_and_secret(told: dict[str, str]) -> None:
    for name, other in (("secret_access_key", "other"), ("access_key_id", "AKIAOTHER")):
        case = case_at(told["s3"], key_of(told) | {name: other}, url="s3://notes")
        with pytest.raises(AuthenticationFailed, match=name):
            await case.make().check()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_real_server_has_no_such_bucket(told: dict[str, str], scheme: str) -> None:
    endpoint, key = (told["s3"], key_of(told)) if scheme == "s3" else (told["gcs"], {})
    with pytest.raises(SourceMisconfigured, match="no such bucket"):
        await case_at(endpoint, key, url=f"{scheme}://another").make().check()


async def test_real_servers_tell_what_is_there_and_what_is_gone(told: dict[str, str]) -> None:
    s3 = case_at(told["s3"], key_of(told), url="s3://notes").make()
    gcs = case_at(told["gcs"], {}, url="gs://notes").make()
    for source, opened in ((s3, open_s3), (gcs, open_gcs)):
        async with opened(source.context.http, source.config, source.credentials) as store:
            there = {key: await store.has(key.encode()) for key in (*OBJECTS, "docs/gone.txt")}
        assert [key for key, found in there.items() if not found and OBJECTS.get(key)] == []
        assert not there["docs/gone.txt"]
