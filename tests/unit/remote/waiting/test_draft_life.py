"""A connection that waits for its credentials is like any other, until it is made."""

import pytest

from tests.support.airweave.backend import (
    STUB_AUTH,
    Place,
    make_connection,
)
from tests.support.airweave.credential_page import PAT, REPO, fill_in, show
from weft.domain.collections import NewCollection
from weft.domain.connections import ConnectionChange
from weft.errors import (
    Ambiguous,
    Conflict,
    InvalidInput,
    NotFound,
)
from weft.remote.waiting.drafts import DRAFT

pytestmark = pytest.mark.anyio


async def test_draft_outlives_the_process_and_gets_new_links(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
    async with place.open() as backend:
        assert (await backend.connections.get(draft.id)).auth.auth_url is None
        assert backend.authorization is not None
        again = await backend.authorization.begin(draft.id)
        with pytest.raises(NotFound):
            await show(backend, draft)
        assert (await fill_in(backend, again, personal_access_token=PAT)).ok


async def test_draft_is_listed_changed_found_by_name_and_deleted(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO, name="Our repo")
        listed = (await backend.connections.list(collection="docs")).items
        assert [item.id for item in listed] == [draft.id]
        assert (await backend.connections.list(short_name="notion")).items == ()
        change = ConnectionChange(name="Other repo", config={"branch": "main"})
        await backend.connections.update(draft.id, change)
        assert (await backend.connections.get("other repo")).config == {**REPO, "branch": "main"}
        with pytest.raises(Conflict) as caught:
            await backend.jobs.run(draft.id)
        assert "authorize_connection" in (caught.value.hint or "")
        await backend.connections.delete(draft.id)
        assert (await backend.connections.list()).items == ()
        with pytest.raises(NotFound):
            await show(backend, draft)
        with pytest.raises(NotFound):
            await backend.connections.get(draft.id)


async def test_draft_is_of_the_organisation_of_its_collection(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
        assert draft.organization_id == place.world.organization_id
        assert (await backend.connections.get(draft.id)).organization_id == draft.organization_id
        await fill_in(backend, draft, personal_access_token=PAT)
        made = await backend.connections.get(draft.id)
        assert made.organization_id == draft.organization_id


async def test_schedule_that_was_removed_from_a_draft_is_not_made(place: Place) -> None:
    async with place.open() as backend:
        schedule = {"cron": "0 5 * * *"}
        draft = await make_connection(backend, "github", config=REPO, schedule=schedule)
        await backend.connections.update(draft.id, ConnectionChange(schedule=None))
        await fill_in(backend, draft, personal_access_token=PAT)
        assert (await backend.connections.get(draft.id)).schedule is None


async def test_draft_counts_in_its_collection_and_goes_with_it(place: Place) -> None:
    async with place.open() as backend:
        await backend.collections.create(NewCollection(name="Others", readable_id="others"))
        draft = await make_connection(backend, "github", config=REPO)
        other = await make_connection(
            backend, "github", config=REPO, readable_collection_id="others"
        )
        assert (await backend.collections.get("docs")).connection_count == 1
        deleted = await backend.collections.delete("docs")
        assert deleted.connection_count == 1
        assert [item.id for item in (await backend.connections.list()).items] == [other.id]
        with pytest.raises(NotFound):
            await show(backend, draft)


async def test_draft_whose_collection_was_deleted_elsewhere_says_so(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
        kept = place.world.collections.pop("docs")
        assert backend.authorization is not None
        for _ in range(2):
            with pytest.raises(NotFound, match="'docs', is not there any more") as caught:
                await backend.authorization.begin(draft.id)
            assert f"delete_connection(connection_id='{draft.id}')" in (caught.value.hint or "")
            with pytest.raises(NotFound, match="'docs', is not there any more"):
                await fill_in(backend, draft, personal_access_token=PAT)
        place.world.collections["docs"] = kept
        assert (await fill_in(backend, draft, personal_access_token=PAT)).ok


async def test_config_that_the_source_does_not_know_is_not_kept_or_repeated(place: Place) -> None:
    async with place.open() as backend:
        with pytest.raises(InvalidInput) as caught:
            await make_connection(backend, "github", config={**REPO, "misplaced-canary": "x"})
        assert "canary" not in str(caught.value)
        draft = await make_connection(backend, "github", config=REPO)
        change = ConnectionChange(config={"token": "misplaced-canary"})
        with pytest.raises(InvalidInput):
            await backend.connections.update(draft.id, change)


@pytest.mark.parametrize("others", ["connection", "draft"])
async def test_name_that_a_draft_shares_is_ambiguous(place: Place, others: str) -> None:
    auth = STUB_AUTH if others == "connection" else None
    async with place.open() as backend:
        other = await make_connection(backend, "stub", auth=auth, name="Shared")
        draft = await make_connection(backend, "github", config=REPO, name="Shared")
        for act in (backend.connections.get, backend.connections.delete, backend.jobs.run):
            with pytest.raises(Ambiguous) as caught:
                await act("shared")
            assert draft.id in caught.value.message
            assert other.id in caught.value.message
        assert (await backend.connections.get(draft.id)).id == draft.id
        assert (await backend.connections.get(other.id)).id == other.id


async def test_change_of_a_draft_makes_its_earlier_version_stale(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
        changed = await backend.connections.update(draft.id, ConnectionChange(description="New"))
        assert changed.version > draft.version
        assert changed.modified_at > draft.modified_at
        with pytest.raises(Conflict):
            await backend.connections.delete(draft.id, expected_version=draft.version)


async def test_draft_that_another_version_wrote_stops_nothing_else(place: Place) -> None:
    async with place.open() as backend:
        draft = await make_connection(backend, "github", config=REPO)
        note = await place.notes.get(DRAFT, draft.id)
        assert note is not None
        await place.notes.put(note.model_copy(update={"content": {**note.content, "newer": 1}}))
        other = await make_connection(backend, "stub", auth=STUB_AUTH)
        assert [each.id for each in (await backend.connections.list()).items] == [other.id]
        with pytest.raises(NotFound):
            await backend.connections.get(draft.id)
