"""Honest documents of programs other than those that wrote the fixtures lose no text."""

import io
import zipfile
from pathlib import Path

import pytest

from weft.document.model import Unreadable
from weft.document.read import parse_file

DOCUMENTS = Path(__file__).parents[2] / "fixtures" / "documents"
BEGIN = b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nSubject: Rope\r\nMIME-Version: 1.0\r\n"
RTF = r"{\rtf1\ansi rolled}"


def pack(parts: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


def part(kind: str, body: str, more: str = "") -> str:
    return f"Content-Type: {kind}\r\n{more}\r\n{body}\r\n"


def multipart(kind: str, *parts: str) -> str:
    inner = "".join(f"--{kind}-\r\n{part}" for part in parts)
    return part(f'multipart/{kind}; boundary="{kind}-"', f"{inner}--{kind}---\r\n")


def read_mail(body: str) -> list[str]:
    text = parse_file("a.eml", BEGIN + body.encode()).text
    first, *lines = filter(None, text.splitlines())
    assert first == "From: Jürgen <j@example.org>"
    return lines


PLAIN = part("text/plain", "plain")
HTML = part("text/html", "<p>after &amp; all")
LETTER = part("application/rtf", RTF, 'Content-Disposition: attachment; filename="a.rtf"\r\n')
PICTURE = part("image/png", "\x89PNG\0", "Content-ID: <1>\r\n")
READ = ["Attachment: a.rtf", "rolled"]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (multipart("alternative", PLAIN, multipart("mixed", HTML, LETTER)), ["plain", *READ]),
        (multipart("signed", multipart("mixed", PLAIN, LETTER)), ["plain", *READ]),
        (multipart("mixed", PLAIN, LETTER, HTML), ["plain", "after & all", *READ]),
        (multipart("alternative", PLAIN, multipart("related", HTML, PICTURE)), ["plain"]),
        (multipart("alternative", part("text/plain", " "), HTML), ["after & all"]),
        (multipart("mixed", part("application/rtf", RTF)), ["Attachment: part 1", "rolled"]),
        (
            multipart("mixed", part("message/rfc822", BEGIN.decode() + PLAIN, "X: y\r\n")),
            ["Attachment: message.eml", "From: Jürgen <j@example.org>", "plain"],
        ),
        (
            multipart("report", PLAIN, part("message/delivery-status", "A: b\r\n\r\nStatus: 5")),
            ["plain", "Attachment: part 1", "A: b", "Status: 5"],
        ),
        (part("text/plain; charset=x-utf-8", "plain ü"), ["plain ü"]),
    ],
)
def test_every_part_of_a_message_is_read_once(body: str, lines: list[str]) -> None:
    assert read_mail(body) == lines


def test_more_attachments_than_are_read_are_told() -> None:
    assert read_mail(multipart("mixed", *[LETTER] * 52))[-1] == "(2 more attachments are not read)"


@pytest.mark.parametrize(
    "start",
    [b"\xef\xbb\xbfFrom: a@b.c\r\n", b"\r\nFrom: a@b.c\r\n", b"From: <\r\n", b"Subject: a\r\n"],
)
def test_message_with_an_odd_beginning_is_read(start: bytes) -> None:
    assert parse_file("a.eml", start + b"\r\nrope").text.splitlines()[-1] == "rope"


def read_word(body: str) -> list[str]:
    return parse_file(
        "a.docx", pack({"word/document.xml": f'<w:document xmlns:w="w">{body}</w:document>'})
    ).text.splitlines()


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("<w:p><w:moveFrom><w:t>was</w:t></w:moveFrom><w:t>is</w:t></w:p>", ["is"]),
        ("<w:p><w:tabs><w:tab/></w:tabs><w:t>a</w:t><w:tab/><w:t>b</w:t></w:p>", ["a\tb"]),
        ("<w:p><w:t>a</w:t><w:p><w:t>box</w:t></w:p><w:t>b</w:t></w:p>", ["a", "box", "b"]),
    ],
)
def test_words_of_a_document_are_neither_doubled_nor_glued(body: str, lines: list[str]) -> None:
    assert read_word(body) == lines


def test_main_part_is_found_by_its_relationship() -> None:
    links = '<R><Relationship Type="x/officeDocument" Target="word/document2.xml"/></R>'
    parts = {
        "_rels/.rels": links,
        "word/document2.xml": '<a xmlns:w="w"><w:p><t>online</t></w:p></a>',
    }
    assert parse_file("a.docx", pack(parts)).text == "online"
    with pytest.raises(Unreadable, match="broken"):
        parse_file("a.xlsx", pack(parts))


def test_sheet_shows_numbers_as_people_see_them_and_what_is_beside_its_cells() -> None:
    def links(**targets: str) -> str:
        listed = (f'<Relationship Id="{id_}" Target="{to}"/>' for id_, to in targets.items())
        return f"<R>{''.join(listed)}</R>"

    parts = {
        "xl/workbook.xml": '<w xmlns:r="r"><sheet name="a" r:id="s"/></w>',
        "xl/_rels/workbook.xml.rels": links(s="s.xml", t="SharedStrings.xml"),
        "xl/SharedStrings.xml": "<s><si><t>word</t></si></s>",
        "xl/s.xml": (
            '<s><row><c><v>1.1000000000000001</v></c><c t="s"><v>0</v></c></row>'
            "<row><c><v>0.30000000000000004</v></c></row></s>"
        ),
        "xl/_rels/s.xml.rels": links(c="comments1.xml", d="drawings/drawing1.xml"),
        "xl/comments1.xml": "<c><comment><t>noted</t></comment></c>",
        "xl/drawings/drawing1.xml": "<d><p><t>boxed</t></p></d>",
        "xl/drawings/_rels/drawing1.xml.rels": links(c="../charts/chart1.xml"),
        "xl/charts/chart1.xml": "<c><t>Catch</t><strCache><v>cod</v></strCache><v>7</v></c>",
    }
    lines = parse_file("a.xlsx", pack(parts)).text.splitlines()
    assert lines == ["Sheet: a", "1.1\tword", "0.3", "noted", "boxed", "Catch\tcod"]


def read_open_text(body: str, styles: str = "<a/>") -> list[str]:
    parts = {"mimetype": "x.text", "content.xml": f"<text>{body}</text>", "styles.xml": styles}
    return parse_file("a.odt", pack(parts)).text.splitlines()


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("<tracked-changes><p>was</p></tracked-changes><p>is</p>", ["is"]),
        ("<p>a<note><n>1</n><p>foot</p></note>b</p>", ["a", "foot", "b"]),
        ("<p>a<annotation><date>2026</date><p>noted</p></annotation></p>", ["a", "noted"]),
        ("<p>a<frame><p>b</p><p>c</p></frame>d</p>", ["a", "b", "c", "d"]),
    ],
)
def test_words_of_an_open_document_are_neither_doubled_nor_glued(
    body: str, lines: list[str]
) -> None:
    assert read_open_text(body) == lines


def test_header_of_an_open_document_is_read() -> None:
    styles = "<a><p>style</p><header><p>letterhead</p></header></a>"
    assert read_open_text("<p>body</p>", styles) == ["letterhead", "body"]


PAGE = "<html><head><title/></head><body><script/><p>text</p></body></html>"


def test_page_in_xml_does_not_end_at_an_empty_title() -> None:
    package = '<!DOCTYPE package SYSTEM "a.dtd"><p><item id="c" href="c"/><itemref idref="c"/></p>'
    container = '<c><rootfile full-path="o.opf"/></c>'
    book = pack({"META-INF/container.xml": container, "o.opf": package, "c": PAGE})
    assert parse_file("a.epub", book).text == "text"
    assert parse_file("a.xhtml", PAGE.encode()).text == "text"
    assert parse_file("a.html", PAGE.encode()).text == ""


def test_notebook_of_before_2015_is_read() -> None:
    cells = (
        '{"cell_type": "heading", "source": ["Moon"]}, {"cell_type": "code", "input": ["x = 1"],'
        ' "outputs": [{"text": ["1"]}, {"ename": "ValueError", "evalue": "no"}]}'
    )
    notebook = parse_file("a.ipynb", f'{{"worksheets": [{{"cells": [{cells}]}}]}}'.encode())
    assert notebook.text.splitlines() == ["Moon", "x = 1", "1", "ValueError: no"]
    assert notebook.facts == {"cells": 2, "headings": ["Moon"]}


def test_comment_in_the_code_of_a_notebooks_prose_is_no_heading() -> None:
    cell = r'{"cell_type": "markdown", "source": "# Sea\n```\n# code\n```"}'
    assert parse_file("a.ipynb", f'{{"cells": [{cell}]}}'.encode()).facts["headings"] == ["Sea"]


def test_character_in_two_halves_is_one_in_rich_text() -> None:
    assert parse_file("a.rtf", rb"{\rtf1\ansi\uc0 \u-10179\u-8694 }").text.strip() == "😊"


@pytest.mark.parametrize(
    ("name", "line"), [("cyrillic.msg", "Привет маяк"), ("html.msg", "Lay up the sloop.")]
)
def test_message_of_an_older_outlook_or_in_html_is_read(name: str, line: str) -> None:
    data = (DOCUMENTS / name).read_bytes()
    assert parse_file(name, data).text.splitlines() == [
        *("From: Hedda Quay", "Date: Sat, 03 Oct 2026 10:00:00 +0000", line)
    ]


def test_slide_has_its_diagram_and_a_title_of_two_lines_once() -> None:
    title = '<sp><ph type="title"/><p><t>Two</t><br/><t>lines</t></p></sp>'
    links = '<R><Relationship Id="1" Target="{}"/></R>'
    parts = {
        "ppt/presentation.xml": '<p xmlns:r="r"><sldId id="9" r:id="1"/></p>',
        "ppt/_rels/presentation.xml.rels": links.format("slides/s.xml"),
        "ppt/slides/s.xml": f"<s>{title}</s>",
        "ppt/slides/_rels/s.xml.rels": links.format("../diagrams/data1.xml"),
        "ppt/diagrams/data1.xml": "<d><p><t>step</t></p></d>",
    }
    lines = parse_file("a.pptx", pack(parts)).text.splitlines()
    assert lines == ["Slide 1: Two lines", "step"]


def test_what_is_written_upon_a_page_is_read() -> None:
    stream = "stream\nBT /F 9 Tf 9 9 Td (noted) Tj ET\nendstream"
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Annots[4 0 R]>>",
        "<</Type/Annot/Subtype/FreeText/Rect[0 0 99 99]/AP<</N 5 0 R>>>>",
        f"<</Subtype/Form/BBox[0 0 99 99]/Resources<</Font<</F 6 0 R>>>>/Length 31>>{stream}",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(objects, 1))
    data = f"%PDF-1.4\n{body}trailer<</Size 7/Root 1 0 R>>\n%%EOF"
    assert parse_file("a.pdf", data.encode()).text.splitlines() == ["[Page 1]", "noted"]
