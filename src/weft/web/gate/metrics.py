"""Counts and latencies, as text in the Prometheus format."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_SECONDS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """What this process has seen since its start."""

    def __init__(self) -> None:
        self._requests: Counter[Labels] = Counter()
        self._calls: Counter[Labels] = Counter()
        self._latencies: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def count_request(self, method: str, route: str, status: int) -> None:
        """Count an HTTP request. ``route`` is one of ours, never what a client made up."""
        self._requests[("method", method), ("route", route), ("status", str(status))] += 1

    def count_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        """Count a tool call."""
        self._calls[("tool", tool), ("outcome", outcome)] += 1
        buckets = self._latencies.setdefault(tool, [0] * (len(_BUCKETS_SECONDS) + 1))
        buckets[bisect_left(_BUCKETS_SECONDS, seconds)] += 1
        self._seconds[tool] += seconds  # pyright: ignore[reportArgumentType] (Counter adds floats)

    def render(self, *, jobs: Mapping[str, int], requests_now: int, streams_now: int) -> str:
        """Everything, with the present state that is given."""
        lines = [
            *_family("weft_jobs", "gauge", "Jobs by status.", _by("status", jobs)),
            *_family(
                "weft_syncs_running", "gauge", "Syncs that run now.", [((), jobs.get("RUNNING", 0))]
            ),
            *_family(
                "weft_http_requests_total", "counter", "HTTP requests.", self._requests.items()
            ),
            *_family(
                "weft_http_requests_active", "gauge", "Requests served now.", [((), requests_now)]
            ),
            *_family(
                "weft_http_streams_active", "gauge", "Event streams open now.", [((), streams_now)]
            ),
            *_family("weft_tool_calls_total", "counter", "Tool calls.", self._calls.items()),
            *self._histogram(),
        ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> Iterable[str]:
        name = "weft_tool_call_seconds"
        yield f"# HELP {name} Duration of tool calls."
        yield f"# TYPE {name} histogram"
        for tool, counts in sorted(self._latencies.items()):
            total = 0
            for bound, count in zip([*map(str, _BUCKETS_SECONDS), "+Inf"], counts, strict=True):
                total += count
                yield f"{name}_bucket{_labels((('tool', tool), ('le', bound)))} {total}"
            yield f"{name}_sum{_labels((('tool', tool),))} {self._seconds[tool]:.6f}"
            yield f"{name}_count{_labels((('tool', tool),))} {total}"


def _family(
    name: str, kind: str, meaning: str, values: Iterable[tuple[Labels, int]]
) -> Iterable[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for labels, value in sorted(values):
        yield f"{name}{_labels(labels)} {value}"


def _by(label: str, values: Mapping[str, int]) -> list[tuple[Labels, int]]:
    return [(((label, key),), value) for key, value in values.items()]


def _labels(labels: Labels) -> str:
    # Values are names of ours: no quotes, backslashes or line ends that need escaping.
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""
