"""Folders and messages of a mailbox, and mail servers that do what no good one does."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from pydantic import ValidationError

from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.sources.mail_server import mail
from tests.support.sources.scripted_mail import ScriptedFolder, ScriptedMail, play
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import (
    AuthenticationFailed,
    CursorExpired,
    InvalidInput,
    NotPermitted,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.addresses import AddressRefused
from weft.sources.base import (
    Complete,
    Deleted,
    Event,
    Failed,
    Incomplete,
    Omitted,
    Skipped,
    Unchanged,
)
from weft.sources.imap import folders as folders_module
from weft.sources.imap import wire
from weft.sources.imap.config import ImapConfig, ImapCredentials
from weft.sources.imap.source import ImapSource
from weft.testing.source_contract import (
    SourceCase,
    events_of,
    id_of,
    last_cursor,
    offline_context,
)

pytestmark = pytest.mark.anyio

LOCAL = replace(offline_context(), allow_hosts=frozenset({"127.0.0.1"}))
PASSWORD: Json = {"username": "ada", "password": "correct-horse"}


def folders(*names: str) -> dict[str, ScriptedFolder]:
    """Folders with two messages each."""
    return {name: ScriptedFolder({uid: mail(f"{name} {uid}") for uid in (1, 2)}) for name in names}


@pytest.fixture
async def script() -> AsyncGenerator[ScriptedMail]:
    made = ScriptedMail(folders("INBOX"))
    async with play(made):
        yield made


def case(script: ScriptedMail, credentials: Json | None = None, **config: Any) -> SourceCase:
    given = {"host": "127.0.0.1", "port": script.port, "security": "plain", **config}
    return SourceCase(ImapSource, given, LOCAL, credentials=credentials or PASSWORD)


async def read(
    script: ScriptedMail, cursor: Json | None = None, last: Json | None = None, **config: Any
) -> list[Event]:
    script.commands.clear()
    return await events_of(case(script, **config).make(last_cursor=last), cursor)


def ids(events: list[Event], kind: type[Event] = Entity) -> list[str]:
    return [i for event in events if isinstance(event, kind) and (i := id_of(event))]


def gaps(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Incomplete)]


# Folders


async def test_trash_junk_and_drafts_are_left_out_by_their_use(script: ScriptedMail) -> None:
    script.folders |= folders("Papierkorb", "Werbung", "Entw&APw-rfe", "Alle", "Gesendet", "Spam")
    for name, use in zip(
        ("Papierkorb", "Werbung", "Entw&APw-rfe", "Alle", "Gesendet"),
        ("\\Trash", "\\Junk", "\\Drafts", "\\All", "\\Sent"),
        strict=True,
    ):
        script.folders[name].flags = use
    found = await read(script)
    assert {i.partition("/")[0] for i in ids(found)} == {"INBOX", "Gesendet", "Spam"}


async def test_server_without_uses_has_them_left_out_by_their_names(script: ScriptedMail) -> None:
    script.folders |= folders("INBOX.Trash", "Deleted Items", "Junk E-mail", "Sent")
    assert {i.rpartition("/")[0] for i in ids(await read(script))} == {"INBOX", "Sent"}


async def test_patterns_choose_folders_whatever_their_use(script: ScriptedMail) -> None:
    script.folders |= folders("Work.2026", "Work.Old", "Trash")
    script.folders["Trash"].flags = "\\Trash"
    found = await read(script, include=["Work/*", "Trash"], exclude=["*/Old"])
    assert {i.rpartition("/")[0] for i in ids(found)} == {"Work/2026", "Trash"}


async def test_folder_that_holds_no_messages_is_not_opened(script: ScriptedMail) -> None:
    script.folders["Parent"] = ScriptedFolder(flags="\\HasChildren \\Noselect")
    assert gaps(await read(script)) == []
    assert 'EXAMINE "Parent"' not in script.commands


async def test_special_uses_are_asked_for_where_that_is_needed(script: ScriptedMail) -> None:
    script.offers += " SPECIAL-USE LIST-EXTENDED"
    await read(script)
    assert 'LIST "" "*" RETURN (SPECIAL-USE)' in script.commands


async def test_folder_with_a_hostile_name_is_told_and_asked_for_nothing(
    script: ScriptedMail,
) -> None:
    script.replies["LIST"] = (
        b'* LIST () "." INBOX\r\n* LIST () "." {15}\r\nx"\r\nw9 DELETE a\r\n* LIST () "." '
        b'"a&2D0-\xff"\r\nTAG OK done\r\n'
    )
    found = await read(script)
    assert gaps(found) == ["2 folders that could not be opened"]
    assert not [command for command in script.commands if "DELETE" in command]


async def test_folder_that_is_listed_no_more_is_gone_only_if_it_cannot_be_opened(
    script: ScriptedMail,
) -> None:
    script.folders |= folders("Old")
    cursor = last_cursor(await read(script))
    script.replies["LIST"] = b'* LIST () "." INBOX\r\nTAG OK done\r\n'
    found = await read(script, cursor)
    assert ids(found, Deleted) == []
    assert gaps(found) == ["1 folder no longer listed, but not gone either"]
    script.replies['EXAMINE "Old"'] = b"TAG NO [UNAVAILABLE] try later\r\n"
    assert gaps(await read(script, cursor))
    script.replies['EXAMINE "Old"'] = b"TAG NO [NONEXISTENT] no such folder\r\n"
    found = await read(script, cursor)
    assert ids(found, Deleted) == ["Old/1", "Old/2"]
    assert gaps(found) == []


# Messages


async def test_message_is_read_with_its_thread_and_attachments(script: ScriptedMail) -> None:
    content = mail(
        "Re: =?utf-8?q?caf=C3=A9?=", "Hello", Message_ID="<b@x>", In_Reply_To="<a@x>",
        References="<0@x> <a@x>",
    )  # fmt: skip
    script.folders["INBOX"].messages = {5: content}
    (entity,) = [event for event in await read(script) if isinstance(event, Entity)]
    assert (entity.id, entity.title) == ("INBOX/5", "Re: café")
    assert entity.text.endswith("Hello")
    assert entity.metadata | {"message_id": "b@x", "in_reply_to": "a@x"} == entity.metadata
    assert entity.metadata["references"] == ["0@x", "a@x"]
    assert entity.metadata["folder"] == "INBOX"


async def test_nothing_is_downloaded_twice(script: ScriptedMail) -> None:
    first = await read(script)
    known = {e.id: e.version for e in first if isinstance(e, Entity) and e.version}
    script.commands.clear()
    again = await events_of(case(script).make(known=known))
    assert sorted(ids(again, Unchanged)) == ["INBOX/1", "INBOX/2"]
    assert not [command for command in script.commands if "BODY" in command]


async def test_folder_without_news_costs_one_command(script: ScriptedMail) -> None:
    cursor = last_cursor(await read(script))
    assert ids(await read(script, cursor)) == []
    assert [c for c in script.commands if "FETCH" in c or "EXAMINE" in c] == ['EXAMINE "INBOX"']


async def test_news_alone_are_listed_unless_something_went(script: ScriptedMail) -> None:
    cursor = last_cursor(await read(script))
    script.folders["INBOX"].messages[3] = mail("three")
    found = await read(script, cursor)
    assert ids(found) == ["INBOX/3"]
    assert [c.split(" (")[0] for c in script.commands if "FETCH" in c] == [
        "UID FETCH 3:*",
        "UID FETCH 3",
    ]
    del script.folders["INBOX"].messages[1]
    script.folders["INBOX"].messages[4] = mail("four")
    found = await read(script, last_cursor(found))
    assert (ids(found), ids(found, Deleted)) == (["INBOX/4"], ["INBOX/1"])


async def test_folder_made_anew_is_read_anew(script: ScriptedMail) -> None:
    cursor = last_cursor(await read(script))
    script.folders["INBOX"] = ScriptedFolder({2: mail("another")}, validity=8)
    found = await read(script, cursor)
    assert (ids(found), ids(found, Deleted)) == (["INBOX/2"], ["INBOX/1"])


async def test_folder_made_anew_and_empty_is_doubted(script: ScriptedMail) -> None:
    cursor = last_cursor(await read(script))
    script.folders["INBOX"] = ScriptedFolder(validity=8)
    with pytest.raises(CursorExpired):
        await read(script, cursor)
    found = await read(script, last=cursor)
    assert isinstance(found[-1], Complete)
    assert found[-1].doubt
    # In a folder that is the same, somebody has deleted them.
    script.folders["INBOX"].validity = 7
    assert ids(await read(script, cursor), Deleted) == ["INBOX/1", "INBOX/2"]


async def test_older_messages_are_left_out_and_that_is_told(script: ScriptedMail) -> None:
    script.folders["INBOX"].dates = {
        1: "31-Dec-2025 23:59:59 +0000",
        2: " 1-Jan-2026 00:00:00 +0000",
    }
    found = await read(script, after_date="2026-01-01")
    assert ids(found) == ["INBOX/2"]
    assert Omitted(FindingKind.OLDER, None, "after_date") in found


@pytest.mark.parametrize("told", [None, 500])
async def test_large_message_is_skipped_even_if_its_size_was_told_wrong(
    script: ScriptedMail, told: int | None
) -> None:
    script.folders["INBOX"].messages[2] = mail("large", "x" * 5_000)
    script.folders["INBOX"].sizes = {2: told} if told else {}
    found = await read(script, max_message_size=2_000)
    assert (ids(found), ids(found, Skipped)) == (["INBOX/1"], ["INBOX/2"])


async def test_list_that_contradicts_the_count_is_read_but_deletes_nothing(
    script: ScriptedMail,
) -> None:
    cursor = last_cursor(await read(script))
    del script.folders["INBOX"].messages[1]
    script.folders["INBOX"].messages[3] = mail("three")
    count = b"* 7 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\nTAG OK done\r\n"
    script.replies["EXAMINE"] = count
    script.opened = "INBOX"
    found = await read(script, cursor)
    assert (ids(found), ids(found, Deleted)) == (["INBOX/3"], [])
    assert gaps(found) == ["1 folder whose lists are not what the server counts"]
    assert last_cursor(found) == cursor
    script.replies.clear()
    assert ids(await read(script, cursor), Deleted) == ["INBOX/1"]


async def test_message_that_is_none_is_skipped(script: ScriptedMail) -> None:
    script.folders["INBOX"].messages[2] = b"\r\n\r\njust text"
    assert ids(await read(script), Skipped) == ["INBOX/2"]


async def test_message_that_was_not_sent_is_tried_again(script: ScriptedMail) -> None:
    script.replies["UID FETCH 1:2 (UID INTERNALDATE BODY"] = (
        b"* 1 FETCH (UID 1 BODY[]<0> {20}\r\nSubject: one\r\n\r\nText)\r\nTAG OK done\r\n"
    )
    found = await read(script)
    assert (ids(found), ids(found, Failed)) == (["INBOX/1"], ["INBOX/2"])
    script.replies.clear()
    again = await read(script, last_cursor(found))
    assert ids(again) == ["INBOX/2"]
    assert ids(await read(script, last_cursor(again))) == []


# Logging in


async def test_token_is_given_by_xoauth2(script: ScriptedMail) -> None:
    script.offers = "IMAP4rev1 AUTH=XOAUTH2"
    token: Json = {"username": "ada", "access_token": "ya29.token"}
    await events_of(case(script, token).make())
    assert script.proofs == ["user=ada\x01auth=Bearer ya29.token\x01\x01"]
    assert "ya29" not in "".join(script.commands)


async def test_server_that_knows_login_alone_gets_it_quoted(script: ScriptedMail) -> None:
    script.offers = "IMAP4rev1"
    await events_of(case(script, {"username": 'a"b', "password": "c\\d"}).make())
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
        await case(script, credentials).make().check()
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
        await case(script).make().check()
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
            group.start_soon(read, script)
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
        await case(script).make().check()
    assert script.commands == []


@pytest.mark.parametrize("place", ["CAPABILITY", "LIST", "EXAMINE", "FETCH", "UID FETCH"])
async def test_answer_without_end_is_not_kept(
    script: ScriptedMail, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 200_000)
    monkeypatch.setattr(folders_module, "BATCH_BYTES", 1_000)
    script.replies[place] = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" * 10_000
    with pytest.raises(SourceUnavailable, match="more than it was asked for"):
        await read(script, max_message_size=2_000)


async def test_server_without_starttls_gets_no_password(script: ScriptedMail) -> None:
    for reply in (b"TAG BAD what\r\n", b"TAG OK begin\r\n* CAPABILITY AUTH=PLAIN\r\nw2 OK x\r\n"):
        script.replies["STARTTLS"] = reply
        with pytest.raises(SourceUnavailable):
            await case(script, security="starttls").make().check()
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
