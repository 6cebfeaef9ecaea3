"""`weft secret`, `weft audit` and `weft keys rotate-master` on a real database."""

import json
from contextlib import closing
from typing import Any, cast

import apsw
import pytest

from tests.support.terminal import Shell

CANARY = "s3cr3t-canary-77aa"
ALLOWED = ("--source", "github", "--host", "api.github.com")


def test_secret_is_read_from_standard_input_and_never_shown(shell: Shell) -> None:
    made = shell.run("secret", "set", "main", *ALLOWED, stdin=f"{CANARY}\n")
    assert made.exit_code == 0
    assert '{"secret_ref": "main"}' in made.stderr
    (listed,) = shell.list_items("secret", "list")
    assert (listed["name"], listed["origin"]) == ("main", "stored")
    assert (listed["sources"], listed["hosts"]) == (["github"], ["https://api.github.com"])
    shown = shell.run("secret")
    assert "main" in shown.stdout
    told = "".join((made.output, shown.output, json.dumps(listed)))
    assert CANARY not in told


def test_secret_is_not_taken_from_the_command_line(shell: Shell) -> None:
    result = shell.run("secret", "set", "main", CANARY, *ALLOWED)
    assert result.exit_code == 2
    assert CANARY not in result.output


@pytest.mark.parametrize(
    "arguments", [("--host", "api.github.com"), ("--source", "github"), ("--source", "nobody")]
)
def test_secret_without_a_place_to_go_is_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    result = shell.run("secret", "set", "main", *arguments, stdin=CANARY)
    assert result.exit_code == 2
    assert CANARY not in result.output
    assert "No secrets" in shell.run("secret", "list").stdout


def test_empty_standard_input_is_no_secret(shell: Shell) -> None:
    result = shell.run("secret", "set", "main", *ALLOWED, stdin="\n")
    assert result.exit_code == 2
    assert "holds no value" in result.stderr


def test_deleting_a_secret_asks_first(shell: Shell) -> None:
    shell.run("secret", "set", "main", *ALLOWED, stdin=CANARY)
    assert shell.run("secret", "delete", "main").exit_code == 2
    assert shell.run("secret", "delete", "main", "--yes").exit_code == 0
    assert shell.run("secret", "delete", "main", "--yes").exit_code == 2
    assert shell.list_items("secret", "list") == []


def test_organizations_have_secrets_of_their_own(shell: Shell) -> None:
    team = ("--organization", "team")
    shell.run("secret", "set", "main", *ALLOWED, *team, stdin=CANARY)
    assert shell.list_items("secret", "list") == []
    assert [one["name"] for one in shell.list_items("secret", "list", *team)] == ["main"]


def test_what_was_done_is_audited_by_verb(shell: Shell) -> None:
    shell.run("secret", "set", "main", *ALLOWED, stdin=CANARY)
    shell.run("keys", "create", "ci", "--role", "read")
    shell.run("keys", "rotate-master")
    shell.run("secret", "delete", "main", "--yes")
    found = shell.list_items("audit")
    assert [(entry["operation"], entry["action"]) for entry in found] == [
        ("secret delete", "delete"),
        ("keys rotate-master", "rotate"),
        ("keys create", "create"),
        ("secret set", "set"),
    ]
    assert {(entry["principal"], entry["transport"]) for entry in found} == {("local", "cli")}
    assert [entry["operation"] for entry in shell.list_items("audit", "--limit", "1")] == [
        "secret delete"
    ]
    assert shell.list_items("audit", "--since", "2999-01-01") == []
    assert len(shell.list_items("audit", "--since", "1h")) == 4
    assert "secret delete" in shell.run("audit").stdout


def test_audit_of_an_unknown_connection_is_refused(shell: Shell) -> None:
    result = shell.run("audit", "--connection", "nobody")
    assert result.exit_code == 2
    assert "No connection has that id or name" in result.stderr


def test_audit_of_an_authorisation_is_one_line_a_row(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shell.run("collections", "create", "Notes")
    with closing(cast("Any", apsw).Connection(str(shell.home / "weft.db"))) as db:
        db.execute(
            "INSERT INTO audit "
            "SELECT no + 1, at - 3500000000, organization_id, principal, transport, "
            "'connections authorize', 'begin_authorization', 'connection', target_id, NULL, NULL, "
            "outcome FROM audit"
        )
    _, _, *rows = shell.run("audit").stdout.splitlines()
    assert len(rows) == len(shell.list_items("audit")) == 2
    assert "58 min ago" in rows[0]
    assert "connections authorize" in rows[0]


def test_audit_shows_people_the_beginning_of_an_id(shell: Shell) -> None:
    shell.run("collections", "create", "Notes")
    (entry,) = shell.list_items("audit")
    shown = shell.run("audit").stdout
    assert entry["target_id"][:8] in shown
    assert entry["target_id"] not in shown


def test_collection_whose_id_is_too_short_is_named_by_its_option(shell: Shell) -> None:
    new = ("connections", "create", "files", "--collection", "big", "--create-collection")
    result = shell.run(*new, "--config", "path=/notes")
    assert result.exit_code == 2
    assert "error: No collection can be made from 'big': " in result.stderr
    assert "weft collections create NAME --id ID" in result.stderr


def test_bad_time_is_refused(shell: Shell) -> None:
    result = shell.run("audit", "--since", "yesterday")
    assert result.exit_code == 2
    assert "2026-11-01" in result.stderr


def test_rotation_says_what_it_did_and_keeps_secrets(shell: Shell) -> None:
    shell.run("secret", "set", "main", *ALLOWED, stdin=CANARY)
    assert "1 data keys" in shell.run("keys", "rotate-master").stderr
    again = json.loads(shell.run("keys", "rotate-master", "--json").stdout)
    assert again == {"rewrapped": 1, "damaged": 0, "resumed": False}
    assert [one["name"] for one in shell.list_items("secret", "list")] == ["main"]


def test_lost_key_is_told_and_can_be_given_up(shell: Shell) -> None:
    shell.run("secret", "set", "main", *ALLOWED, stdin=CANARY)
    (shell.home / "keys" / "master.key").unlink()
    refused = shell.run("secret", "list")
    assert refused.exit_code == 1
    assert "--forget-lost" in refused.stderr
    assert shell.run("keys", "rotate-master").exit_code == 1
    assert shell.run("keys", "rotate-master", "--forget-lost").exit_code == 2, "it asks first"
    given_up = shell.run("keys", "rotate-master", "--forget-lost", "--yes", "--json")
    assert json.loads(given_up.stdout) == {"dropped": 1}
    assert shell.run("secret", "set", "main", *ALLOWED, stdin=CANARY).exit_code == 0


@pytest.mark.parametrize(
    ("verb", "name", "given"),
    [
        ("secret", "main", ("set", "main", *ALLOWED)),
        ("oauth-clients", "github", ("set", "github", "--client-id", "id")),
        ("auth-providers", "prod", ("add", "composio", "--name", "prod")),
    ],
)
def test_what_was_lost_is_told_until_it_is_given_again(
    shell: Shell, verb: str, name: str, given: tuple[str, ...]
) -> None:
    assert shell.run(verb, *given, stdin=CANARY).exit_code == 0
    assert shell.list_items(verb)[0]["lost"] is False
    assert list_problems(shell) == []
    (shell.home / "keys" / "master.key").unlink()
    shell.run("keys", "rotate-master", "--forget-lost", "--yes")
    (problem,) = list_problems(shell)
    assert f"lost: {name}." in problem
    assert f"`weft {verb} " in problem
    assert shell.list_items(verb)[0]["lost"] is True
    shown = shell.run(verb)
    assert "lost" in shown.stdout
    assert f"`weft {verb} " in shown.stderr
    if verb == "auth-providers":
        shell.run(verb, "remove", name, "--yes")
    assert shell.run(verb, *given, stdin=CANARY).exit_code == 0
    assert shell.list_items(verb)[0]["lost"] is False
    assert list_problems(shell) == []


def list_problems(shell: Shell) -> list[str]:
    problems: list[str] = json.loads(shell.run("doctor", "--json").stdout)["problems"]
    return problems


def test_secrets_of_the_configuration_are_listed_without_their_values(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shell.home / "config.toml").write_text(
        '[secrets.ops]\nenv = "OPS_TOKEN"\nsources = ["github"]\nhosts = ["api.github.com"]\n'
    )
    monkeypatch.setenv("OPS_TOKEN", CANARY)
    (listed,) = shell.list_items("secret", "list")
    assert (listed["name"], listed["origin"]) == ("ops", "env")
    assert CANARY not in json.dumps(listed)
    assert CANARY not in shell.run("doctor").output
    result = shell.run("secret", "set", "ops", *ALLOWED, stdin=CANARY)
    assert result.exit_code == 2
    assert "config.toml" in result.stderr
