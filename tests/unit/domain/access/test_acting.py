"""The present actor, and the fingerprint of its arguments."""

from typing import cast

import pytest

from weft.domain.access.acting import SYSTEM, acting, arguments_digest, current_actor

CANARY = "s3cr3t-canary"


def test_engine_acts_when_nobody_else_does() -> None:
    assert current_actor() is SYSTEM


def test_inner_says_what_it_knows_and_keeps_the_rest() -> None:
    with (
        acting(operation="POST /mcp", principal="key:ci", transport="http", arguments={"a": 1}),
        acting(operation="run_sync"),
    ):
        now = current_actor()
        assert (now.principal, now.transport, now.operation) == ("key:ci", "http", "run_sync")
        assert now.arguments is None, "the outer operation's arguments are not the inner one's"
    assert current_actor() is SYSTEM


def test_outer_is_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="crash"), acting(operation="x"):
        raise ValueError("crash")
    assert current_actor() is SYSTEM


def test_equal_arguments_give_equal_digests_in_any_order() -> None:
    first = arguments_digest({"name": "docs", "config": {"a": 1, "b": [1, 2]}})
    assert first == arguments_digest({"config": {"b": [1, 2], "a": 1}, "name": "docs"})
    assert first != arguments_digest({"name": "docs", "config": {"a": 1, "b": [2, 1]}})


@pytest.mark.parametrize(
    "arguments",
    [
        {"auth": {"direct": {"credentials": {"token": CANARY}}}},
        {"credentials": {"pat": CANARY}},
        {"config": {"api_key": CANARY, "apiKey": CANARY, "x": [{"Password": CANARY}]}},
        {"claim_token": CANARY, "client_secret": CANARY, "value": CANARY, "values": [CANARY]},
    ],
)
def test_what_may_be_secret_is_not_in_the_digest(arguments: dict[str, object]) -> None:
    def replace(value: object) -> object:
        if isinstance(value, dict):
            return {k: replace(item) for k, item in cast("dict[str, object]", value).items()}
        if isinstance(value, list):
            return [replace(item) for item in cast("list[object]", value)]
        return "another"

    other = {key: replace(value) for key, value in arguments.items()}
    assert arguments_digest(arguments) == arguments_digest(other)


def test_arguments_that_are_no_json_have_a_digest_too() -> None:
    assert len(arguments_digest({"a": {1, 2}, "b": "\ud800", "c": object()})) == 64
