"""Connections and collections over the HTTP API."""

from typing import Any

import anyio
import httpx
import pytest

from tests.support.server.fakes import FakeBackend
from tests.support.server.records import make_connection
from weft.domain.connections import ConnectionChange
from weft.errors import Conflict
from weft.testing.stub import StubConfig
from weft.web.rest import connections

pytestmark = pytest.mark.anyio

SECRET = "good-hunter2-hunter2"
AT_ONCE = 20
STUB = {"short_name": "stub", "readable_collection_id": "docs", "sync_immediately": False}


@pytest.mark.parametrize(
    "auth",
    [
        {"authentication": {"credentials": {"token": SECRET}}},
        {"authentication": {"direct": {"credentials": {"token": SECRET}}}},
        {"auth": {"direct": {"credentials": {"token": SECRET}}}},
        {"auth": {"direct": {"credentials": {"token": SECRET}}, "oauth_token": None}},
        {"auth": {"credentials": {"token": SECRET}}, "authentication": None},
    ],
)
async def test_credentials_are_taken_in_each_documented_form(
    client: httpx.AsyncClient, auth: dict[str, Any]
) -> None:
    body = {**STUB, "short_name": "secret_stub", **auth, "of_a_later_version": True}
    answer = await client.post("/source-connections", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["auth"]["authenticated"] is True
    assert SECRET not in answer.text
    changed = await client.patch(f"/source-connections/{answer.json()['id']}", json=auth)
    assert changed.status_code == 200
    assert SECRET not in changed.text


@pytest.mark.parametrize("auth", [{}, {"authentication": None}, {"auth": {}}])
async def test_without_credentials_a_connection_waits(
    client: httpx.AsyncClient, auth: dict[str, Any]
) -> None:
    body = {"short_name": "secret_stub", "readable_collection_id": "docs", **auth}
    made = (await client.post("/source-connections", json=body)).json()
    assert (made["status"], made["name"]) == ("pending_auth", "Secret Stub Connection")
    ran = await client.post(f"/source-connections/{made['id']}/run")
    assert ran.status_code == 409
    assert "authorize_connection" not in ran.text


async def test_connection_that_waits_is_changed_and_deleted(client: httpx.AsyncClient) -> None:
    body = {**STUB, "short_name": "secret_stub", "config": {"entities": 3}}
    made = await client.post("/source-connections", json=body | {"schedule": {"cron": "0 2 * * *"}})
    assert made.json()["schedule"]["cron"] == "0 2 * * *"
    one = f"/source-connections/{made.json()['id']}"
    changed = await client.patch(one, json={"config": {"page_size": 7}, "name": "Other name"})
    assert (changed.json()["name"], changed.json()["config"]) == ("Other name", {"page_size": 7})
    changed = await client.patch(one, json={"config": None, "schedule": None})
    answer = changed.json()
    assert answer["schedule"] is None or answer["schedule"]["cron"] is None
    assert answer["config"] == {}
    assert (await client.get(one)).json() == changed.json()
    [listed] = (await client.get("/source-connections?collection=docs")).json()
    assert (listed["name"], listed["status"]) == ("Other name", "pending_auth")
    assert (await client.delete(one)).status_code == 200
    assert (await client.get(one)).status_code == 404


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"authentication": {"tokn": SECRET}}, ["body", "authentication"]),
    ({"authentication": {"credentials": SECRET}}, ["body", "authentication", "credentials"]),
    (
        {"authentication": {"credentials": {}, "access_token": SECRET}},
        ["body", "authentication"],
    ),
    ({"auth": {"direct": {"tokn": SECRET}}}, ["body", "auth", "direct", "credentials"]),
    ({"auth": {"credentials": {}, "direct": {}}}, ["body", "auth"]),
    ({"auth": {"direct": {}}, "authentication": {"credentials": {}}}, ["body", "auth"]),
    ({"authentication": SECRET}, ["body", "authentication"]),
    ({"name": SECRET * 9}, ["body", "name"]),
    ({"schedule": {"cron": SECRET}}, ["body", "schedule", "cron"]),
    ({"schedule": SECRET}, ["body", "schedule"]),
    ({"config": {"entities": SECRET}}, ["body", "config", "entities"]),
    ({"config": {SECRET: 1}}, ["body", "config"]),
]


async def test_a_wrong_field_is_named_without_its_value(client: httpx.AsyncClient) -> None:
    for given, loc in WRONG:
        token = {} if "auth" in given else {"authentication": {"credentials": {"token": "good"}}}
        answer = await client.post("/source-connections", json=STUB | token | given)
        assert answer.status_code == 422, given
        assert answer.json()["detail"][0]["loc"][: len(loc)] == loc
        assert SECRET not in answer.text


def script_of(answer: httpx.Response) -> StubConfig:
    """The configuration with its defaults, which only Airweave stores."""
    return StubConfig.model_validate(answer.json()["config"])


async def test_a_patch_replaces_the_configuration_and_leaves_the_rest(api: Any) -> None:
    made = await api.connect({"entities": 3, "page_size": 7}, description="Kept")
    path = f"/source-connections/{made.id}"
    async with api.client() as client:
        answer = await client.patch(path, json={"config": {"entities": 4}})
        assert script_of(answer) == StubConfig(entities=4)
        assert answer.json()["description"] == "Kept"
        answer = await client.patch(path, json={"description": None, "name": "Other name"})
        assert script_of(answer) == StubConfig(entities=4)
        assert (answer.json()["description"], answer.json()["name"]) == (None, "Other name")
        answer = await client.patch(path, json={"config": None})
        assert script_of(answer) == StubConfig()


async def test_a_patch_of_nothing_or_of_other_credentials_than_direct_is_refused(api: Any) -> None:
    path = f"/source-connections/{await api.connection()}"
    async with api.client() as client:
        for body in ({}, {"unknown": 1}, {"authentication": {"access_token": SECRET}}):
            answer = await client.patch(path, json=body)
            assert answer.status_code == 422
            assert SECRET not in answer.text


async def test_a_schedule_is_set_and_removed(api: Any) -> None:
    path = f"/source-connections/{await api.connection()}"
    async with api.client() as client:
        for nothing in (None, {}, {"cron": None}, {"cron": None, "continuous": False}):
            answer = await client.patch(path, json={"schedule": {"cron": "0 2 * * *"}})
            assert answer.json()["schedule"]["cron"] == "0 2 * * *"
            assert answer.json()["schedule"]["next_run"].endswith("T02:00:00Z")
            answer = await client.patch(path, json={"schedule": nothing})
            assert (answer.status_code, answer.json()["schedule"]["cron"]) == (200, None)


async def test_a_stale_version_is_a_conflict(api: Any) -> None:
    path = f"/source-connections/{await api.connection()}"
    async with api.client() as client:
        version = (await client.get(path)).json()["version"]
        stale, now = {"expected_version": version + 1}, {"expected_version": version}
        for body in ({"name": "Fine name"}, {"config": {"entities": 1}}):
            assert (await client.patch(path, json=body | stale)).status_code == 409
        assert (await client.delete(path, params=stale)).status_code == 409
        assert (await client.delete(path, params=now)).status_code == 200


async def test_a_configuration_is_replaced_though_others_change_the_connection(api: Any) -> None:
    fake = FakeBackend()
    id_ = "550e8400-e29b-41d4-a716-446655440000"
    row = make_connection(id_, config={"a": 1}, sync_id=id_)
    fake.connections.rows[id_] = row
    refused = iter([Conflict("changed", field="expected_version")])
    plain = fake.connections.update

    async def update(connection: str, change: ConnectionChange) -> Any:
        for error in refused:
            raise error
        return await plain(connection, change)

    fake.connections.update = update
    api.replaced = fake.as_backend()
    async with api.client() as client:
        await client.patch(f"/source-connections/{id_}", json={"config": {"b": 2}})
    (change,) = fake.connections.changes
    assert change.config == {"a": None, "b": 2}
    assert change.expected_version == row.version


async def test_many_patches_at_once_are_all_done_one_after_another(api: Any) -> None:
    path = f"/source-connections/{await api.connection()}"
    answers: list[httpx.Response] = []
    bodies = [{"config": {"entities": n}} for n in range(1, AT_ONCE)] + [{"name": "Other name"}]

    async def change(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
        answers.append(await client.patch(path, json=body))

    async with api.client(slots=AT_ONCE) as client:
        async with anyio.create_task_group() as tasks:
            for body in bodies:
                tasks.start_soon(change, client, body)
        last = (await client.get(path)).json()
    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    assert last["name"] == "Other name"
    assert last["config"] == answers[-1].json()["config"]
    assert not connections._turns  # pyright: ignore[reportPrivateUsage] -- it must not grow


async def test_only_the_exact_collection_is_deleted(api: Any) -> None:
    async with api.client() as client:
        made = (await client.get("/collections/docs")).json()
        for name in (made["id"][:8], "Docs", "doc"):
            assert (await client.delete(f"/collections/{name}")).status_code == 404
            search = await client.post(f"/collections/{name}/search/instant", json={"query": "x"})
            assert search.status_code == 404
            body = {**STUB, "readable_collection_id": name}
            assert (await client.post("/source-connections", json=body)).status_code == 404
            assert (await client.get(f"/source-connections?collection={name}")).json() == []
        assert (await client.delete("/collections/docs")).json()["id"] == made["id"]


async def test_lists_are_sliced_newest_first(api: Any) -> None:
    ids = [await api.connection(name=f"Number {n}") for n in range(5)][::-1]
    async with api.client() as client:
        for skip, limit in ((0, 2), (2, 2), (4, 2), (5, 1), (0, 1000)):
            listed = await client.get(f"/source-connections?skip={skip}&limit={limit}")
            assert [item["id"] for item in listed.json()] == ids[skip : skip + limit]
        listed = await client.get("/source-connections?collection=docs&limit=1")
        assert [item["id"] for item in listed.json()] == ids[:1]


async def test_search_is_sliced_and_says_where_hits_come_from(api: Any) -> None:
    made = await api.connect({"entities": 120})
    await api.sync(made)
    async with api.client() as client:

        async def search(**body: object) -> list[Any]:
            body = {"query": "revision0", **body}
            answer = await client.post("/collections/docs/search/classic", json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()["results"]

        everything = await search(limit=1000)
        assert len({hit["entity_id"] for hit in everything}) == 120
        assert await search(offset=100, limit=15) == everything[100:115]
        assert len(await search()) == 100
        about = everything[0]["airweave_system_metadata"]
        assert (about["source_name"], about["source_connection_id"]) == ("stub", made.id)
        refused = await client.post(
            "/collections/docs/search/instant", json={"query": "x", "filter": [{"conditions": []}]}
        )
        assert refused.json()["detail"][0]["loc"] == ["body", "filter", 0]


async def test_search_is_filtered_and_refuses_what_it_cannot(api: Any) -> None:
    made = await api.connect({"entities": 5})
    await api.sync(made)
    await api.sync(await api.connect({"entities": 2}, name="Another one"))

    def where(field: str, operator: str, value: str) -> dict[str, str]:
        return {"field": field, "operator": operator, "value": value}

    is_airweave = hasattr(api.host, "place")
    system = "airweave_system_metadata"
    of_sync = where(f"{system}.sync_id", "equals", made.sync_id)
    later = where("updated_at", "greater_than_or_equal", "2026-01-01T00:00:03")
    no_page = where(f"{system}.entity_type", "equals", "page")
    async with api.client() as client:

        async def search(*conditions: object, **body: object) -> Any:
            asked = {"query": "revision0", "filter": [{"conditions": conditions}], **body}
            return await client.post("/collections/docs/search/instant", json=asked)

        found = (await search(later)).json()["results"]
        assert {hit["name"] for hit in found} == {"Note 3", "Note 4"}
        if not is_airweave:  # Lists of Airweave's connections do not name their syncs.
            found = (await search(of_sync)).json()["results"]
            syncs = [each["airweave_system_metadata"]["sync_id"] for each in found]
            assert syncs == [made.sync_id] * 5
        assert (await search(no_page)).json()["results"] == []
        of_path = await search(where("path", "matches", "*-4"), later)
        of_author = await search(where("author", "contains", "nobody"))
        if is_airweave:
            assert [each.json()["field"] for each in (of_path, of_author)] == ["path", "author"]
        else:
            [found] = of_path.json()["results"]
            assert (found["path"], found["offset"], found["strength"]) == ("stub-4", 0, "strong")
            assert found["updated_at"] == "2026-01-01T00:00:04Z"
            assert of_author.json()["results"] == []
        for refused in (
            await search(where("path", "equals", "stub-1")),
            await search(where("author", "matches", "nobody")),
            await search(later, later),
            await search(where("updated_at", "less_than", "yesterday")),
            await search(where("updated_at", "less_than", "9999-12-31T23:59:59-05:00")),
            await search(where("updated_at", "equals", "2026-01-01")),
            await search(where("name", "equals", "Note 1")),
            await search(where(f"{system}.sync_id", "equals", "unknown")),
        ):
            assert refused.status_code == 422, refused.text
            assert "filter" in refused.text
        meaning = await search(no_page, retrieval_strategy="semantic")
        expected = (200, None) if is_airweave else (400, "mode")
        assert (meaning.status_code, meaning.json().get("field")) == expected
        assert (await search(no_page, retrieval_strategy="neural")).status_code == 422


async def test_only_what_waits_for_a_person_can_be_authorised_anew(api: Any) -> None:
    path = f"/source-connections/{await api.connection()}"
    async with api.client() as client:
        answer = await client.post(f"{path}/reinitiate-oauth")
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            "Connection is already authenticated",
        )
        answer = await client.post(f"{path}/verify-oauth", json={"claim_token": SECRET})
        assert answer.status_code in (400, 403, 409)
        assert SECRET not in answer.text


async def test_a_job_is_only_cancelled_under_its_own_connection(api: Any) -> None:
    first, second = await api.connection(name="First"), await api.connection(name="Second")
    async with api.client() as client:
        job = (await client.post(f"/source-connections/{first}/run")).json()
        assert job["status"] == "pending"
        wrong = await client.post(f"/source-connections/{second}/jobs/{job['id']}/cancel")
        assert (wrong.status_code, wrong.json()["detail"]) == (404, "Sync job not found")
