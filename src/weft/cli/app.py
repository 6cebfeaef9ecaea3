"""The root command: finds the verb, runs it, and turns errors into one line and an exit code."""

import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from weft import __version__
from weft.cli.terminal.context import App, leaves, report_error, say
from weft.cli.terminal.groups import refuse_unknown, without_argument
from weft.errors import CallError, InvalidInput, WeftError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

# The verbs with their lines of `weft --help`, which imports none of them.
_COMMANDS = {
    "serve": ("verbs.serve:serve", "Serve MCP to agents, on stdio or over HTTP."),
    "demo": ("demo.verb:demo", "Show it all: connect, sync, search, cancel, delete."),
    "sources": ("verbs.sources:sources", "What can be connected, and which fields it takes."),
    "connections": (
        "verbs.connections.group:connections",
        "What is connected: list, create, change.",
    ),
    "collections": ("verbs.collections:collections", "What is searched together."),
    "sync": ("verbs.sync:sync", "Sync a connection, or all of a collection, now."),
    "push": ("verbs.push:push", "Push content: JSON lines or a folder."),
    "pause": ("verbs.pause:pause", "Pause a schedule, for good or until a date."),
    "resume": ("verbs.pause:resume", "Let a paused schedule go on."),
    "restore": ("verbs.restore:restore", "Bring back what was deleted."),
    "jobs": ("verbs.jobs:jobs", "The runs of syncs: list, show, cancel."),
    "search": ("verbs.content.search:search", "Search a collection, or all."),
    "entities": ("verbs.content.entities:entities", "What is stored, and what syncs did to it."),
    "show": ("verbs.content.entities:show", "Print one stored text."),
    "export": ("verbs.content.export:export", "Write all that is stored, as JSON lines."),
    "promote": ("verbs.promote:promote", "Copy connections to the API in WEFT_API_URL."),
    "keys": ("verbs.access.keys:keys", "Who may come in over HTTP; the master key."),
    "secret": ("verbs.access.secrets:secret", "Secrets that connections refer to by name."),
    "oauth-clients": ("verbs.access.oauth_clients:oauth_clients", "Your own OAuth apps."),
    "auth-providers": (
        "verbs.access.auth_providers:auth_providers",
        "Accounts at Composio and Pipedream.",
    ),
    "audit": ("verbs.access.audit:audit", "Who changed what, and when."),
    "doctor": ("verbs.doctor:doctor", "Versions, settings, and what is wrong."),
}


class LazyGroup(click.Group):
    """Imports a command only when it is used, and reports WeftErrors in one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the verb. Raises UsageError that repeats none of them."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise without_argument(error) from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the verbs, in the order in which a newcomer meets them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one verb."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"weft.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb. Raises UsageError that suggests the verb that was probably meant."""
        refuse_unknown(ctx, args[0], _COMMANDS)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. Raises click's Exit with the exit code of the outcome."""
        app = ctx.ensure_object(App)
        # A usage error is raised before the verb's own --json is read.
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
        except click.Abort:  # Ctrl-C, or the end of the input, at a question
            say("Aborted.")
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
        except click.UsageError as found:
            error = without_argument(found)
            if not as_json:
                raise error from None
            app.json_asked = True
            report_error(app, _as_weft_error(error))
            raise click.exceptions.Exit(EXIT_USAGE) from None
        except (WeftError, UnicodeEncodeError, BaseExceptionGroup) as error:
            found = _reportable_error(error)
            if found is None:
                raise
            report_error(app, found)
            code = EXIT_USAGE if isinstance(found, CallError) else EXIT_FAILED
            raise click.exceptions.Exit(code) from None


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "On a terminal the verbs print for people; with --json, or when standard output is not a "
        "terminal, they print one JSON document. An error is one line on standard error, or with "
        '--json an object {"error": {...}}. Exit codes: 0 done, 1 failed, 2 the call was wrong, '
        "130 cancelled. Settings come from the environment (WEFT_...) and config.toml: see "
        "`weft doctor`."
    ),
)
@click.version_option(__version__, message="weft %(version)s")
def cli() -> None:
    """Connect sources for AI agents and keep them synced."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    _replace_closed_streams()
    # A Python process that this one starts, such as that which reads documents, would look for
    # modules in the present folder first, and that may be a repository of anybody's.
    os.environ["PYTHONSAFEPATH"] = "1"
    # Names of folders may be in an encoding that cannot be printed.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        cli.main(args=args, prog_name="weft", obj=App())
    except OSError as error:
        # If the database's disk is full, that is a WeftError; here the output's disk is full.
        if error.errno != errno.ENOSPC:
            raise
        say("error: The output cannot be written: its disk is full.")
        # The interpreter would try once more to write the buffered output when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)


def _replace_closed_streams() -> None:
    """Replace closed standard streams (`>&-`), for which Python has None, by the null device.

    Otherwise the next file that is opened gets the descriptor, and output is written into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 (it lasts as long as the process)


def _as_weft_error(error: click.UsageError) -> InvalidInput:
    hint = f"See `{error.ctx.command_path} --help`." if error.ctx else None
    return InvalidInput(error.format_message(), hint=hint)


def _reportable_error(error: BaseException) -> WeftError | None:
    """Return the error to report, if nothing but WeftErrors happened, or text was not UTF-8."""
    happened = list(leaves(error))
    if happened and all(isinstance(leaf, UnicodeEncodeError) for leaf in happened):
        # Python makes half surrogates of the bytes of an argument that are no text.
        return InvalidInput("An argument is not UTF-8 text.")
    expected = [leaf for leaf in happened if isinstance(leaf, WeftError)]
    return expected[0] if expected and len(expected) == len(happened) else None
