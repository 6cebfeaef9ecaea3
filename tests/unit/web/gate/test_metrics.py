"""The text that monitoring reads."""

from prometheus_client import generate_latest

from weft.web.gate.metrics import Metrics


def test_latencies_are_cumulative_and_end_with_the_count() -> None:
    metrics = Metrics()
    for seconds in (0.004, 0.005, 0.3, 500.0):
        metrics.count_tool_call("search", "ok", seconds)
    metrics.count_tool_call("search", "error", 0.0)
    lines = metrics.render(jobs={}, requests_now=0, streams_now=0).splitlines()
    buckets = [line for line in lines if line.startswith("weft_tool_call_seconds_bucket")]
    counts = [float(line.rpartition(" ")[2]) for line in buckets]
    assert counts == sorted(counts)
    assert counts[0] == 3
    assert buckets[-1] == 'weft_tool_call_seconds_bucket{le="+Inf",tool="search"} 5.0'
    assert 'weft_tool_call_seconds_count{tool="search"} 5.0' in lines
    assert 'weft_tool_calls_total{outcome="error",tool="search"} 1.0' in lines
    (total,) = [line for line in lines if line.startswith("weft_tool_call_seconds_sum")]
    assert total.endswith(" 500.309")


def test_every_sample_is_announced_with_its_type() -> None:
    metrics = Metrics()
    metrics.count_request("GET", "/health", 200)
    metrics.count_tool_call("search", "ok", 0.1)
    text = metrics.render(jobs={"RUNNING": 2, "FAILED": 1}, requests_now=3, streams_now=4)
    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    for line in text.splitlines():
        if not line.startswith("#"):
            name = line.partition("{")[0].partition(" ")[0]
            family = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            assert name in typed or family in typed
    assert "weft_syncs_running 2.0\n" in text
    assert 'weft_jobs{status="FAILED"} 1.0\n' in text


def test_each_application_has_its_own_metrics_and_the_process_none() -> None:
    metrics, other = Metrics(), Metrics()
    metrics.count_request("GET", "/health", 200)
    texts = [each.render(jobs={}, requests_now=0, streams_now=0) for each in (metrics, other)]
    assert ["weft_http_requests_total{" in text for text in texts] == [True, False]
    assert "weft_" not in generate_latest().decode()
    assert "_created" not in texts[0]
