"""`weft demo`: the real server, a real MCP client, and every step checked."""

import sys
import tempfile
import time
from pathlib import Path

import anyio
import click
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

import weft
from weft.cli.demo.stage import DemoFailed, Place, Stage
from weft.cli.demo.steps import STEPS
from weft.cli.terminal.context import leaves
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.tables import console

TIME_LIMIT_SECONDS = 180
_LOG_TAIL_LINES = 15


@click.command(cls=Verb)
def demo() -> None:
    """Show the whole story: connect, sync, search, cancel, delete.

    Starts `weft serve` as an MCP client would, with its state in a temporary folder, and lets it
    read this checkout (or, outside of one, Weft's own source). Nothing leaves this machine and
    nothing is kept. The exit code is 0 only if every step did what it should.
    """
    out = console()
    started = time.monotonic()
    # Resolved, because the server compares folders after following symbolic links.
    with tempfile.TemporaryDirectory(prefix="weft-demo-") as folder:
        scratch = Path(folder).resolve()
        log = scratch / "server.log"
        try:
            checked = anyio.run(_play, Place.find(), scratch, log)
        except Exception as error:
            reason = _reason(error)
            if reason is None:
                raise
            out.print(f"\nFAILED: {reason}", style="bold red")
            _print_log(log)
            raise click.exceptions.Exit(1) from None
    took = time.monotonic() - started
    out.print(
        f"\nDone: {len(STEPS)} steps, {checked} facts checked, {took:.0f} s. Nothing was kept.",
        style="bold green",
    )


async def _play(place: Place, scratch: Path, log: Path) -> int:
    """Run all steps against a new server; return how many facts were checked."""
    files = scratch / "long-read"
    files.mkdir()
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "weft", "serve"],
        env={
            "WEFT_HOME": str(scratch / "home"),
            "WEFT_FILES_ROOTS": Place.join_folders(place.root, files),
        },
        cwd=scratch,
    )
    out = console()
    out.print(f"Weft {weft.__version__} reads {place.root}; its state is temporary.", style="dim")
    with log.open("w", encoding="utf-8") as errors, anyio.fail_after(TIME_LIMIT_SECONDS):
        async with Client(stdio_client(server, errlog=errors)) as client:
            stage = Stage(client=client, out=out, place=place, files=files)
            for number, step in enumerate(STEPS, 1):
                stage.announce(number, step)
                await step(stage)
    return stage.facts_checked


def _reason(error: BaseException) -> str | None:
    """Return why the demo failed, or None if the demo itself has a defect."""
    for leaf in leaves(error):
        if isinstance(leaf, TimeoutError):
            return f"the demo did not end within {TIME_LIMIT_SECONDS} s."
        if isinstance(leaf, DemoFailed | MCPError):
            return str(leaf)
    return None


def _print_log(log: Path) -> None:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    if lines:
        click.echo("The server's log ends with:", err=True)
        click.echo("\n".join(lines[-_LOG_TAIL_LINES:]), err=True)
