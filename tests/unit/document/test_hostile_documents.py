"""Documents made to cost time or memory are read or told, and the process that reads them goes on.

What a document may cost at most is bounded by its child process, see test_child.py.
"""

import contextlib
import os
import random
import zlib
from collections.abc import Mapping

import pytest

from tests.support.sources.documents import pack, pack_word
from weft.document.model import Unreadable
from weft.document.read import read

pytestmark = pytest.mark.anyio
gigabytes = pytest.mark.skipif(
    "TORTURE_BYTES" not in os.environ, reason="gigabytes are only for make torture"
)

N = 2_000
RANDOM = random.Random(7)
_OBJECTS = (
    b"<</Type/Catalog/Pages 2 0 R>>",
    b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
    b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream",
    b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
)


def make_pdf(content: bytes, **changed: bytes) -> bytes:
    """Write a PDF of one page; ``changed`` are other objects, as ``o1`` to ``o5``."""
    packed = zlib.compress(content, 9)
    objects = [changed.get(f"o{number}", text) for number, text in enumerate(_OBJECTS, 1)]
    objects[3] = changed.get("o4", _OBJECTS[3] % (len(packed), packed))
    out, offsets = b"%PDF-1.4\n", list[int]()
    for number, text in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + table + b"trailer<</Size 6/Root 1 0 R>>\n"
    return out + b"startxref\n%d\n%%%%EOF" % start


def sheet(rows: str, sheets: str = '<sheet name="a" r:id="1"/>', **parts: str) -> bytes:
    workbook = f'<workbook xmlns:r="r"><sheets>{sheets}</sheets></workbook>'
    links = '<R><Relationship Id="1" Target="s.xml"/><Relationship Id="2" Target="../../x"/></R>'
    extra = {f"xl/{name}.xml": text for name, text in parts.items()}
    named = {"xl/workbook.xml": workbook, "xl/_rels/workbook.xml.rels": links}
    return pack(named | {"xl/s.xml": f"<w>{rows}</w>"} | extra)


def slides(slide: str, count: int = 1, target: str = "slides/s.xml") -> bytes:
    listed = '<sldId id="9" r:id="1"/>' * count
    return pack(
        {
            "ppt/presentation.xml": f'<p xmlns:r="r">{listed}</p>',
            "ppt/_rels/presentation.xml.rels": f'<R><Relationship Id="1" Target="{target}"/></R>',
            "ppt/slides/s.xml": f"<s>{slide}</s>",
        }
    )


def book(package: str, chapter: str) -> bytes:
    container = '<c><rootfile full-path="o.opf"/></c>'
    return pack({"META-INF/container.xml": container, "o.opf": package, "c.html": chapter})


PDF = {
    "no bytes": b"",
    "noise": RANDOM.randbytes(N),
    "noise after the mark": b"%PDF-1.7\n" + RANDOM.randbytes(N),
    "zeros unpacked": make_pdf(bytes(N * 1_000)),
    "operators unpacked": make_pdf(b"BT /F 9 Tf (a) Tj ET\n" * N),
    "saved states": make_pdf(b"q " * N * 10),
    "open arrays": make_pdf(b"[" * N * 10),
    "open dictionaries": b"%PDF-1.4\n1 0 obj\n" + b"<<" * N * 10,
    "open strings": make_pdf(b"(" * N * 10),
    "pages that hold themselves": make_pdf(b"", o2=b"<</Type/Pages/Kids[2 0 R]/Count 9>>"),
    "a count too large": make_pdf(b"", o2=b"<</Type/Pages/Kids[3 0 R]/Count 2147483647>>"),
    "a negative count": make_pdf(b"", o2=b"<</Type/Pages/Kids[3 0 R]/Count -1>>"),
    "one page many times": make_pdf(
        b"", o2=b"<</Type/Pages/Count 9000/Kids[%s]>>" % (b"3 0 R " * 9_000)
    ),
    "no pages": make_pdf(b"", o2=b"<<>>"),
    "no catalogue": make_pdf(b"", o1=b"<<>>"),
    "a stream shorter than it says": make_pdf(b"", o4=b"<</Length 999999>>stream\na\nendstream"),
    "filters upon filters": make_pdf(
        b"", o4=b"<</Length 1/Filter[%s]>>stream\na\nendstream" % (b"/FlateDecode " * N)
    ),
    "content that is its own content": make_pdf(b"", o4=b"4 0 R"),
    "a page much too large": make_pdf(
        b"", o3=b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 1e30 1e30]/Contents 4 0 R>>"
    ),
    "fonts without end": make_pdf(b"BT /F 1e30 Tf (a) Tj ET", o5=b"5 0 R"),
    "a text matrix of nonsense": make_pdf(b"BT /F 9 Tf 1e38 0 0 1e38 1e38 0 Tm (a) Tj ET" * 9),
    "a number too long": make_pdf(b"9" * N * 10),
}
WORD = {
    "not packed": RANDOM.randbytes(N),
    "no text part": pack({"a": "b"}),
    "nested paragraphs": pack_word("<w:p>" * N + "</w:p>" * N),
    "nested tables": pack_word("<w:tbl><w:tr><w:tc>" * N + "</w:tc></w:tr></w:tbl>" * N),
    "open paragraphs": pack_word("<w:p>" * N),
    "attributes": pack_word("<w:p " + " ".join(f'a{i}="1"' for i in range(N)) + "/>"),
    "a long name": pack_word("<" + "a" * N * 10),
    "a long value": pack_word('<w:pStyle w:val="' + "a" * N * 10 + '"/>'),
    "entities": pack({"word/document.xml": "<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>"}),
    "a file of the machine": pack(
        {"word/document.xml": "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"}
    ),
    "an unknown encoding": pack({"word/document.xml": "<?xml version='1.0' encoding='hz'?><a/>"}),
    "UTF-16 without a mark": pack({"word/document.xml": "<a/>".encode("utf-16-le")}),
    "characters that are none": pack({"word/document.xml": "<a>&#0;</a>"}),
    "fallbacks without choice": pack_word("<Fallback>" * N + "</Fallback>" * N),
    "ends that never began": pack_word("</w:t></w:tr>"),
    "breaks": pack_word("<w:p>" + "<w:br/>" * N + "</w:p>"),
    "comments": pack_word("<!---->" * N),
    "instructions": pack_word("<?a?>" * N),
    "characters unmarked": pack_word("<![CDATA[" + "a" * N + "]]>"),
    "many headers": pack(
        {"word/document.xml": "<a/>"} | {f"word/header{i}.xml": "<a/>" for i in range(300)}
    ),
    "styles of styles": pack(
        {"word/document.xml": "<a/>", "word/styles.xml": "<style><outlineLvl/>" * N}
    ),
}
TABLES = {
    "no sheets": sheet("", ""),
    "a sheet out of the file": sheet("", '<sheet name="a" r:id="2"/>'),
    "one sheet many times": sheet("<row><c><v>1</v></c></row>", '<sheet name="a" r:id="1"/>' * N),
    "an index too large": sheet(f'<row><c t="s"><v>{"9" * N}</v></c></row>'),
    "a negative index": sheet('<row><c t="s"><v>-1</v></c></row>'),
    "no number": sheet("<row><c><v>nan</v></c></row>"),
    "styles beyond the table": sheet('<row><c s="99"><v>1</v></c></row>'),
    "dates that are none": sheet(
        "".join(f'<row><c s="0"><v>{v}</v></c></row>' for v in ("nan", "inf", "-9", "1e99", "x")),
        styles='<s><cellXfs><xf numFmtId="14"/></cellXfs></s>',
    ),
    "formats without end": sheet(
        "", styles='<s><numFmt numFmtId="200" formatCode="' + "[" * N + '"/></s>'
    ),
    "one long text many times": sheet(
        "<row>" + '<c t="s"><v>0</v></c>' * N + "</row>",
        sharedStrings="<sst><si><t>" + "b" * N + "</t></si></sst>",
    ),
    "cells without rows": sheet("<c><v>1</v></c>" * N),
    "nested rows": sheet("<row>" * N + "</row>" * N),
    "no slides": slides("", 0),
    "one slide many times": slides("<p><t>a</t></p>", N),
    "a slide out of the file": slides("", 1, "../../../../etc/passwd"),
    "a slide that is the presentation": slides("", 1, "presentation.xml"),
    "nested shapes": slides("<sp>" * N + "</sp>" * N),
    "titles without end": slides('<sp><ph type="title"/>' * N),
    "nested runs": slides("<p><t>" * N + "</t></p>" * N),
    "notes of notes": slides("<p/>" * N),
    "a name too long": sheet("", f'<sheet name="{"a" * N * 10}" r:id="1"/>'),
}
OPEN = {
    "no content": pack({"a": "b"}),
    "spaces": pack({"content.xml": "<c><p>" + '<s c="99999999"/>' * N + "</p></c>"}),
    "negative spaces": pack({"content.xml": '<c><p><s c="-9"/></p></c>'}),
    "nested paragraphs": pack({"content.xml": "<c>" + "<p>" * N + "</p>" * N + "</c>"}),
    "open paragraphs": pack({"content.xml": "<c>" + "<p>" * N}),
    "nested tables": pack(
        {"content.xml": "<spreadsheet>" + "<table>" * N + "</table>" * N + "</spreadsheet>"}
    ),
    "rows of rows": pack({"content.xml": "<c>" + "<table-row>" * N + "</table-row>" * N + "</c>"}),
    "repeated cells": pack(
        {"content.xml": '<c><table-row><table-cell columns-repeated="99999"/></table-row></c>'}
    ),
    "pages": pack({"content.xml": "<c>" + '<page name="a"/>' * N + "</c>"}),
    "entities": pack({"content.xml": "<!DOCTYPE a [<!ENTITY b 'b'>]><a>&b;</a>"}),
    "no text": pack({"content.xml": "<c/>", "meta.xml": "<m><title></title></m>"}),
    "a broken description": pack({"content.xml": "<c/>", "meta.xml": "<m>"}),
    "an encrypted part": pack(
        {"content.xml": b"\0", "META-INF/manifest.xml": "<m><encryption-data/></m>"}
    ),
    "ends that never began": pack({"content.xml": "<c></p></c>"}),
    "noise": pack({"content.xml": RANDOM.randbytes(N)}),
    "no package": pack({"META-INF/container.xml": "<c/>"}),
    "a package out of the book": pack(
        {"META-INF/container.xml": '<c><rootfile full-path="../o.opf"/></c>'}
    ),
    "one chapter many times": book(
        '<p><item id="a" href="c.html"/>' + '<itemref idref="a"/>' * N + "</p>", "<b>" * N + "x"
    ),
    "chapters that are none": book("<p>" + '<itemref idref="x"/>' * N + "</p>", ""),
    "chapters out of the book": book(
        '<p><item id="a" href="../../../etc/passwd"/><itemref idref="a"/></p>', ""
    ),
    "an address of escapes": book(f'<p><item id="a" href="{"%25" * N}"/></p>', ""),
}
_MIXED = b'From: a\nContent-Type: multipart/mixed; boundary="b"\n\n'
MAIL = {
    "no message": b"",
    "noise": RANDOM.randbytes(N),
    "noise after a header": b"From: a\n\n" + RANDOM.randbytes(N),
    "nested parts": b"From: a\n"
    + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i) for i in range(200)
    ),
    "boundaries": _MIXED + b"--b\n\n" * N,
    "no boundary": b"From: a\nContent-Type: multipart/mixed\n\nx",
    "an empty boundary": b'From: a\nContent-Type: multipart/mixed; boundary=""\n\n--\n\nx',
    "quotes": b"From: " + b'"a' * N,
    "brackets": b"From: a\nTo: " + b"<" * N,
    "comments": b"From: " + b"(" * 200,
    "groups": b"From: a\nTo: " + b"a:" * 200,
    "words with an encoding": b"From: a\nSubject: " + b"=?utf-8?q?a?= " * N,
    "words with an unknown encoding": b"From: a\nSubject: =?x?q?a?= =?utf-8?b?!?=",
    "an unknown character set": b"From: a\nContent-Type: text/plain; charset=zip\n\nx",
    "a character set that is a codec": b"From: a\nContent-Type: text/plain; charset=rot13\n\nx",
    "broken base64": b"From: a\nContent-Transfer-Encoding: base64\n\n" + b"=" * N,
    "messages in messages": b"From: a\nContent-Type: message/rfc822\n\n" * 200,
    "headers": b"From: a\n" + b"X: y\n" * N,
    "one header in many lines": b"From: a\nSubject: b\n" + b" c\n" * N,
    "parameters": b"From: a\nContent-Type: text/plain" + b"; a=b" * N,
    "a date of nonsense": b"From: a\nDate: 99 Foo 99999 99:99:99 +9999\n\nx",
}
_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OTHERS = {
    "a.msg": [_MARK, _MARK + RANDOM.randbytes(N), _MARK + bytes(N), b"", b"\xff" * N],
    "a.ipynb": [
        b"",
        b"null",
        b"[" * N,
        b"[" * 200_000,
        b'{"cells":null}',
        b'{"cells":[1,null]}',
        b'{"cells":"abc"}',
        b'{"cells":[{"source":' + b"9" * N * 10 + b"}]}",
        b'{"cells":[{"source":[[[]]],"outputs":[[]]}]}',
        b'{"cells":[{"outputs":[{"data":[]}]}]}',
        b'{"cells":[{"source":"\\ud800"}]}',
    ],
    "a.rtf": [
        b"{\\rtf1",
        b"{\\rtf1" + b"{" * N * 10,
        b"{\\rtf1" + b"}" * N * 10,
        b"{\\rtf1 " + b"\\par " * N,
        b"{\\rtf1 " + b"\\'ff" * N,
        b"{\\rtf1 \\uc999999999 \\u99999999999? x}",
        b"{\\rtf1 \\u-99999? \\ansicpg99999 \\'ff}",
        b"{\\rtf1 \\bin99999999 x}",
        b"{\\rtf1 " + b"\\" * N,
        b"{\\rtf1 {\\fonttbl" + b"{\\f0\\fcharset255;}" * N + b"}}",
    ],
}


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("a.pdf", PDF),
        ("a.docx", WORD),
        ("a.xlsx", TABLES),
        ("a.pptx", TABLES),
        ("a.odt", OPEN),
        ("a.epub", OPEN),
        ("a.eml", MAIL),
        *(
            (name, {str(number): data for number, data in enumerate(inputs)})
            for name, inputs in OTHERS.items()
        ),
    ],
)
async def test_hostile_document_is_read_or_told(name: str, inputs: Mapping[str, bytes]) -> None:
    outcomes = [await read_or_tell(name, data) for data in inputs.values()]
    assert any(outcome is None for outcome in outcomes)
    assert not any("root:" in (outcome or "") for outcome in outcomes)


async def read_or_tell(name: str, data: bytes) -> str | None:
    """Return the text; None if the reason not to read it is told."""
    with contextlib.suppress(Unreadable):
        return (await read(name, data)).text
    return None


@gigabytes
async def test_archive_that_unpacks_to_gigabytes_is_told() -> None:
    with pytest.raises(Unreadable, match="unpacks to more than"):
        await read("a.docx", pack({"word/document.xml": b"<a>" + b"a" * 1_200_000_000}))


@gigabytes
@pytest.mark.skipif(os.name == "nt", reason="the memory of a process has a limit only on POSIX")
@pytest.mark.parametrize("piece", [b"\0", b"BT /F 9 Tf (a) Tj ET\n"])
async def test_page_that_unpacks_to_gigabytes_is_told(piece: bytes) -> None:
    with pytest.raises(Unreadable, match="too much memory or time"):
        await read("a.pdf", make_pdf(piece * (1_200_000_000 // len(piece))))


async def test_two_hundred_thousand_nested_tags_are_read() -> None:
    assert await read_or_tell("a.docx", pack_word("<w:p>" * 200_000 + "</w:p>" * 200_000)) == ""
