"""Private parts of the MCP SDK are touched in one module, as ARCHITECTURE.md lists them."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from mcp.client import Client
from mcp.shared import _otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from weft.server import sdk_patches
from weft.server.app import WeftServer

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
OWN = ("self", "cls", "super()")


async def test_calls_are_traced_from_when_spans_have_somewhere_to_go(
    server: WeftServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    async with Client(server, mode="2026-07-28") as client:
        # A process has one provider for good, so the SDK's tracer is exchanged instead.
        monkeypatch.setattr(_otel, "_tracer", provider.get_tracer("test"))
        await client.call_tool("list_sources", {})
        assert not _of_the_server(memory)
        monkeypatch.setattr(sdk_patches, "get_tracer_provider", lambda: provider)
        await client.call_tool("list_sources", {})
    assert _of_the_server(memory) == ["tools/call list_sources"]


def _of_the_server(memory: InMemorySpanExporter) -> list[str]:
    return [span.name for span in memory.get_finished_spans() if span.kind.name == "SERVER"]


@pytest.fixture(scope="module")
def touched() -> dict[str, set[str]]:
    """Find the names of private parts of the SDK, by the module that uses them."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^from mcp[._ ]|^import mcp", text, re.MULTILINE):
            name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
            names = set(private_names(ast.parse(text), importlib.import_module(name)))
            if names:
                found[name] = names
    return found


def test_one_module_touches_private_parts_of_the_sdk(touched: dict[str, set[str]]) -> None:
    assert set(touched) == {sdk_patches.__name__}


def test_each_private_part_is_listed_with_its_reason(touched: dict[str, set[str]]) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition("## Private parts of the MCP SDK")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    # The name of a public function, which is replaced in the SDK's own module.
    assert listed - {"configure_logging"} == touched[sdk_patches.__name__]


def private_names(tree: ast.AST, module: ModuleType) -> Iterator[str]:
    """Yield imports, attributes and keys of the SDK that begin with an underscore."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(source), names=names) if source.startswith("mcp"):
                parts = [*source.split("."), *(alias.name for alias in names)]
                yield from filter(is_private, parts)
            case ast.Attribute(attr=attr, value=value) if is_private(attr):
                if ast.unparse(value) not in (*OWN, "os"):
                    yield attr
            case ast.Subscript(slice=ast.Constant(value=str(key))) if is_private(key):
                yield key
            case ast.ClassDef(name=name):
                yield from inherited_names(node, getattr(module, name, object))
            case _:
                pass


def inherited_names(node: ast.ClassDef, cls: type) -> Iterator[str]:
    """Yield the private names that a class shares with its bases in the SDK."""
    bases = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "mcp"]
    theirs = {name for base in bases for name in own_names(ast.parse(inspect.getsource(base)))}
    yield from theirs & set(own_names(node))


def own_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if is_private(name):
                yield name
            case ast.Attribute(attr=attr, value=value) if is_private(attr):
                if ast.unparse(value) in OWN:
                    yield attr
            case _:
                pass


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
