"""Write what the documents say about the code from the code, or with --check fail if it is stale.

A block between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in README.md or docs/ is replaced by
what BLOCKS makes of NAME: tools come from the server, settings from Settings, sources from the
registry, and the command line from its own help.
"""

import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
from mcp.client.client import Client
from mcp_types import Tool

from weft import __version__
from weft.assembly.backends import open_backend
from weft.backend import Backend
from weft.cli.app import cli
from weft.domain.sources import FieldInfo, SourceInfo
from weft.server.build import build_server
from weft.settings import Settings
from weft.settings.faults import ENV_PREFIX

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"<!-- ([\w-]+):begin -->\n.*?<!-- \1:end -->", re.DOTALL)
HELP_WIDTH = 90


async def list_tools(backend: Backend) -> list[Tool]:
    """Ask the server for its tools, as a client does."""
    async with Client(build_server(lambda _: backend, version=__version__)) as client:
        return (await client.list_tools()).tools


async def build_tool_table(backend: Backend) -> str:
    """Build one line for each tool."""
    rows = [
        (f"`{tool.name}`", _first_sentence(tool.description), _effect(tool))
        for tool in await list_tools(backend)
    ]
    return _table(("tool", "what it does", "effect"), rows)


async def build_tool_reference(backend: Backend) -> str:
    """Build a section for each tool: its description and its arguments."""
    return "\n\n".join([_tool_section(tool) for tool in await list_tools(backend)])


async def build_source_table(backend: Backend) -> str:
    """Build one line for each source of the catalogue."""
    infos = await backend.sources.list()
    rows = [(f"`{i.short_name}`", i.description, _fields(i), _credentials(i)) for i in infos]
    return _table(("source", "what it reads", "configuration", "credentials"), rows)


async def build_source_names(backend: Backend) -> str:
    """Build one line with the names of all sources."""
    infos = await backend.sources.list()
    return ", ".join(f"{info.name} (`{info.short_name}`)" for info in infos) + "."


async def build_source_fields(short_name: str, backend: Backend) -> str:
    """Build the tables of one source: its configuration, its credentials, what it offers."""
    info = await backend.sources.get(short_name)
    parts = [_field_table("configuration", info.config_fields)] if info.config_fields else []
    if info.auth_fields:
        parts.append(_field_table("credential", info.auth_fields))
    methods = ", ".join(f"`{method.value}`" for method in info.auth_methods)
    if info.auth_fields or len(info.auth_methods) > 1:
        parts.append(f"Authentication methods: {methods}.")
    kinds = ", ".join(f"`{kind}`" for kind in info.entity_types)
    continuous = "yes" if info.supports_continuous else "no"
    parts.append(f"Entity types: {kinds}. Continuous schedule: {continuous}.")
    if info.checked_against:
        parts.append(f"Its tests hold it to: {info.checked_against}.")
    return "\n\n".join(parts)


async def build_setting_table(_backend: Backend) -> str:
    """Build one line for each setting, with its default."""
    rows = [
        (f"`{ENV_PREFIX}{name}`".upper(), field.description or "", _default(name))
        for name, field in Settings.model_fields.items()
    ]
    return _table(("variable", "meaning", "default"), rows)


async def build_cli_reference(_backend: Backend) -> str:
    """Build a section with the help of every command."""
    return "\n\n".join(
        f"{'#' * (path.count(' ') + 2)} `{path}`\n\n```text\n{text}\n```"
        for path, text in _walk(cli, "weft", None)
    )


BLOCKS: dict[str, Callable[[Backend], Awaitable[str]]] = {
    "tools": build_tool_table,
    "tool-reference": build_tool_reference,
    "sources": build_source_table,
    "all-names": build_source_names,
    "settings": build_setting_table,
    "cli": build_cli_reference,
}
SOURCE_PREFIX = "source-"


def _find_maker(name: str, path: Path) -> Callable[[Backend], Awaitable[str]]:
    if name.startswith(SOURCE_PREFIX):
        return partial(build_source_fields, name.removeprefix(SOURCE_PREFIX))
    if name not in BLOCKS:
        raise SystemExit(f"{path}: nothing makes the block {name}")
    return BLOCKS[name]


async def fill_documents(paths: Iterable[Path]) -> dict[Path, str]:
    """Return what each document should say. Raises SystemExit for a block without a maker."""
    filled: dict[Path, str] = {}
    with tempfile.TemporaryDirectory() as home:
        async with open_backend(Settings(home=Path(home))) as backend:
            for path in paths:
                text = path.read_text(encoding="utf-8")
                for found in MARK.finditer(text):
                    name = found[1]
                    made = await _find_maker(name, path)(backend)
                    block = f"<!-- {name}:begin -->\n{made}\n<!-- {name}:end -->"
                    text = text.replace(found[0], block)
                filled[path] = text
    return filled


def main() -> None:
    """Write, or check."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    wanted = anyio.run(fill_documents, paths)
    stale = [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        if stale:
            names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
            raise SystemExit(f"stale: {names}; run `make reference`")
        return
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")


def _walk(
    command: click.Command, path: str, parent: click.Context | None
) -> Iterator[tuple[str, str]]:
    settings: dict[str, Any] = {
        **command.context_settings,
        "terminal_width": HELP_WIDTH,
        "max_content_width": HELP_WIDTH,
        "color": False,
    }
    context = click.Context(command, info_name=path.split()[-1], parent=parent, **settings)
    yield path, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) and not below.hidden:
                yield from _walk(below, f"{path} {name}", context)


def _tool_section(tool: Tool) -> str:
    required = set(tool.input_schema.get("required", ()))
    rows = [
        (f"**`{name}`**" if name in required else f"`{name}`", _type(schema), _meaning(schema))
        for name, schema in tool.input_schema.get("properties", {}).items()
    ]
    arguments = _table(("argument", "type", "meaning"), rows) if rows else "No arguments."
    description = " ".join((tool.description or "").split())
    return f"## `{tool.name}`\n\n{description}\n\nEffect: {_effect(tool)}.\n\n{arguments}"


def _type(schema: dict[str, Any]) -> str:
    variants = schema.get("anyOf", [schema])
    kinds = [str(v.get("type", "object")) for v in variants if v.get("type") != "null"]
    return " or ".join(dict.fromkeys(kinds))


def _meaning(schema: dict[str, Any]) -> str:
    parts = [str(schema.get("description", ""))]
    choices = schema.get("enum") or next(
        (v["enum"] for v in schema.get("anyOf", ()) if "enum" in v), None
    )
    if choices:
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in choices) + ".")
    if (default := schema.get("default")) not in (None, "", [], {}):
        parts.append(f"Default: `{default}`.")
    return " ".join(part for part in parts if part)


def _field_table(kind: str, fields: Iterable[FieldInfo]) -> str:
    rows = [
        (
            f"**`{f.name}`**" if f.required else f"`{f.name}`",
            f.type,
            f.description,
            "none" if f.default in (None, "") else f"`{f.default}`",
        )
        for f in fields
    ]
    return _table((f"{kind} field", "type", "meaning", "default"), rows)


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
