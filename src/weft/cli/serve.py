"""`weft serve`: the MCP server."""

import sys

import anyio
import click

from weft import assembly
from weft.settings import load_settings


@click.command()
@click.argument("folders", metavar="[FOLDER]...", nargs=-1)
@click.option(
    "--transport",
    type=click.Choice(["stdio"]),
    default="stdio",
    show_default=True,
    help="How the client talks to the server.",
)
def serve(folders: tuple[str, ...], transport: str) -> None:
    """Serve MCP to an agent on standard input and output.

    An MCP client starts this command by itself; `weft demo` shows how. The server ends when its
    standard input closes, or on SIGTERM or Ctrl-C. Each FOLDER may be read by `files` and `git`;
    naming any replaces WEFT_FILES_ROOTS.
    """
    # A bundle's configuration passes a list of folders as arguments; it cannot fill a variable.
    settings = load_settings(**({"files_roots": folders} if folders else {}))
    if sys.stdin.isatty():
        click.echo(
            f"Weft serves MCP on {transport} and waits for a client's messages on this terminal. "
            "Ctrl-C ends it.",
            err=True,
        )
    anyio.run(assembly.serve_stdio, settings)
