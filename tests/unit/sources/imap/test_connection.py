"""Logging in, and mail servers that do what no good one does."""

import anyio
import pytest
from pydantic import ValidationError

from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.sources.mailboxes import LOCAL, PASSWORD, make_case, read_mail
from tests.support.sources.scripted_mail import ScriptedMail
from weft.domain.base import Json
from weft.errors import (
    AuthenticationFailed,
    InvalidInput,
    NotPermitted,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.addresses import AddressRefused
from weft.sources.imap import folders, wire
from weft.sources.imap.config import ImapConfig, ImapCredentials
from weft.sources.imap.source import ImapSource
from weft.testing.source_contract import SourceCase, events_of, offline_context

pytestmark = pytest.mark.anyio

# Logging in


async def test_token_is_given_by_xoauth2(script: ScriptedMail) -> None:
    script.offers = "IMAP4rev1 AUTH=XOAUTH2"
    token: Json = {"username": "ada", "access_token": "ya29.token"}
    await events_of(make_case(script, token).make())
    assert script.proofs == ["user=ada\x01auth=Bearer ya29.token\x01\x01"]
    assert "ya29" not in "".join(script.commands)


async def test_server_that_knows_login_alone_gets_it_quoted(script: ScriptedMail) -> None:
    script.offers = "IMAP4rev1"
    await events_of(make_case(script, {"username": 'a"b', "password": "c\\d"}).make())
    assert 'LOGIN "a\\"b" "c\\\\d"' in script.commands


@pytest.mark.parametrize(
    ("offers", "credentials"),
    [
        ("IMAP4rev1 LOGINDISABLED", PASSWORD),
        ("IMAP4rev1 AUTH=PLAIN", {"username": "ada", "access_token": "ya29.token"}),
        ("IMAP4rev1", {"username": "ada", "password": "crème"}),
        ("IMAP4rev1", {"username": "ada\r\nx DELETE INBOX", "password": "b"}),
    ],
)
async def test_server_that_takes_no_such_credentials_gets_none(
    script: ScriptedMail, offers: str, credentials: Json
) -> None:
    script.offers = offers
    with pytest.raises(SourceMisconfigured):
        await make_case(script, credentials).make().check()
    assert script.commands == ["CAPABILITY"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"TAG NO [AUTHENTICATIONFAILED] no\r\n", AuthenticationFailed),
        (b"TAG NO no\r\n", AuthenticationFailed),
        (b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\nTAG NO no\r\n", AuthenticationFailed),
        (b"TAG NO [UNAVAILABLE] later\r\n", SourceUnavailable),
        (b"TAG BAD what\r\n", SourceUnavailable),
    ],
)
async def test_refused_credentials_are_told_from_a_server_in_trouble(
    script: ScriptedMail, reply: bytes, error: type[WeftError]
) -> None:
    script.replies["AUTHENTICATE"] = reply
    with pytest.raises(error) as caught:
        await make_case(script).make().check()
    assert "correct-horse" not in str(caught.value)


@pytest.mark.parametrize("given", [{}, {"password": "a", "access_token": "b"}])
def test_password_or_token_is_needed(given: Json) -> None:
    with pytest.raises(ValidationError, match="either password or access_token"):
        ImapCredentials.model_validate({"username": "ada", **given})


# The connection


@pytest.mark.parametrize("place", ["EXAMINE", "FETCH", "UID FETCH", "LIST", "AUTHENTICATE"])
async def test_sync_can_be_cancelled_while_a_server_hangs(script: ScriptedMail, place: str) -> None:
    script.replies[place] = None
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(read_mail, script)
            await wait_until(lambda: any(each.startswith(place) for each in script.commands))
            group.cancel_scope.cancel()


async def test_password_is_sent_without_tls_only_where_the_operator_allows_it() -> None:
    source = SourceCase(ImapSource, {"host": "mail.example", "security": "plain"}, LOCAL)
    made = source.make(credentials=PASSWORD)
    for attempt in (made.check(), events_of(made)):
        with pytest.raises(NotPermitted) as caught:
            await attempt
        assert caught.value.needs
        assert caught.value.field == "security"


async def test_private_address_is_refused() -> None:
    source = SourceCase(ImapSource, {"host": "127.0.0.1"}, offline_context())
    with pytest.raises(AddressRefused):
        await source.make(credentials=PASSWORD).check()


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", SourceMisconfigured),
        (b"* PREAUTH welcome\r\n", SourceMisconfigured),
        (b"* BYE full\r\n", SourceMisconfigured),
        (b"", SourceUnavailable),
    ],
)
async def test_other_server_gets_no_password(
    script: ScriptedMail, greeting: bytes, error: type[WeftError]
) -> None:
    script.greeting = greeting or b"x" * 200_000
    with pytest.raises(error):
        await make_case(script).make().check()
    assert script.commands == []


@pytest.mark.parametrize("place", ["CAPABILITY", "LIST", "EXAMINE", "FETCH", "UID FETCH"])
async def test_answer_without_end_is_not_kept(
    script: ScriptedMail, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 200_000)
    monkeypatch.setattr(folders, "BATCH_BYTES", 1_000)
    script.replies[place] = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" * 10_000
    with pytest.raises(SourceUnavailable, match="more than it was asked for"):
        await read_mail(script, max_message_size=2_000)


async def test_server_without_starttls_gets_no_password(script: ScriptedMail) -> None:
    for reply in (b"TAG BAD what\r\n", b"TAG OK begin\r\n* CAPABILITY AUTH=PLAIN\r\nw2 OK x\r\n"):
        script.replies["STARTTLS"] = reply
        with pytest.raises(SourceUnavailable):
            await make_case(script, security="starttls").make().check()
    assert {*script.commands} == {"STARTTLS"}


def test_configuration_is_checked() -> None:
    config = ImapConfig.model_validate({"host": " IMAP.Example.org "})
    assert (config.host, config.port_number) == ("imap.example.org", 993)
    assert ImapSource.endpoint(config, {}) == "imaps://imap.example.org:993"
    plain = ImapConfig.model_validate({"host": "::1", "security": "plain"})
    assert ImapSource.endpoint(plain, {}) == "imap://[::1]:143"
    for bad in ("https://mail.example", "a b", "", "me@mail.example", "mail.example:993"):
        with pytest.raises(ValidationError):
            ImapConfig.model_validate({"host": bad})


def test_patterns_are_read_as_names_of_folders() -> None:
    given = ImapConfig.model_validate({"host": "a", "include": ["/inbox", "Work/*", "{a,b}"]})
    assert ImapSource.pin(given, LOCAL) == {"include": ["INBOX", "Work/*", "a", "b"]}
    with pytest.raises(InvalidInput):
        ImapSource.pin(ImapConfig.model_validate({"host": "a", "exclude": ["/"]}), LOCAL)
