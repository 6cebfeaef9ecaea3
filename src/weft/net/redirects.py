"""The URLs that people return to after an authorisation."""

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from weft.errors import InvalidInput
from weft.net.urls import is_loopback

REDIRECT_MAX_CHARS: Final = 2000


def parse_redirect(url: str | None, field: str) -> str | None:
    """Return the URL if a browser may be sent there: https, or http to this machine itself.

    Raises InvalidInput for anything else, such as `javascript:` or a URL with a user name.
    """
    if url is None or not url:
        return None
    bad = InvalidInput(
        f"{field} is not an address to return to.",
        field=field,
        hint="Use https, or http to localhost or 127.0.0.1, without a user name or a fragment.",
    )
    # Browsers drop or change some characters that urlsplit keeps, so allow only plain ones.
    if len(url) > REDIRECT_MAX_CHARS or not url.isascii() or not url.isprintable():
        raise bad
    if any(character in url for character in ' \\"<>`{}|^'):
        raise bad
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise bad from None
    if not host or "@" in parts.netloc or parts.fragment:
        raise bad
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise bad
    return url


def with_query(url: str, **params: str) -> str:
    """Add parameters to the URL's query, replacing those of the same names."""
    parts = urlsplit(url)
    kept = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in params
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, *params.items()])))
