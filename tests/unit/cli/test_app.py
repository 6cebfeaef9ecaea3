"""The output of each verb, for people and for programs."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest
from click.shell_completion import ShellComplete

from tests.support.cli import NOW, make_collection, make_connection, make_failed_job, make_job
from tests.support.server.content import FakeTrash
from tests.support.terminal import Terminal
from weft.cli.app import cli, main
from weft.domain.connections import ConnectionStatus, SyncSummary
from weft.domain.jobs import JobStatus
from weft.domain.reading.search import SEARCH_LIMIT_MAX, SearchCopy, SearchHit, Strength


def test_sources_are_a_table_for_people(terminal: Terminal) -> None:
    result = terminal.run("sources")
    assert result.exit_code == 0
    assert "crm" in result.stdout
    assert "api_key; site" in result.stdout


def test_sources_are_found_by_words(terminal: Terminal) -> None:
    found = json.loads(terminal.run("sources", "my", "accounts", "--json").stdout)
    assert [item["short_name"] for item in found["items"]] == ["crm"]


def test_sources_are_one_json_document_in_a_pipe(terminal: Terminal) -> None:
    terminal.people = False
    document = json.loads(terminal.run("sources").stdout)
    assert [item["short_name"] for item in document["items"]] == ["crm", "notes"]


def test_json_can_be_asked_for_on_a_terminal(terminal: Terminal) -> None:
    assert json.loads(terminal.run("sources", "crm", "--json").stdout)["short_name"] == "crm"


def test_source_shows_which_fields_are_required_and_secret(terminal: Terminal) -> None:
    output = terminal.run("sources", "crm").stdout
    assert any("site" in line and "required" in line for line in output.splitlines())
    assert any("api_key" in line and "secret" in line for line in output.splitlines())


def test_expected_error_is_one_line_with_hint_and_usage_exit_code(terminal: Terminal) -> None:
    result = terminal.run("sources", "nope")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert (
        result.stderr == "error: No source fits that. Did you mean notes? Or export to a folder.\n"
    )


def test_error_is_a_json_object_when_json_was_asked_for(terminal: Terminal) -> None:
    result = terminal.run("connections", "show", "nope", "--json")
    error = json.loads(result.stderr)["error"]
    assert (error["type"], error["field"], error["hint"]) == (
        "NotFound",
        "connection",
        "List them.",
    )
    assert result.exit_code == 2


def test_bare_connections_lists_them(terminal: Terminal) -> None:
    output = terminal.run("connections").stdout
    assert "My notes" in output
    assert "1,234" in output
    assert "never" in output


def test_connections_options_reach_the_list_without_its_name(terminal: Terminal) -> None:
    terminal.run(
        *("connections", "--collection", "docs", "--status", "active", "--needs-attention")
    )
    (filters,) = terminal.backend.calls_of("connections.list")
    assert filters["collection"] == "docs"
    assert filters["status"] is ConnectionStatus.ACTIVE
    assert filters["needs_attention"] is True


def test_no_connection_that_fits_is_not_no_connection_at_all(terminal: Terminal) -> None:
    terminal.backend.known = {}
    assert "No connections. `weft" in terminal.run("connections").stdout
    assert terminal.run("connections", "--needs-attention").stdout == "No connection fits.\n"


def test_job_is_shown_with_as_much_log_as_is_asked_for(terminal: Terminal) -> None:
    terminal.backend.script = [make_job(JobStatus.COMPLETED)]
    assert "Listed" in terminal.run("jobs", "show", "job-1").stdout
    assert "Listed" not in terminal.run("jobs", "show", "job-1", "--log", "0").stdout
    assert terminal.run("jobs", "show", "job-1", "--log", "201").exit_code == 2


def test_names_cannot_steer_the_terminal(terminal: Terminal) -> None:
    hostile = make_connection(name="bad\x1b]0;title\x07\u202e [red]name[/red]")
    terminal.backend.known = {"con-1": hostile}
    output = terminal.run("connections").stdout
    assert "\x1b]0" not in output
    assert "\u202e" not in output
    assert "[red]" in output


def test_show_tells_problem_and_last_counts(terminal: Terminal) -> None:
    broken = make_connection(
        status=ConnectionStatus.NEEDS_REAUTH,
        error_message="Token refused.",
        sync=SyncSummary(total_runs=4, failed_runs=1, last_job=make_failed_job()),
    )
    terminal.backend.known = {"x": broken}
    output = terminal.run("connections", "show", "x").stdout
    assert "Token refused." in output
    assert "needs_reauth" in output
    assert "3 inserted" in output


def test_failed_check_exits_with_one(terminal: Terminal) -> None:
    result = terminal.run("connections", "check", "My notes")
    assert result.exit_code == 1
    assert "problem: The folder is gone." in result.stdout


def test_delete_shows_what_goes_and_asks(terminal: Terminal) -> None:
    result = terminal.run("connections", "delete", "My notes", typed="y\n")
    assert "1,234 entities" in result.stderr
    assert terminal.backend.calls_of("connections.delete") == [("con-1", 1)]
    assert "Deleted 'My notes'" in result.stdout


def test_delete_says_how_it_is_undone_and_restore_does_so(terminal: Terminal) -> None:
    result = terminal.run("connections", "delete", "My notes", typed="\n")
    assert "There is no undo." in result.stderr
    trash, gone = terminal.backend.trash, make_connection(restorable_until=NOW)
    assert isinstance(trash, FakeTrash)
    trash.hours = 72
    result = terminal.run("connections", "delete", "My notes", typed="\n")
    assert "`weft restore` can undo it until 20" in result.stderr
    result = terminal.run("collections", "delete", "docs", "--permanently", typed="\n")
    assert "'My notes'" in result.stderr
    assert "There is no undo." in result.stderr
    assert terminal.run("restore").stdout == "Nothing can be restored.\n"
    trash.connections = [gone]
    assert gone.id in terminal.run("restore").stdout
    restored = terminal.run("restore", gone.name).stdout
    assert restored.startswith("Restored 1 connection.\n- 'My notes' with 1,234 entities")
    assert terminal.run("restore", gone.name).exit_code == 2


def test_delete_declined_changes_nothing(terminal: Terminal) -> None:
    result = terminal.run("connections", "delete", "My notes", typed="\n")
    assert result.exit_code == 1
    assert terminal.backend.calls_of("connections.delete") == []


def test_delete_without_anyone_to_ask_is_refused(terminal: Terminal) -> None:
    result = terminal.run("connections", "delete", "My notes")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert terminal.backend.calls_of("connections.delete") == []


def test_delete_with_yes_asks_nothing(terminal: Terminal) -> None:
    assert terminal.run("collections", "delete", "docs", "--yes").exit_code == 0
    assert terminal.backend.calls_of("collections.delete") == ["id-docs"]


def test_collection_is_renamed(terminal: Terminal) -> None:
    result = terminal.run("collections", "rename", "docs", "Team wiki")
    assert result.exit_code == 0
    assert "The collection 'docs' is now 'Team wiki'." in result.output
    assert terminal.backend.calls_of("collections.update") == [("docs", "Team wiki")]


def test_long_lists_are_collected_over_pages(terminal: Terminal) -> None:
    terminal.backend.existing = [make_collection(f"c{number}") for number in range(250)]
    document = json.loads(terminal.run("collections", "--limit", "230", "--json").stdout)
    assert len(document["items"]) == 230
    assert document["next_cursor"] == "230"


def test_collection_is_created_with_the_given_id(terminal: Terminal) -> None:
    result = terminal.run("collections", "create", "My docs", "--id", "my-docs")
    (new,) = terminal.backend.calls_of("collections.create")
    assert (new.name, new.readable_id) == ("My docs", "my-docs")
    assert "my-docs" in result.stdout


def test_jobs_take_a_connection_name_without_a_subcommand(terminal: Terminal) -> None:
    terminal.backend.script = [make_job(JobStatus.COMPLETED, entities_inserted=7)]
    result = terminal.run("jobs", "My notes", "--status", "completed")
    ((name, filters),) = terminal.backend.calls_of("jobs.list")
    assert name == "My notes"
    assert filters["status"] is JobStatus.COMPLETED
    assert "7 inserted" in result.stdout


def test_job_shows_log_and_the_command_that_mends_it(terminal: Terminal) -> None:
    terminal.backend.script = [make_failed_job()]
    output = terminal.run("jobs", "show", "job-1").stdout
    assert "Listed" in output
    assert "\x1b[31m" not in output
    assert "weft connections update con-1 --credentials" in " ".join(output.split())


def test_job_json_has_log_and_diagnosis(terminal: Terminal) -> None:
    terminal.backend.script = [make_failed_job()]
    document = json.loads(terminal.run("jobs", "show", "job-1", "--json").stdout)
    assert document["diagnosis"]["category"] == "api_key_invalid"
    assert document["log"][0]["level"] == "INFO"


def test_completed_job_shows_what_it_left_undone(terminal: Terminal) -> None:
    terminal.backend.script = [make_job(JobStatus.COMPLETED, incomplete=True)]
    said = "its listing had gaps, so there may be more than it saw"
    assert said in " ".join(terminal.run("jobs", "show", "job-1").stdout.split())
    document = json.loads(terminal.run("jobs", "show", "job-1", "--json").stdout)
    assert {"kind": "gaps", "message": said} in document["warnings"]


def test_cancelled_job_is_reported(terminal: Terminal) -> None:
    result = terminal.run("jobs", "cancel", "job-1")
    assert terminal.backend.calls_of("jobs.cancel") == ["job-1"]
    assert "CANCELLING" in result.stdout


def test_search_joins_the_words(terminal: Terminal) -> None:
    terminal.backend.hits = (
        SearchHit(
            entity_id="e1",
            connection_id="con-1",
            connection_name="My notes",
            type="note",
            title="A title",
            snippet="found \x1b[2Jhere",
            path="notes/a.md",
            updated_at=datetime(2026, 5, 2, tzinfo=UTC),
            strength=Strength.STRONG,
            copies=(SearchCopy(entity_id="e2", title="A copy"),),
            score=1.0,
        ),
    )
    options = ("--type", "note", "--since", "2026-05-01", "--mode", "words", "--path", "notes/")
    result = terminal.run("search", "docs", "two", "words", *options, "--author", "Ada")
    (query,) = terminal.backend.calls_of("search")
    assert (query.query, query.entity_type, query.mode) == ("two words", "note", "words")
    assert (query.path, query.author) == ("notes/", "Ada")
    about = "strong | note | My notes | 2026-05-02 | notes/a.md | nearly the same: A copy"
    assert about in " ".join(result.stdout.split())
    assert f"{query.since:%F}" == "2026-05-01"
    assert "A title" in result.stdout
    assert "\x1b[2J" not in result.stdout


def test_search_of_all_names_no_collection(terminal: Terminal) -> None:
    options = ("--all", "--connection", "My notes", "--until", "2026-06-01")
    assert terminal.run("search", "two", "words", *options).exit_code == 0
    (query,) = terminal.backend.calls_of("search")
    assert (query.readable_collection_id, query.query) == (None, "two words")
    assert (query.connection, f"{query.until:%F}") == ("My notes", "2026-06-01")


def test_search_without_words_says_how_to_search_all(terminal: Terminal) -> None:
    result = terminal.run("search", "words")
    assert result.exit_code == 2
    assert "With --all, no collection is named." in result.stderr
    assert terminal.backend.calls_of("search") == []


def test_search_without_hits_says_so(terminal: Terminal) -> None:
    assert "Nothing found." in terminal.run("search", "docs", "x").stdout


def test_help_and_version_need_no_backend(terminal: Terminal) -> None:
    listed = terminal.run("--help").stdout
    verbs = "serve demo sources connections collections sync jobs search keys doctor"
    for verb in verbs.split():
        assert verb in listed
    assert terminal.run("--version").stdout.startswith("weft ")


@pytest.mark.parametrize(("limit", "code"), [(SEARCH_LIMIT_MAX, 0), (SEARCH_LIMIT_MAX + 1, 2)])
def test_search_takes_as_many_as_every_backend_gives(
    terminal: Terminal, limit: int, code: int
) -> None:
    assert terminal.run("search", "docs", "word", "--limit", str(limit)).exit_code == code


def test_shell_that_completes_a_misspelt_verb_gets_no_traceback() -> None:
    completing = ShellComplete(cli, {}, "weft", "_WEFT_COMPLETE")
    assert completing.get_completions(["conections"], "l") == []
    assert [item.value for item in completing.get_completions([], "conn")] == ["connections"]


def test_question_that_is_not_answered_cancels(terminal: Terminal) -> None:
    result = terminal.run("connections", "delete", "con-1", typed="")
    assert result.exit_code == 130
    assert "Aborted." in result.stderr
    assert terminal.backend.calls_of("connections.delete") == []


def render_helps(group: click.Group, *path: str) -> Iterator[str]:
    """Yield the help of a group and of all groups below it."""
    ctx = click.Context(group, info_name=" ".join(path))
    yield group.get_help(ctx)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from render_helps(command, *path, name)


def test_no_line_of_a_groups_help_breaks_off() -> None:
    lines = [line for text in render_helps(cli, "weft") for line in text.splitlines()]
    assert len(lines) > 50
    assert [s for s in lines if s.endswith("...") and not s.startswith("Usage: ")] == []


def test_help_lists_every_verb_with_its_module() -> None:
    ctx = click.Context(cli, info_name="weft")
    assert all(cli.get_command(ctx, name) is not None for name in cli.list_commands(ctx))


def test_processes_that_it_starts_run_no_module_of_the_present_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    with pytest.raises(SystemExit):
        main(["--version"])
    assert os.environ["PYTHONSAFEPATH"] == "1"
