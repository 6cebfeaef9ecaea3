"""The root command: finds the verb, runs it, and turns errors into one line and an exit code."""

import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from weft import __version__
from weft.cli.context import App, leaves, report_error
from weft.errors import CallError, WeftError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_COMMANDS = {
    "serve": "weft.cli.serve:serve",
    "demo": "weft.cli.demo:demo",
    "sources": "weft.cli.sources:sources",
    "connections": "weft.cli.connections:connections",
    "collections": "weft.cli.collections:collections",
    "sync": "weft.cli.sync:sync",
    "jobs": "weft.cli.jobs:jobs",
    "search": "weft.cli.search:search",
    "promote": "weft.cli.promote:promote",
    "keys": "weft.cli.keys:keys",
    "secret": "weft.cli.secrets:secret",
    "oauth-clients": "weft.cli.oauth_clients:oauth_clients",
    "auth-providers": "weft.cli.auth_providers:auth_providers",
    "audit": "weft.cli.audit:audit",
    "doctor": "weft.cli.doctor:doctor",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and reports WeftErrors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which a newcomer meets them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one verb."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. Raises click's Exit with the code that the outcome calls for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
        except (WeftError, BaseExceptionGroup) as error:
            found = _expected(error)
            if found is None:
                raise
            report_error(ctx.ensure_object(App), found)
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
    # A folder named in another encoding must not end a listing with a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    cli.main(args=args, prog_name="weft", obj=App())


def _expected(error: BaseException) -> WeftError | None:
    """The error to report, if nothing but WeftErrors happened (task groups wrap them)."""
    happened = list(leaves(error))
    expected = [leaf for leaf in happened if isinstance(leaf, WeftError)]
    return expected[0] if expected and len(expected) == len(happened) else None
