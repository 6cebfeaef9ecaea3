"""Git servers over real HTTP: protocol version 2, hostile answers, and where credentials go."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sources.git_repos import RawRepository, pack_entry, pack_of
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    CursorExpired,
    NotPermitted,
    SourceMisconfigured,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.net.addresses import AddressRefused
from weft.net.client import http_factory
from weft.net.http_factory import HttpFactory
from weft.sources.base import Checkpoint, Complete, Deleted, Named, Omitted, Skipped, SourceContext
from weft.sources.git import smart_http
from weft.sources.git.objects import open_repository
from weft.sources.git.pack import COMMIT, Object
from weft.sources.git.source import GitSource
from weft.testing.scripted_http import HttpReply, HttpRequest, redirect, serve
from weft.testing.source_contract import SourceCase, events_of, last_cursor, offline_context

pytestmark = pytest.mark.anyio

LOCAL = "127.0.0.1"
TOKEN = "correct-horse-battery"
ADVERTISED = "application/x-git-upload-pack-advertisement"
RESULT = "application/x-git-upload-pack-result"
Handler = Callable[[HttpRequest], HttpReply]


def lines(*contents: str | bytes) -> bytes:
    """Packet lines; four digits alone are a special packet."""
    out = b""
    for content in contents:
        data = content.encode() if isinstance(content, str) else content
        special = data in (b"0000", b"0001", b"0002")
        out += data if special else b"%04x" % (len(data) + 4) + data
    return out


def reply(body: bytes, kind: str = RESULT) -> HttpReply:
    return HttpReply(200, body, {"content-type": kind})


class Server:
    """Speaks version 2 for one repository, with filters; remembers what it was asked."""

    def __init__(self, repository: RawRepository, *, features: str = "shallow filter") -> None:
        self.repository = repository
        self.features = features
        self.commands: list[str] = []

    def __call__(self, asked: HttpRequest) -> HttpReply:
        if asked.path.endswith("/info/refs"):
            head = lines("# service=git-upload-pack\n", "0000")
            listed = ["version 2\n", "agent=test\n", "ls-refs=unborn\n"]
            listed += [f"fetch={self.features}\n", "object-format=sha1\n"]
            return reply(head + lines(*listed, "0000"), ADVERTISED)
        self.commands.append(asked.body.decode())
        if b"command=ls-refs" in asked.body:
            head = (self.repository.git / "refs/heads/main").read_text().strip()
            found = [f"{head} HEAD symref-target:refs/heads/main\n", f"{head} refs/heads/main\n"]
            return reply(lines(*found, "0000"))
        shallow = lines("shallow-info\n", f"shallow {'1' * 40}\n", "0001")
        progress = lines("packfile\n", b"\2counting")
        return reply(shallow + progress + self._pack(asked.body) + b"0000")

    def _pack(self, body: bytes) -> bytes:
        entries: list[bytes] = []
        for kind, data in self._objects():
            blobs_wanted = b"filter blob:none" not in body
            small = b"blob:limit=" not in body or len(data) < int(_after(body, b"blob:limit="))
            if kind != 3 or (blobs_wanted and small):
                entries.append(pack_entry(kind, data))
        pack = pack_of(*entries)
        pieces = [pack[at : at + 1000] for at in range(0, len(pack), 1000)]
        return lines(*(b"\1" + piece for piece in pieces))

    def _objects(self) -> list[Object]:
        context = offline_context(files_roots=(self.repository.root.parent,))
        names = [p.parent.name + p.name for p in self.repository.git.glob("objects/??/*")]
        with open_repository(str(self.repository.root), context) as opened:
            return [opened.store.read(name) for name in sorted(names)]


def _after(body: bytes, mark: bytes) -> bytes:
    return body.partition(mark)[2].partition(b"\n")[0]


@pytest.fixture
def repository(tmp_path: Path) -> RawRepository:
    repository = RawRepository(tmp_path / "allowed/repo")
    repository.commit(repository.put_files(a=b"first", b=b"B"), message=b"First")
    return repository


def context(http: HttpFactory | None = None) -> SourceContext:
    return SourceContext(http=http or http_factory({LOCAL}), allow_hosts=frozenset({LOCAL}))


def case(url: str, **config: int | str | bool) -> SourceCase:
    return SourceCase(GitSource, {"repo": f"{url}/repo.git", **config}, context())


async def fetch_from(handler: Handler, cursor: Json | None = None) -> list[str]:
    """Ids of the entities that a server of this kind leads to."""
    async with serve(handler) as site:
        events = await events_of(case(site.url).make(), cursor)
    return [event.id for event in events if isinstance(event, Entity)]


async def test_version_2_lists_files_and_commits(repository: RawRepository) -> None:
    server = Server(repository)
    head = (repository.git / "refs/heads/main").read_text().strip()
    assert await fetch_from(server) == ["file:a", "file:b", f"commit:{head}"]
    assert "ref-prefix HEAD\n" in server.commands[0]
    history, content = server.commands[1:]
    assert "filter blob:none\n" in history
    assert "deepen 1000\n" in history
    assert "filter blob:limit=1048577\n" in content
    assert "deepen 1\n" in content
    assert f"want {head}\n" in content


@pytest.mark.parametrize(("most", "leaves_out"), [(2, True), (3, False)])
async def test_clone_that_is_cut_off_leaves_out_older_commits(
    repository: RawRepository, most: int, leaves_out: bool
) -> None:
    first = (repository.git / "refs/heads/main").read_text().strip()
    repository.commit(repository.put_files(a=b"first", b=b"later"), first)
    async with serve(Server(repository)) as site:
        events = await events_of(case(site.url, path="a", max_commits=most).make())
    assert [e.id for e in events if isinstance(e, Entity)] == ["file:a", f"commit:{first}"]
    assert any(isinstance(event, Omitted) for event in events) == leaves_out


async def test_server_without_filters_and_depth_is_asked_once(repository: RawRepository) -> None:
    server = Server(repository, features="")
    assert len(await fetch_from(server)) == 3
    assert len(server.commands) == 2
    assert "filter" not in server.commands[1]
    assert "deepen" not in server.commands[1]


async def test_preview_fetches_folders_alone_or_not_at_all(repository: RawRepository) -> None:
    able, unable = Server(repository), Server(repository, features="")
    async with serve(able) as site:
        found = [event async for event in case(site.url).make().preview()]
    assert [event.id for event in found if isinstance(event, Named)] == ["file:a", "file:b"]
    assert "filter blob:none\n" in able.commands[1]
    async with serve(unable) as site:
        with pytest.raises(Unsupported):
            _ = [event async for event in case(site.url).make().preview()]
    assert len(unable.commands) == 1


async def test_large_file_that_the_server_leaves_out_is_skipped(repository: RawRepository) -> None:
    repository.commit(repository.put_files(a=b"first", big=b"x" * 2_000))
    async with serve(Server(repository)) as site:
        events = await events_of(case(site.url, max_file_size=1_000).make())
    [skipped] = [event for event in events if isinstance(event, Skipped)]
    assert (skipped.id, skipped.reason) == ("file:big", "larger than 1000 bytes")


async def test_nothing_is_downloaded_while_the_branch_stands_still(
    repository: RawRepository,
) -> None:
    server = Server(repository)
    async with serve(server) as site:
        first = await events_of(case(site.url).make())
        server.commands.clear()
        again = await events_of(case(site.url).make(), last_cursor(first))
    assert [event for event in again if not isinstance(event, Checkpoint | Complete)] == []
    assert len(server.commands) == 1


async def test_change_is_fetched_from_the_cursor(repository: RawRepository) -> None:
    server = Server(repository)
    async with serve(server) as site:
        cursor = last_cursor(await events_of(case(site.url).make()))
        first = str(cursor["last_commit"])
        second = repository.commit(
            repository.put_files(a=b"second", c=b"C"), first, seconds=1_700_000_001
        )
        events = await events_of(case(site.url).make(), cursor)
        found = [event.id for event in events if isinstance(event, Entity)]
        assert found == ["file:a", "file:c", f"commit:{second}"]
        assert [event.id for event in events if isinstance(event, Deleted)] == ["file:b"]
        repository.commit(repository.put_files(a=b"rewritten"))
        with pytest.raises(CursorExpired):
            await events_of(case(site.url).make(), cursor)


async def test_moved_repository_is_asked_at_its_new_place(repository: RawRepository) -> None:
    server = Server(repository)

    def answer_from_new_place(asked: HttpRequest) -> HttpReply:
        if asked.path.startswith("/repo.git/info"):
            return redirect("/new/place.git/info/refs?service=git-upload-pack", 301)
        assert asked.path.startswith("/new/place.git/")
        return server(asked)

    assert len(await fetch_from(answer_from_new_place)) == 3


async def test_credentials_go_to_the_server_but_not_to_where_it_redirects(
    repository: RawRepository,
) -> None:
    async with serve(Server(repository)) as other:

        def away(asked: HttpRequest) -> HttpReply:
            return redirect(f"{other.url}{asked.target}")

        async with serve(away) as site:
            source = SourceCase(
                GitSource,
                {"repo": f"{site.url}/repo.git"},
                context(),
                {"access_token": TOKEN, "username": "ada"},
            ).make()
            assert "main" in await source.check()
    expected = "Basic " + base64.b64encode(f"ada:{TOKEN}".encode()).decode()
    assert {asked.headers.get("authorization") for asked in site.requests} == {expected}
    assert other.requests
    assert {asked.headers.get("authorization") for asked in other.requests} == {None}


def always(answer: HttpReply) -> Handler:
    return lambda asked: answer


V0 = "1" * 40 + " HEAD\0side-band-64k shallow symref=HEAD:refs/heads/main\n"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (HttpReply(401, b"secret page"), AuthenticationFailed),
        (HttpReply(403, b"secret page"), AccessDenied),
        (HttpReply(404, b"secret page"), SourceMisconfigured),
        (HttpReply(200, b"<html>", {"content-type": "text/html"}), SourceMisconfigured),
        (reply(b"zzzz", ADVERTISED), SourceUnavailable),
        (reply(b"0003", ADVERTISED), SourceUnavailable),
        (reply(b"ffff", ADVERTISED), SourceUnavailable),
        (reply(b"", ADVERTISED), SourceMisconfigured),
        (
            reply(lines("9" * 64 + " HEAD\0side-band-64k\n", "0000"), ADVERTISED),
            SourceMisconfigured,
        ),
        (reply(lines("1" * 40 + " HEAD\0ofs-delta\n", "0000"), ADVERTISED), SourceMisconfigured),
        (reply(lines(V0, "0000"), ADVERTISED), WeftError),
    ],
)
async def test_useless_answer_is_one_clear_error(answer: HttpReply, error: type[WeftError]) -> None:
    with pytest.raises(error) as caught:
        await fetch_from(always(answer))
    assert "secret page" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        lines("packfile\n", b"\3secret failure", "0000"),
        lines("ERR secret failure"),
        lines("packfile\n", "0000"),
        b"0000",
        lines("packfile\n", b"\1PACK garbage", "0000"),
        lines("packfile\n", b"\1" + pack_of(pack_entry(COMMIT, b"no commit")), "0000"),
        lines("packfile\n", b"\1" + pack_of(), "0000"),
        lines("packfile\n", b"\1" + pack_of())[:-3],
        lines("something else\n"),
    ],
)
async def test_useless_pack_is_one_clear_error(repository: RawRepository, body: bytes) -> None:
    server = Server(repository)

    def handler(asked: HttpRequest) -> HttpReply:
        return reply(body) if b"command=fetch" in asked.body else server(asked)

    with pytest.raises((SourceUnavailable, SourceMisconfigured)) as caught:
        await fetch_from(handler)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("error", [b"\3secret failure", b"ERR secret failure"])
async def test_error_in_the_middle_of_a_pack_is_told_as_one(
    repository: RawRepository, error: bytes
) -> None:
    server = Server(repository)

    def handler(asked: HttpRequest) -> HttpReply:
        if b"command=fetch" in asked.body:
            return reply(lines("packfile\n", b"\1" + pack_of()[:20], error, "0000"))
        return server(asked)

    with pytest.raises(SourceUnavailable, match="reported an error"):
        await fetch_from(handler)


@pytest.mark.parametrize("limit", ["MAX_REF_LINES", "MAX_PACK_LINES"])
async def test_endless_lines_are_cut_off(
    repository: RawRepository, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(smart_http, limit, 5)
    server = Server(repository)

    def handler(asked: HttpRequest) -> HttpReply:
        if b"command=fetch" in asked.body:
            return reply(lines("packfile\n", *[b"\2"] * 10, "0000"))
        return server(asked)

    with pytest.raises(SourceUnavailable, match="more lines"):
        await fetch_from(handler)


async def test_endless_pack_is_cut_off(
    repository: RawRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smart_http, "MAX_PACK_BYTES", 5_000)
    server = Server(repository)

    def handler(asked: HttpRequest) -> HttpReply:
        if b"command=fetch" in asked.body:
            return reply(lines(*[b"\1" + b"x" * 1000] * 10, "0000"))
        return server(asked)

    with pytest.raises(SourceUnavailable, match="larger than"):
        await fetch_from(handler)


async def test_missing_branch_is_named(repository: RawRepository) -> None:
    async with serve(Server(repository)) as site:
        with pytest.raises(SourceMisconfigured) as caught:
            await case(site.url, branch="absent").make().check()
    assert caught.value.field == "branch"


async def test_private_address_is_refused_unless_the_operator_allows_it() -> None:
    for url in ("https://127.0.0.1:9/x.git", "https://169.254.169.254/x.git", "https://[::1]/x"):
        source = SourceCase(GitSource, {"repo": url}, context(http_factory(()))).make()
        with pytest.raises(AddressRefused):
            await source.check()


async def test_plain_http_is_only_for_hosts_that_the_operator_names(
    repository: RawRepository,
) -> None:
    async with serve(Server(repository)) as site:
        port = site.port
        for allowed, fine in (
            (frozenset[str](), False),
            (frozenset({"10.0.0.0/8"}), False),
            (frozenset({f"{LOCAL}:{port + 1}"}), False),
            (frozenset({f"{LOCAL}:{port}"}), True),
            (frozenset({"127.0.0.0/8"}), True),
        ):
            given = SourceContext(http=http_factory({LOCAL}), allow_hosts=allowed)
            source = SourceCase(GitSource, {"repo": f"{site.url}/repo.git"}, given).make()
            if fine:
                assert "main" in await source.check()
            else:
                with pytest.raises(NotPermitted, match="WEFT_ALLOW_HOSTS"):
                    await source.check()
    named = SourceContext(http=http_factory(()), allow_hosts=frozenset({"git.internal"}))
    other = SourceCase(GitSource, {"repo": "http://git.example/x.git"}, named).make()
    with pytest.raises(NotPermitted):
        await other.check()


async def test_pack_may_take_longer_than_other_answers(
    repository: RawRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count_events(pack_s: float) -> int:
        monkeypatch.setattr(smart_http, "MAX_PACK_S", pack_s)
        async with serve(Server(repository)) as site:
            return len(await events_of(case(site.url).make()))

    assert await count_events(1800) > 0
    with pytest.raises(SourceUnavailable, match="too long"):
        await count_events(-1)
