"""Copying connections to the remote API: the preview, the questions and the outcome."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from tests.support.cli import FakeBackend, FakeCollections, make_collection, make_connection
from weft.backend import Backend
from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.domain.collections import Collection
from weft.domain.connections import NewConnection
from weft.domain.schedules import Schedule, ScheduleSpec
from weft.errors import InvalidInput, SourceUnavailable
from weft.settings import Settings

API = "https://api.example.com"
SECRET = "typed-s3cret"


def make_local_backend() -> FakeBackend:
    crm = make_connection(id="con-2", name="My CRM", short_name="crm", config={"site": "eu"})
    backend = FakeBackend()
    backend.known = {"con-1": make_connection(), "con-2": crm, "My CRM": crm}
    return backend


class StuckCollections(FakeCollections):
    """Collections that cannot be deleted."""

    async def delete(self, collection: str, **_how: bool) -> Collection:
        raise SourceUnavailable("Gone.")


@dataclass
class Both:
    """A local engine and a remote API; which of them is opened depends on the settings."""

    home: Path
    local: FakeBackend = field(default_factory=make_local_backend)
    remote: FakeBackend = field(default_factory=lambda: FakeBackend(known={}, existing=[]))
    api_url: str | None = API
    people: bool = True

    def run(self, *args: str, typed: str | None = None) -> Result:
        key = SecretStr("api-key-canary") if self.api_url else None
        settings = Settings(home=self.home, api_url=self.api_url, api_key=key)

        @asynccontextmanager
        async def open_backend(wanted: Settings, /, *, run_jobs: bool) -> AsyncGenerator[Backend]:
            assert not run_jobs
            yield self.local if wanted.api_url is None else self.remote

        app = App(
            open_backend=open_backend,
            load_settings=lambda: settings,
            shows_people=lambda: self.people,
            can_ask=lambda: typed is not None,
        )
        return CliRunner().invoke(cli, ["promote", *args], obj=app, input=typed, prog_name="weft")

    @property
    def created(self) -> list[NewConnection]:
        return self.remote.calls_of("connections.create")


@pytest.fixture
def both(tmp_path: Path) -> Both:
    return Both(tmp_path)


def rows_by_id(result: Result) -> dict[str, Any]:
    return {item["local_id"]: item for item in json.loads(result.stdout)["items"]}


def test_preview_is_shown_and_nothing_is_created_without_a_yes(both: Both) -> None:
    result = both.run(typed="n\n")
    assert result.exit_code == 1
    assert "collection 'docs': to be created" in result.output
    assert "'My CRM' (crm) in docs: to be created (credentials are needed again)" in result.output
    assert both.remote.calls == [("connections.list", both.remote.calls_of("connections.list")[0])]


def test_silence_is_not_a_yes(both: Both) -> None:
    result = both.run("con-1")
    assert result.exit_code == 2
    assert "--yes" in result.output
    assert both.created == []


def test_credentials_are_asked_for_again_and_not_shown(both: Both) -> None:
    result = both.run("My CRM", "--yes", typed=f"{SECRET}\n\n")
    assert result.exit_code == 0, result.output
    (new,) = both.created
    assert (new.name, new.short_name, new.config) == ("My CRM", "crm", {"site": "eu"})
    assert new.auth is not None
    assert new.auth.direct is not None
    assert new.auth.direct.credentials == {"api_key": SECRET}
    assert SECRET not in result.output
    assert "api-key-canary" not in result.output
    assert [made.readable_id for made in both.remote.calls_of("collections.create")] == ["docs"]


def test_second_run_finds_what_is_there(both: Both) -> None:
    both.remote.known = {"r-1": make_connection(id="r-1"), "r-2": both.local.known["con-2"]}
    result = both.run("--yes")
    assert result.exit_code == 0
    assert "already there" in result.output
    assert (both.created, both.remote.calls_of("collections.create")) == ([], [])


def test_namesake_of_what_is_there_is_not_taken_for_it(both: Both) -> None:
    both.people = False
    both.local.known["con-3"] = make_connection(id="con-3")
    both.remote.known = {"r-1": make_connection(id="r-1")}
    rows = rows_by_id(both.run("--yes"))
    assert [new.name for new in both.created] == ["My CRM"]
    for namesake in ("con-1", "con-3"):
        assert rows[namesake]["obstacle"].startswith("2 connections have that name here, and 1 at")


def test_namesakes_that_are_all_there_are_not_told_one_by_one(both: Both) -> None:
    both.people = False
    both.local.known["con-3"] = make_connection(id="con-3")
    both.remote.known = {"r-1": make_connection(id="r-1"), "r-3": make_connection(id="r-3")}
    rows = rows_by_id(both.run("con-1", "con-3", "--yes"))
    for namesake in ("con-1", "con-3"):
        assert rows[namesake]["state"] == "already there"
        assert rows[namesake]["remote_id"] is None
        assert "r-1, r-3" in rows[namesake]["notes"][0]
    assert both.created == []


@pytest.mark.parametrize(("typed", "args"), [(None, []), ("", ["--page"])])
def test_what_needs_credentials_waits_for_a_page_where_nobody_is_asked(
    both: Both, typed: str | None, args: list[str]
) -> None:
    result = both.run("--yes", *args, typed=typed)
    assert result.exit_code == 0, result.output
    assert [(new.short_name, new.auth) for new in both.created] == [("notes", None), ("crm", None)]


def test_named_secret_is_sent_as_the_credential(both: Both) -> None:
    result = both.run("--yes", "--secret", "My CRM=crm-main", typed="")
    assert result.exit_code == 0, result.output
    assert "typed" not in result.output
    (notes, crm) = both.created
    assert notes.auth is None
    assert crm.auth is not None
    assert crm.auth.direct is not None
    assert crm.auth.direct.credentials == {"secret_ref": "crm-main"}


@pytest.mark.parametrize("secret", ["My CRM", "My CRM=", "Nobody=crm-main", "=crm-main"])
def test_secret_for_nothing_is_refused_before_anything_is_created(both: Both, secret: str) -> None:
    result = both.run("--yes", "--secret", secret)
    assert result.exit_code == 2
    assert "--secret" in result.output
    assert both.remote.calls_of("collections.create") == []


@pytest.mark.parametrize(
    ("changed", "obstacle"),
    [
        ({"short_name": "files"}, "no source 'files'"),
        ({"config": {"path": "/n", "depth": 1}}, "no config field depth"),
        ({"config": {}}, "requires the config field path"),
    ],
)
def test_what_the_api_cannot_take_is_said_before(
    both: Both, changed: dict[str, Any], obstacle: str
) -> None:
    both.people = False
    both.local.known = {"con-1": make_connection(**changed)}
    result = both.run("--yes")
    assert result.exit_code == 1
    assert obstacle in rows_by_id(result)["con-1"]["obstacle"]
    assert both.remote.calls_of("collections.create") == []


def test_name_that_another_source_has_there_is_not_taken(both: Both) -> None:
    both.people = False
    both.remote.known = {"r-1": make_connection(id="r-1", short_name="crm", config={"site": "x"})}
    assert "rename one" in rows_by_id(both.run("con-1", "--yes"))["con-1"]["obstacle"]


def test_schedule_is_copied_unless_it_has_a_time_zone(both: Both) -> None:
    both.people = False
    both.local.known = {
        "con-1": make_connection(schedule=Schedule(cron="0 2 * * *")),
        "con-3": make_connection(
            id="con-3", name="Berlin", schedule=Schedule(cron="0 2 * * *", timezone="Europe/Berlin")
        ),
    }
    rows = rows_by_id(both.run("--yes"))
    by_name = {new.name: new.schedule for new in both.created}
    assert by_name["My notes"] is not None
    assert by_name["My notes"].cron == "0 2 * * *"
    assert by_name["Berlin"] == ScheduleSpec(), "none, and not what the API chooses"
    assert "Europe/Berlin" in rows["con-3"]["notes"][0]


def test_field_that_a_continuous_sync_follows_here_is_left_to_the_api(both: Both) -> None:
    schedule = Schedule(continuous=True, cursor_field="updated_at")
    both.local.known = {"con-1": make_connection(schedule=schedule)}
    both.run("--yes")
    assert [new.schedule for new in both.created] == [ScheduleSpec(continuous=True)]


def test_collection_that_is_there_is_used(both: Both) -> None:
    both.remote.existing = [make_collection()]
    assert both.run("con-1", "--yes").exit_code == 0
    assert both.remote.calls_of("collections.create") == []


def test_without_an_address_it_says_what_to_set(both: Both) -> None:
    both.api_url = None
    result = both.run()
    assert result.exit_code == 2
    assert "WEFT_API_URL" in result.output


def test_collection_that_got_nothing_is_removed_again(both: Both) -> None:
    both.people = False
    both.remote.refusal = InvalidInput("No.")
    both.remote.known = {}
    result = both.run("con-1", "--yes")
    assert result.exit_code == 1
    assert len(both.remote.calls_of("collections.create")) == 1
    assert both.remote.calls_of("collections.delete") == ["docs"]


def test_collection_that_cannot_be_removed_again_is_told(both: Both) -> None:
    both.remote.refusal = InvalidInput("No.")
    both.remote.known = {}
    both.remote.collections = StuckCollections(both.remote)
    result = both.run("con-1", "--yes")
    assert result.exit_code == 1
    assert "its new collection is empty and could not go: Gone." in " ".join(result.output.split())


@pytest.mark.parametrize("verb", [["audit"], ["keys"]])
def test_lists_of_the_local_database_say_so_in_front_of_an_api(
    tmp_path: Path, verb: list[str]
) -> None:
    key = SecretStr("api-key-canary")
    for url, told in ((API, True), (None, False)):
        settings = Settings(home=tmp_path, api_url=url, api_key=key if url else None)
        app = App(load_settings=lambda settings=settings: settings)
        result = CliRunner().invoke(cli, verb, obj=app, prog_name="weft")
        assert result.exit_code == 0, result.output
        assert ("the local database holds" in result.stderr) is told
