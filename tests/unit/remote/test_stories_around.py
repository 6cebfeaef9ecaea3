"""The recorded story of what is around connections, told through Weft; see `test_stories`.

Weft gets on with the surprises of these routes, and repeats none of their texts.
"""

import pytest

from tests.support.airweave.backend import STUB_AUTH, Place, make_connection, wait_until_synced
from tests.support.airweave.scenarios import Step, load_scenario, open_http
from weft.domain.jobs import JobStatus
from weft.errors import NotFound, NotPermitted
from weft.remote.api.refusals import ApiAnswer, build_error

pytestmark = pytest.mark.anyio

REFUSED = [step for step in load_scenario("around") if step.status >= 400]
FOREIGN = ("Auth0", "connection attempts", "Example organization", "StubSource", "zzz", "SOURCE_")


async def test_job_is_followed_to_its_end_though_its_events_have_none(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH)
        job = (await backend.jobs.list(made.id)).items[0]
        seen = [state.status async for state in backend.jobs.watch(job.id)]
    assert seen[-1] is JobStatus.COMPLETED
    assert [asked for asked in place.world.asked if "/sync/job/" in asked]


async def test_unknown_job_is_unknown_though_its_events_are_connected(place: Place) -> None:
    async with place.open() as backend:
        with pytest.raises(NotFound):
            _ = [
                state async for state in backend.jobs.watch("00000000-0000-0000-0000-000000000000")
            ]


async def test_entities_are_counted_as_the_route_for_counts_does(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH)
        await wait_until_synced(place.world, made.id)
        found = await backend.connections.get(made.id)
    async with open_http(place.world) as http:
        headers = {"x-api-key": place.world.key}
        path = f"/entity-counts/syncs/{found.sync_id}/total-count"
        answer = await http.get(path, headers=headers)
    assert found.entities.total_entities == answer.json() > 0


async def test_plan_that_is_used_up_is_told_with_its_numbers(place: Place) -> None:
    place.world.max_connections = 1
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH)
        with pytest.raises(NotPermitted, match="1 of 1") as caught:
            await make_connection(backend, "stub", auth=STUB_AUTH, name="Another")
        assert "Delete" in (caught.value.hint or "")
        await backend.connections.delete(made.id)
        await make_connection(backend, "stub", auth=STUB_AUTH, name="Another")


async def test_unpaid_plan_is_told_as_the_operators_matter(place: Place) -> None:
    place.world.payment_status = "past_due"
    async with place.open() as backend:
        with pytest.raises(NotPermitted, match="past_due") as caught:
            await make_connection(backend, "stub", auth=STUB_AUTH)
    assert "operator" in (caught.value.hint or "")


@pytest.mark.parametrize("step", REFUSED, ids=lambda step: step.name)
def test_refusal_is_told_in_our_words(step: Step) -> None:
    error = build_error(ApiAnswer(status=step.status, body=step.body))
    said = f"{error.message} {error.hint}"
    assert not [text for text in FOREIGN if text in said]
    assert "does not know why" not in said


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("020_source_rate_limits", "does not have this feature"),
        ("021_source_rate_limit_set", "lets only people do this"),
        ("037_api_keys_by_key", "lets only people do this"),
        ("034_connect_session_404", "No collection has that id"),
    ],
)
def test_refusal_that_is_not_about_the_key_does_not_blame_it(name: str, told: str) -> None:
    (step,) = [step for step in REFUSED if step.name.endswith(name)]
    error = build_error(ApiAnswer(status=step.status, body=step.body))
    assert told in error.message
    assert "WEFT_API_KEY" not in f"{error.message} {error.hint}"
