"""A wrong call is answered with what was meant, and without a word of what it said."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.support.terminal import Terminal
from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.settings import Settings


def test_argument_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    app = App(load_settings=lambda: Settings(home=tmp_path))
    result = CliRunner().invoke(cli, ["collections", "create", "docs\udcff"], obj=app)
    assert (result.exit_code, result.stderr) == (2, "error: An argument is not UTF-8 text.\n")


def test_no_verb_repeats_an_argument_that_it_cannot_place(terminal: Terminal) -> None:
    verbs = [(words, verb) for words, verb in walk_verbs(cli, ()) if not takes_any_number(verb)]
    assert len(verbs) > 25
    for words, verb in verbs:
        needed = [
            word
            for param in verb.params
            if isinstance(param, click.Option) and param.required
            for word in (
                param.opts[0],
                param.type.choices[0] if isinstance(param.type, click.Choice) else "x",
            )
        ]
        result = terminal.run(*words, *["composio"] * 3, "s3cr3t-canary", *needed)
        assert result.exit_code == 2
        assert "unexpected extra argument" in result.output
        assert "s3cr3t-canary" not in result.output


def walk_verbs(
    group: click.Group, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from walk_verbs(found, (*words, name))
        else:
            yield (*words, name), found


def takes_any_number(verb: click.Command) -> bool:
    return any(param.nargs == -1 for param in verb.params)


def test_unknown_subcommand_is_a_usage_error_that_names_what_was_meant(terminal: Terminal) -> None:
    result = terminal.run("connections", "shwo", "x")
    assert result.exit_code == 2
    assert "Did you mean 'show'?" in result.stderr


def test_no_group_repeats_a_word_that_is_no_command(terminal: Terminal) -> None:
    context = click.Context(cli)
    groups = [
        name
        for name in cli.list_commands(context)
        if isinstance(cli.get_command(context, name), click.Group)
    ]
    assert len(groups) > 5
    for words in ((), *((name,) for name in groups)):
        result = terminal.run(*words, "s3cr3t-canary", "--json")
        assert "s3cr3t-canary" not in result.output, words


def test_no_option_repeats_a_value_that_it_does_not_take(terminal: Terminal) -> None:
    tried = 0
    for words, verb in walk_verbs(cli, ()):
        for param in verb.params:
            if isinstance(param.type, click.Choice | click.IntRange):
                is_option = isinstance(param, click.Option)
                given = (param.opts[0], "s3cr3t-canary") if is_option else ("s3cr3t-canary",) * 3
                for json_asked in ((), ("--json",)):
                    result = terminal.run(*words, *given, *json_asked)
                    assert result.exit_code == 2
                    assert "s3cr3t-canary" not in result.output, (words, param.name)
                tried += 1
    assert tried > 10


def test_no_verb_repeats_an_option_that_it_does_not_know(terminal: Terminal) -> None:
    for words in ((), ("connections",), *(words for words, _ in walk_verbs(cli, ()))):
        for option in ("--s3cr3t-canary", "--s3cr3t-canary=x", "-%s3cr3t-canary"):
            result = terminal.run(*words, option)
            assert result.exit_code == 2
            assert "No such option" in result.stderr
            assert "canary" not in result.output, (words, option)
    assert "Did you mean --json?" in terminal.run("connections", "list", "--jsn").stderr


def test_value_that_is_not_taken_is_answered_with_those_that_are(terminal: Terminal) -> None:
    role = terminal.run("keys", "create", "ci", "--role", "boss").stderr
    assert "'--role'" in role
    assert "Give one of: read, write, admin." in role
    limit = terminal.run("connections", "--limit", "none").stderr
    assert "Give a whole number from 1." in limit


def test_misspelt_verb_names_the_nearest_right_one(terminal: Terminal) -> None:
    result = terminal.run("secrets")
    assert result.exit_code == 2
    assert "Did you mean 'secret'?" in result.stderr


@pytest.mark.parametrize(
    "args", [("nonsense", "--json"), ("sources", "--nonsense", "--json"), ("sync", "--json")]
)
def test_wrong_call_is_a_json_object_when_json_was_asked_for(
    terminal: Terminal, args: tuple[str, ...]
) -> None:
    result = terminal.run(*args)
    error = json.loads(result.stderr)["error"]
    assert (result.exit_code, error["type"]) == (2, "InvalidInput")
    assert "--help" in error["hint"]
