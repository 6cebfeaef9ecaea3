"""What people meet in a browser, behind the gate that both of the servers of pages have."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from weft.backend import AuthSessions
from weft.domain.authorizations import AuthOutcome, ConsentStart, CredentialForm
from weft.domain.base import Json
from weft.domain.sources import FieldInfo
from weft.errors import AuthenticationFailed, InvalidInput, NotFound, SourceUnavailable, WeftError
from weft.web.access import Access, guarded
from weft.web.hosts import host_rules
from weft.web.limits import Rates, Slots
from weft.web.metrics import Metrics
from weft.web.page_forms import BODY_MAX_BYTES
from weft.web.page_html import POLICY, is_followed
from weft.web.pages import PageSettings, page_route, page_routes

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:8765"
LINK = "/authorize/t0k3n"
START = "/source-connections/authorize/t0k3n"
CALLBACK = "/source-connections/callback"
SECRET = "canary-6fd1e0b2"


def info(name: str, kind: str = "string", **given: Any) -> FieldInfo:
    given.setdefault("required", False)
    title = name.replace("_", " ").capitalize()
    return FieldInfo(name=name, title=title, type=kind, description=f"About {name}.", **given)


FIELDS = (
    info("token", required=True, secret=True),
    info("user"),
    info("limit", "integer", default=100),
    info("region", choices=("eu", "us"), default="eu"),
    info("sandbox", "boolean", default=True),
    info("private_key", secret=True, multiline=True),
    info("extra", "object"),
)


def asks(name: str = "My notes", source: str = "Notes", **given: Any) -> CredentialForm:
    given = {"endpoint": "https://api.notes.example", "fields": FIELDS, **given}
    return CredentialForm(connection_id="c1", connection_name=name, source_name=source, **given)


@dataclass
class Sessions(AuthSessions):
    """Links that answer as told, and what was done with them."""

    shows: CredentialForm = field(default_factory=asks)
    ends: AuthOutcome | WeftError = field(
        default_factory=lambda: AuthOutcome(
            ok=True, message="It works.", connection_name="My notes"
        )
    )
    begins: ConsentStart | WeftError = field(
        default_factory=lambda: ConsentStart(
            url="https://provider.example/consent?state=s1", browser="b-secret"
        )
    )
    given: list[Json] = field(default_factory=list[Json])
    started: int = 0
    called_back: list[tuple[dict[str, str], str | None]] = field(
        default_factory=list[tuple[dict[str, str], str | None]]
    )

    async def form(self, token: str) -> CredentialForm:
        if token != "t0k3n":
            raise NotFound("No link has that token.")
        return self.shows

    async def submit(self, token: str, values: Json) -> AuthOutcome:
        self.given.append(values)
        return self._end()

    async def start(self, token: str) -> ConsentStart:
        self.started += 1
        if token != "t0k3n":
            raise NotFound("No link has that token.")
        if isinstance(self.begins, WeftError):
            raise self.begins
        return self.begins

    async def callback(self, params: Mapping[str, str], browser: str | None) -> AuthOutcome:
        self.called_back.append((dict(params), browser))
        return self._end()

    def _end(self) -> AuthOutcome:
        if isinstance(self.ends, WeftError):
            raise self.ends
        return self.ends


class Page(HTMLParser):
    """The elements of a page by their ids and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def named(self, name: str) -> dict[str, str | None]:
        return next(attrs for _, attrs in self.elements if attrs.get("name") == name)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for each, attrs in self.elements if each == tag]


def browser(
    sessions: Sessions, *, base: str = URL, rates: int = 1000, metrics: Metrics | None = None
) -> httpx.AsyncClient:
    settings = PageSettings(base, rates=Rates(rates))
    access = Access(
        hosts=host_rules("127.0.0.1", ["weft.example"], []),
        authenticators=(),
        open_paths=frozenset(),
        stream_paths=frozenset(),
        known_paths=frozenset(),
        requests=Slots(10),
        streams=Slots(0),
        rates=Rates(1000),
        metrics=metrics or Metrics(),
        page_route=page_route,
    )
    app = guarded(Starlette(routes=page_routes(sessions, settings)), access)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base)


async def proof(client: httpx.AsyncClient, path: str = LINK) -> str:
    page = Page((await client.get(path)).text)
    return page.named("proof")["value"] or ""


async def send(client: httpx.AsyncClient, **values: str) -> httpx.Response:
    """Fill in the form in a browser and send it."""
    entries = {f"entry.{name}": text for name, text in values.items()}
    return await client.post(LINK, data={"proof": await proof(client), **entries})


async def test_the_form_says_where_it_goes_and_ties_labels_to_fields() -> None:
    async with browser(Sessions()) as client:
        answer = await client.get(LINK)
    assert answer.status_code == 200
    page = Page(answer.text)
    for told in ("My notes", "Notes", "https://api.notes.example"):
        assert told in page.text
    ids = {attrs.get("id") for _, attrs in page.elements}
    labels = {attrs["for"] for attrs in page.all("label")}
    for each in FIELDS:
        entry = page.named(f"entry.{each.name}")
        assert entry["id"] in labels
        assert set((entry["aria-describedby"] or "").split()) <= ids
    assert page.named("entry.token")["type"] == "password"
    assert page.named("entry.token")["autocomplete"] == "off"
    assert "required" in page.named("entry.token")
    assert "required" not in page.named("entry.user")
    assert page.named("entry.limit")["value"] == "100"
    assert "checked" in page.named("entry.sandbox")
    assert [attrs["value"] for attrs in page.all("option") if "selected" in attrs] == ["eu"]
    assert page.all("html") == [{"lang": "en"}]


async def test_what_was_typed_is_handed_on_by_the_fields_of_the_source() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        answer = await send(
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
    async with browser(sessions) as client:
        answer = await send(
            client, token=SECRET, private_key=SECRET, user="ada <3", limit="7", region="us"
        )
    assert answer.status_code == 422
    assert SECRET not in answer.text
    page = Page(answer.text)
    assert page.named("entry.token")["value"] == ""
    assert page.named("entry.user")["value"] == "ada <3"
    assert page.named("entry.limit")["value"] == "7"
    assert "checked" not in page.named("entry.sandbox")
    assert any(attrs.get("role") == "alert" for attrs in page.all("div"))
    assert "Notes refused the token. Give a new one." in page.text
    assert "Error: " in page.text


async def test_a_problem_stands_beside_its_field_in_words_for_people() -> None:
    path = "auth.direct.credentials.limit"
    hint = "get_source lists all fields of a source."
    sessions = Sessions(ends=InvalidInput(f"{path} is too large.", field=path, hint=hint))
    async with browser(sessions) as client:
        answer = await send(client, token=SECRET, limit="7")
    page = Page(answer.text)
    entry = page.named("entry.limit")
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
    async with browser(sessions) as client:
        answer = await send(client, **values)
    assert answer.status_code == 422
    assert said in answer.text
    assert sessions.given == []


async def test_a_source_that_is_down_lets_the_person_try_again() -> None:
    sessions = Sessions(ends=SourceUnavailable("The source did not answer."))
    async with browser(sessions) as client:
        assert (await send(client, token=SECRET)).status_code == 502
        sessions.ends = AuthOutcome(ok=True, message="It works.")
        assert (await send(client, token=SECRET)).status_code == 200


async def test_a_form_of_another_browser_or_another_link_is_refused() -> None:
    sessions = Sessions()
    async with browser(sessions) as mine, browser(sessions) as other:
        foreign = await proof(other)
        entries = {"entry.token": SECRET}
        bad: list[tuple[httpx.AsyncClient, dict[str, str]]] = [
            (mine, {}),
            (mine, {"proof": ""}),
            (mine, {"proof": foreign}),
            (mine, {"proof": "é"}),
        ]
        for client, given in bad:
            await proof(client)
            answer = await client.post(LINK, data={**given, **entries})
            assert answer.status_code == 403, given
            assert SECRET not in answer.text
        kept = await proof(mine)
        mine.cookies.clear()
        assert (await mine.post(LINK, data={"proof": kept, **entries})).status_code == 403
    assert sessions.given == []


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("origin", "https://evil.example", 403),
        ("origin", "http://127.0.0.1:1", 403),
        ("origin", URL, 200),
        # What browsers send under our own referrer policy.
        ("origin", "null", 200),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
    ],
)
async def test_a_form_that_another_site_sends_is_refused(
    header: str, value: str, status: int
) -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        data = {"proof": await proof(client), "entry.token": SECRET}
        answer = await client.post(LINK, data=data, headers={header: value})
    assert answer.status_code == status
    assert len(sessions.given) == (status == 200)


async def test_cookies_are_for_this_page_and_out_of_reach_of_scripts() -> None:
    async with browser(Sessions()) as client:
        (form,) = (await client.get(LINK)).headers.get_list("set-cookie")
        starts = (await client.get(START)).headers.get_list("set-cookie")
    assert "HttpOnly; Max-Age=600; Path=/authorize; SameSite=strict" in form
    paths = re.findall(r"Path=([^;]+);", " ".join(starts))
    assert paths == ["/source-connections", "/v1/source-connections"]
    assert all("HttpOnly" in each and "SameSite=lax" in each for each in starts)
    assert not any("Secure" in each for each in (form, *starts))
    async with browser(Sessions(), base="https://weft.example/team") as client:
        answers = [await client.get(LINK), await client.get(START)]
    for each in (c for answer in answers for c in answer.headers.get_list("set-cookie")):
        assert "Secure" in each
        assert "Path=/team/" in each


async def test_a_link_that_is_over_looks_like_one_that_never_was() -> None:
    sessions = Sessions(begins=NotFound("Expired."), ends=NotFound("Used."))
    async with browser(sessions) as client:
        answers = [
            await client.get("/authorize/other"),
            await client.get(f"/authorize/{'x' * 1000}"),
            await client.post("/authorize/other", data={"entry.token": SECRET}),
            await client.get("/source-connections/authorize/other"),
            await client.get(START),
            await client.get("/v1/source-connections/authorize/other"),
            await client.get(f"{CALLBACK}?state=other&code=c"),
            await send(client, token=SECRET),
        ]
    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.text for answer in answers}) == 1
    assert "no longer works" in answers[0].text


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_consent_ends_in_the_browser_that_began_it(prefix: str) -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        started = await client.get(prefix + START)
        assert started.status_code == 303
        assert started.headers["location"] == "https://provider.example/consent?state=s1"
        ended = await client.get(f"{prefix}{CALLBACK}?state=s1&code=c1")
        assert ended.status_code == 200
        assert "is connected" in ended.text
        await client.get(f"{prefix}{CALLBACK}?state=s1&code=c1")
    async with browser(sessions) as other:
        await other.get(f"{prefix}{CALLBACK}?state=s1&code=c1")
    params = {"state": "s1", "code": "c1"}
    assert sessions.called_back == [(params, "b-secret"), (params, None), (params, None)]


async def test_two_authorisations_in_one_browser_do_not_mix() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        await client.get(START)
        sessions.begins = ConsentStart(url="https://p.example/?oauth_token=o1", browser="second")
        await client.get(START)
        await client.get(f"{CALLBACK}?state=s1&code=c1")
        await client.get(f"{CALLBACK}?oauth_token=o1&oauth_verifier=v")
    assert [secret for _, secret in sessions.called_back] == ["b-secret", "second"]


async def test_the_person_lands_where_the_connection_says() -> None:
    back = "https://app.example/done?status=success&source_connection_id=c1"
    sessions = Sessions(ends=AuthOutcome(ok=True, message="It works.", redirect_to=back))
    async with browser(sessions) as client:
        landed = await client.get(f"{CALLBACK}?state=s1&code=c1")
        assert (landed.status_code, landed.headers["location"]) == (303, back)
        page = Page((await send(client, token=SECRET)).text)
    assert back in [attrs.get("href") for attrs in page.all("a")]
    assert f"2; url={back}" in [attrs.get("content") for attrs in page.all("meta")]


@pytest.mark.parametrize("scheme", ["javascript:alert(1)", "data:text/html,x", "file:///x", "//x"])
async def test_nobody_is_sent_where_a_script_runs(scheme: str) -> None:
    assert not is_followed(scheme)
    sessions = Sessions(ends=AuthOutcome(ok=True, message="It works.", redirect_to=scheme))
    async with browser(sessions) as client:
        for answer in (await client.get(f"{CALLBACK}?state=s1"), await send(client, token="x")):
            assert answer.status_code == 200
            assert scheme not in answer.text


async def test_a_refusal_at_the_provider_is_told() -> None:
    sessions = Sessions(ends=AuthOutcome(ok=False, message="You refused consent."))
    async with browser(sessions) as client:
        answer = await client.get(f"{CALLBACK}?state=s1&error=access_denied")
    assert answer.status_code == 400
    assert "You refused consent." in answer.text
    assert "Ask for a new link" in answer.text


async def test_who_only_looks_ahead_uses_no_link_up() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        assert (await client.head(START)).status_code == 200
        ahead = await client.get(START, headers={"sec-purpose": "prefetch;prerender"})
        assert ahead.status_code == 503
        assert (await client.head(f"{CALLBACK}?state=s1")).status_code == 200
    assert (sessions.started, sessions.called_back) == (0, [])


async def test_an_answer_that_names_a_thing_twice_is_refused() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        answer = await client.get(f"{CALLBACK}?state=s1&code=a&code=b")
    assert answer.status_code == 400
    assert sessions.called_back == []


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
    async with browser(sessions) as client:
        answer = await client.post(LINK, content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert sessions.given == []


async def test_every_page_keeps_itself_to_itself() -> None:
    sessions = Sessions()
    async with browser(sessions) as client:
        for path in (LINK, "/authorize/other", START, f"{CALLBACK}?state=s1"):
            headers = (await client.get(path)).headers
            assert headers["content-security-policy"] == POLICY
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            assert (await client.request(method, LINK)).status_code == 405
        assert (await client.get(LINK, headers={"host": "evil.example"})).status_code == 421
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in POLICY
    assert "unsafe" not in POLICY


async def test_names_are_text_and_cannot_hide_what_is_written() -> None:
    evil = '<script>alert(1)</script>"\u202egro.live'
    sessions = Sessions(shows=asks(evil, evil, endpoint=evil))
    async with browser(sessions) as client:
        text = (await client.get(LINK)).text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text


async def test_a_guesser_is_slowed_down() -> None:
    async with browser(Sessions(), rates=3) as client:
        codes = [(await client.get(f"/authorize/{n}")).status_code for n in range(4)]
        assert codes == [410, 410, 410, 429]
        assert "retry-after" in (await client.get(LINK)).headers


async def test_tokens_are_neither_logged_nor_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    caplog.set_level("DEBUG", logger="weft")
    async with browser(Sessions(), metrics=metrics) as client:
        for path in (LINK, START, f"/v1{START}", f"{CALLBACK}?state=s3cr3t&code=c0d3"):
            await client.get(path)
    said = str([vars(record) for record in caplog.records if record.name.startswith("weft")])
    counted = metrics.text(jobs={}, requests_now=0, streams_now=0)
    assert "/v1/source-connections/authorize/{token}" in said
    for hidden in ("t0k3n", "s3cr3t", "c0d3", "b-secret"):
        assert hidden not in said + counted


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/authorize/abc", "/authorize/{token}"),
        ("/authorize/", None),
        ("/authorize", None),
        ("/authorize/a/b", None),
        ("/v1/authorize/abc", None),
        ("/source-connections/callback", "/source-connections/callback"),
        ("/v1/source-connections/authorize/x", "/v1/source-connections/authorize/{token}"),
        ("/source-connections/abc", None),
        ("/source-connections/authorize/", None),
    ],
)
def test_only_paths_of_pages_are_open(path: str, route: str | None) -> None:
    assert page_route(path) == route
