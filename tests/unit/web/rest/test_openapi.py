"""Our OpenAPI document: complete, sound, and a superset of what Airweave publishes."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from weft.web.rest.openapi import openapi_document
from weft.web.rest.routes import OPERATIONS

FIXTURES = Path(__file__).parents[3] / "fixtures" / "airweave"
AIRWEAVE = json.loads((FIXTURES / "openapi_shared.json").read_text())
OURS = openapi_document("1.2.3")

# Properties of Airweave's answers that ours do not have, and why.
LEFT_OUT = {
    ("Collection", "source_connection_summaries"): "optional; would cost a query a collection",
    ("Collection", "sync_config"): "always null: what to sync to is not a collection's choice",
}
# Properties of Airweave's bodies that ours do not have, and why: unknown ones are ignored.
NOT_TAKEN = {
    ("CollectionCreate", "sync_config"): "what to sync to is not a collection's choice",
    ("FilterGroup", "conditions"): "full text has no filters; a search with one is refused",
    ("CollectionUpdate", "sync_config"): "what to sync to is not a collection's choice",
}


def resolve(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Resolve a reference, a list of one, or an optional one, to its schema."""
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for part in (schema.get("items"), *schema.get("anyOf", ())):
        if part and ("$ref" in part or "items" in part):
            return resolve(part, document)
    return schema


def missing(theirs: dict[str, Any], ours: dict[str, Any], seen: frozenset[str]) -> set[Any]:
    """Properties of their schema that ours lacks or has as null only, at any depth."""
    theirs, ours = resolve(theirs, AIRWEAVE), resolve(ours, OURS)
    name = next((n for n, s in AIRWEAVE["components"]["schemas"].items() if s is theirs), "")
    if name in seen:
        return set()
    found: set[Any] = set()
    for key, part in theirs.get("properties", {}).items():
        own = ours.get("properties", {}).get(key)
        if own is None or (own.get("type") == "null" and "properties" in resolve(part, AIRWEAVE)):
            found.add((name, key))
        else:
            found |= missing(part, own, seen | {name})
    return found


def test_every_reference_leads_somewhere() -> None:
    names = OURS["components"]["schemas"].keys()
    for reference in set(_references(OURS)):
        assert reference.removeprefix("#/components/schemas/") in names


def test_every_schema_is_a_json_schema() -> None:
    for schema in OURS["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_is_described_with_its_refusals() -> None:
    described = {
        (method.upper(), path): about
        for path, methods in OURS["paths"].items()
        for method, about in methods.items()
    }
    assert described.keys() == {(one.method, one.path) for one in OPERATIONS}
    assert len({about["operationId"] for about in described.values()}) == len(OPERATIONS)
    for about in described.values():
        assert about["summary"]
        assert {"200", "401", "403", "422", "429", "503"} <= about["responses"].keys()


@pytest.mark.parametrize("operation", AIRWEAVE["operations"])
def test_what_airweave_documents_is_there(operation: str) -> None:
    method, path = operation.split()
    theirs, ours = AIRWEAVE["operations"][operation], OURS["paths"][path][method.lower()]
    parameters = {f"{item['in']}.{item['name']}" for item in ours["parameters"]}
    assert set(theirs["parameters"]) <= parameters
    assert theirs["responses"].keys() <= ours["responses"].keys()
    answer = ours["responses"]["200"]["content"]["application/json"]["schema"]
    lacking = missing(theirs["responses"]["200"], answer, frozenset())
    assert lacking <= LEFT_OUT.keys()
    if theirs["body"]:
        body = ours["requestBody"]["content"]["application/json"]["schema"]
        assert missing(theirs["body"], body, frozenset()) <= NOT_TAKEN.keys()


def _references(part: object) -> list[str]:
    if isinstance(part, dict):
        items: dict[str, object] = part  # pyright: ignore[reportUnknownVariableType] (JSON)
        own = items.get("$ref")
        below = [found for value in items.values() for found in _references(value)]
        return [own, *below] if isinstance(own, str) else below
    if isinstance(part, list):
        values: list[object] = part  # pyright: ignore[reportUnknownVariableType] (JSON)
        return [found for value in values for found in _references(value)]
    return []
