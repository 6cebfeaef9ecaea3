"""The docstring draws the real error tree, and each error carries what its receiver needs."""

import re
from collections.abc import Iterator

import pytest

import weft.errors
from weft.errors import (
    AuthenticationFailed,
    Conflict,
    ErrorCategory,
    RateLimited,
    WeftError,
)

_BRANCH = re.compile(r"^(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)(?P<text>.*)$")
_STATUS = re.compile(r"\((?:HTTP )?(\d{3})\)")


def walk_classes(root: type[WeftError] = WeftError) -> Iterator[type[WeftError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == weft.errors.__name__:
            yield from walk_classes(child)


def parse_drawn_tree() -> dict[str, tuple[str | None, int | None]]:
    """Map each drawn name to its parent's name and its HTTP status, if one is drawn."""
    docstring = weft.errors.__doc__
    assert docstring is not None
    tree: dict[str, tuple[str | None, int | None]] = {}
    ancestors: list[tuple[int, str]] = []
    for line in docstring.splitlines():
        match = _BRANCH.match(line)
        if match is None or not line.startswith("    "):
            continue
        depth = len(match["indent"])
        ancestors = [item for item in ancestors if item[0] < depth]
        status = _STATUS.search(match["text"])
        parent = ancestors[-1][1] if ancestors else None
        tree[match["name"]] = (parent, int(status[1]) if status else None)
        ancestors.append((depth, match["name"]))
    return tree


def test_docstring_draws_exactly_the_classes_and_their_parents() -> None:
    drawn = {name: parent for name, (parent, _) in parse_drawn_tree().items()}
    real = {
        kind.__name__: None if kind is WeftError else kind.__bases__[0].__name__
        for kind in walk_classes()
    }
    assert drawn == real


def test_drawn_statuses_are_the_statuses_of_the_classes() -> None:
    drawn = {name: status for name, (_, status) in parse_drawn_tree().items() if status is not None}
    assert len(drawn) >= 9, "the docstring names a status for each error of a call"
    by_name = {kind.__name__: kind for kind in walk_classes()}
    assert {name: by_name[name].status for name in drawn} == drawn


@pytest.mark.parametrize("kind", list(walk_classes()), ids=lambda kind: kind.__name__)
def test_every_error_is_made_from_a_message_and_has_a_status_and_a_category(
    kind: type[WeftError],
) -> None:
    error = kind("Something is wrong.")
    assert (error.message, error.hint) == ("Something is wrong.", None)
    assert str(error) == "Something is wrong."
    assert 400 <= error.status < 600
    assert error.category in ErrorCategory


def test_text_is_message_and_hint() -> None:
    error = WeftError("The disk is full.", field="home", hint="Free some space.")
    assert str(error) == "The disk is full. Free some space."
    assert (error.message, error.field) == ("The disk is full.", "home")


def test_conflict_names_the_job_in_the_way() -> None:
    assert Conflict("A sync runs.", job_id="j1").job_id == "j1"
    assert Conflict("The name is taken.").job_id is None


def test_rate_limit_carries_the_seconds_to_wait() -> None:
    assert RateLimited("Too many requests.", retry_after=1.5).retry_after == 1.5
    assert RateLimited("Too many requests.").retry_after is None


def test_refused_credentials_name_auth_and_keep_their_category() -> None:
    plain = AuthenticationFailed("Refused.")
    assert (plain.field, plain.category) == ("auth", ErrorCategory.API_KEY_INVALID)
    expired = AuthenticationFailed("Expired.", category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED)
    assert expired.category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED
    assert AuthenticationFailed.category is not expired.category, "the class itself is unchanged"
