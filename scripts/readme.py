"""Write the generated tables of README.md, or with --check fail if they are stale.

The tables come from the running parts: the tools from the server, the settings from Settings, the
sources from the registry.
"""

import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import anyio
from mcp.client.client import Client
from mcp_types import Tool

from weft import __version__
from weft.assembly import open_backend
from weft.backend import Backend
from weft.domain.sources import SourceInfo
from weft.server.build import build_server
from weft.settings import ENV_PREFIX, Settings

README = Path(__file__).parents[1] / "README.md"


async def build_tools_table(backend: Backend) -> str:
    """Build the table of tools from the server's own list."""
    async with Client(build_server(lambda _: backend, version=__version__)) as client:
        listed = (await client.list_tools()).tools
    rows = [(f"`{tool.name}`", _first_sentence(tool.description), _effect(tool)) for tool in listed]
    return _table(("tool", "what it does", "effect"), rows)


async def build_sources_table(backend: Backend) -> str:
    """Build the table of sources from the registry."""
    infos = await backend.sources.list()
    rows = [(f"`{i.short_name}`", i.description, _fields(i), _credentials(i)) for i in infos]
    return _table(("source", "what it reads", "configuration", "credentials"), rows)


async def build_settings_table(_backend: Backend) -> str:
    """Build the table of settings with their defaults."""
    rows = [
        (f"`{ENV_PREFIX}{name}`".upper(), field.description or "", _default(name))
        for name, field in Settings.model_fields.items()
    ]
    return _table(("variable", "meaning", "default"), rows)


TABLES: dict[str, Callable[[Backend], Awaitable[str]]] = {
    "tools": build_tools_table,
    "sources": build_sources_table,
    "settings": build_settings_table,
}


async def fill_tables(text: str) -> str:
    """Replace the contents of every marked table in ``text``."""
    with tempfile.TemporaryDirectory() as home:
        async with open_backend(Settings(home=Path(home))) as backend:
            for name, make in TABLES.items():
                begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
                if text.count(begin) != 1 or text.count(end) != 1:
                    raise SystemExit(f"README.md needs exactly one pair {begin} {end}")
                head, rest = text.split(begin)
                text = f"{head}{begin}\n{await make(backend)}\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    """Write README.md, or with --check compare it."""
    present = README.read_text(encoding="utf-8")
    wanted = anyio.run(fill_tables, present)
    if "--check" not in sys.argv:
        README.write_text(wanted, encoding="utf-8")
    elif present != wanted:
        raise SystemExit("README.md is stale: run `.venv/bin/python scripts/readme.py`")


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _first_sentence(text: str | None) -> str:
    return re.split(r"(?<!e\.g\.)(?<=[.?!])\s(?=[A-Z])", text or "", maxsplit=1)[0]


def _effect(tool: Tool) -> str:
    hints = tool.annotations
    if hints is None or not hints.read_only_hint:
        return "changes or removes" if hints and hints.destructive_hint else "adds"
    return "reads"


def _fields(info: SourceInfo) -> str:
    named = [f"**`{f.name}`**" if f.required else f"`{f.name}`" for f in info.config_fields]
    return ", ".join(named) or "none"


def _credentials(info: SourceInfo) -> str:
    named = ", ".join(f"`{f.name}`" for f in info.auth_fields)
    return f"{named} ({'needed' if info.auth_required else 'optional'})" if named else "none"


def _default(name: str) -> str:
    if name == "home":
        return "the platform's folder for user data"
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    return "none" if value is None or value in ((), frozenset(), {}) else f"`{value}`"


if __name__ == "__main__":
    main()
