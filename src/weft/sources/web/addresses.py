"""The one form of an address that identifies a page."""

import httpx

URL_CHARS_MAX = 2_048
_NO_BREAKS = str.maketrans("", "", "\t\r\n")


def normalise_url(url: str, base: httpx.URL | None = None) -> httpx.URL | None:
    """Return the canonical form that identifies a page; None if it is not a web address."""
    if len(url) > URL_CHARS_MAX:
        return None
    try:
        # Browsers remove line breaks and tabs from addresses, and pages rely on it.
        url = url.translate(_NO_BREAKS)
        joined = (base.join(url) if base else httpx.URL(url)).copy_with(fragment=None)
        usable = joined.scheme in {"http", "https"} and joined.host and not joined.userinfo
        # The copy writes an empty path as "/", since both are the same address.
        return joined.copy_with(raw_path=joined.raw_path) if usable and _has_port(joined) else None
    except (httpx.InvalidURL, ValueError):
        return None


def _has_port(url: httpx.URL) -> bool:
    return url.port is None or 0 < url.port < 65_536
