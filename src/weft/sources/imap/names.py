"""Names of folders as IMAP writes them: modified UTF-7 (RFC 3501, 5.1.3)."""

import re
from base64 import b64decode
from binascii import Error

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-|&")


def decode_name(raw: bytes) -> str | None:
    """Return the name in Unicode; None if it is not written as it should be."""

    def decode(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            raise ValueError("a shift without end")
        if not found[1]:
            return b"&"
        padding = b"=" * (-len(found[1]) % 4)
        return b64decode(found[1].replace(b",", b"/") + padding).decode("utf-16-be").encode()

    try:
        # Some servers send names in UTF-8, although nobody asked for that.
        return _SHIFTED.sub(decode, raw).decode()
    except (ValueError, Error):
        return None
