"""`weft oauth-clients` and `weft auth-providers`, on a real database."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.support.terminal import Shell
from weft.cli.terminal.credentials import SECRET_MAX_CHARS
from weft.settings import Settings
from weft.wire.sources import UpstreamAccount

CANARY = "s3cr3t-canary-0c51"


def test_oauth_client_is_set_listed_and_removed_without_showing_its_secret(shell: Shell) -> None:
    made = shell.run(
        "oauth-clients", "set", "github", "--client-id", "Iv1.abc", stdin=f"{CANARY}\n"
    )
    assert made.exit_code == 0, made.output
    (listed,) = shell.list_items("oauth-clients")
    assert (listed["short_name"], listed["client_id"]) == ("github", "Iv1.abc")
    assert (listed["origin"], listed["has_secret"]) == ("https://github.com", True)
    shown = shell.run("oauth-clients")
    assert "github" in shown.stdout
    assert CANARY not in made.output + shown.output + json.dumps(listed)
    assert shell.run("oauth-clients", "remove", "github", "--yes").exit_code == 0
    assert shell.list_items("oauth-clients") == []
    assert shell.run("oauth-clients", "remove", "github", "--yes").exit_code == 2


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
    shell: Shell, arguments: tuple[str, ...], told: str
) -> None:
    refused = shell.run("oauth-clients", "set", *arguments, stdin=f"{CANARY}\n")
    assert refused.exit_code == 2
    assert told in refused.output


def test_oauth_client_without_its_secret_is_refused(shell: Shell) -> None:
    assert shell.run("oauth-clients", "set", "github", "--client-id", "x").exit_code == 2
    assert (
        shell.run("oauth-clients", "set", "github", "--client-id", "x", "--public").exit_code == 0
    )


def test_secret_that_is_too_long_is_refused(shell: Shell) -> None:
    most = "x" * SECRET_MAX_CHARS
    refused = shell.run("oauth-clients", "set", "github", "--client-id", "x", stdin=f"{most}x")
    assert refused.exit_code == 2
    assert "too long" in refused.output
    assert (
        shell.run("oauth-clients", "set", "github", "--client-id", "x", stdin=most).exit_code == 0
    )


def test_auth_providers_are_added_listed_and_removed_without_showing_secrets(shell: Shell) -> None:
    composio = ("auth-providers", "add", "composio", "--name", "composio-prod-x7k9m")
    made = shell.run(*composio, "--app", "github=github_app", stdin=CANARY)
    assert made.exit_code == 0, made.output
    again = shell.run(*composio, stdin=CANARY)
    assert again.exit_code == 2
    pipedream = ("auth-providers", "add", "pipedream", "--name", "pipedream-dev")
    options = ("--client-id", "c1", "--project-id", "proj_1", "--environment", "development")
    assert shell.run(*pipedream, *options, stdin=CANARY).exit_code == 0
    listed = shell.list_items("auth-providers")
    assert [one["readable_id"] for one in listed] == ["composio-prod-x7k9m", "pipedream-dev"]
    assert listed[0]["options"]["app:github"] == "github_app"
    assert listed[1]["options"]["project_id"] == "proj_1"
    shown = shell.run("auth-providers")
    assert CANARY not in made.output + again.output + shown.output + json.dumps(listed)
    assert shell.run("auth-providers", "remove", "pipedream-dev", "--yes").exit_code == 0
    assert [one["kind"] for one in shell.list_items("auth-providers")] == ["composio"]


def test_hosts_that_may_receive_tokens_are_kept_as_origins(shell: Shell) -> None:
    hosts = ("--host", "API.example.com", "--host", "https://b.example:8443/")
    kept = ["https://api.example.com", "https://b.example:8443"]
    client = ("oauth-clients", "set", "github", "--client-id", "x", "--public", *hosts)
    assert shell.run(*client).exit_code == 0
    assert shell.list_items("oauth-clients")[0]["hosts"] == kept
    added = shell.run("auth-providers", "add", "composio", "--name", "main", *hosts, stdin=CANARY)
    assert added.exit_code == 0, added.output
    assert shell.list_items("auth-providers")[0]["hosts"] == kept


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
def test_bad_auth_provider_is_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    refused = shell.run("auth-providers", "add", *arguments, stdin=CANARY)
    assert refused.exit_code == 2
    assert CANARY not in refused.output
    assert shell.list_items("auth-providers") == []


class FakeAccounts:
    async def list(self) -> list[UpstreamAccount]:
        return [UpstreamAccount(readable_id="composio-prod", short_name="composio")]


@asynccontextmanager
async def open_fake(_settings: Settings) -> AsyncGenerator[FakeAccounts]:
    yield FakeAccounts()


def test_accounts_of_the_remote_api_are_listed_as_its_own(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        shell.run("auth-providers", "add", "composio", "--name", "local", stdin=CANARY).exit_code
        == 0
    )
    monkeypatch.setenv("WEFT_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WEFT_API_KEY", CANARY)
    monkeypatch.setattr("weft.assembly.remote.open_accounts", open_fake)
    shown = shell.run("auth-providers", "list")
    assert shown.exit_code == 0, shown.output
    assert "accounts of the API in WEFT_API_URL" in shown.output
    assert "composio-prod" in shown.output
    assert "local " not in shown.stdout


@pytest.mark.parametrize("verb", [("keys", "list"), ("audit",)])
def test_list_of_the_local_database_says_so_beside_a_remote_api(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    told = "This is what the local database holds"
    assert told not in shell.run(*verb).output
    monkeypatch.setenv("WEFT_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WEFT_API_KEY", CANARY)
    shown = shell.run(*verb)
    assert (shown.exit_code, told in shown.output) == (0, True)
