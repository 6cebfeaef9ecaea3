"""Documents for tests: where the real ones lie, and how to make others by hand."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

# Written with reportlab, python-docx, python-pptx, openpyxl, odfpy, EbookLib, nbformat, and the
# writer of extract-msg.
DOCUMENTS = Path(__file__).parents[2] / "fixtures" / "documents"


def pack(parts: Mapping[str, str | bytes]) -> bytes:
    """Return a zip file of these parts, by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def pack_word(body: str) -> bytes:
    """Return a document of Word with this body."""
    return pack({"word/document.xml": f'<w:document xmlns:w="w">{body}</w:document>'})
