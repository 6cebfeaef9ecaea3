"""An upstream of every kind that repeats all it was sent, in each way in which it can fail.

A part of the path that begins with ``m-`` says how it answers: ``m-401`` with that status, ``m-ok``
well, and ``m-NAME`` as ``modes[NAME]`` says at that moment.
"""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve

COMMIT: Final = "c" * 40
STATUSES: Final = ("400", "401", "403", "404", "409", "422", "429", "500")
ODDITIES: Final = ("moved", "moved-308", "moved-302", "junk", "odd", "cut", "drop")
FAILURES: Final = (*STATUSES, *ODDITIES)
_REDIRECTS: Final = {"moved": 307, "moved-308": 308, "moved-302": 302}


def whole(asked: HttpRequest) -> str:
    """Everything that a request brought."""
    return json.dumps([asked.method, asked.target, asked.headers, asked.body.decode("latin-1")])


@dataclass
class EchoUpstream:
    """The upstream; ``issued`` are the tokens that it hands out, by the names in `_ANSWERS`."""

    modes: dict[str, str] = field(default_factory=dict[str, str])
    issued: dict[str, str] = field(default_factory=dict[str, str])
    elsewhere: str = "http://127.0.0.1:9"
    """The origin that it redirects to."""
    tells: bool = True
    """Whether redirects have in their address what was sent."""
    default: str = "ok"
    """The mode of paths that name none."""
    site: Site | None = None

    @property
    def url(self) -> str:
        """Its origin."""
        assert self.site is not None
        return self.site.url

    def at(self, mode: str) -> str:
        """A base URL below which it answers in this mode."""
        return f"{self.url}/m-{mode}"

    def list_received(self) -> bytes:
        """All that it was sent so far, secrets in the clear."""
        assert self.site is not None
        return "\n".join(map(whole, self.site.requests)).encode()

    def answer(self, asked: HttpRequest) -> HttpReply:
        """One request."""
        parts = asked.path.strip("/").split("/")
        named = next((part[2:] for part in parts if part.startswith("m-")), self.default)
        mode = self.modes.get(named, named)
        if mode == "ok":
            return self._well(asked, [part for part in parts if not part.startswith("m-")])
        return self._badly(asked, mode)

    def _badly(self, asked: HttpRequest, mode: str) -> HttpReply:
        echo = whole(asked)
        if mode in STATUSES:
            body = {"error": echo, "error_description": echo, "detail": echo, "message": echo}
            told = {"www-authenticate": f'Bearer realm="{quote(echo)}"', "x-echo": echo}
            waits = {"retry-after": "4000"} if mode == "429" else {}
            kind = {"content-type": "application/json"}
            return HttpReply(int(mode), json.dumps(body).encode(), {**kind, **told, **waits})
        if mode in _REDIRECTS:
            told = urlencode({"token": echo if self.tells else ""})
            place = f"{self.elsewhere}/m-ok{asked.path}?{told}"
            return HttpReply(_REDIRECTS[mode], headers={"location": place})
        if mode == "odd":
            names = ("error", "access_token", "detail", "status", "default_branch", "items")
            return as_json({name: [echo] for name in names})
        if mode == "drop":
            return HttpReply(drop=True)
        return HttpReply(200, b"{" + echo.encode(), cut=mode == "cut")

    def _well(self, asked: HttpRequest, parts: list[str]) -> HttpReply:
        for ending, make in _ANSWERS.items():
            wanted = ending.split("/")
            if parts[-len(wanted) :] == wanted:
                return make(self.issued)
        if parts[:1] == ["repos"]:
            return as_json(_github(parts[2:]))
        if "connected_accounts" in parts:
            return as_json(_composio(self.issued))
        if "accounts" in parts:
            return as_json(_pipedream(self.issued))
        return self._badly(asked, "404")


@asynccontextmanager
async def serve_echo(**fields: Any) -> AsyncGenerator[EchoUpstream]:
    """A running upstream."""
    upstream = EchoUpstream(**fields)
    async with serve(upstream.answer) as site:
        upstream.site = site
        yield upstream


Issued = Mapping[str, str]


def _tokens(issued: Issued) -> HttpReply:
    return as_json(
        {
            "access_token": issued.get("access", "issued-access"),
            "refresh_token": issued.get("refresh", "issued-refresh"),
            "token_type": "Bearer",
            "expires_in": 30,
        }
    )


def _pair(token: str, secret: str) -> HttpReply:
    pair = {"oauth_token": token, "oauth_token_secret": secret, "oauth_callback_confirmed": "true"}
    return HttpReply(200, urlencode(pair).encode())


def _git_refs(_: Issued) -> HttpReply:
    lines = [
        "# service=git-upload-pack\n",
        "",
        f"{COMMIT} HEAD\0symref=HEAD:refs/heads/main agent=echo\n",
        f"{COMMIT} refs/heads/main\n",
        "",
    ]
    body = "".join(f"{len(line) + 4:04x}{line}" if line else "0000" for line in lines)
    kind = {"content-type": "application/x-git-upload-pack-advertisement"}
    return HttpReply(200, body.encode(), kind)


_ANSWERS: Final[Mapping[str, Callable[[Issued], HttpReply]]] = {
    "me": lambda _: as_json({"name": "ada"}),
    "notes": lambda _: as_json(["n1"]),
    "notes/n1": lambda _: as_json({"text": "hello"}),
    "v1/oauth/token": lambda issued: as_json(
        {"access_token": issued.get("pipedream", "issued"), "token_type": "Bearer"}
    ),
    "token": _tokens,
    "access_token": _tokens,
    "oauth1/request": lambda issued: _pair("asked-token", issued.get("asked_secret", "asked")),
    "oauth1/access": lambda issued: _pair(
        issued.get("oauth1_token", "issued-token"), issued.get("oauth1_secret", "issued-secret")
    ),
    "info/refs": _git_refs,
}


def _github(rest: list[str]) -> dict[str, Any]:
    match rest:
        case ["branches", *_]:
            return {"commit": {"sha": COMMIT, "commit": {"tree": {"sha": COMMIT}}}}
        case ["git", "trees", *_]:
            return {"tree": [{"path": "a.md", "sha": COMMIT, "type": "blob", "size": 3}]}
        case _:
            return {"default_branch": "main", "pushed_at": "2026-01-01T00:00:00Z", "name": "r"}


def _composio(issued: Issued) -> dict[str, Any]:
    kept = {"access_token": issued.get("provided", "provided-token")}
    return {"status": "ACTIVE", "toolkit": {"slug": "oauth_stub"}, "state": {"val": kept}}


def _pipedream(issued: Issued) -> dict[str, Any]:
    kept = {"oauth_access_token": issued.get("provided", "provided-token")}
    account = {"id": "apn_1", "healthy": True, "app": {"name_slug": "oauth_stub"}}
    return {"data": {**account, "credentials": kept}}
