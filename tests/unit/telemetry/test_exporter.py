from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from weft.telemetry.exporter import NAME_MAX_CHARS, RedactingExporter


def test_only_what_is_harmless_of_a_failed_span_is_exported() -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(RedactingExporter(memory)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("parent") as parent:
        span = tracer.start_span("x" * 1000, kind=SpanKind.SERVER, attributes={"n": 1})
        span.set_attribute("long", "x" * 1000)
        span.record_exception(ValueError("canary"))
        span.set_status(StatusCode.ERROR, "canary")
        span.end()
    provider.shutdown()
    found = memory.get_finished_spans()[0]
    assert "canary" not in found.to_json()
    assert found.name == "x" * NAME_MAX_CHARS
    assert found.attributes == {"n": 1, "long": "x" * NAME_MAX_CHARS}
    assert found.status.status_code is StatusCode.ERROR
    assert found.kind is SpanKind.SERVER
    assert found.parent == parent.get_span_context()
    assert found.context == span.get_span_context()
    assert found.start_time is not None
    assert found.end_time is not None
    assert found.end_time >= found.start_time
