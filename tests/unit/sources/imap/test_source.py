"""Folders and messages of a mailbox: what is read, what is new, and what is gone."""

import pytest

from tests.support.sources.mail_server import mail
from tests.support.sources.mailboxes import make_case, make_folders, read_mail
from tests.support.sources.scripted_mail import ScriptedFolder, ScriptedMail
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import CursorExpired
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
from weft.testing.source_contract import events_of, id_of, last_cursor

pytestmark = pytest.mark.anyio


def ids(events: list[Event], kind: type[Event] = Entity) -> list[str]:
    return [i for event in events if isinstance(event, kind) and (i := id_of(event))]


def gaps(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Incomplete)]


# Folders


async def test_trash_junk_and_drafts_are_left_out_by_their_use(script: ScriptedMail) -> None:
    script.folders |= make_folders(
        "Papierkorb", "Werbung", "Entw&APw-rfe", "Alle", "Gesendet", "Spam"
    )
    for name, use in zip(
        ("Papierkorb", "Werbung", "Entw&APw-rfe", "Alle", "Gesendet"),
        ("\\Trash", "\\Junk", "\\Drafts", "\\All", "\\Sent"),
        strict=True,
    ):
        script.folders[name].flags = use
    found = await read_mail(script)
    assert {i.partition("/")[0] for i in ids(found)} == {"INBOX", "Gesendet", "Spam"}


async def test_server_without_uses_has_them_left_out_by_their_names(script: ScriptedMail) -> None:
    script.folders |= make_folders("INBOX.Trash", "Deleted Items", "Junk E-mail", "Sent")
    assert {i.rpartition("/")[0] for i in ids(await read_mail(script))} == {"INBOX", "Sent"}


async def test_patterns_choose_folders_whatever_their_use(script: ScriptedMail) -> None:
    script.folders |= make_folders("Work.2026", "Work.Old", "Trash")
    script.folders["Trash"].flags = "\\Trash"
    found = await read_mail(script, include=["Work/*", "Trash"], exclude=["*/Old"])
    assert {i.rpartition("/")[0] for i in ids(found)} == {"Work/2026", "Trash"}


async def test_folder_that_holds_no_messages_is_not_opened(script: ScriptedMail) -> None:
    script.folders["Parent"] = ScriptedFolder(flags="\\HasChildren \\Noselect")
    assert gaps(await read_mail(script)) == []
    assert 'EXAMINE "Parent"' not in script.commands


async def test_special_uses_are_asked_for_where_that_is_needed(script: ScriptedMail) -> None:
    script.offers += " SPECIAL-USE LIST-EXTENDED"
    await read_mail(script)
    assert 'LIST "" "*" RETURN (SPECIAL-USE)' in script.commands


async def test_folder_with_a_hostile_name_is_told_and_asked_for_nothing(
    script: ScriptedMail,
) -> None:
    script.replies["LIST"] = (
        b'* LIST () "." INBOX\r\n* LIST () "." {15}\r\nx"\r\nw9 DELETE a\r\n* LIST () "." '
        b'"a&2D0-\xff"\r\nTAG OK done\r\n'
    )
    found = await read_mail(script)
    assert gaps(found) == ["2 folders that could not be opened"]
    assert not [command for command in script.commands if "DELETE" in command]


async def test_folder_that_is_listed_no_more_is_gone_only_if_it_cannot_be_opened(
    script: ScriptedMail,
) -> None:
    script.folders |= make_folders("Old")
    cursor = last_cursor(await read_mail(script))
    script.replies["LIST"] = b'* LIST () "." INBOX\r\nTAG OK done\r\n'
    found = await read_mail(script, cursor)
    assert ids(found, Deleted) == []
    assert gaps(found) == ["1 folder no longer listed, but not gone either"]
    script.replies['EXAMINE "Old"'] = b"TAG NO [UNAVAILABLE] try later\r\n"
    assert gaps(await read_mail(script, cursor))
    script.replies['EXAMINE "Old"'] = b"TAG NO [NONEXISTENT] no such folder\r\n"
    found = await read_mail(script, cursor)
    assert ids(found, Deleted) == ["Old/1", "Old/2"]
    assert gaps(found) == []


# Messages


async def test_message_is_read_with_its_thread_and_attachments(script: ScriptedMail) -> None:
    content = mail(
        "Re: =?utf-8?q?caf=C3=A9?=", "Hello", Message_ID="<b@x>", In_Reply_To="<a@x>",
        References="<0@x> <a@x>",
    )  # fmt: skip
    script.folders["INBOX"].messages = {5: content}
    (entity,) = [event for event in await read_mail(script) if isinstance(event, Entity)]
    assert (entity.id, entity.title) == ("INBOX/5", "Re: café")
    assert entity.text.endswith("Hello")
    assert entity.metadata | {"message_id": "b@x", "in_reply_to": "a@x"} == entity.metadata
    assert entity.metadata["references"] == ["0@x", "a@x"]
    assert entity.metadata["folder"] == "INBOX"


async def test_nothing_is_downloaded_twice(script: ScriptedMail) -> None:
    first = await read_mail(script)
    known = {e.id: e.version for e in first if isinstance(e, Entity) and e.version}
    script.commands.clear()
    again = await events_of(make_case(script).make(known=known))
    assert sorted(ids(again, Unchanged)) == ["INBOX/1", "INBOX/2"]
    assert not [command for command in script.commands if "BODY" in command]


async def test_folder_without_news_costs_one_command(script: ScriptedMail) -> None:
    cursor = last_cursor(await read_mail(script))
    assert ids(await read_mail(script, cursor)) == []
    assert [c for c in script.commands if "FETCH" in c or "EXAMINE" in c] == ['EXAMINE "INBOX"']


async def test_news_alone_are_listed_unless_something_went(script: ScriptedMail) -> None:
    cursor = last_cursor(await read_mail(script))
    script.folders["INBOX"].messages[3] = mail("three")
    found = await read_mail(script, cursor)
    assert ids(found) == ["INBOX/3"]
    assert [c.split(" (")[0] for c in script.commands if "FETCH" in c] == [
        "UID FETCH 3:*",
        "UID FETCH 3",
    ]
    del script.folders["INBOX"].messages[1]
    script.folders["INBOX"].messages[4] = mail("four")
    found = await read_mail(script, last_cursor(found))
    assert (ids(found), ids(found, Deleted)) == (["INBOX/4"], ["INBOX/1"])


async def test_folder_made_anew_is_read_anew(script: ScriptedMail) -> None:
    cursor = last_cursor(await read_mail(script))
    script.folders["INBOX"] = ScriptedFolder({2: mail("another")}, validity=8)
    found = await read_mail(script, cursor)
    assert (ids(found), ids(found, Deleted)) == (["INBOX/2"], ["INBOX/1"])


async def test_folder_made_anew_and_empty_is_doubted(script: ScriptedMail) -> None:
    cursor = last_cursor(await read_mail(script))
    script.folders["INBOX"] = ScriptedFolder(validity=8)
    with pytest.raises(CursorExpired):
        await read_mail(script, cursor)
    found = await read_mail(script, last=cursor)
    assert isinstance(found[-1], Complete)
    assert found[-1].doubt
    # In a folder that is the same, somebody has deleted them.
    script.folders["INBOX"].validity = 7
    assert ids(await read_mail(script, cursor), Deleted) == ["INBOX/1", "INBOX/2"]


async def test_older_messages_are_left_out_and_that_is_told(script: ScriptedMail) -> None:
    script.folders["INBOX"].dates = {
        1: "31-Dec-2025 23:59:59 +0000",
        2: " 1-Jan-2026 00:00:00 +0000",
    }
    found = await read_mail(script, after_date="2026-01-01")
    assert ids(found) == ["INBOX/2"]
    assert Omitted(FindingKind.OLDER, None, "after_date") in found


@pytest.mark.parametrize("told", [None, 500])
async def test_large_message_is_skipped_even_if_its_size_was_told_wrong(
    script: ScriptedMail, told: int | None
) -> None:
    script.folders["INBOX"].messages[2] = mail("large", "x" * 5_000)
    script.folders["INBOX"].sizes = {2: told} if told else {}
    found = await read_mail(script, max_message_size=2_000)
    assert (ids(found), ids(found, Skipped)) == (["INBOX/1"], ["INBOX/2"])


async def test_list_that_contradicts_the_count_is_read_but_deletes_nothing(
    script: ScriptedMail,
) -> None:
    cursor = last_cursor(await read_mail(script))
    del script.folders["INBOX"].messages[1]
    script.folders["INBOX"].messages[3] = mail("three")
    count = b"* 7 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\nTAG OK done\r\n"
    script.replies["EXAMINE"] = count
    script.opened = "INBOX"
    found = await read_mail(script, cursor)
    assert (ids(found), ids(found, Deleted)) == (["INBOX/3"], [])
    assert gaps(found) == ["1 folder whose lists are not what the server counts"]
    assert last_cursor(found) == cursor
    script.replies.clear()
    assert ids(await read_mail(script, cursor), Deleted) == ["INBOX/1"]


async def test_count_of_billions_is_not_believed(script: ScriptedMail) -> None:
    script.replies["EXAMINE"] = b"* 4294967295 EXISTS\r\n* OK [UIDVALIDITY 7]\r\nTAG OK done\r\n"
    script.opened = "INBOX"
    assert gaps(await read_mail(script)) == ["1 folder whose lists are not what the server counts"]


async def test_message_that_is_none_is_skipped(script: ScriptedMail) -> None:
    script.folders["INBOX"].messages[2] = b"\r\n\r\njust text"
    assert ids(await read_mail(script), Skipped) == ["INBOX/2"]


async def test_message_that_was_not_sent_is_tried_again(script: ScriptedMail) -> None:
    script.replies["UID FETCH 1:2 (UID INTERNALDATE BODY"] = (
        b"* 1 FETCH (UID 1 BODY[]<0> {20}\r\nSubject: one\r\n\r\nText)\r\nTAG OK done\r\n"
    )
    found = await read_mail(script)
    assert (ids(found), ids(found, Failed)) == (["INBOX/1"], ["INBOX/2"])
    script.replies.clear()
    again = await read_mail(script, last_cursor(found))
    assert ids(again) == ["INBOX/2"]
    assert ids(await read_mail(script, last_cursor(again))) == []
