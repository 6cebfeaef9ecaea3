"""PDF documents, read with PDFium."""

from importlib import import_module
from typing import Any, Final

from weft.document.model import BROKEN, Document, TextParts, Unreadable
from weft.domain.base import Json

PAGES_MAX: Final = 10_000
_PASSWORD_NEEDED: Final = 4
_PROPERTIES: Final = {"Author": "author", "Subject": "subject", "Keywords": "keywords"}


def read_pdf(data: bytes) -> Document:
    """Read the text of each page under a line with its number. Raises Unreadable.

    A page without text is mostly a scan; the metadata counts such pages.
    """
    # Imported here since only the process that parses needs it.
    pypdfium2: Any = import_module("pypdfium2")
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == _PASSWORD_NEEDED
        reason = "protected by a password" if is_locked else BROKEN
        raise Unreadable(reason) from None
    count = len(pdf)
    if count > PAGES_MAX:
        raise Unreadable(f"more than {PAGES_MAX:,} pages")
    parts, empty = TextParts(), 0
    for number in range(1, count + 1):
        try:
            text = _read_page(pypdfium2, pdf, number - 1)
        except pypdfium2.PdfiumError:
            text = ""
        if text:
            parts.add(f"[Page {number}]")
            parts.add(text)
        else:
            empty += 1
    facts: Json = {"pages": count}
    if empty:
        facts["pages_without_text"] = empty
    values = {key: " ".join(value.split())[:1000] for key, value in pdf.get_metadata_dict().items()}
    facts |= {name: values[key] for key, name in _PROPERTIES.items() if values.get(key)}
    return Document(values.get("Title", ""), parts.join(), facts)


def _read_page(pypdfium2: Any, pdf: Any, index: int) -> str:
    page = pdf[index]
    # What was filled into a form, or written upon a page, is shown but no part of its text yet.
    if pypdfium2.raw.FPDFPage_Flatten(page, 0) == pypdfium2.raw.FLATTEN_SUCCESS:
        page = pdf[index]
    return page.get_textpage().get_text_bounded().strip()
