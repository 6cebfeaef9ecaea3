import os
import subprocess
import sys

import pytest

# In a process of its own, because other tests import much and a provider is set once.
SCRIPT = """
import sys
from weft.telemetry.tracing import export_traces

with export_traces("1", flush_seconds=1):
    print("opentelemetry.sdk" in sys.modules)
"""
MISSING = "import sys; sys.modules['opentelemetry.sdk'] = None" + SCRIPT
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def run_script(script: str, **variables: str) -> tuple[str, str]:
    """Run a script; return what it prints and what it writes to stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=inherited | variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.strip(), done.stderr


def test_nothing_is_imported_without_an_endpoint() -> None:
    assert run_script(SCRIPT) == ("False", "")


def test_endpoint_starts_the_export() -> None:
    assert run_script(SCRIPT, **ENDPOINT)[0] == "True"


@pytest.mark.parametrize(
    "variables", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}]
)
def test_export_that_is_switched_off_is_not_started(variables: dict[str, str]) -> None:
    assert run_script(SCRIPT, **ENDPOINT, **variables) == ("False", "")


def test_other_protocol_is_said_not_to_work() -> None:
    printed, said = run_script(SCRIPT, **ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert printed == "False"
    assert "http/protobuf only" in said


def test_values_that_cannot_be_used_are_said_and_do_not_stop_the_start() -> None:
    _, said = run_script(SCRIPT, **ENDPOINT, OTEL_BSP_MAX_QUEUE_SIZE="-7")
    assert "cannot be used" in said
    assert "-7" not in said


def test_headers_that_cannot_be_read_are_not_shown() -> None:
    printed, said = run_script(SCRIPT, **ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS="Bearer canary")
    assert printed == "True"
    assert "canary" not in said


def test_missing_extra_is_said_and_does_not_stop_the_start() -> None:
    printed, said = run_script(MISSING, **ENDPOINT)
    assert printed == "True"  # The entry that stands for a missing module.
    assert "weft-mcp[otel]" in said
