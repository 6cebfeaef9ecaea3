"""Strips spans of texts that must not leave the process. Needs the extra `otel`; see tracing.py."""

from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

# Spans are named after tools and methods, as clients sent them, so a name may be of any length.
NAME_MAX_CHARS: Final = 128


class RedactingExporter(SpanExporter):
    """Exports spans without the messages of errors, which may quote what a caller sent."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_redact(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _redact(span: ReadableSpan) -> ReadableSpan:
    attributes = {
        name: value[:NAME_MAX_CHARS] if isinstance(value, str) else value
        for name, value in (span.attributes or {}).items()
    }
    return ReadableSpan(
        name=span.name[:NAME_MAX_CHARS],
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
