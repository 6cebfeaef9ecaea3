"""The API admits callers by role, serves all its paths, and refuses everything else."""

import json
import logging
from typing import Any, cast

import httpx
import pytest

from tests.support.patience import wait_until
from tests.support.server.fakes import FakeBackend
from weft.domain.access.permissions import NO_CEILINGS, Ceilings, Impact
from weft.web.rest.operations import Operation
from weft.web.rest.routes import OPERATIONS, path_variants, template_of

pytestmark = pytest.mark.anyio

UNKNOWN_ID = "550e8400-e29b-41d4-a716-446655440000"
SECRET = "hunter2-hunter2"


def path_of(one: Operation) -> str:
    """A path of the operation that names nothing that exists."""
    ids = {"source_connection_id": UNKNOWN_ID, "job_id": UNKNOWN_ID}
    return one.path.format(**ids, readable_id="nothing-here", short_name="nothing-here")


async def test_every_path_answers_in_all_its_forms_alike(client: httpx.AsyncClient) -> None:
    for one in OPERATIONS:
        answers = [await client.request(one.method, form) for form in path_variants(path_of(one))]
        assert len({(answer.status_code, answer.text) for answer in answers}) == 1, one.name
        assert answers[0].status_code in (200, 404, 422), one.name
        assert answers[0].text != '{"detail":"Not Found"}', one.name


async def test_a_role_that_does_not_suffice_is_refused(api: Any) -> None:
    allowed = {
        "read": {Impact.READS},
        "write": {Impact.READS, Impact.CHANGES},
        "admin": set(Impact),
    }
    for role, impacts in allowed.items():
        async with api.client(role) as client:
            for one in OPERATIONS:
                answer = await client.request(one.method, path_of(one))
                assert (answer.status_code == 403) is (one.impact not in impacts), one.name
                if answer.status_code == 403:
                    assert role in answer.json()["detail"]


@pytest.mark.parametrize(
    ("ceilings", "named"),
    [
        (Ceilings(read_only=True), "WEFT_READ_ONLY"),
        (Ceilings(no_delete=True), "WEFT_NO_DELETE"),
        (Ceilings(toolsets={"jobs"}), "WEFT_TOOLSETS"),
    ],
)
async def test_the_operators_ceilings_hold_for_administrators(
    api: Any, ceilings: Ceilings, named: str
) -> None:
    refused = {
        "WEFT_READ_ONLY": {one.name for one in OPERATIONS if one.impact is not Impact.READS},
        "WEFT_NO_DELETE": {one.name for one in OPERATIONS if one.impact is Impact.DELETES},
        "WEFT_TOOLSETS": {one.name for one in OPERATIONS if one.toolset != "jobs"},
    }
    async with api.client(ceilings=ceilings) as client:
        for one in OPERATIONS:
            answer = await client.request(one.method, path_of(one))
            assert (answer.status_code == 403) is (one.name in refused[named]), one.name
            assert (named in answer.text) is (one.name in refused[named]), one.name


@pytest.mark.parametrize(
    ("role", "ceilings", "status"),
    [
        ("admin", NO_CEILINGS, 200),
        ("admin", Ceilings(no_delete=True), 403),
        ("write", NO_CEILINGS, 403),
    ],
)
async def test_held_deletions_are_told_and_applied_by_whoever_may_delete(
    api: Any, role: str, ceilings: Ceilings, status: int
) -> None:
    one = f"/source-connections/{await api.connection(sync_immediately=True)}"
    async with api.client() as client:
        await wait_for_syncs(client, one, 1)
        assert (await client.post(f"{one}/run?apply_deletions=true")).status_code == 409
        await client.patch(one, json={"config": {"entities": 0}})
        assert (await client.post(f"{one}/run")).status_code == 200
        await wait_for_syncs(client, one, 2)
        found = (await client.get(one)).json()
        assert (found["deletions_held"]["count"], found["entity_count"]) == (3, 3)
        assert found["deletions_held"]["names"] == ["stub-0", "stub-1", "stub-2"]
        assert [each["kind"] for each in found["attention"]] == ["deletions_held"]
        [listed] = (await client.get("/source-connections")).json()
        assert listed["attention"] == found["attention"]
        [newest, _] = (await client.get(f"{one}/jobs")).json()
        assert newest["deletions_held"] == 3
    async with api.client(role, ceilings=ceilings) as client:
        answer = await client.post(f"{one}/run?apply_deletions=true")
        assert answer.status_code == status, answer.text
        plain = await client.post(f"{one}/run?apply_deletions=false")
        assert plain.status_code in (200, 409)
    async with api.client() as client:
        await wait_for_syncs(client, one, 3)
        left = (await client.get(one)).json()
        assert left["entity_count"] == (0 if status == 200 else 3)
        kinds = [each["kind"] for each in left["attention"]]
        assert kinds == ([] if status == 200 else ["deletions_held"])


async def wait_for_syncs(client: httpx.AsyncClient, one: str, count: int) -> None:
    """Wait until the connection has had that many syncs and none is live."""

    async def have_ended() -> bool:
        jobs = (await client.get(f"{one}/jobs")).json()
        return len(jobs) == count and all(job["completed_at"] for job in jobs)

    await wait_until(have_ended)


async def test_refusals_are_heard_of_with_who_was_refused_what(api: Any) -> None:
    async with api.client("read") as client:
        await client.get("/collections")
        await client.post("/v1/collections/", json={"name": "Not allowed"})
    assert api.refused == [("read", "POST /collections")]


async def test_another_organisation_finds_nothing(api: Any) -> None:
    connection_id = await api.connection()
    async with api.client("other") as client:
        for path in ("/source-connections", "/collections"):
            assert (await client.get(path)).json() == []
        assert (await client.get("/collections/count")).json() == 0
        one = f"/source-connections/{connection_id}"
        for method, path in (
            ("GET", one),
            ("DELETE", one),
            ("POST", f"{one}/run"),
            ("GET", f"{one}/jobs"),
            ("GET", "/collections/docs"),
            ("DELETE", "/collections/docs"),
        ):
            assert (await client.request(method, path)).status_code == 404
    async with api.client() as client:
        assert (await client.get(one)).status_code == 200


@pytest.mark.parametrize("headers", [{"x-api-key": ""}, {"authorization": "Bearer wrong"}])
async def test_without_a_key_nothing_is_answered(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for one in OPERATIONS:
        answer = await client.request(one.method, path_of(one), headers=headers)
        assert answer.status_code == 401
        assert isinstance(answer.json()["detail"], str)


async def test_both_header_forms_let_in(api: Any) -> None:
    async with api.client("") as client:
        for headers in ({"x-api-key": "admin"}, {"authorization": "Bearer admin"}):
            assert (await client.get("/collections", headers=headers)).status_code == 200


async def test_unknown_paths_and_methods_are_refused_in_the_apis_form(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/v1/nothing")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    answer = await client.put(f"/source-connections/{UNKNOWN_ID}")
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert {"GET", "PATCH", "DELETE"} <= set(answer.headers["allow"].split(", "))
    answer = await client.post("/collections/docs/search/agentic", json={"query": "x"})
    assert answer.status_code == 404
    assert "search/instant" in answer.json()["detail"]


async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient) -> None:
    bodies = [
        b"",
        b"  ",
        b"{bad",
        b"[]",
        b"null",
        b'"text"',
        b'{"name": NaN}',
        b'{"name": "\\ud800 half a pair"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
    ]
    for body in bodies:
        for path in ("/source-connections", "/collections"):
            answer = await client.post(path, content=body)
            assert answer.status_code == 422, body[:20]
            (problem,) = answer.json()["detail"]
            assert problem.keys() == {"loc", "msg", "type"}
            assert problem["loc"][0] == "body"


async def test_a_wrong_query_is_named_without_its_value(client: httpx.AsyncClient) -> None:
    cases = [
        ("/collections?limit=0", "limit"),
        ("/collections?limit=1001", "limit"),
        ("/collections?skip=-1", "skip"),
        (f"/collections?skip={SECRET}", "skip"),
        ("/source-connections?limit=x", "limit"),
        (f"/source-connections/{UNKNOWN_ID}/jobs?limit=0", "limit"),
    ]
    for path, loc in cases:
        answer = await client.get(path)
        assert answer.status_code == 422, path
        assert [problem["loc"] for problem in answer.json()["detail"]] == [["query", loc]]
        assert SECRET not in answer.text


async def test_an_id_that_is_no_uuid_is_refused_and_one_in_capitals_found(api: Any) -> None:
    connection_id = await api.connection()
    async with api.client() as client:
        answer = await client.get(f"/source-connections/{SECRET}")
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["path", "source_connection_id"]
        assert SECRET not in answer.text
        # Agents may name connections by a prefix; paths may not.
        assert (await client.get(f"/source-connections/{connection_id[:8]}")).status_code == 422
        assert (await client.get(f"/source-connections/{connection_id.upper()}")).is_success


async def test_a_crash_shows_nothing_of_what_was_raised(
    api: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeBackend()
    fake.connections.crash = RuntimeError(SECRET)
    api.replaced = fake.as_backend()
    with caplog.at_level(logging.ERROR):
        async with api.client() as client:
            answer = await client.get(f"/source-connections/{UNKNOWN_ID}")
    assert answer.status_code == 500
    assert SECRET not in answer.text + caplog.text
    assert cast("str", answer.json()["detail"]).split()[2].rstrip(";") in caplog.text


async def test_requests_are_limited_and_told_how_they_stand(api: Any) -> None:
    async with api.client(per_minute=2) as client:
        first = await client.get("/collections")
        assert first.headers["ratelimit-limit"] == "2"
        assert first.headers["ratelimit-remaining"] == "1"
        assert first.headers["ratelimit-reset"].isdigit()
        await client.get("/collections")
        refused = await client.get("/collections")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert refused.headers["ratelimit-remaining"] == "0"
    assert isinstance(refused.json()["detail"], str)


async def test_a_body_that_is_too_large_is_refused_unread(client: httpx.AsyncClient) -> None:
    body = json.dumps({"name": "x" * 5_000_000})
    answer = await client.post("/collections", content=body)
    assert answer.status_code == 413
    assert isinstance(answer.json()["detail"], str)


async def test_metrics_name_templates_and_never_ids(api: Any) -> None:
    async with api.client() as client:
        await client.get(f"/v1/source-connections/{UNKNOWN_ID}/")
        await client.patch(f"/source-connections/{SECRET}")
    text = api.metrics.render(jobs={}, requests_now=0, streams_now=0)
    assert 'method="GET",route="/source-connections/{source_connection_id}"' in text
    assert 'method="PATCH",route="/source-connections/{source_connection_id}"' in text
    assert UNKNOWN_ID not in text
    assert SECRET not in text


def test_routes_have_one_name_in_all_forms() -> None:
    assert {template_of(form) for form in path_variants("/collections/count")} == {
        "/collections/count"
    }
    assert template_of("/collections/docs") == "/collections/{readable_id}"
    assert template_of("/source-connections/callback/x/y") is None
