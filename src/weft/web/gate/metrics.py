"""Counts and durations since the start of this process, as Prometheus reads them."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
# fmt: off
_BUCKETS_SECONDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)
# fmt: on


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = own = _RegistryWithoutCreated()
        self._jobs = Gauge("weft_jobs", "Jobs by status.", ["status"], registry=own)
        self._syncs = Gauge("weft_syncs_running", "Syncs that run now.", registry=own)
        self._requests = Counter(
            "weft_http_requests", "HTTP requests.", ["method", "route", "status"], registry=own
        )
        self._requests_now = Gauge(
            "weft_http_requests_active", "Requests served now.", registry=own
        )
        self._streams_now = Gauge(
            "weft_http_streams_active", "Event streams open now.", registry=own
        )
        self._calls = Counter("weft_tool_calls", "Tool calls.", ["tool", "outcome"], registry=own)
        self._seconds = Histogram(
            "weft_tool_call_seconds",
            "Duration of tool calls.",
            ["tool"],
            buckets=_BUCKETS_SECONDS,
            registry=own,
        )
        # The library looks a child up by its labels under a lock at each count; there are few.
        self._counter_of_request = cache(self._requests.labels)
        self._counters_of_call = cache(self._find_counters)

    def count_request(self, method: str, route: str, status: int) -> None:
        """Count an HTTP request. ``route`` is one of ours, never what a client made up."""
        self._counter_of_request(method, route, str(status)).inc()

    def count_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        """Count a tool call and its duration."""
        count, observe = self._counters_of_call(tool, outcome)
        count()
        observe(seconds)

    def _find_counters(
        self, tool: str, outcome: str
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        return self._calls.labels(tool, outcome).inc, self._seconds.labels(tool).observe

    def render(self, *, jobs: Mapping[str, int], requests_now: int, streams_now: int) -> str:
        """Return all metrics as text, with the given numbers of the moment."""
        self._jobs.clear()
        for status, count in jobs.items():
            self._jobs.labels(status).set(count)
        self._syncs.set(jobs.get("RUNNING", 0))
        self._requests_now.set(requests_now)
        self._streams_now.set(streams_now)
        return generate_latest(self._registry).decode()


class _RegistryWithoutCreated(CollectorRegistry):
    """Leaves out creation times; the library's own switch for them is process-wide."""

    def collect(self) -> Iterable[Metric]:
        for family in super().collect():
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            yield family
