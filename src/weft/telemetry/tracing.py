"""OpenTelemetry traces, when the extra `otel` is installed and a collector is named.

The MCP SDK makes a span for every message and takes over the trace context that a client sends.
Here those spans are exported. Nothing is imported unless the standard variables ask for it.
"""

import importlib.util
import logging
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_PARTS: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

_logger = logging.getLogger(__name__)


@contextmanager
def export_traces(version: str, *, flush_seconds: float) -> Generator[None]:
    """Send the spans of this process to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.

    At the end, the last ones have ``flush_seconds`` to be sent. Use it once per process.
    """
    shut_down = _start_exporter(version) if _is_wanted() else None
    try:
        yield
    finally:
        if shut_down is not None:
            _shut_down_within(shut_down, flush_seconds)


def _is_wanted() -> bool:
    if _first(_ENDPOINTS) is None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") not in ("", "otlp"):
        return False
    if (_first(_PROTOCOLS) or _PROTOCOL) != _PROTOCOL:
        _logger.warning("no traces: they can be sent as %s only", _PROTOCOL)
        return False
    if not all(_is_installed(part) for part in _PARTS):
        _logger.warning("no traces: a collector is named, but weft-mcp[otel] is not installed")
        return False
    return True


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # Raised if a parent package is missing.
        return False


def _start_exporter(version: str) -> Callable[[], None] | None:
    # Imported here so that a start without traces does not pay for it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_tracer_provider

    from weft.telemetry.exporter import RedactingExporter

    name = os.environ.get("OTEL_SERVICE_NAME") or "weft"
    resource = Resource.create({"service.name": name, "service.version": version})
    # This logger would show the values of headers that it cannot parse, and those are credentials.
    logging.getLogger("opentelemetry.util.re").setLevel(logging.CRITICAL)
    try:
        # The SDK's own shutdown at exit would wait for half a minute.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(RedactingExporter(OTLPSpanExporter())))
    except (ValueError, OSError):
        _logger.warning("no traces: what the OTEL_ variables say cannot be used")
        return None
    set_tracer_provider(provider)
    return provider.shutdown


def _shut_down_within(shut_down: Callable[[], None], seconds: float) -> None:
    """Shut down in a thread: the exporter may retry for longer than we want to wait."""
    ending = threading.Thread(target=shut_down, name="weft-traces-end", daemon=True)
    ending.start()
    ending.join(seconds)
    if ending.is_alive():
        _logger.warning("the last traces could not be sent within %.1f s", seconds)
