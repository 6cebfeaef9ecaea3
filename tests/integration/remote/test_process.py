"""The real program in front of a remote API: it serves, and tells the key to nobody."""

import os
import sys
from pathlib import Path

import anyio
import httpx
import pytest

from weft.testing.airweave import Airweave, airweave_app
from weft.testing.airweave.state import Connection, new_id
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio

KEY = "process-key-canary-771"
TOKEN = "t" * 20
START_SECONDS = 60


async def test_server_over_http_answers_from_the_api_and_hides_the_key(
    tmp_path: Path, anyio_backend: str
) -> None:
    world = Airweave(key=KEY)
    now = world.clock.now()
    far = Connection(new_id(), "Far", None, "stub", "docs", {}, now, now, "direct", True)
    world.connections[far.id] = far
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    async with serve_app(airweave_app(world)) as api_url:
        settings = {"HOME": str(tmp_path / "home"), "API_URL": api_url, "API_KEY": KEY}
        settings |= {"TOKEN": TOKEN, "HTTP_PORT": "0", "LOG_LEVEL": "DEBUG"}
        env = clean | {f"WEFT_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "weft", "serve", "--http"]
        async with await anyio.open_process(command, env=env, stdin=None) as process:
            assert process.stderr is not None
            log = ""
            with anyio.fail_after(START_SECONDS):
                while "/mcp" not in log:
                    log += (await process.stderr.receive()).decode()
            url = log.split("MCP on ")[1].split("/mcp")[0]
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as http:
                listed = await http.get(f"{url}/source-connections")
                metrics = await http.get(f"{url}/metrics")
            shown = read_command_line(process.pid)
            process.terminate()
            with anyio.fail_after(START_SECONDS):
                async for more in process.stderr:
                    log += more.decode()
    assert [item["name"] for item in listed.json()] == ["Far"]
    assert metrics.status_code == 200
    assert KEY not in log + shown + listed.text + metrics.text


def read_command_line(pid: int) -> str:
    """Return the command line of a process, as lists of processes show it, if the system tells."""
    told = Path(f"/proc/{pid}/cmdline")
    return told.read_text(encoding="utf-8") if told.exists() else ""
