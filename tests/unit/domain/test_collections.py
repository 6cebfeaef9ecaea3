"""Collections: their names and readable ids."""

import pytest

from weft.domain.collections import (
    NAME_MAX_CHARS,
    READABLE_ID_MAX_CHARS,
    derive_readable_id,
    is_readable_id,
    validate_name,
    validate_readable_id,
)
from weft.errors import InvalidInput


def test_name_loses_the_space_around_it() -> None:
    assert validate_name("  Docs of the team ") == "Docs of the team"


@pytest.mark.parametrize("name", ["", "abc", " abc  ", "x" * (NAME_MAX_CHARS + 1)])
def test_name_of_a_wrong_length_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_name(name)
    assert caught.value.field == "name"


@pytest.mark.parametrize("text", ["a", "team-docs", "0-1-2", "x" * READABLE_ID_MAX_CHARS])
def test_readable_id_of_words_and_hyphens_is_kept(text: str) -> None:
    assert validate_readable_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "Team", "a--b", "-a", "a-", "a b", "a\n", "ä", "x" * (READABLE_ID_MAX_CHARS + 1)],
)
def test_other_readable_ids_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_readable_id(text)
    assert caught.value.field == "readable_id"


@pytest.mark.parametrize(
    ("name", "beginning"),
    [("Team Docs!", "team-docs-"), ("日本語", "collection-"), ("İ" * NAME_MAX_CHARS, "i-i-i-")],
)
def test_derived_readable_id_begins_with_the_name_and_ends_at_random(
    name: str, beginning: str
) -> None:
    made = derive_readable_id(name, random_chars=8)
    assert made.startswith(beginning)
    assert is_readable_id(made)
    assert made != derive_readable_id(name, random_chars=8)


def test_readable_id_without_random_characters_is_the_name_alone() -> None:
    assert derive_readable_id("  My Notes! ") == "my-notes"
    assert derive_readable_id("日本語") == "collection"
    assert is_readable_id(derive_readable_id("a b" * NAME_MAX_CHARS))
