"""Notes of a remote API are kept for each API apart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.local.harness import open_harness
from weft.domain.jobs import Job, JobStatus
from weft.domain.notes import Note
from weft.local.remote_notes import RemoteNotes
from weft.remote.state.job_owners import JobOwners

pytestmark = pytest.mark.anyio

ID = "33de2036-0000-4000-8000-000000000001"


async def test_notes_of_one_id_at_two_apis_do_not_share_their_end(tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    async with open_harness(tmp_path) as harness:
        one, other = (RemoteNotes(harness.engine, f"https://{name}.example") for name in "ab")
        for notes in (one, other):
            await notes.put(Note(kind="jobs", id="0", content={"a": "b"}, expires_at=until))
        await one.drop("jobs", "0")
        found = await other.get("jobs", "0")
    assert found is not None
    assert found.content == {"a": "b"}


async def test_connection_of_a_job_is_known_after_a_restart(tmp_path: Path) -> None:
    job = Job(id=ID, source_connection_id="c1", status=JobStatus.RUNNING)
    async with open_harness(tmp_path) as harness:
        await JobOwners(RemoteNotes(harness.engine, "https://a.example")).keep([job])
    async with open_harness(tmp_path) as harness:
        owners = JobOwners(RemoteNotes(harness.engine, "https://a.example"))
        assert await owners.find(ID) == "c1"
        assert await owners.find(ID[:8]) == "c1"
        elsewhere = JobOwners(RemoteNotes(harness.engine, "https://b.example"))
        assert await elsewhere.find(ID) is None
