"""A person who authorises a connection in a browser."""

from urllib.parse import parse_qs, urlsplit

import httpx


async def authorize(http: httpx.AsyncClient, auth_url: str, *, code: str = "fake-code") -> str:
    """Open the link, agree at the provider, and come back; return where the person ends.

    ``http`` reaches the stand-in. Raises HTTPStatusError where the person would see an error.
    """
    opened = await http.get(auth_url, follow_redirects=False)
    if not opened.has_redirect_location:
        opened.raise_for_status()
    (state,) = parse_qs(urlsplit(opened.headers["location"]).query)["state"]
    callback = f"{auth_url.partition('/source-connections/')[0]}/source-connections/callback"
    ended = await http.get(callback, params={"state": state, "code": code}, follow_redirects=False)
    if not ended.has_redirect_location:
        ended.raise_for_status()
    return ended.headers["location"]
