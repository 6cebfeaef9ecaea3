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
    assert read_definition(json.replace(",", ",\n\t")) == read_definition(GOOD)


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
        ({"auth": {"kind": "bearer", "field": "key"}}, "auth: there is no credential 'key'"),
        (
            {"auth": {"kind": "header", "name": "x-key", "value": "Key {tokn}"}},
            "auth: there is no credential 'tokn'",
        ),
        (
            {"auth": {"kind": "header", "name": "x key", "value": "{token}"}},
            "auth.name: a header's name",
        ),
        ({"headers": {"x-a": "a\nb"}}, "headers.x-a: it may hold"),
        ({"headers": {"x a": "b"}}, "headers: a header's name"),
        ({"headers": {"Authorization": "Bearer hush"}}, "headers.Authorization: a definition is"),
        ({"check": {"path": "/me?x=1"}}, "check.path: put the query into"),
        ({"budget": {"requests": 1, "seconds": float("inf")}}, "budget.seconds: "),
        ({"streams": [{**STREAM, "unstored": True}]}, "streams.0.unstored: no stream has it"),
        ({"streams": [{**STREAM, "deletes": "note"}]}, "streams.0.deletes: 'note' holds no"),
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
        ("base_url: a\nbase_url: b", "a name comes twice"),
        ('{"base_url": "a", "base_url": "b"}', "a name comes twice"),
        (
            "base_url: https://x.example\nstreams: [{name: a, path: /a, params: {b: .nan}}]",
            "streams.0.params: it holds what JSON does not have",
        ),
    ],
)
def test_text_that_is_no_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(RestApiConfig, {"definition": text}, field="config")
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "notes"}, "path: it must begin with one /"),
        ({"path": "https://x.example/notes"}, "path: it must begin with one /"),
        ({"path": "/notes/{"}, "path: a brace is not closed"),
        ({"path": "/{parent.id}/notes"}, "path: there is no value for {parent.id}"),
        ({"params": {"key": "{token}"}}, "params: there is no value for {token}"),
        ({"params": {"api_key": "hush"}}, "params.api_key: a definition is stored as it is"),
        ({"method": "POST", "body": {"accessToken": "hush"}}, "body.accessToken: a definition is"),
        ({"params": {"filter": {"a": 1}}}, "params: an object cannot be in an address"),
        ({"body": {"a": 1}}, "body: only a POST has one"),
        ({"item": "/notes/{ky}"}, "item: there is no value for {ky}"),
        ({"item": "/notes"}, "item: it must hold {key}"),
        ({"key": []}, "key: it must name a field"),
        ({"key": ""}, "key: it must name a field"),
        ({"title": "user..name"}, "title: 'user..name' is no path"),
        ({"breadcrumbs": ["{_parent.title}"]}, "breadcrumbs: '_parent.title' needs a stream"),
        ({"paging": {"kind": "pages", "total": "a", "more": "b"}}, "paging: only one of"),
        (
            {"paging": {"kind": "token", "param": "c", "at": "a", "more": "m", "last": "l"}},
            "paging:",
        ),
        (
            {
                "method": "POST",
                "body": {"page": "x"},
                "paging": {"kind": "token", "param": "page.after", "at": "next"},
            },
            "paging: the body has no place for 'page.after'",
        ),
        ({"updated": "at", "since": {"param": "s", "template": "x"}}, "since.template: it must"),
        ({"updated": "at", "since": {"param": "s", "overlap": -1}}, "since.overlap: "),
    ],
)
def test_mistake_in_a_stream_is_named_by_its_field(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        validate(RestApiConfig, {"definition": GOOD | {"streams": [STREAM | row]}}, field="config")
    assert raised.value.message.startswith(f"config.definition: streams.0.{message}")


def test_date_in_yaml_stays_the_text_that_it_is() -> None:
    yaml = "base_url: https://x.example\nstreams: [{name: a, path: /a, params: {from: 2026-01-02}}]"
    assert read_definition(yaml).streams[0].params == {"from": "2026-01-02"}
