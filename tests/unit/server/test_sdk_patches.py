"""Where the SDK's server is corrected from outside."""

import pytest
from mcp.client import Client
from mcp.shared import _otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from weft.server import sdk_patches
from weft.server.app import WeftServer

pytestmark = pytest.mark.anyio


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
