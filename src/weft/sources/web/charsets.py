"""Decodes what a site sends, by what it says of the encoding."""

import codecs
import re

from weft.document.text import decode

_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.I
)


def decode_body(content: bytes, content_type: str, is_html: bool) -> str | None:
    """Decode a body by byte-order mark, header, `<meta>`, or a guess; None if it is binary."""
    named = _find_codec(
        content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    )
    if named is None and is_html and (found := _META_CHARSET.search(content[:2_048])):
        named = _find_codec(found[1].decode("ascii", errors="replace"))
    marked = content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if marked or named is None:
        return decode(content)
    return content.decode(named, errors="replace")


# The encodings of the web. Some of Python's others take quadratic time, and some are not
# character sets at all.
_CHARSETS = re.compile(
    r"ascii|utf-8|utf-16(-[lb]e)?|iso8859-\d+|cp125\d|cp866|cp874|tis-620|koi8-[ru]|mac-roman|"
    r"shift_jis|cp932|euc_jp|iso2022_jp|gb2312|gbk|gb18030|big5(hkscs)?|euc_kr|cp949"
)


def _find_codec(name: str) -> str | None:
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    if not _CHARSETS.fullmatch(codec):
        return None
    # Browsers read these two labels as their superset, which is what pages mean by them.
    return "cp1252" if codec in {"ascii", "iso8859-1"} else codec
