"""Answers fit the server's own OpenAPI document, and Airweave's where both have a word."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi import checks

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Place
from tests.support.patience import wait_until
from weft.web.rest import routes

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[2] / "fixtures" / "airweave"
AIRWEAVE = json.loads((FIXTURES / "openapi_shared.json").read_text())
COLLECTION = "schema-docs"
EXAMPLES = 10
STUB = {
    "short_name": "stub",
    "config": {"entities": 3},
    "sync_immediately": False,
}
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
OPERATIONS = [f"{one.method} {one.path}" for one in routes.OPERATIONS]
CHECKS: list[Any] = [
    getattr(checks, name)
    for name in (
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    (place.files / "note.md").write_text("a pelican lands")
    async with http_server(place) as server, server.client() as client:
        body = {"name": "Schema Docs", "readable_id": COLLECTION}
        assert (await client.post("/collections", json=body)).status_code == 200
        yield server


async def test_the_document_is_open_to_tools_without_a_key(server: HttpServer) -> None:
    async with server.client(token="") as client:
        for path in ("/openapi.json", "/v1/openapi.json", "/openapi.json/"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert answer.json()["openapi"] == "3.1.0"


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_whatever_is_asked_the_answer_fits_the_document(
    server: HttpServer, operation: str
) -> None:
    async with server.client() as client:
        document = (await client.get("/openapi.json")).json()
        collection = (await client.post("/collections", json={"name": "Schema"})).json()
        stub = {**STUB, "readable_collection_id": collection["readable_id"]}
        made = (await client.post("/source-connections", json=stub)).json()
        job = (await client.post(f"/source-connections/{made['id']}/run")).json()
    known = {
        "source_connection_id": made["id"],
        "job_id": job["id"],
        "readable_id": collection["readable_id"],
        "short_name": "stub",
        "readable_collection_id": collection["readable_id"],
    }
    method, path = operation.split()
    schema: Any = schemathesis.openapi.from_dict(document)
    described = schema[path][method]

    @SETTINGS
    @given(case=described.as_strategy(), real=st.sampled_from([True, True, False]))
    def ask(case: Any, real: bool) -> None:
        # Made-up ids are never found: most cases name what is there.
        for given_names in (case.path_parameters, case.body) if real else ():
            if isinstance(given_names, dict):
                names: dict[str, Any] = given_names  # pyright: ignore[reportUnknownVariableType] (JSON)
                names.update({name: known[name] for name in names if name in known})
        answer = case.call(base_url=server.url, headers=server.headers)
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    await anyio.to_thread.run_sync(ask)


async def test_answers_fit_what_airweave_publishes(server: HttpServer) -> None:
    async with server.client() as client:
        collection = f"/collections/{COLLECTION}"
        body = {
            "short_name": "files",
            "readable_collection_id": COLLECTION,
            "config": {"path": str(server.place.files)},
            "schedule": {"cron": "0 2 * * *"},
        }
        one = "/source-connections/{source_connection_id}"
        made = await client.post("/source-connections", json=body)
        check_answer("POST /source-connections", made.status_code, made.json())
        path = one.format(source_connection_id=made.json()["id"])
        job = made.json()["sync"]["last_job"]["id"]
        await _wait_until_active(client, path)
        unknown = path[:-4] + "0000"
        among, search = "/collections/{readable_id}/search", {"query": "pelican"}
        calls: list[tuple[str, str, Any, int]] = [
            ("GET /sources", "/sources", None, 200),
            ("GET /sources/{short_name}", "/sources/github", None, 200),
            ("GET /sources/{short_name}", "/sources/nothing", None, 404),
            ("GET /collections", "/collections", None, 200),
            ("GET /collections", "/collections?limit=0", None, 422),
            ("POST /collections", "/collections", {"name": "Other docs"}, 200),
            ("POST /collections", "/collections", {"name": "x"}, 422),
            ("GET /collections/{readable_id}", collection, None, 200),
            ("GET /collections/{readable_id}", "/collections/nothing", None, 404),
            ("PATCH /collections/{readable_id}", collection, {"name": "New name"}, 200),
            (f"POST {among}/instant", f"{collection}/search/instant", search, 200),
            (f"POST {among}/classic", f"{collection}/search/classic", search, 200),
            ("GET /source-connections", "/source-connections", None, 200),
            (f"GET {one}", path, None, 200),
            (f"GET {one}", unknown, None, 404),
            (f"GET {one}", "/source-connections/x", None, 422),
            (f"PATCH {one}", path, {"description": "New"}, 200),
            (f"PATCH {one}", path, {}, 422),
            (f"POST {one}/run", f"{path}/run", None, 200),
            (f"POST {one}/run", f"{unknown}/run", None, 404),
            (f"GET {one}/jobs", f"{path}/jobs", None, 200),
            (f"POST {one}/jobs/{{job_id}}/cancel", f"{path}/jobs/{job}/cancel", None, 409),
            (f"DELETE {one}", path, None, 200),
            (f"DELETE {one}", path, None, 404),
        ]
        for operation, target, given_body, status in calls:
            method = operation.split()[0]
            answer = await client.request(method, target, json=given_body)
            assert answer.status_code == status, (operation, answer.text)
            check_answer(operation, status, answer.json())


async def _wait_until_active(client: httpx.AsyncClient, path: str) -> None:
    async def is_active() -> bool:
        return (await client.get(path)).json()["status"] == "active"

    await wait_until(is_active)


def check_answer(operation: str, status: int, answer: object) -> None:
    """Check that the answer is as Airweave documents it for that status."""
    schema = AIRWEAVE["operations"][operation]["responses"][str(status)]
    whole = {**schema, "components": AIRWEAVE["components"]}
    validator: Any = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.validate(answer)
