"""Callers name things by id, unique name or prefix; nothing is ever guessed."""

import uuid

import pytest

from tests.support.local.harness import COLLECTION, ORGANIZATION, LocalHarness
from weft.domain.collections import NewCollection
from weft.errors import Ambiguous, NotFound
from weft.local.resolve import find_collection, find_connection, find_job

pytestmark = pytest.mark.anyio


async def test_connection_is_found_by_id_prefix_and_name(local: LocalHarness) -> None:
    made = await local.connect(name="The Only One")
    await local.connect(name="Another One")
    for text in (
        made.id,
        made.id.upper(),
        made.id[:8],
        made.id[:13].upper(),
        "The Only One",
        " the ONLY one\n",
    ):
        assert (await find_connection(local.engine.store, ORGANIZATION, text)).id == made.id


@pytest.mark.parametrize("text", ["", " ", "abc", "%", "____", "*", "The Only", "' OR 1=1 --"])
async def test_text_that_fits_nothing_is_not_found_and_not_repeated(
    local: LocalHarness, text: str
) -> None:
    await local.connect(name="The Only One")
    store = local.engine.store
    for find, field in (
        (find_connection, "connection_id"),
        (find_job, "job_id"),
        (find_collection, "readable_collection_id"),
    ):
        with pytest.raises(NotFound) as caught:
            await find(store, ORGANIZATION, text)
        assert caught.value.field == field
        assert caught.value.hint
        assert "OR 1=1" not in str(caught.value)


async def test_unknown_id_is_not_taken_for_a_name(local: LocalHarness) -> None:
    unknown = str(uuid.uuid4())
    await local.connect(name=unknown)
    with pytest.raises(NotFound):
        await find_connection(local.engine.store, ORGANIZATION, unknown)


async def test_name_that_two_have_lists_both_ids(local: LocalHarness) -> None:
    twins = [await local.connect(name="Twin") for _ in range(2)]
    with pytest.raises(Ambiguous) as caught:
        await find_connection(local.engine.store, ORGANIZATION, "twin")
    for twin in twins:
        place = f"{twin.short_name} in {twin.readable_collection_id}"
        assert f"{twin.id} (Twin: {place})" in caught.value.message
    assert caught.value.field == "connection_id"


async def test_prefix_that_several_share_is_ambiguous(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(uuid.UUID(f"abcd1234-0000-4000-8000-{n:012d}") for n in range(10))
    monkeypatch.setattr("weft.local.backend.connections.uuid.uuid4", lambda: next(ids))
    made = [await local.connect() for _ in range(2)]
    store = local.engine.store
    with pytest.raises(Ambiguous) as caught:
        await find_connection(store, ORGANIZATION, "abcd1234")
    assert all(item.id in caught.value.message for item in made)
    assert (await find_connection(store, ORGANIZATION, made[0].id)).id == made[0].id


async def test_job_is_found_by_id_and_prefix(local: LocalHarness) -> None:
    job = await local.backend.jobs.run((await local.connect()).id)
    for text in (job.id, job.id.upper(), job.id[:8], f" {job.id} "):
        assert (await find_job(local.engine.store, ORGANIZATION, text)).id == job.id


async def test_exact_readable_id_wins_over_an_equal_name(local: LocalHarness) -> None:
    made = await local.backend.collections.create(NewCollection(name="docs", readable_id="other"))
    store = local.engine.store
    assert (await find_collection(store, ORGANIZATION, "docs")).readable_id == COLLECTION
    assert (await find_collection(store, ORGANIZATION, "other")).id == made.id
    assert (await find_collection(store, ORGANIZATION, made.id)).id == made.id
    assert (await find_collection(store, ORGANIZATION, made.id[:8])).id == made.id


async def test_collection_is_found_by_id_and_prefix_in_any_case(local: LocalHarness) -> None:
    store = local.engine.store
    made = await find_collection(store, ORGANIZATION, COLLECTION)
    for text in (made.id, made.id.upper(), made.id[:8].upper(), f" {COLLECTION}\n"):
        assert await find_collection(store, ORGANIZATION, text) == made


async def test_collection_name_that_two_have_is_ambiguous(local: LocalHarness) -> None:
    await local.create_collection("other")
    with pytest.raises(Ambiguous) as caught:
        await find_collection(local.engine.store, ORGANIZATION, "Team Docs")
    assert caught.value.field == "readable_collection_id"
    # What has one name is told apart by what callers are to give.
    for readable_id in (COLLECTION, "other"):
        assert f"{readable_id} (Team Docs)" in caught.value.message


async def test_things_of_another_organization_are_not_found(local: LocalHarness) -> None:
    made = await local.connect(name="The Only One")
    job = await local.backend.jobs.run(made.id)
    store = local.engine.store
    for find, texts in (
        (find_connection, (made.id, made.id[:8], made.name)),
        (find_job, (job.id, job.id[:8])),
        (find_collection, (COLLECTION, "Team Docs")),
    ):
        for text in texts:
            with pytest.raises(NotFound):
                await find(store, "somebody", text)


async def test_default_names_are_told_apart_by_a_number(local: LocalHarness) -> None:
    names = [(await local.connect()).name for _ in range(3)]
    assert names == ["Scripted Connection", "Scripted Connection 2", "Scripted Connection 3"]
