"""Validation names the field and what is expected, and never repeats what was given."""

from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from weft.errors import InvalidInput
from weft.local.validate import validate

CANARY = "s3cr3t-canary"


class Inner(BaseModel):
    depth: int = 1


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: str
    count: int = Field(default=1, ge=1)
    order: Literal["new", "old"] = "new"
    tags: list[str] = Field(default_factory=list)
    inner: Inner = Inner()
    by_key: dict[str, int] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _no_dots(cls, value: str) -> str:
        if ".." in value:
            raise ValueError("must not have '..' in it")
        return value


class Keys(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(min_length=3)


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


def catch_refusal(
    data: dict[str, Any], model: type[BaseModel] = Options, *, secret: bool = False
) -> InvalidInput:
    field = "auth.direct.credentials" if secret else "config"
    with pytest.raises(InvalidInput) as caught:
        validate(model, data, field=field, secret=secret)
    assert CANARY not in f"{caught.value} {caught.value.field}"
    assert caught.value.__suppress_context__, "the cause would show the values in a traceback"
    return caught.value


def test_valid_data_becomes_the_model() -> None:
    made = validate(Options, {"path": "docs", "count": 2}, field="config")
    assert made == Options(path="docs", count=2)


def test_missing_field_is_named_with_its_path() -> None:
    error = catch_refusal({})
    assert (error.field, error.message) == ("config.path", "config.path is required.")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"path": "x", "count": CANARY}, "config.count"),
        ({"path": "x", "count": 0}, "config.count"),
        ({"path": [CANARY]}, "config.path"),
        ({"path": f"../{CANARY}"}, "config.path"),
        ({"path": "x", "order": CANARY}, "config.order"),
        ({"path": "x", "tags": [CANARY, 1]}, "config.tags"),
        ({"path": "x", "inner": {"depth": CANARY}}, "config.inner"),
        ({"path": "x", "by_key": {CANARY: "many"}}, "config.by_key"),
    ],
)
def test_wrong_value_is_named_and_not_repeated(data: dict[str, Any], field: str) -> None:
    assert catch_refusal(data).field == field


def test_reason_of_a_sources_own_check_is_told() -> None:
    assert catch_refusal({"path": "../x"}).message == "config.path: must not have '..' in it."


def test_unknown_field_is_named_with_the_nearest_and_all_known() -> None:
    error = catch_refusal({"path": "x", "cuont": CANARY})
    assert "no field 'cuont'" in error.message
    assert error.hint == "Did you mean 'count'? Known: path, count, order, tags, inner, by_key."


def test_model_without_fields_says_so() -> None:
    assert catch_refusal({"x": CANARY}, Nothing).hint == "The source takes none: leave config out."


def test_unknown_credential_is_not_repeated_for_it_may_be_the_secret() -> None:
    error = catch_refusal({"token": "good", CANARY: "x"}, Keys, secret=True)
    assert error.message == "auth.direct.credentials has an unknown field."
    assert error.hint == "Known: token."


def test_bad_credential_names_its_field_only() -> None:
    assert (
        catch_refusal({"token": [CANARY]}, Keys, secret=True).field
        == "auth.direct.credentials.token"
    )
    assert catch_refusal({}, Keys, secret=True).field == "auth.direct.credentials.token"
    short = catch_refusal({"token": "ab"}, Keys, secret=True)
    assert "ab" not in str(short).split()


@settings(deadline=None)
@given(
    key=st.text(max_size=5).map(lambda text: CANARY + text),
    value=st.recursive(
        st.just(CANARY) | st.none() | st.integers(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just(CANARY), inner),
        max_leaves=4,
    ),
    place=st.sampled_from(["token", "path", "count", "tags", "inner", "by_key", None]),
)
def test_neither_values_nor_keys_of_credentials_are_ever_repeated(
    key: str, value: Any, place: str | None
) -> None:
    data = {place or key: value}
    for model in (Keys, Options, Nothing):
        try:
            validate(model, data, field="auth", secret=True)
        except InvalidInput as error:
            shown = f"{error} {error.field} {error.hint}"
        else:
            shown = ""
        assert CANARY not in shown


def test_misspelt_field_is_named_before_the_one_that_is_missing_for_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(Options, {"paths": "x"}, field="config")
    assert "no field 'paths'" in caught.value.message
    assert "Did you mean 'path'?" in str(caught.value)


def test_text_where_a_list_belongs_is_answered_with_the_form_of_a_list() -> None:
    with pytest.raises(InvalidInput) as caught:
        validate(Options, {"path": "x", "tags": "a"}, field="config")
    assert '["…"]' in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"count": "20MB"}, "a whole number without a unit"),
        ({"tags": "*.md"}, "Give a list"),
    ],
)
def test_value_of_the_wrong_kind_is_answered_with_the_right_form(
    given: dict[str, Any], hint: str
) -> None:
    assert hint in str(catch_refusal({"path": "docs", **given}).hint)
