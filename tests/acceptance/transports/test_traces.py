"""Traces of real server processes, as a collector receives them."""

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import RequestParamsMeta
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.acceptance.weft_http import connect_over
from tests.acceptance.weft_process import ANSWER_SECONDS, Agent, Place, raw_server

pytestmark = pytest.mark.anyio

CANARY = "canary-7c1f"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
CONTEXT: RequestParamsMeta = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}


class Collector:
    """An OTLP collector on 127.0.0.1, and all that it received."""

    def __init__(self) -> None:
        received: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    received.append(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name)
                pass

        self.received = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that make a server process send its traces here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}"}

    @property
    def resources(self) -> list[ResourceSpans]:
        return [
            found
            for body in self.received
            for found in ExportTraceServiceRequest.FromString(body).resource_spans
        ]

    @property
    def spans(self) -> list[Span]:
        return [
            span for found in self.resources for scope in found.scope_spans for span in scope.spans
        ]

    def spans_named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Generator[Collector]:
    collector = Collector()
    serving = threading.Thread(target=collector.server.serve_forever)
    serving.start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()
    serving.join()


@pytest.mark.parametrize("over", ["stdio legacy", "stdio 2026-07-28", "http 2026-07-28"])
async def test_tool_call_is_a_span_below_the_clients(
    collector: Collector, place: Place, over: str
) -> None:
    async with connect_over(place, over, **collector.variables) as agent:
        await agent.client.call_tool("list_sources", {}, meta=CONTEXT)
        await agent.ok("list_collections")
    # The process has ended: what it sent last is there.
    (called,) = collector.spans_named("tools/call list_sources")
    assert (called.trace_id.hex(), called.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert called.kind == Span.SPAN_KIND_SERVER
    assert called.end_time_unix_nano > called.start_time_unix_nano
    (alone,) = collector.spans_named("tools/call list_collections")
    assert alone.trace_id.hex() != TRACE_ID
    assert not alone.parent_span_id
    for found in collector.resources:
        facts = {fact.key: fact.value.string_value for fact in found.resource.attributes}
        assert facts["service.name"] == "weft"


async def test_no_value_that_a_caller_gave_is_in_a_span(collector: Collector, place: Place) -> None:
    async with connect_over(place, "stdio 2026-07-28", **collector.variables) as agent:
        await agent.ok("create_collection", name=CANARY, readable_id=CANARY)
        await agent.ok("search", readable_collection_id=CANARY, query=CANARY)
        await agent.expect_refusal("get_connection", connection_id=CANARY)
        await agent.expect_refusal("create_collection", name="Fine", unknown=CANARY)
        await cause_failures(agent)
    names = [span.name for span in collector.spans]
    for expected in ("create_collection", "search", "get_connection"):
        assert f"tools/call {expected}" in names
    for expected in ("resources/read", "prompts/get connect_source"):
        (span,) = collector.spans_named(expected)
        assert span.status.code == span.status.STATUS_CODE_ERROR
        assert not span.status.message
        assert not span.events
    assert not [body for body in collector.received if CANARY.encode() in body]


async def test_collector_that_cannot_be_reached_does_not_delay_the_end(
    collector: Collector, place: Place
) -> None:
    # Nobody accepts here, so that a request waits until its sender gives up.
    collector.server.shutdown()
    async with raw_server(place, **collector.variables) as server:
        await server.initialize()
        await server.data("list_sources")
        await server.close_stdin()
        with anyio.fail_after(ANSWER_SECONDS):
            assert await server.process.wait() == 0
    assert "could not be sent" in place.stderr.read_text()
    assert not collector.received


async def cause_failures(agent: Agent) -> None:
    """Requests that end in an error of the protocol."""
    with pytest.raises(MCPError, match="No connection"):
        await agent.client.read_resource(f"weft://connections/{CANARY}", cache_mode="bypass")
    with pytest.raises(MCPError):
        await agent.client.get_prompt("connect_source", {CANARY: CANARY})
