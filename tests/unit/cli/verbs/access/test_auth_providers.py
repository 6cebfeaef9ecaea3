"""`weft oauth-clients` and `weft auth-providers`, on a real database."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from weft.cli.app import cli
from weft.cli.terminal.context import App
from weft.cli.terminal.credentials import SECRET_MAX_CHARS
from weft.settings import Settings
from weft.wire.sources import UpstreamAccount

CANARY = "s3cr3t-canary-0c51"

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path))

    def run(*arguments: str, stdin: str = "") -> Result:
        app = App(shows_people=lambda: True, can_ask=lambda: False)
        return CliRunner().invoke(cli, arguments, obj=app, input=stdin, prog_name="weft")

    return run


def list_items(run: Run, group: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(group, "--json").stdout)["items"]
    return found


def test_oauth_client_is_set_listed_and_removed_without_showing_its_secret(run: Run) -> None:
    made = run("oauth-clients", "set", "github", "--client-id", "Iv1.abc", stdin=f"{CANARY}\n")
    assert made.exit_code == 0, made.output
    (listed,) = list_items(run, "oauth-clients")
    assert (listed["short_name"], listed["client_id"]) == ("github", "Iv1.abc")
    assert (listed["origin"], listed["has_secret"]) == ("https://github.com", True)
    shown = run("oauth-clients")
    assert "github" in shown.stdout
    assert CANARY not in made.output + shown.output + json.dumps(listed)
    assert run("oauth-clients", "remove", "github", "--yes").exit_code == 0
    assert list_items(run, "oauth-clients") == []
    assert run("oauth-clients", "remove", "github", "--yes").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("files", "--client-id", "x"), "not authorised with OAuth"),
        (("nothing", "--client-id", "x"), "No source"),
        (("github", "--client-id", "x", "--provider-origin", "github.com"), "provider_origin"),
        (("github", "--client-id", "x", CANARY), "unexpected extra argument"),
    ],
)
def test_bad_oauth_client_is_refused_with_the_reason(
    run: Run, arguments: tuple[str, ...], told: str
) -> None:
    refused = run("oauth-clients", "set", *arguments, stdin=f"{CANARY}\n")
    assert refused.exit_code == 2
    assert told in refused.output


def test_oauth_client_without_its_secret_is_refused(run: Run) -> None:
    assert run("oauth-clients", "set", "github", "--client-id", "x").exit_code == 2
    assert run("oauth-clients", "set", "github", "--client-id", "x", "--public").exit_code == 0


def test_secret_that_is_too_long_is_refused(run: Run) -> None:
    most = "x" * SECRET_MAX_CHARS
    refused = run("oauth-clients", "set", "github", "--client-id", "x", stdin=f"{most}x")
    assert refused.exit_code == 2
    assert "too long" in refused.output
    assert run("oauth-clients", "set", "github", "--client-id", "x", stdin=most).exit_code == 0


def test_auth_providers_are_added_listed_and_removed_without_showing_secrets(run: Run) -> None:
    composio = ("auth-providers", "add", "composio", "--name", "composio-prod-x7k9m")
    made = run(*composio, "--app", "github=github_app", stdin=CANARY)
    assert made.exit_code == 0, made.output
    again = run(*composio, stdin=CANARY)
    assert again.exit_code == 2
    pipedream = ("auth-providers", "add", "pipedream", "--name", "pipedream-dev")
    options = ("--client-id", "c1", "--project-id", "proj_1", "--environment", "development")
    assert run(*pipedream, *options, stdin=CANARY).exit_code == 0
    listed = list_items(run, "auth-providers")
    assert [one["readable_id"] for one in listed] == ["composio-prod-x7k9m", "pipedream-dev"]
    assert listed[0]["options"]["app:github"] == "github_app"
    assert listed[1]["options"]["project_id"] == "proj_1"
    shown = run("auth-providers")
    assert CANARY not in made.output + again.output + shown.output + json.dumps(listed)
    assert run("auth-providers", "remove", "pipedream-dev", "--yes").exit_code == 0
    assert [one["kind"] for one in list_items(run, "auth-providers")] == ["composio"]


def test_hosts_that_may_receive_tokens_are_kept_as_origins(run: Run) -> None:
    hosts = ("--host", "API.example.com", "--host", "https://b.example:8443/")
    kept = ["https://api.example.com", "https://b.example:8443"]
    client = ("oauth-clients", "set", "github", "--client-id", "x", "--public", *hosts)
    assert run(*client).exit_code == 0
    assert list_items(run, "oauth-clients")[0]["hosts"] == kept
    added = run("auth-providers", "add", "composio", "--name", "main", *hosts, stdin=CANARY)
    assert added.exit_code == 0, added.output
    assert list_items(run, "auth-providers")[0]["hosts"] == kept


@pytest.mark.parametrize(
    "arguments",
    [
        ("composio", "--name", "name", "--host", "*.example.com"),
        ("composio", "--name", "name", "--host", "http://api.example.com"),
        ("composio", "--name", "UPPER"),
        ("composio", "--name", "name", "--base-url", "ftp://x"),
        ("composio", "--name", "name", "--app", "github"),
        ("pipedream", "--name", "name"),
        ("pipedream", "--name", "name", "--client-id", "c1"),
    ],
)
def test_bad_auth_provider_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run("auth-providers", "add", *arguments, stdin=CANARY)
    assert refused.exit_code == 2
    assert CANARY not in refused.output
    assert list_items(run, "auth-providers") == []


class FakeAccounts:
    async def list(self) -> list[UpstreamAccount]:
        return [UpstreamAccount(readable_id="composio-prod", short_name="composio")]


@asynccontextmanager
async def open_fake(_settings: Settings) -> AsyncGenerator[FakeAccounts]:
    yield FakeAccounts()


def test_accounts_of_the_remote_api_are_listed_as_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("auth-providers", "add", "composio", "--name", "local", stdin=CANARY).exit_code == 0
    monkeypatch.setenv("WEFT_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WEFT_API_KEY", CANARY)
    monkeypatch.setattr("weft.assembly.remote.open_accounts", open_fake)
    shown = run("auth-providers", "list")
    assert shown.exit_code == 0, shown.output
    assert "accounts of the API in WEFT_API_URL" in shown.output
    assert "composio-prod" in shown.output
    assert "local " not in shown.stdout


@pytest.mark.parametrize("verb", [("keys", "list"), ("audit",)])
def test_list_of_the_local_database_says_so_beside_a_remote_api(
    run: Run, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    told = "This is what the local database holds"
    assert told not in run(*verb).output
    monkeypatch.setenv("WEFT_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WEFT_API_KEY", CANARY)
    shown = run(*verb)
    assert (shown.exit_code, told in shown.output) == (0, True)
