"""No text about a sync claims more than was stored, whatever the source did."""

import os
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.client import Client

from tests.support.local.harness import LocalHarness, open_harness
from tests.support.server.fakes import text_of
from weft.cli.terminal.follow import summary
from weft.domain.connections import Connection, ConnectionChange
from weft.domain.jobs import Job, JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.server.build import build_server

EXAMPLES = int(os.environ.get("TORTURE_EXAMPLES", "25"))
SYNCS_MAX = 4

CLAIM = re.compile(r"\b(is complete(?!d)|search (can )?finds?|everything)\b", re.IGNORECASE)
COUNTED = ("inserted", "updated", "deleted", "unchanged", "skipped", "failed")


def draw_config(draw: random.Random, generation: int) -> dict[str, Any]:
    """Draw what the source does; half of it does nothing odd."""
    odd = draw.random() < 0.6
    return {
        "entities": draw.choice((0, 1, 2, 7, 12)),
        "page_size": draw.choice((3, 100)),
        "change_every": draw.choice((0, 3)),
        "generation": generation,
        "versions": draw.random() < 0.5,
        "incomplete": odd and draw.random() < 0.4,
        "failed_every": draw.choice((0, 0, 1, 2)) if odd else 0,
        "skipped_every": draw.choice((0, 0, 1, 3)) if odd else 0,
        "fail_at": draw.choice((None, None, None, 0, 1)) if odd else None,
        "error": draw.choice(("access", "crash")),
        "expire_cursor": odd and draw.random() < 0.2,
    }


async def read_texts(client: Client, connection: Connection, job: Job) -> list[str]:
    """Read what an agent, on two ways, and a person are told about the job."""
    told = await client.call_tool("get_job", {"job_id": job.id, "log_lines": 0})
    whole = await client.call_tool("get_connection", {"connection_id": connection.id})
    assert told.structured_content is not None
    assert told.structured_content.get("incomplete", False) == job.incomplete
    return [text_of(told), text_of(whole), "\n".join(summary(job))]


def check_texts(texts: list[str], job: Job, stored: int, *, had_gap: bool) -> None:
    """No text claims what the counts deny, and those about the job name each count."""
    short = stored == 0 or had_gap or job.entities_failed or job.entities_skipped
    for text in texts:
        assert not (short and CLAIM.search(text)), text
        assert not (job.status is not JobStatus.COMPLETED and CLAIM.search(text)), text
    for text in (texts[0], texts[2]):
        for name in COUNTED:
            number = getattr(job, f"entities_{name}")
            assert not number or re.search(rf"\b{number} {name}", text), (name, text)
        if job.status is JobStatus.COMPLETED:
            assert ("listing had gaps" in text) == had_gap, text
            assert not job.deletions_held or "deletions are held" in text, text
            assert job.entities_read or not job.full_sync or "it read nothing" in text, text


async def sync_and_read(harness: LocalHarness, draw: random.Random) -> None:
    await harness.create_collection()
    server = build_server(lambda _: harness.backend, version="1")
    continuous = draw.random() < 0.4
    async with Client(server) as client:
        connection = await harness.connect(
            short_name="stub",
            config=draw_config(draw, 0),
            schedule=ScheduleSpec(continuous=True) if continuous else None,
        )
        for generation in range(draw.randint(1, SYNCS_MAX)):
            config = draw_config(draw, generation)
            await harness.backend.connections.update(connection.id, ConnectionChange(config=config))
            job = await harness.run_sync(connection, force=draw.random() < 0.3)
            stored = await harness.count_entities(connection)
            assert job.entities_read <= stored or job.status is not JobStatus.COMPLETED
            had_gap = config["incomplete"] and job.status is JobStatus.COMPLETED
            texts = await read_texts(client, connection, job)
            check_texts(texts, job, stored, had_gap=had_gap)


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_no_text_claims_what_the_counts_deny(seed: int) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_harness(Path(folder)) as harness:
                await sync_and_read(harness, random.Random(seed))

    anyio.run(run)
