"""`weft keys`, on a real database."""

import json

from tests.support.terminal import Terminal


def test_a_key_is_shown_once_and_then_only_named(terminal: Terminal) -> None:
    made = terminal.run("keys", "create", "ci", "--role", "read")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert key.startswith("weft_")
    assert "not shown again" in made.stderr
    listed = terminal.run("keys")
    assert "ci" in listed.stdout
    assert "live" in listed.stdout
    assert key not in listed.stdout
    assert terminal.run("keys", "revoke", "ci").exit_code == 0
    assert "revoked" in terminal.run("keys", "list").stdout


def test_keys_as_json(terminal: Terminal) -> None:
    arguments = ("keys", "create", "ci", "--role", "admin", "--organization", "team", "--json")
    made = json.loads(terminal.run(*arguments).stdout)
    assert (made["name"], made["role"], made["organization"]) == ("ci", "admin", "team")
    assert made["key"].startswith("weft_")
    (listed,) = json.loads(terminal.run("keys", "list", "--json").stdout)["items"]
    assert "key" not in listed
    assert listed["organization"] == "team"


def test_no_keys_yet(terminal: Terminal) -> None:
    assert "weft keys create" in terminal.run("keys").stdout


def test_a_wrong_name_is_told_in_one_line(terminal: Terminal) -> None:
    result = terminal.run("keys", "revoke", "nobody")
    assert result.exit_code == 2
    assert "No live key" in result.stderr
