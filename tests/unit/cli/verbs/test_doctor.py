"""The findings of doctor, and its exit code."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.terminal import Terminal
from weft.cli.verbs import doctor
from weft.cli.verbs.doctor import Report, examine, format_value
from weft.errors import NotPermitted, StorageFailed
from weft.settings import Settings, load_settings
from weft.sources.registry import SourceRegistry
from weft.web.gate.operator_token import TOKEN_FILE_NAME

HEALTHY: dict[str, Any] = {"sqlite_version": "3.54.1", "problems": ()}


def run_examine(settings: Settings, *points: EntryPoint, **database: Any) -> Report:
    return examine(
        settings,
        lambda _settings: {**HEALTHY, **database},
        lambda _settings: {},
        SourceRegistry(points),
    )


def test_healthy_installation_has_no_problem(tmp_path: Path) -> None:
    report = run_examine(Settings(home=tmp_path, files_roots=(tmp_path,)))
    assert report.document()["ok"] is True
    assert report.versions["sqlite"] == "3.54.1"
    assert report.notes == []


def test_unset_files_roots_is_noted_and_not_a_problem(tmp_path: Path) -> None:
    report = run_examine(Settings(home=tmp_path))
    assert any("WEFT_FILES_ROOTS" in note for note in report.notes)
    assert report.problems == []


def test_files_root_that_is_gone_is_a_problem(tmp_path: Path) -> None:
    report = run_examine(Settings(home=tmp_path, files_roots=(tmp_path / "gone",)))
    assert str(tmp_path / "gone") in report.problems[0]


def test_home_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("", encoding="utf-8")
    assert "WEFT_HOME" in run_examine(Settings(home=home)).problems[0]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_home_that_cannot_be_made_is_a_problem(tmp_path: Path, kind: str) -> None:
    parent = tmp_path / "parent"
    if kind == "file":
        parent.write_text("", encoding="utf-8")
    else:
        parent.symlink_to(tmp_path / "nothing")
    report = run_examine(Settings(home=parent / "below" / "home"))
    assert f"{parent} is not a folder" in report.problems[0]
    assert not any("first use creates it" in note for note in report.notes)


def test_home_that_can_be_made_is_noted(tmp_path: Path) -> None:
    report = run_examine(Settings(home=tmp_path / "below" / "home"))
    assert report.problems == []
    assert any("first use creates it" in note for note in report.notes)


def test_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_MIN_BYTES", 1 << 62)
    assert run_examine(Settings(home=tmp_path)).problems == [
        f"The disk of {tmp_path} is full: free some space."
    ]


def test_problem_of_the_database_does_not_advise_what_was_just_done(tmp_path: Path) -> None:
    said = "It is damaged. Run `weft doctor`; restore it."
    assert run_examine(Settings(home=tmp_path), problems=(said,)).problems == [
        "It is damaged. Restore it."
    ]


def test_certificate_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, http_tls_cert=tmp_path / "a", http_tls_key=tmp_path / "b")
    problems = run_examine(settings).problems
    assert [
        f"WEFT_HTTP_TLS_{name} names" in said
        for name, said in zip(("CERT", "KEY"), problems, strict=True)
    ] == [True, True]


def test_broken_source_is_named(tmp_path: Path) -> None:
    broken = EntryPoint(name="crm", value="no_such_module:Crm", group="weft.sources")
    report = run_examine(Settings(home=tmp_path), broken)
    assert "'crm'" in report.problems[0]
    assert report.sources == {"crm": "broken"}


def test_database_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    def fail(_settings: Settings) -> dict[str, Any]:
        raise StorageFailed("The disk is full.")

    report = examine(Settings(home=tmp_path), fail, lambda _: {}, SourceRegistry(()))
    assert "The disk is full." in report.problems[0]


def test_damaged_database_is_a_problem(tmp_path: Path) -> None:
    report = run_examine(Settings(home=tmp_path), problems=("It is damaged.",))
    assert report.problems == ["It is damaged."]


def test_secret_setting_is_never_shown() -> None:
    assert "t0ken" not in format_value(SecretStr("t0ken"))


def test_setting_without_a_value_is_empty() -> None:
    empty: tuple[object, ...] = (None, (), frozenset[str](), dict[str, object]())
    assert [format_value(value) for value in empty] == [""] * 4


def test_each_setting_says_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("sync_concurrency = 3\n", encoding="utf-8")
    shown = {s["name"]: (s["value"], s["origin"]) for s in run_examine(load_settings()).settings}
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


@pytest.mark.parametrize("name", ["keys/master.key", TOKEN_FILE_NAME])
def test_secret_that_others_can_read_is_a_problem(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"k" * 32)
    file.chmod(0o600)
    assert run_examine(Settings(home=tmp_path)).problems == []
    file.chmod(0o644)
    assert str(file) in run_examine(Settings(home=tmp_path)).problems[0]


def test_key_that_others_can_read_is_told_once(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "master.key"
    key.parent.mkdir()
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    said = f"The key file {key} is readable by other users."
    assert run_examine(Settings(home=tmp_path), problems=(said,)).problems == [said]


@pytest.mark.parametrize("name", ["", "keys", "weft.db", "weft.db-wal", "config.toml"])
@pytest.mark.parametrize("api", [{}, {"api_url": "https://api.example", "api_key": "key"}])
def test_state_that_others_can_change_is_a_problem(
    tmp_path: Path, name: str, api: dict[str, Any]
) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    for file in ("weft.db", "weft.db-wal", "config.toml"):
        (tmp_path / file).touch(0o600)
    settings = Settings(home=tmp_path, **api)
    assert run_examine(settings).problems == []
    path = tmp_path / name
    path.chmod(path.stat().st_mode | 0o002)
    assert run_examine(settings).problems == [
        f"Other users can change {path}: run `chmod go-w {path}`."
    ]


def test_lock_of_a_rotation_may_be_read_by_all(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "rotation.lock").touch(mode=0o644)
    assert run_examine(Settings(home=tmp_path)).problems == []


def test_remote_api_is_named_and_the_local_engine_is_left_alone(tmp_path: Path) -> None:
    def fail_when_asked(_settings: Settings) -> dict[str, Any]:
        raise StorageFailed("The database must not be looked at.")

    key = SecretStr("api-key-canary")
    settings = Settings(home=tmp_path, api_url="https://api.example.com", api_key=key)
    report = examine(settings, fail_when_asked, lambda _: {})
    assert report.problems == []
    assert report.state["backend"] == "https://api.example.com"
    assert "canary" not in json.dumps(report.document())


def test_plan_of_the_api_is_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, api_url="https://api.example", api_key=SecretStr("key"))
    plan = {"plan": "pro, active", "connections": "3 used, 50 allowed"}
    report = examine(settings, lambda _: HEALTHY, lambda _: plan)
    assert report.api == plan
    assert report.problems == []


def test_api_that_refuses_the_key_is_a_problem(tmp_path: Path) -> None:
    def refuse(_: Settings) -> dict[str, str]:
        raise NotPermitted("The API refused the key.")

    settings = Settings(home=tmp_path, api_url="https://api.example", api_key=SecretStr("key"))
    (problem,) = examine(settings, lambda _: HEALTHY, refuse).problems
    assert "refused the key" in problem
