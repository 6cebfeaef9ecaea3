"""The report on a database file: true, harmless, and able to look at damage."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.store.bench import ORGANIZATION, Bench, entity, open_bench
from weft.domain.reading.ways import FOLDER
from weft.local.store.sqlite.file.queries import migrations
from weft.local.store.sqlite.report import WayReport, report
from weft.local.store.vectors import PACKAGED, Vector
from weft.local.vault.envelope import new_data_key
from weft.local.vault.keys import MasterKey

pytestmark = pytest.mark.anyio

NEWEST = max(number for number, _ in migrations())


async def test_absent_file_is_reported_and_not_created(tmp_path: Path) -> None:
    found = await report(tmp_path / "weft.db")
    assert (found.exists, found.problems) == (False, ())
    assert (found.schema_version, found.schema_version_expected) == (0, NEWEST)
    assert (await report(tmp_path / "weft.db")).exists is False


async def test_report_counts_what_there_is(bench: Bench) -> None:
    made, doomed = await bench.connection(), await bench.connection("other-docs")
    await bench.list_all(made, entity("a"), entity("b", kind="page"))
    await bench.list_all(doomed, entity("c"), entity("d"), entity("e"))
    await bench.store.trash.delete_connection(ORGANIZATION, doomed.id)
    await bench.queue(made)
    found = await report(bench.path)
    assert found.exists
    assert found.problems == ()
    assert (found.collections, found.connections) == (2, 1)
    assert (found.jobs, found.live_jobs) == (2, 1)
    assert (found.entities, found.awaiting_cleanup) == (2, 3)
    assert found.schema_version == NEWEST
    assert found.size_bytes >= bench.path.stat().st_size > 0
    assert found.sqlite_version.startswith("3.")


async def test_ways_to_embed_are_counted(bench: Bench) -> None:
    made, other = await bench.connection(), await bench.connection("other-docs")
    await bench.list_all(made, entity("a"), entity("b"))
    await bench.list_all(other, entity("c"))
    [moved] = await bench.store.collections.find(ORGANIZATION, "other-docs")
    await bench.store.vectors.set_way(moved, FOLDER)
    await bench.store.vectors.use_models({PACKAGED: "m"})
    [first, *_] = await bench.store.vectors.take([PACKAGED], 10)
    await bench.store.vectors.put("m", {first.ticket: Vector(b"\x01" * 8, b"\x01" * 64)})
    assert (await report(bench.path)).ways == (
        WayReport(way=FOLDER, model=None, collections=1, embedded=0, total=1),
        WayReport(way=PACKAGED, model="m", collections=1, embedded=1, total=2),
    )


async def test_what_can_be_restored_no_more_awaits_cleanup(bench: Bench) -> None:
    late, kept = await bench.connection(), await bench.connection()
    for each in (late, kept):
        await bench.list_all(each, entity("a"))
    bench.clock.now = datetime.now(UTC) - timedelta(days=2)
    for each, days in ((late, 1), (kept, 3)):
        keep_for = timedelta(days=days)
        await bench.store.trash.delete_connection(ORGANIZATION, each.id, keep_for=keep_for)
    found = await report(bench.path)
    assert (found.restorable, found.awaiting_cleanup) == (1, 1)


async def test_connections_whose_key_is_gone_are_named_until_they_wait_for_it(bench: Bench) -> None:
    made = await bench.connection()
    kept = await bench.connection("other-docs")
    master = MasterKey.generate()
    key, _ = new_data_key(master, ORGANIZATION, kept.id)
    await bench.store.data_keys.add(key)
    with closing(cast("Any", apsw).Connection(str(bench.path))) as db:
        db.execute("UPDATE any_connection SET credentials = 'v1.0123456789abcdef.n.c'")
        db.execute(
            "UPDATE any_connection SET credentials = ? WHERE id = ?", (f"v1.{key.kid}.n.c", kept.id)
        )
        (problem,) = (await report(bench.path)).problems
        assert made.id in problem
        assert kept.id not in problem
        assert "`weft connections authorize ID`" in problem
        db.execute("UPDATE any_connection SET state = 'needs_reauth'")
    assert (await report(bench.path)).problems == ()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM embedding WHERE no = 1",
        "DELETE FROM entity_vector WHERE no = 1",
        "DELETE FROM entity WHERE no = 1",
        "INSERT INTO entity_vector VALUES (2, 1, x'00')",
        "INSERT INTO entity_vector VALUES (7, 1, x'00')",
    ],
)
async def test_vectors_that_do_not_fit_are_a_problem(bench: Bench, damage: str) -> None:
    await bench.list_all(await bench.connection(), entity("a"), entity("b"))
    await bench.store.vectors.use_models({PACKAGED: "model"})
    [first, _] = await bench.store.vectors.take([PACKAGED], 2)
    assert await bench.store.vectors.put("model", {first.ticket: Vector(b"\0" * 8, b"\0" * 64)})
    assert (await report(bench.path)).problems == ()
    bench.rows(damage)
    [problem] = (await report(bench.path)).problems
    assert "do not fit" in problem


async def test_report_changes_nothing(bench: Bench) -> None:
    await bench.list_all(await bench.connection(), entity("a"))
    before = await bench.store.wait_for_change(0, 0)
    await report(bench.path)
    assert await bench.store.wait_for_change(0, 0) == before


@pytest.mark.parametrize(("version", "way_out"), [(999, "upgrade Weft"), (1, "weft serve")])
async def test_schema_of_another_version_is_a_problem_with_a_way_out(
    tmp_path: Path, version: int, way_out: str
) -> None:
    path = tmp_path / "weft.db"
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        db.execute(f"PRAGMA user_version = {version}")
    found = await report(path)
    assert found.schema_version == version
    (problem,) = found.problems
    assert str(version) in problem
    assert way_out in problem


async def test_file_that_is_no_database_is_a_problem_and_not_an_error(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    path.write_bytes(b"something else " * 500)
    found = await report(path)
    assert found.exists
    assert any("damaged" in problem for problem in found.problems)


async def test_damaged_page_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    async with open_bench(path) as bench:
        made = await bench.connection()
        await bench.list_all(made, *(entity(f"e{n}", "word " * 200) for n in range(50)))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 3 * 4096] = b"\xff" * (3 * 4096)
    path.write_bytes(content)
    assert (await report(path)).problems
