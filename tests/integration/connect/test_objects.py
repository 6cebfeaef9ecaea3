"""An agent that is asked to connect a bucket gets it searchable in few calls, and it stays so."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.sources import buckets
from tests.support.sources.agents import Agent, open_agent
from tests.support.sources.buckets import BUCKET, KEY_ID, SECRET, Bucket
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.objects.source import ObjectsSource
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, HttpRequest, serve

pytestmark = pytest.mark.anyio

PDF = Path(__file__).parents[2] / "fixtures" / "documents" / "report.pdf"
KEYS = {"access_key_id": KEY_ID, "secret_access_key": SECRET}


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncGenerator[Agent]:
    context = SourceContext(http=http_factory({"127.0.0.1"}, clock=NO_WAIT))
    async with open_agent(tmp_path, ObjectsSource, context=context) as opened:
        yield opened


async def test_bucket_is_searchable_in_four_calls_and_follows_its_changes(agent: Agent) -> None:
    bucket = Bucket(
        {"walrus.md": b"# The walrus\n\nIt has tusks.", "otter.txt": b"an otter"}
        | {"report.pdf": PDF.read_bytes(), "seal.txt": b"a seal", "logo.png": b"\x89PNG"},
        lambda asked: KEY_ID in asked.headers.get("authorization", ""),
    )
    async with serve(buckets.s3(bucket)) as site:
        await agent.call("get_source", short_name="objects")
        made = await agent.call(
            "create_connection",
            short_name="objects",
            config={"url": f"s3://{BUCKET}", "endpoint": site.url},
            auth={"direct": {"credentials": KEYS}},
        )
        await agent.follow()
        await agent.call("search", query="tusks")
        assert f"s3://{BUCKET}/walrus.md" in agent.answers[-1]
        assert len(agent.answers) == 4
        assert SECRET not in "".join(agent.answers)

        asked = len(site.requests)
        job = await agent.sync(made["id"])
        assert (job.entities_unchanged, job.entities_deleted) == (4, 0)
        assert [asked.path for asked in site.requests[asked:]] == [f"/{BUCKET}"]

        del bucket.objects["otter.txt"]
        bucket.objects |= {"seal.txt": b"a seal that sings", "krill.txt": b"krill"}
        job = await agent.sync(made["id"])
        counts = (job.entities_inserted, job.entities_updated, job.entities_deleted)
        assert counts == (1, 1, 1)


async def test_list_that_loses_its_objects_deletes_none(agent: Agent) -> None:
    bucket = Bucket({f"{n}.txt": b"text" for n in range(10)})
    async with serve(buckets.s3(bucket)) as site:
        made = await agent.call(
            "create_connection",
            short_name="objects",
            config={"url": f"s3://{BUCKET}", "endpoint": site.url},
        )
        await agent.follow()
        bucket.hidden = {"3.txt"}
        job = await agent.sync(made["id"])
        assert (job.entities_deleted, job.entities_unchanged) == (0, 9)
        assert "its listing had gaps" in str(job.warnings)


async def test_wrong_bucket_and_key_are_told_before_any_sync(agent: Agent) -> None:
    def handle(asked: HttpRequest) -> HttpReply:
        return buckets.s3_error(403, "SignatureDoesNotMatch")

    async with serve(handle) as site, serve(buckets.s3(Bucket({}))) as empty:
        refused = await agent.refuse(
            "create_connection",
            short_name="objects",
            config={"url": f"s3://{BUCKET}", "endpoint": site.url},
            auth={"direct": {"credentials": KEYS}},
        )
        assert "secret_access_key" in refused
        assert SECRET not in refused
        refused = await agent.refuse(
            "create_connection",
            short_name="objects",
            config={"url": "s3://another", "endpoint": empty.url},
        )
    assert "no such bucket" in refused
    assert "url" in refused


async def test_bucket_that_is_not_public_waits_for_credentials(agent: Agent) -> None:
    bucket = Bucket({"a.txt": b"a"}, lambda asked: "authorization" in asked.headers)
    async with serve(buckets.s3(bucket)) as site:
        made = await agent.call(
            "create_connection",
            short_name="objects",
            config={"url": f"s3://{BUCKET}", "endpoint": site.url},
        )
    assert made["status"] == "pending_auth"
    assert "authorize_connection" in agent.answers[-1]
