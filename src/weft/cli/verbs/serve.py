"""`weft serve`: the MCP server."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import click

from weft.cli.garbage import pause_collection
from weft.cli.terminal.groups import Verb
from weft.errors import InvalidInput
from weft.settings import load_settings


@click.command(cls=Verb)
@click.argument("folders", metavar="[FOLDER]...", nargs=-1)
@click.option(
    "--transport",
    type=click.Choice(["stdio", "http", "sse"]),
    help="How clients talk to the server; stdio by default. http and sse are the same: one server "
    "with streamable HTTP at /mcp and SSE at /sse.",
)
@click.option("--http", is_flag=True, help="Short for --transport http.")
@click.option("--sse", is_flag=True, help="Short for --transport sse.")
@click.option(
    "--host",
    "http_host",
    help="Address to bind (WEFT_HTTP_HOST, or 127.0.0.1). Any but a loopback address needs TLS or "
    "a trusted proxy, and an allowed host.",
)
@click.option(
    "--port",
    "http_port",
    type=click.IntRange(0, 65535),
    help="Port to bind, 0 for any (WEFT_HTTP_PORT, or 8765).",
)
@click.option(
    "--allowed-host",
    "http_allowed_hosts",
    multiple=True,
    help="A Host header to answer (WEFT_HTTP_ALLOWED_HOSTS); may be repeated.",
)
@click.option(
    "--allowed-origin",
    "http_allowed_origins",
    multiple=True,
    help="An Origin header to answer (WEFT_HTTP_ALLOWED_ORIGINS); may be repeated.",
)
@click.option(
    "--tls-cert",
    "http_tls_cert",
    type=click.Path(),
    help="Certificate chain, PEM (WEFT_HTTP_TLS_CERT).",
)
@click.option(
    "--tls-key", "http_tls_key", type=click.Path(), help="Its key, PEM (WEFT_HTTP_TLS_KEY)."
)
@click.option(
    "--trusted-proxy",
    "http_trusted_proxies",
    multiple=True,
    help="Address or network of a proxy that ends TLS (WEFT_HTTP_TRUSTED_PROXIES); may be "
    "repeated.",
)
@click.option("--no-auth", is_flag=True, help="Let everyone in; on a loopback address only.")
@click.option("--read-only", is_flag=True, help="Offer only tools that change nothing.")
@click.option("--no-delete", is_flag=True, help="Offer no tools that delete.")
@click.option(
    "--toolsets",
    metavar="NAME,...",
    help="Offer only these: sources, connections, jobs, collections, search.",
)
def serve(
    folders: tuple[str, ...],
    transport: str | None,
    http: bool,
    sse: bool,
    no_auth: bool,
    **options: Any,
) -> None:
    """Serve MCP to agents: to one on standard input and output, or to many over HTTP.

    An MCP client starts this command by itself; `weft demo` shows how. On stdio the server ends
    when its standard input closes, and always on SIGTERM or Ctrl-C. `files` and `git` may read
    each FOLDER, which must exist; naming any replaces WEFT_FILES_ROOTS.

    Over HTTP a bearer token is asked for: WEFT_TOKEN, or one that is generated into a file, or a
    key of `weft keys create`.
    """
    with pause_collection():
        from weft.assembly.serve import serve_http, serve_stdio

    over_http = _over_http(transport, http, sse)
    # Options that were not given must not override the environment and config.toml.
    given = {
        name: value
        for name, value in options.items()
        if value is not None and value is not False and value != ()
    }
    # Folders are arguments because a desktop bundle can pass a list as arguments only.
    settings = load_settings(**given, **({"files_roots": folders} if folders else {}))
    _refuse_missing(folders)
    if over_http:
        anyio.run(lambda: serve_http(settings, auth=not no_auth))
        return
    _refuse_http_options(given, no_auth)
    if sys.stdin.isatty():
        click.echo(
            "Weft serves MCP on stdio and waits for a client's messages on this terminal. "
            "Ctrl-C ends it.",
            err=True,
        )
    anyio.run(serve_stdio, settings)


def _over_http(transport: str | None, http: bool, sse: bool) -> bool:
    if transport == "stdio" and (http or sse):
        raise InvalidInput("--transport stdio and --http contradict each other.", field="transport")
    return http or sse or transport in ("http", "sse")


def _refuse_missing(folders: Sequence[str]) -> None:
    """Refuse a folder that does not exist: a misspelt name would leave agents without it.

    An empty name would mean the current folder.
    """
    for number, folder in enumerate(folders, 1):
        if not folder or not Path(folder).expanduser().is_dir():
            raise InvalidInput(
                f"FOLDER number {number} is not a folder.",
                field="FOLDER",
                hint="Name only folders that exist, or none: WEFT_FILES_ROOTS is used then.",
            )


def _refuse_http_options(given: dict[str, Any], no_auth: bool) -> None:
    """Refuse options without effect, which a person would rely on for protection."""
    if no_auth or any(name.startswith("http_") for name in given):
        raise InvalidInput(
            "Options of the HTTP server were given, but not --http.",
            field="transport",
            hint="Add --http, or leave them out.",
        )
