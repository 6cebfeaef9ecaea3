"""Hints of errors at a terminal name verbs instead of tools."""

import re

import pytest
from click import Command, Context, Group
from click.testing import CliRunner

from tests.support.cli import FakeBackend
from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.cli.terminal.hints import with_verbs
from weft.errors import NotFound
from weft.server.tools.catalogue import tools_for
from weft.settings import Settings


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("list_connections shows what there is.", "`weft connections` shows what there is."),
        (
            "Follow it with get_job(job_id='5f0', wait_seconds=45), or stop it with cancel_job.",
            "Follow it with `weft jobs show 5f0`, or stop it with `weft jobs cancel`.",
        ),
        (
            "Call authorize_connection(connection_id='42') first.",
            "Call `weft connections authorize 42` first.",
        ),
        (
            "run_sync(connection_id='42', apply_deletions=true) shows them.",
            "`weft sync 42 --apply-deletions` shows them.",
        ),
        (
            "Call update_connection(connection_id='42', config={...}), then run_sync.",
            "Call `weft connections update 42 --config key=value`, then `weft sync`.",
        ),
        ("Call run_sync without apply_deletions.", "Call `weft sync` without --apply-deletions."),
        ("Free some space and try again.", "Free some space and try again."),
    ],
)
def test_tools_in_a_hint_become_the_verbs_that_do_the_same(hint: str, said: str) -> None:
    assert with_verbs(hint) == said


def test_every_verb_that_a_hint_may_name_exists() -> None:
    # "search" is a word of hints too, and the same as a verb.
    tools = [spec.name for spec in tools_for(FakeBackend()) if spec.name != "search"]
    assert len(tools) > 18
    verbs = re.findall(r"`weft ([a-z ]+)`", with_verbs(" ".join(tools)))
    assert len(verbs) == len(tools)
    for verb in verbs:
        found: Command | None = cli
        for word in verb.split():
            assert isinstance(found, Group)
            found = found.get_command(Context(found), word)
        assert found is not None, verb


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_error_at_a_terminal_names_verbs(option: tuple[str, ...]) -> None:
    def fail() -> Settings:
        raise NotFound("No connection has that id.", hint="list_connections shows what there is.")

    app = App(load_settings=fail)
    result = CliRunner().invoke(cli, ["doctor", *option], obj=app, prog_name="weft")
    assert result.exit_code == 2
    assert "`weft connections` shows what there is." in result.stderr
