"""Documents become text, with what they say of themselves; what cannot be read is told."""

import contextlib
import struct
from email.message import EmailMessage
from typing import Any

import anyio
import pytest

from tests.support.sources.documents import DOCUMENTS, pack, pack_word
from weft.document.model import TEXT_CHARS_MAX, Unreadable
from weft.document.read import (
    NESTED_MAX,
    is_document,
    name_document,
    parse_file,
    read,
    read_in_thread,
)
from weft.domain.text.media_types import MEDIA_TYPES

pytestmark = pytest.mark.anyio

MAIL = """\
From: Olga <olga@example.org>
To: pier@example.org
Date: Sat, 03 Oct 2026 10:00:00 +0000
The keys hang behind the oars.
Attachment: report.pdf
[Page 1]
The spring tide reached the harbour wall.
[Page 2]
Neap tides follow a week later."""


def parse(name: str) -> Any:
    return parse_file(name, (DOCUMENTS / name).read_bytes())


def change_entry(data: bytes, offset: int, value: int) -> bytes:
    """Change a two-byte field of the first entry in the directory of a zip file."""
    changed = bytearray(data)
    struct.pack_into("<H", changed, data.index(b"PK\1\2") + offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "title", "lines", "facts"),
    [
        (
            "report.pdf",
            "Tide report",
            (
                "[Page 1]|The spring tide reached the harbour wall.|[Page 2]|"
                "Neap tides follow a week later."
            ),
            {"pages": 2, "author": "Marin Ebb"},
        ),
        (
            "plan.docx",
            "Quarterly plan",
            (
                "Confidential header|Quarterly plan|Lighthouses|The keeper trims the lamp at dusk.|"
                "Station \tHeight|Skerryvore \t48 m|Zwölf Boxkämpfer – 日本語 text.|Footer words"
            ),
            {"headings": ["Quarterly plan", "Lighthouses"], "author": "Ada Quill"},
        ),
        (
            "bridges.pptx",
            "Bridges",
            (
                "Slide 1: Why bridges sing|Wind excites the cables|Notes: Mention Tacoma here|"
                "Slide 2: Second thoughts|Damping \t2 percent"
            ),
            {"slides": 2},
        ),
        (
            "harvest.xlsx",
            "Orchard",
            (
                "Sheet: Harvest|Fruit\tKilos\tPicked\tRipe|Quince\t12.5\t2026-10-03\tTRUE|"
                "Medlar\t7\t2026-10-04 15:30:00\tFALSE|Sheet: Notes|Stored in the cellar"
            ),
            {"sheets": ["Harvest", "Notes"]},
        ),
        ("bees.odt", "Bees", "Beekeeping|Smoke calms the hive.", {"headings": ["Beekeeping"]}),
        ("stocks.ods", "", "Sheet: Stocks|Salt\t40", {}),
        ("sails.odp", "", "Slide 1: Opening|Sails before steam", {"slides": 1}),
        (
            "road.epub",
            "The Salt Road",
            "Departure|The caravan left before dawn.|Arrival|They saw the white city.",
            {"chapters": 2, "author": "Ines Moor"},
        ),
        (
            "keys.eml",
            "Keys to the boathouse",
            MAIL.replace("\n", "|"),
            {"from": "Olga <olga@example.org>", "attachments": ["report.pdf"]},
        ),
        (
            "moorings.msg",
            "Moorings for winter",
            (
                "From: Hedda Quay|To: crew@example.org|Date: Sat, 03 Oct 2026 10:00:00 +0000|"
                "Lay up the sloop before the frost.|Bring the long rope."
            ),
            {"from": "Hedda Quay", "date": "Sat, 03 Oct 2026 10:00:00 +0000"},
        ),
        (
            "moon.ipynb",
            "Moon phases",
            "Moon phases|We fit a sine.|phase = fit(days)|residual 0.02",
            {"cells": 2},
        ),
        ("letter.rtf", "", "Dear harbour master,|the buoy drifts – again. München", {}),
    ],
)
def test_document_is_read(name: str, title: str, lines: str, facts: dict[str, object]) -> None:
    document = parse(name)
    assert document.title == (f"{title} ({name})" if title else name)
    assert document.text.split("\n") == lines.split("|")
    assert document.facts.items() >= facts.items()


@pytest.mark.parametrize("name", ["rtf", "docs/pdf", ".eml"])
def test_file_without_an_ending_is_text_whatever_its_name(name: str) -> None:
    assert parse_file(name, b"ahoy").text == "ahoy"


def test_scan_has_no_text_but_is_known_by_its_pages() -> None:
    document = parse("scan.pdf")
    assert document.text == ""
    assert document.facts["pages"] == document.facts["pages_without_text"] == 1


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("locked.pdf", (DOCUMENTS / "locked.pdf").read_bytes(), "password"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office format"),
        ("a.pdf", b"%PDF-1.7\n" + bytes(500), "broken"),
        ("a.docx", b"", "broken"),
        ("a.docx", pack({"other": "<a/>"}), "broken"),
        ("a.docx", pack_word("<w:p>"), "broken"),
        ("a.docx", change_entry(pack_word(""), 10, 99), "packed in a way"),
        ("a.docx", change_entry(pack_word(""), 8, 1), "password"),
        (
            "a.docx",
            pack({"word/document.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}),
            "entity",
        ),
        ("a.eml", b"hello", "no message"),
        ("a.ipynb", b"[" * 200_000, "nested too deeply"),
        ("a.ipynb", b'{"cells": [1]}', "broken"),
        ("a.rtf", b"plain", "broken"),
        ("a.png", b"\x89PNG\0\0", "binary"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        parse_file(name, data)


@pytest.mark.parametrize("name", sorted(path.name for path in DOCUMENTS.iterdir()))
def test_document_cut_anywhere_is_read_or_told(name: str) -> None:
    data = (DOCUMENTS / name).read_bytes()
    for part in range(1, 20, 2):
        cut = data[: len(data) * part // 20]
        changed = cut + bytes(byte ^ 0x55 for byte in data[len(cut) : len(cut) + 16])
        for broken in (cut, changed + data[len(changed) :]):
            with contextlib.suppress(Unreadable):
                assert isinstance(parse_file(name, broken).text, str)


def test_same_content_for_older_programs_is_read_once() -> None:
    body = "<w:p><AlternateContent><Choice><w:t>once</w:t></Choice>"
    body += "<Fallback><w:t>twice</w:t></Fallback></AlternateContent></w:p>"
    assert parse_file("a.docx", pack_word(body)).text == "once"


def test_more_text_than_can_be_stored_is_told() -> None:
    body = f"<w:p><w:t>{'a' * 1_000_000}</w:t></w:p>" * (TEXT_CHARS_MAX // 1_000_000 + 1)
    with pytest.raises(Unreadable, match="characters of text"):
        parse_file("a.docx", pack_word(body))


def test_attachments_within_attachments_end() -> None:
    message = EmailMessage()
    message["From"] = "a@example.org"
    message.set_content("the innermost")
    for depth in range(NESTED_MAX + 1):
        outer = EmailMessage()
        outer["From"] = f"{depth}@example.org"
        outer.add_attachment(bytes(message), maintype="a", subtype="b", filename="in.eml")
        message = outer
    text = parse_file("a.eml", bytes(message)).text
    assert "(not read: nested too deeply)" in text
    assert "the innermost" not in text


async def test_documents_are_read_in_another_process_and_text_is_not() -> None:
    data = (DOCUMENTS / "report.pdf").read_bytes()
    assert (await read("report.pdf", data)).facts["pages"] == 2
    in_thread = await anyio.to_thread.run_sync(read_in_thread, "report.pdf", data)
    assert in_thread.facts["pages"] == 2
    assert (await read("a.md", b"# Hi")).title == "Hi (a.md)"


@pytest.mark.parametrize(
    ("name", "media_type", "document"),
    [
        ("a.pdf", "application/pdf", "a.pdf"),
        ("download", "application/pdf", "download.pdf"),
        ("A.PDF", "", "A.PDF"),
        ("a.docx", "application/octet-stream", "a.docx"),
        ("a.bin", "application/octet-stream", None),
        ("a.pdf", "text/html", None),
    ],
)
def test_document_is_known_by_its_type_or_name(
    name: str, media_type: str, document: str | None
) -> None:
    assert name_document(name, media_type) == document


def test_every_kind_of_document_has_a_media_type() -> None:
    without = {"docm", "dotx", "pptm", "xlsm"}
    readable = [path.suffix[1:] for path in DOCUMENTS.iterdir() if is_document(path.name)]
    assert {*readable} - without <= MEDIA_TYPES.keys()
