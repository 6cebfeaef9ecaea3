"""The bundle for a bug report: useful, and nothing private is in it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import NOW, FakeJobs, make_connection, make_job
from tests.support.secrets.canary import Canaries
from tests.support.terminal import Terminal
from weft.cli.verbs.bundle import Cleaner
from weft.domain.jobs import JobStatus, LogLine


class LoggingJobs(FakeJobs):
    lines: tuple[LogLine, ...] = ()

    async def log(self, job: str, *, limit: int = 20, skip: int = 0) -> tuple[LogLine, ...]:
        return self.lines[:limit]


def write(terminal: Terminal, path: Path, *options: str) -> dict[str, str]:
    result = terminal.run("doctor", "--bundle", str(path), *options)
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def fill(terminal: Terminal, canaries: Canaries, short_name: str) -> None:
    """Put canaries into everything that a bundle is made from."""

    def name(of: str) -> str:
        # Too short to be taken for a token, and long enough to be found.
        return canaries.make(of)[:13]

    terminal.database = {"exists": True, "path": f"/home/{name('home')}/weft.db", "entities": 7}
    terminal.backend.known = {
        "con-1": make_connection(
            short_name=short_name,
            name=f"Notes {name('connection')}",
            description=name("description"),
            config={"path": f"/srv/my {name('folder')}", "deep": [{"x": name("config")}]},
        )
    }
    error = f"/srv/my {name('folder two')}/x and https://a:{name('password')}@h.example/q are gone."
    terminal.backend.script = [make_job(JobStatus.FAILED, error=error, entities_skipped=3)]
    jobs = LoggingJobs(terminal.backend)
    jobs.lines = tuple(
        LogLine(at=NOW, level="info", message=message)
        for message in (
            f"Skipped a {name('document')} b: c.md: it is binary",
            f"Failed {name('other document')}: /srv/{name('path in reason')}/x cannot be read",
            f"Incomplete listing: 'x {name('quoted')} y' answered 500",
        )
    )
    terminal.backend.jobs = jobs


@pytest.mark.parametrize("short_name", ["files", "foreign"])
def test_nothing_private_is_in_the_bundle(
    terminal: Terminal, tmp_path: Path, short_name: str
) -> None:
    canaries = Canaries()
    fill(terminal, canaries, short_name)
    parts = write(terminal, tmp_path / "bundle.zip")
    for part in parts.values():
        assert canaries.find(part.encode()) == set()
        assert str(tmp_path) not in part
        assert str(Path.home()) not in part


def test_bundle_has_what_a_report_needs(terminal: Terminal, tmp_path: Path) -> None:
    fill(terminal, Canaries(), "files")
    error = "The source refused the credentials, see https://a.example/b"
    terminal.backend.script = [terminal.backend.script[0].model_copy(update={"error": error})]
    parts = write(terminal, tmp_path / "bundle.zip")
    doctor: dict[str, Any] = json.loads(parts["doctor.json"])
    assert doctor["database"]["entities"] == 7
    assert {"weft", "python"} <= doctor["versions"].keys()
    assert "click" in doctor["packages"]
    values = {each["name"]: each["value"] for each in doctor["settings"]}
    assert values["WEFT_LOG_LEVEL"] == "WARNING"
    assert values["WEFT_HOME"] == "(set, not shown)"
    [job] = json.loads(parts["jobs.json"])["jobs"]
    assert (job["status"], job["entities_skipped"]) == ("FAILED", 3)
    assert job["log"][0]["message"] == "Skipped <name>: it is binary"
    assert job["errors"] == ["The source refused the credentials, see <address>"]


def test_text_of_a_foreign_source_is_left_out(terminal: Terminal, tmp_path: Path) -> None:
    fill(terminal, Canaries(), "foreign")
    terminal.backend.script = [make_job(JobStatus.FAILED, error="Dear diary")]
    parts = write(terminal, tmp_path / "bundle.zip", "--with-names")
    [job] = json.loads(parts["jobs.json"])["jobs"]
    assert (job["errors"], job["log"]) == ([], [])


def test_names_are_there_only_if_asked_for(terminal: Terminal, tmp_path: Path) -> None:
    canaries = Canaries()
    fill(terminal, canaries, "files")
    parts = write(terminal, tmp_path / "bundle.zip", "--with-names")
    assert canaries.find(parts["jobs.json"].encode()) == {
        "connection",
        "document",
        "other document",
        "quoted",
    }


@pytest.mark.parametrize(
    "private",
    [
        "~/x y",
        "C:\\Users\\ada",
        "../a",
        "10.0.0.7:80",
        "ada@host.example",
        "host.example:8080",
        "notes.md",
        "ghp_0123456789abcdefghijklmn",
    ],
)
def test_cleaner_removes_what_looks_private(private: str) -> None:
    cleaned = Cleaner().clean(f"It is {private}")
    assert private.split()[0] not in cleaned


def test_bundle_is_written_when_the_database_cannot_be_read(
    terminal: Terminal, tmp_path: Path
) -> None:
    assert json.loads(write(terminal, tmp_path / "b.zip")["jobs.json"]) == {}
