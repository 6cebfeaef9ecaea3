"""What doctor finds, and that it says so in its exit code."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from cli_fakes import Terminal
from pydantic import SecretStr

from weft.cli.doctor import Report, examine, shown_value
from weft.errors import StorageFailed
from weft.settings import Settings, load_settings
from weft.sources.registry import SourceRegistry

HEALTHY: dict[str, Any] = {"sqlite_version": "3.54.1", "problems": ()}


def examined(settings: Settings, *points: EntryPoint, **database: Any) -> Report:
    return examine(settings, lambda _settings: {**HEALTHY, **database}, SourceRegistry(points))


def test_healthy_installation_has_no_problem(tmp_path: Path) -> None:
    report = examined(Settings(home=tmp_path, files_roots=(tmp_path,)))
    assert report.document()["ok"] is True
    assert report.versions["sqlite"] == "3.54.1"
    assert report.notes == []


def test_unset_files_roots_is_noted_and_not_a_problem(tmp_path: Path) -> None:
    report = examined(Settings(home=tmp_path))
    assert any("WEFT_FILES_ROOTS" in note for note in report.notes)
    assert report.problems == []


def test_files_root_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    report = examined(Settings(home=tmp_path, files_roots=(tmp_path / "gone",)))
    assert str(tmp_path / "gone") in report.problems[0]


def test_home_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("", encoding="utf-8")
    assert "WEFT_HOME" in examined(Settings(home=home)).problems[0]


def test_broken_source_is_named(tmp_path: Path) -> None:
    broken = EntryPoint(name="crm", value="no_such_module:Crm", group="weft.sources")
    report = examined(Settings(home=tmp_path), broken)
    assert "'crm'" in report.problems[0]
    assert report.sources == {"crm": "broken"}


def test_database_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    def fail(_settings: Settings) -> dict[str, Any]:
        raise StorageFailed("The disk is full.")

    report = examine(Settings(home=tmp_path), fail, SourceRegistry(()))
    assert "The disk is full." in report.problems[0]


def test_damaged_database_is_a_problem(tmp_path: Path) -> None:
    report = examined(Settings(home=tmp_path), problems=("It is damaged.",))
    assert report.problems == ["It is damaged."]


def test_secret_setting_is_never_shown() -> None:
    assert "t0ken" not in shown_value(SecretStr("t0ken"))


def test_each_setting_says_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("sync_concurrency = 3\n", encoding="utf-8")
    shown = {s["name"]: (s["value"], s["origin"]) for s in examined(load_settings()).settings}
    assert shown["WEFT_HOME"] == (str(tmp_path), "environment")
    assert shown["WEFT_SYNC_CONCURRENCY"] == ("3", "config.toml")
    assert shown["WEFT_LOG_LEVEL"] == ("WARNING", "default")


def test_verdict_is_the_exit_code(terminal: Terminal) -> None:
    terminal.database = {"entities": 5}
    assert terminal.run("doctor", "--json").exit_code == 0
    terminal.database = {"problems": ("It is damaged.",)}
    result = terminal.run("doctor")
    assert result.exit_code == 1
    assert "problem: It is damaged." in result.stdout


def test_report_is_one_json_document(terminal: Terminal) -> None:
    document = json.loads(terminal.run("doctor", "--json").stdout)
    assert document["state"]["home"] == str(terminal.home)
    assert document["versions"]["weft"]


def test_key_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "master.key"
    key.parent.mkdir()
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    assert examined(Settings(home=tmp_path)).problems == []
    key.chmod(0o644)
    assert str(key) in examined(Settings(home=tmp_path)).problems[0]


def test_remote_api_is_named_and_the_local_engine_is_left_alone(tmp_path: Path) -> None:
    def untouched(_settings: Settings) -> dict[str, Any]:
        raise StorageFailed("The database must not be looked at.")

    key = SecretStr("api-key-canary")
    settings = Settings(home=tmp_path, api_url="https://api.example.com", api_key=key)
    report = examine(settings, untouched)
    assert report.problems == []
    assert report.state["backend"] == "https://api.example.com"
    assert "canary" not in json.dumps(report.document())
