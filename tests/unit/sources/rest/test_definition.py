"""A table that a person writes is read, or refused with the field that is wrong."""

from typing import Any

import pytest

from weft.errors import InvalidInput
from weft.local.validate import validate
from weft.sources.rest.definition import read_definition
from weft.sources.rest.rest_api import RestApiConfig

GOOD: dict[str, Any] = {
    "base_url": "https://api.example.org/v1",
    "streams": [{"name": "note", "path": "/notes"}],
}


def test_yaml_json_and_objects_are_read_alike() -> None:
    yaml = "base_url: https://api.example.org/v1\nstreams: [{name: note, path: /notes}]"
    json = '{"base_url": "https://api.example.org/v1", "streams":[{"name":"note","path":"/notes"}]}'
    assert read_definition(yaml) == read_definition(json) == read_definition(GOOD)


STREAM = {"name": "note", "path": "/notes"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_url": "ftp://x"}, "base_url: it is not an http or https URL"),
        ({"base_url": "https://u:p@x.example"}, "base_url: it may hold no user name"),
        ({"strems": []}, "strems: "),
        ({"streams": []}, "streams: "),
        ({"streams": [{"path": "/notes"}]}, "streams.0.name: "),
        ({"streams": [STREAM, STREAM]}, "streams.1.name: 'note' is taken"),
        ({"streams": [{**STREAM, "parent": "x"}]}, "streams.0.parent: there is no stream 'x'"),
        ({"streams": [{**STREAM, "parent": "note"}]}, "streams.0.parent: 'note' must come before"),
        ({"streams": [{**STREAM, "path": "/notes?a=1"}]}, "streams.0.path: put the query into"),
        ({"streams": [{**STREAM, "titel": "x"}]}, "streams.0.titel: "),
        ({"streams": [{**STREAM, "load": "x"}]}, "streams.0.load"),
        ({"streams": [{**STREAM, "since": {"param": "s"}}]}, "streams.0.updated: 'since' needs"),
        ({"streams": [{**STREAM, "paging": {"kind": "leaf"}}]}, "streams.0.paging: "),
        (
            {"streams": [{**STREAM, "paging": {"kind": "pages", "size": 0}}]},
            "streams.0.paging.size",
        ),
        ({"auth": {"kind": "basic"}}, "auth.basic.user: "),
    ],
)
def test_mistake_is_named_by_its_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(RestApiConfig, {"definition": GOOD | change}, field="config")
    assert raised.value.message.startswith(f"config.definition: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "neither YAML nor JSON at line"),
        ("- 1\n- 2", "must be an object"),
        ("a: &a [x]\nb: *a", "aliases (*name) are not allowed"),
        ("!!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
        ("[" * 5_000, "neither YAML nor JSON"),
        ("a" * 100_001, "at most 100,000 characters"),
    ],
)
def test_text_that_is_no_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(RestApiConfig, {"definition": text}, field="config")
    assert message in raised.value.message
