"""`weft promote` copies connections to Airweave; credentials go by a page or by reference."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from weft.assembly.backends import open_backend
from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.domain.collections import NewCollection
from weft.domain.connections import Auth, NewConnection
from weft.settings import SecretMapping, Settings
from weft.testing.airweave import Airweave, airweave_app
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio

GOOD, BAD = "ghp_good_s3cret", "ghp_bad_s3cret"


@dataclass
class Mover:
    """A person with a local connection to GitHub, and an organisation at Airweave."""

    world: Airweave
    settings: Settings

    async def promote(self, *args: str) -> dict[str, Any]:
        """Copy all, and return what became of the connection; nobody can be asked."""
        app = App(load_settings=lambda: self.settings, can_ask=lambda: False)
        run = partial(CliRunner().invoke, cli, ["promote", "--yes", "--json", *args], obj=app)
        result = await anyio.to_thread.run_sync(run)
        assert "s3cret" not in result.output
        (row,) = json.loads(result.stdout)["items"]
        return row


@pytest.fixture
async def mover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Mover]:
    monkeypatch.setenv("WEFT_TEST_GOOD", GOOD)
    monkeypatch.setenv("WEFT_TEST_BAD", BAD)
    local = Settings(home=tmp_path / "home")
    async with open_backend(local, run_jobs=False) as backend:
        await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
        new = NewConnection(
            short_name="github",
            readable_collection_id="docs",
            name="Our repo",
            config={"repo_name": "acme/docs"},
        )
        await backend.connections.create(new)
    world = Airweave()
    async with serve_app(airweave_app(world)) as url:
        secrets = {
            name: SecretMapping(env=env, sources=("github",), hosts=(url,))
            for name, env in (("good", "WEFT_TEST_GOOD"), ("bad", "WEFT_TEST_BAD"))
        }
        settings = Settings(
            home=local.home, api_url=url, api_key=SecretStr(world.key), secrets=secrets
        )
        yield Mover(world, settings)


async def test_connection_gets_the_named_secret(mover: Mover) -> None:
    row = await mover.promote("--secret", "Our repo=good")
    assert row["state"] == "created", row
    (made,) = mover.world.connections.values()
    assert made.credentials == {"personal_access_token": GOOD}
    assert (await mover.promote())["state"] == "already there"


async def test_refused_secret_leaves_no_empty_collection(mover: Mover) -> None:
    row = await mover.promote("--secret", "Our repo=bad")
    assert row["state"] == "not possible"
    assert "refused the credentials" in row["obstacle"]
    assert (mover.world.connections, mover.world.collections) == ({}, {})


async def test_connection_waits_for_its_page_in_a_later_process(mover: Mover) -> None:
    row = await mover.promote()
    assert (row["state"], row["auth_url"]) == ("waits for credentials", None)
    assert mover.world.connections == {}
    assert (await mover.promote())["state"] == "already there", "no second draft"
    async with open_backend(mover.settings, run_jobs=False) as backend:
        assert backend.authorization is not None
        begun = await backend.authorization.begin(row["remote_id"])
        assert (begun.auth.auth_url or "").startswith("http://127.0.0.1")
        auth = Auth.model_validate({"direct": {"credentials": {"secret_ref": "good"}}})
        await backend.authorization.authorize(row["remote_id"], auth)
    (made,) = mover.world.connections.values()
    assert made.credentials == {"personal_access_token": GOOD}
