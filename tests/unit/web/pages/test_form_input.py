"""The form for credentials: what it shows, hands on and says when something is wrong."""

import pytest

from tests.support.pages import (
    FIELDS,
    LINK,
    SECRET,
    Page,
    Sessions,
    build_form,
    fill_in,
    open_browser,
)
from weft.domain.authorizations import AuthOutcome
from weft.errors import AuthenticationFailed, InvalidInput, SourceMisconfigured, SourceUnavailable
from weft.web.pages.form_input import BODY_MAX_BYTES

pytestmark = pytest.mark.anyio


async def test_the_form_says_where_it_goes_and_ties_labels_to_fields() -> None:
    async with open_browser(Sessions()) as client:
        answer = await client.get(LINK)
    assert answer.status_code == 200
    page = Page(answer.text)
    for told in ("My notes", "Notes", "https://api.notes.example"):
        assert told in page.text
    ids = {attrs.get("id") for _, attrs in page.elements}
    labels = {attrs["for"] for attrs in page.all("label")}
    for each in FIELDS:
        entry = page.element(f"entry.{each.name}")
        assert entry["id"] in labels
        assert set((entry["aria-describedby"] or "").split()) <= ids
    assert page.element("entry.token")["type"] == "password"
    assert page.element("entry.token")["autocomplete"] == "off"
    assert "required" in page.element("entry.token")
    assert "required" not in page.element("entry.user")
    assert page.element("entry.limit")["value"] == "100"
    assert "checked" in page.element("entry.sandbox")
    assert [attrs["value"] for attrs in page.all("option") if "selected" in attrs] == ["eu"]
    assert page.all("html") == [{"lang": "en"}]


async def test_what_was_typed_is_handed_on_by_the_fields_of_the_source() -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        answer = await fill_in(
            client,
            token=f"  {SECRET}\n",
            limit="5",
            region="us",
            private_key="-----BEGIN-----\r\nabc\r\n-----END-----\r\n",
            extra='{"a": 1}',
            unasked="ignored",
        )
    assert answer.status_code == 200
    assert "“My notes” is connected" in answer.text
    assert sessions.given == [
        {
            "token": SECRET,
            "limit": "5",
            "region": "us",
            "sandbox": False,
            "private_key": "-----BEGIN-----\nabc\n-----END-----",
            "extra": {"a": 1},
        }
    ]


async def test_no_secret_comes_back_and_the_rest_does() -> None:
    refused = AuthenticationFailed("Notes refused the token.", hint="Give a new one.")
    sessions = Sessions(ends=refused)
    async with open_browser(sessions) as client:
        answer = await fill_in(
            client, token=SECRET, private_key=SECRET, user="ada <3", limit="7", region="us"
        )
    assert answer.status_code == 422
    assert SECRET not in answer.text
    page = Page(answer.text)
    assert page.element("entry.token")["value"] == ""
    assert page.element("entry.user")["value"] == "ada <3"
    assert page.element("entry.limit")["value"] == "7"
    assert "checked" not in page.element("entry.sandbox")
    assert any(attrs.get("role") == "alert" for attrs in page.all("div"))
    assert "Notes refused the token. Give a new one." in page.text
    assert "Error: " in page.text


async def test_setting_that_the_form_lacks_is_asked_of_whoever_made_the_connection() -> None:
    lacking = SourceMisconfigured("It needs a site.", field="config.site", hint="Give acme.")
    async with open_browser(Sessions(ends=lacking)) as client:
        answer = await fill_in(client, token=SECRET)
    assert "It needs a site. Give acme. This page cannot change that" in Page(answer.text).text


async def test_a_problem_stands_beside_its_field_in_words_for_people() -> None:
    path = "auth.direct.credentials.limit"
    hint = "get_source lists all fields of a source."
    sessions = Sessions(ends=InvalidInput(f"{path} is too large.", field=path, hint=hint))
    async with open_browser(sessions) as client:
        answer = await fill_in(client, token=SECRET, limit="7")
    page = Page(answer.text)
    entry = page.element("entry.limit")
    assert entry["aria-invalid"] == "true"
    assert "entry-limit-problem" in (entry["aria-describedby"] or "")
    assert '<p class="problem" id="entry-limit-problem">Limit is too large.</p>' in page.text
    assert {"href": "#entry-limit"} in page.all("a")
    assert "get_source" not in page.text
    assert "auth.direct" not in page.text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Token is needed."),
        ({"token": " "}, "Token is needed."),
        ({"token": "x", "region": "moon"}, "Region is none of the choices."),
        ({"token": "x", "extra": "{"}, "Extra is not valid JSON."),
    ],
)
async def test_what_is_wrong_at_sight_goes_to_nobody(values: dict[str, str], said: str) -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        answer = await fill_in(client, **values)
    assert answer.status_code == 422
    assert said in answer.text
    assert sessions.given == []


async def test_a_source_that_is_down_lets_the_person_try_again() -> None:
    sessions = Sessions(ends=SourceUnavailable("The source did not answer."))
    async with open_browser(sessions) as client:
        assert (await fill_in(client, token=SECRET)).status_code == 502
        sessions.ends = AuthOutcome(ok=True, message="It works.")
        assert (await fill_in(client, token=SECRET)).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("x" * (BODY_MAX_BYTES + 1), "application/x-www-form-urlencoded", 413),
        ("{}", "application/json", 400),
        ("entry.token=%ff", "application/x-www-form-urlencoded", 400),
        ("&".join(["a=b"] * 1000), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_a_body_that_is_no_form_of_ours_is_refused(body: str, kind: str, status: int) -> None:
    sessions = Sessions()
    async with open_browser(sessions) as client:
        answer = await client.post(LINK, content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert sessions.given == []


async def test_names_are_text_and_cannot_hide_what_is_written() -> None:
    evil = '<script>alert(1)</script>"\u202egro.live'
    sessions = Sessions(shows=build_form(evil, evil, endpoint=evil))
    async with open_browser(sessions) as client:
        text = (await client.get(LINK)).text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
