"""The real `weft` process: every verb, in a pipe and on a terminal, against the real engine."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.built_wheel import install_wheel
from weft.testing.stub import write_stub_plugin

WEFT = (sys.executable, "-m", "weft")
LIMIT_SECONDS = 60
DOCS = ("--collection", "docs", "--create-collection")


@dataclass
class Cli:
    """Runs `weft` with its own state."""

    env: dict[str, str]
    notes: Path

    def run(self, *args: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run as a program does: both streams are pipes."""
        return subprocess.run(
            [*WEFT, *args],
            env=self.env,
            input=typed,
            stdin=subprocess.DEVNULL if typed is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def json(self, *args: str, typed: str | None = None) -> Any:
        """The document that a successful call prints."""
        done = self.run(*args, typed=typed)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def connect_notes(self) -> Any:
        """Connect the folder of notes and sync it."""
        config = f"path={self.notes}"
        return self.json(
            "connections", "create", "files", *DOCS, "--config", config, "--name", "My notes"
        )


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "move.md").write_text("# Moving\n\nThe piano needs four people.\n", encoding="utf-8")
    (notes / "tea.md").write_text("# Tea\n\nNever above ninety degrees.\n", encoding="utf-8")
    plugin = write_stub_plugin(tmp_path / "plugin")
    env = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    env |= {
        "WEFT_HOME": str(tmp_path / "home"),
        "WEFT_FILES_ROOTS": str(notes),
        "PYTHONPATH": os.pathsep.join((install_wheel(), str(plugin))),
        "COLUMNS": "100",
        "WEFT_EMBEDDINGS": "false",
    }
    return Cli(env, notes)


class Terminal:
    """`weft` on a pseudo-terminal, whose output is read as it comes."""

    def __init__(self, cli: Cli, *args: str) -> None:
        self._master, slave = pty.openpty()
        self._seen = ""
        self._changed = threading.Condition()
        # In a session of its own, so that a hidden prompt asks here and not on /dev/tty.
        self.process = subprocess.Popen(
            [*WEFT, *args],
            env=cli.env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, text: str) -> None:
        """Wait until ``text`` was printed."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in self._seen, LIMIT_SECONDS)
        assert found, self._seen

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self._master, text.encode())

    def end(self) -> tuple[int, str]:
        """Exit code and all that was printed."""
        code = self.process.wait(LIMIT_SECONDS)
        self._reader.join(LIMIT_SECONDS)
        return code, self._seen

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait(LIMIT_SECONDS)
        self._reader.join(LIMIT_SECONDS)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:  # Linux's way to say that the other side has closed.
                return
            if not data:
                return
            with self._changed:
                self._seen += data.decode("utf-8", errors="replace")
                self._changed.notify_all()


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_version_and_help_answer(cli: Cli) -> None:
    assert cli.run("--version").stdout.startswith("weft ")
    helped = cli.run("--help")
    assert helped.returncode == 0
    assert "serve" in helped.stdout


def test_sources_are_listed_with_their_fields(cli: Cli) -> None:
    names = {item["short_name"] for item in cli.json("sources")["items"]}
    assert {"files", "git", "github", "web"} <= names
    fields = [field["name"] for field in cli.json("sources", "files")["config_fields"]]
    assert "path" in fields


def test_connect_sync_search_and_delete(cli: Cli) -> None:
    made = cli.connect_notes()
    assert made["sync"]["last_job"]["status"] == "COMPLETED"
    assert made["entities"]["total_entities"] == 2
    (hit,) = cli.json("search", "docs", "piano", "people")["hits"]
    assert "move" in hit["title"]

    (cli.notes / "tea.md").unlink()
    job = cli.json("sync", "My notes")
    assert (job["entities_deleted"], job["entities_unchanged"]) == (1, 1)
    assert cli.json("jobs", "My notes")["items"][0]["id"] == job["id"]
    assert cli.json("jobs", "show", job["id"][:12])["diagnosis"] is None

    assert cli.json("connections", "delete", "My notes", "--yes")["id"] == made["id"]
    assert cli.json("search", "docs", "piano")["hits"] == []
    assert cli.json("connections")["items"] == []


def test_collections_are_created_listed_and_deleted(cli: Cli) -> None:
    made = cli.json("collections", "create", "Reading list", "--id", "reading")
    assert [c["id"] for c in cli.json("collections")["items"]] == [made["id"]]
    taken = cli.run("collections", "create", "Reading list", "--id", "reading")
    assert taken.returncode == 2
    cli.json("collections", "delete", "reading", "--yes")
    assert cli.json("collections")["items"] == []


def test_update_changes_only_what_is_given(cli: Cli) -> None:
    made = cli.connect_notes()
    changed = cli.json(
        "connections", "update", "My notes", "--schedule", "0 2 * * *", "--timezone", "Europe/Paris"
    )
    assert changed["schedule"]["cron"] == "0 2 * * *"
    assert changed["config"] == made["config"]
    stale = cli.run(
        "connections", "update", "My notes", "--description", "x", "--expected-version", "1"
    )
    assert stale.returncode == 2
    assert cli.json("connections", "update", "My notes", "--no-schedule")["schedule"] is None


def test_check_tells_that_a_folder_is_gone(cli: Cli) -> None:
    cli.connect_notes()
    assert cli.run("connections", "check", "My notes").returncode == 0
    cli.notes.rename(cli.notes.with_name("elsewhere"))
    assert cli.run("connections", "check", "My notes").returncode == 1


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("connections", "show", "nope"), "connection"),
        (("sources", "nope"), "For any other"),
        (("jobs", "show", "nope"), "job"),
        (("sync", "nope"), "connection"),
        (("search", "nope", "x"), "collection"),
        (("connections", "create", "files", *DOCS, "--config", "pth=x"), "path"),
        (("connections", "create", "files", *DOCS, "--config", "path=/etc"), "WEFT_FILES_ROOTS"),
        (("connections", "create", "stub", *DOCS, "--schedule", "61 * * * *"), "cron"),
    ],
)
def test_wrong_call_is_one_line_without_a_traceback(
    cli: Cli, args: tuple[str, ...], named: str
) -> None:
    done = cli.run(*args)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Created")]
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert named.lower() in lines[0].lower()


def test_misspelt_setting_names_the_right_one(cli: Cli) -> None:
    cli.env["WEFT_FILE_ROOTS"] = "/x"
    done = cli.run("connections")
    assert done.returncode == 2
    assert "WEFT_FILES_ROOTS" in done.stderr


def test_refused_credentials_fail_and_are_never_printed(cli: Cli) -> None:
    done = cli.run(
        *("connections", "create", "stub", *DOCS, "--credentials-stdin"), typed='{"token": "bad"}'
    )
    assert done.returncode != 0
    assert '"bad"' not in done.stdout + done.stderr


def test_failed_sync_exits_one_with_its_diagnosis(cli: Cli) -> None:
    done = cli.run(
        *("connections", "create", "stub", *DOCS, "--name", "Failing"),
        *("--config", "fail_at=3", "--config", "error=access"),
    )
    assert done.returncode == 1
    job = json.loads(done.stdout)["sync"]["last_job"]
    assert job["status"] == "FAILED"
    shown = cli.json("jobs", "show", job["id"])
    assert shown["diagnosis"]["category"] == "access_denied"


def test_queued_sync_is_run_by_the_next_that_waits(cli: Cli) -> None:
    cli.json("connections", "create", "stub", *DOCS, "--name", "Queued", "--no-sync")
    queued = cli.json("sync", "Queued", "--no-wait")
    finished = cli.run("sync", "Queued")
    assert finished.returncode == 0
    last = json.loads(finished.stdout)
    assert last["status"] == "COMPLETED"
    assert queued["id"] in {job["id"] for job in cli.json("jobs", "Queued")["items"]}


def test_doctor_finds_nothing_wrong(cli: Cli) -> None:
    cli.connect_notes()
    report = cli.json("doctor")
    assert report["problems"] == []
    assert report["database"]["connections"] == 1
    roots = next(s for s in report["settings"] if s["name"] == "WEFT_FILES_ROOTS")
    assert roots == {"name": "WEFT_FILES_ROOTS", "value": str(cli.notes), "origin": "environment"}


def test_doctor_exits_one_when_the_database_is_damaged(cli: Cli) -> None:
    home = Path(cli.env["WEFT_HOME"])
    home.mkdir()
    (home / "weft.db").write_bytes(b"this is no database, but it is long enough to be one" * 100)
    done = cli.run("doctor")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False


def test_people_see_tables(cli: Cli, terminals: list[Terminal]) -> None:
    cli.connect_notes()
    terminals.append(Terminal(cli, "connections"))
    code, seen = terminals[0].end()
    assert code == 0
    assert "My notes" in seen
    assert "{" not in seen


def test_delete_asks_on_a_terminal(cli: Cli, terminals: list[Terminal]) -> None:
    cli.connect_notes()
    terminals.append(Terminal(cli, "connections", "delete", "My notes"))
    terminals[0].wait_for("[y/N]")
    terminals[0].type("n\n")
    code, seen = terminals[0].end()
    assert code == 1
    assert "Nothing was deleted." in seen
    assert len(cli.json("connections")["items"]) == 1


def test_secret_is_not_echoed_as_it_is_typed(cli: Cli, terminals: list[Terminal]) -> None:
    terminals.append(
        Terminal(cli, "connections", "create", "stub", *DOCS, "--name", "Secretive", "--no-sync")
    )
    # The blank after the prompt comes when echoing is off already.
    terminals[0].wait_for("none): ")
    terminals[0].type("hunter2-hunter2\n")
    code, seen = terminals[0].end()
    assert code == 0, seen
    assert "hunter2" not in seen


def test_interrupt_cancels_the_running_sync(cli: Cli, terminals: list[Terminal]) -> None:
    cli.json(
        *("connections", "create", "stub", *DOCS, "--name", "Endless", "--no-sync"),
        *("--config", "entities=1000000", "--config", "rate=200"),
    )
    terminals.append(Terminal(cli, "sync", "Endless"))
    terminals[0].wait_for("RUNNING")
    terminals[0].process.send_signal(signal.SIGINT)
    code, seen = terminals[0].end()
    assert code == 130, seen
    assert "CANCELLED" in seen
    assert [job["status"] for job in cli.json("jobs", "Endless")["items"]] == ["CANCELLED"]


def test_export_holds_every_document_over_pages_of_them(cli: Cli) -> None:
    for number in range(150):
        (cli.notes / f"{number}.md").write_text(f"Note {number}\n" * 2_000, encoding="utf-8")
    cli.connect_notes()
    done = cli.run("export", "--connection", "My notes")
    assert done.returncode == 0, done.stderr
    texts = {each["source_entity_id"]: each["text"] for each in map(json.loads, _lines(done))}
    assert len(texts) == 152
    assert texts["77.md"] == "Note 77\n" * 2_000
    assert "Exported 152 entities." in done.stderr


def test_export_into_a_closed_pipe_fails_without_a_trace(cli: Cli) -> None:
    for number in range(150):
        (cli.notes / f"{number}.md").write_text(f"Note {number}\n" * 2_000, encoding="utf-8")
    cli.connect_notes()
    process = subprocess.Popen(
        [*WEFT, "export"], env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(LIMIT_SECONDS) == 1


def _lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.splitlines()
