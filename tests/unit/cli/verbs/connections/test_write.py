"""Creating and changing connections from what was typed."""

import json
from typing import Any

import pytest

from tests.support.cli import CRM, make_job
from tests.support.terminal import Terminal
from weft.cli.terminal.values import parse_config
from weft.domain.connections import ConnectionChange, NewConnection
from weft.domain.jobs import JobStatus
from weft.domain.previews import Preview, UnmatchedPattern
from weft.errors import Conflict, InvalidInput

CREATE_CRM = ("connections", "create", "crm", "--collection", "docs", "--config", "site=eu")
CREATE_NOTES = ("connections", "create", "notes", "--collection", "docs", "--config", "path=/n")


def find_created(terminal: Terminal) -> NewConnection:
    (new,) = terminal.backend.calls_of("connections.create")
    return new


def find_change(terminal: Terminal) -> ConnectionChange:
    ((_, change),) = terminal.backend.calls_of("connections.update")
    return change


def test_connection_without_a_collection_goes_into_the_default_one(terminal: Terminal) -> None:
    terminal.backend.first_job = make_job(JobStatus.COMPLETED)
    terminal.backend.script = [make_job(JobStatus.COMPLETED)]
    result = terminal.run("connections", "create", "notes", "--config", "path=/n")
    assert result.exit_code == 0
    assert find_created(terminal).readable_collection_id == "default"


def test_connection_is_moved_to_another_collection(terminal: Terminal) -> None:
    result = terminal.run("connections", "update", "My notes", "--collection", "archive")
    assert result.exit_code == 0
    change = find_change(terminal)
    assert change.model_fields_set == {"readable_collection_id"}
    assert change.readable_collection_id == "archive"


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("site=a=b", {"site": "a=b"}),
        ("max_items=12", {"max_items": 12}),
        ("ratio=0.5", {"ratio": 0.5}),
        ("archived=No", {"archived": False}),
        ("tags=a, b,", {"tags": ["a", "b"]}),
        ('tags=["a,b"]', {"tags": ["a,b"]}),
        ("tags=*.{md,txt},{a,{b,c}}", {"tags": ["*.{md,txt}", "{a,{b,c}}"]}),
        ("tags={a,b", {"tags": ["{a", "b"]}),
        ('extra={"k": 1}', {"extra": {"k": 1}}),
    ],
)
def test_config_value_gets_the_type_of_its_field(pair: str, expected: dict[str, Any]) -> None:
    assert parse_config(CRM, [pair]) == expected


PREVIEW = Preview(
    by_type={"file": 2},
    whole=True,
    stored=3,
    would_delete=1,
    unmatched=(UnmatchedPattern(field="include", pattern="doc/**", untrusted_near="docs"),),
    untrusted_names=("a.md", "b\x1b[31m.md"),
    untrusted_doomed=("old.md",),
)
CREATED = (*CREATE_NOTES, "--no-wait")


@pytest.mark.parametrize(
    "call",
    [
        CREATED,
        ("connections", "update", "con-1", "--config", "path=/n"),
        ("connections", "check", "con-1"),
    ],
)
def test_preview_is_printed_for_people_without_control_characters(
    terminal: Terminal, call: tuple[str, ...]
) -> None:
    terminal.backend.preview = PREVIEW
    result = terminal.run(*call)
    shown = result.stdout + result.stderr
    assert "Matching now, by name: 2 (file 2)." in shown
    assert "A full sync would delete 1 of 3 stored." in shown
    assert "First: a.md, b" in shown
    assert "Would go: old.md" in shown
    assert "warning: config.include: 'doc/**' fits nothing that is read." in shown
    assert "did you mean 'docs'?" in shown
    assert "\x1b" not in shown


def test_preview_is_part_of_the_json_of_a_created_connection(terminal: Terminal) -> None:
    terminal.backend.preview = PREVIEW
    terminal.backend.first_job = make_job(JobStatus.COMPLETED)
    terminal.backend.script = [make_job(JobStatus.COMPLETED)]
    result = terminal.run(*CREATE_NOTES, "--json")
    assert json.loads(result.stdout)["preview"]["would_delete"] == 1


def test_repeated_array_values_add_up() -> None:
    assert parse_config(CRM, ["tags=a", "tags=b"]) == {"tags": ["a", "b"]}


def test_pairs_win_over_json_and_unset_keys_are_null() -> None:
    config = parse_config(CRM, ["site=x"], '{"site": "y", "ratio": 1}', unset=["tags"])
    assert config == {"site": "x", "ratio": 1, "tags": None}


@pytest.mark.parametrize(
    ("pair", "named"),
    [
        ("max_items=many-s3cret", "config.max_items"),
        ("ratio=s3cret", "config.ratio"),
        ("archived=s3cret", "config.archived"),
        ("tags=[s3cret", "config.tags"),
        ("extra=s3cret", "config.extra"),
        ("siet=s3cret", "site"),
        ("pin=s3cret", "config.pin"),
        ("s3cret", "key=value"),
    ],
)
def test_bad_config_names_the_field_and_not_the_value(pair: str, named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_config(CRM, [pair])
    assert named in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_single_value_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than once"):
        parse_config(CRM, ["site=a", "site=b"])


def test_source_without_credentials_asks_for_none(terminal: Terminal) -> None:
    result = terminal.run(*CREATE_NOTES, "--name", "Notes", "--schedule", "0 2 * * *")
    assert result.exit_code == 0
    new = find_created(terminal)
    assert new.auth is None
    assert new.config == {"path": "/n"}
    assert new.schedule is not None
    assert new.schedule.model_dump(exclude_unset=True) == {"cron": "0 2 * * *"}
    assert new.sync_immediately is None


def test_credentials_are_asked_for_without_showing_the_secret(terminal: Terminal) -> None:
    result = terminal.run(*CREATE_CRM, "--no-sync", typed="k3y-value\neu-west\n")
    auth = find_created(terminal).auth
    assert auth is not None
    assert auth.direct is not None
    assert auth.direct.credentials == {"api_key": "k3y-value", "region": "eu-west"}
    assert "k3y-value" not in result.output
    assert find_created(terminal).sync_immediately is False


def test_optional_credential_left_empty_is_left_out(terminal: Terminal) -> None:
    terminal.run(*CREATE_CRM, typed="k3y-value\n\n")
    auth = find_created(terminal).auth
    assert auth is not None
    assert auth.direct is not None
    assert auth.direct.credentials == {"api_key": "k3y-value"}


def test_needed_credentials_without_anyone_to_ask_are_an_error(terminal: Terminal) -> None:
    result = terminal.run(*CREATE_CRM)
    assert result.exit_code == 2
    assert "--credentials-stdin" in result.stderr
    assert terminal.backend.calls_of("connections.create") == []


def test_credentials_are_read_from_standard_input(terminal: Terminal) -> None:
    terminal.run(*CREATE_CRM, "--credentials-stdin", typed='{"api_key": "k"}')
    auth = find_created(terminal).auth
    assert auth is not None
    assert auth.direct is not None
    assert auth.direct.credentials == {"api_key": "k"}


def test_malformed_credentials_are_not_repeated(terminal: Terminal) -> None:
    result = terminal.run(*CREATE_CRM, "--credentials-stdin", typed='{"api_key": k3y-value}')
    assert result.exit_code == 2
    assert "k3y" not in result.output


def test_no_option_takes_a_credential_on_the_command_line(terminal: Terminal) -> None:
    result = terminal.run(*CREATE_CRM, "--config", "api_key=k3y-value")
    assert result.exit_code == 2
    assert "k3y-value" not in result.output


def test_missing_collection_is_created_after_a_yes(terminal: Terminal) -> None:
    result = terminal.run(
        "connections", "create", "notes", "--collection", "news", "--config", "path=/n", typed="\n"
    )
    assert result.exit_code == 0
    assert [new.readable_id for new in terminal.backend.calls_of("collections.create")] == ["news"]
    assert find_created(terminal).readable_collection_id == "news"


def test_missing_collection_is_not_created_without_a_word(terminal: Terminal) -> None:
    result = terminal.run("connections", "create", "notes", "--collection", "dcos")
    assert result.exit_code == 2
    assert "--create-collection" in result.stderr
    assert terminal.backend.calls == []


def test_impossible_collection_is_refused_before_anything_is_asked(terminal: Terminal) -> None:
    result = terminal.run("connections", "create", "crm", "--collection", "gh", typed="y\nk3y\n")
    assert result.exit_code == 2
    assert "No collection can be made from 'gh'" in result.stderr
    assert "Create it" not in result.stderr


def test_collection_made_for_a_connection_that_is_refused_goes_again(terminal: Terminal) -> None:
    terminal.backend.refusal = Conflict("It is refused.")
    result = terminal.run("connections", "create", "notes", "--config", "path=/n")
    assert result.exit_code != 0
    assert terminal.backend.calls_of("collections.discard") == ["default"]


def test_cron_that_does_not_do_what_it_looks_like_is_told(terminal: Terminal) -> None:
    result = terminal.run("connections", "update", "My notes", "--schedule", "*/90 * * * *")
    assert result.exit_code == 0
    assert "Note: " in result.stderr
    assert "only while a Weft process is open" in result.stderr


def test_collection_may_be_named_by_its_name(terminal: Terminal) -> None:
    terminal.run("connections", "create", "notes", "--collection", "Docs")
    assert find_created(terminal).readable_collection_id == "docs"


def test_first_sync_is_followed_and_its_failure_is_the_exit_code(terminal: Terminal) -> None:
    terminal.backend.first_job = make_job()
    terminal.backend.script = [make_job(JobStatus.RUNNING), make_job(JobStatus.FAILED)]
    terminal.people = False
    result = terminal.run(*CREATE_NOTES)
    assert result.exit_code == 1
    # Not what create answered, but how the connection stands after its first sync.
    assert json.loads(result.stdout)["name"] == "My notes"


def test_update_sends_only_what_was_given(terminal: Terminal) -> None:
    terminal.run("connections", "update", "My notes", "--description", "New", "--unset", "path")
    assert find_change(terminal).model_dump(exclude_unset=True) == {
        "description": "New",
        "config": {"path": None},
    }


def test_schedule_is_removed_with_an_explicit_null(terminal: Terminal) -> None:
    terminal.run("connections", "update", "My notes", "--no-schedule", "--expected-version", "1")
    assert find_change(terminal).model_dump(exclude_unset=True) == {
        "schedule": None,
        "expected_version": 1,
    }


def test_update_without_a_change_is_refused(terminal: Terminal) -> None:
    result = terminal.run("connections", "update", "My notes")
    assert result.exit_code == 2
    assert "Nothing to change" in result.stderr


def test_contradicting_schedule_options_are_refused(terminal: Terminal) -> None:
    result = terminal.run(
        "connections", "update", "My notes", "--no-schedule", "--schedule", "0 2 * * *"
    )
    assert result.exit_code == 2


def test_credentials_for_a_source_that_takes_none_are_refused(terminal: Terminal) -> None:
    result = terminal.run("connections", "update", "My notes", "--credentials-stdin", typed="{}")
    assert result.exit_code == 2
    assert "takes no credentials" in result.stderr
