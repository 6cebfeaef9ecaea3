"""Serves the hostile corpora: as sites, repositories, an API and a folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.sources.git_repos import RawRepository, pack_entry, pack_of
from tests.support.sources.hostile.files import IGNORE
from tests.support.sources.hostile.git import COMMIT_TEXT, FOLDER_LIST
from tests.support.sources.hostile.packs import PACK
from tests.support.sources.hostile.pages import ENCODINGS, GZIP, HTML, JSON, ROBOTS, SITEMAP
from weft.testing.hostile import HostileParser
from weft.testing.scripted_http import Handler, HttpReply, HttpRequest, html

_MIB = 1024 * 1024
# Folder, ending, what parses it, and the largest that is read.
_FILES = (
    ("pages", ".html", HTML, 5 * _MIB - 64),
    ("texts", ".txt", ENCODINGS, 5 * _MIB - 64),
    ("ignored", "/.gitignore", IGNORE, 256 * 1024 - 64),
    ("maps", ".xml", SITEMAP, 40 * _MIB),
    ("maps", ".gz", GZIP, 40 * _MIB),
    ("json", "", JSON, 10 * _MIB - 64),
    ("robots", "", ROBOTS, 512 * 1024),
    ("packs", "", PACK, 4 * _MIB),
)
_HEAD = "1" * 40
_GIT = "application/x-git-upload-pack-"
_PACKET_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class Corpora:
    """Hostile inputs of at most ``size`` bytes as files below ``folder``, every ``step``-th one.

    They are made in advance, as making them would disturb what is measured.
    """

    folder: Path
    size: int
    step: int

    def write(self) -> None:
        """Write all files."""
        for folder, ending, parser, size_max in _FILES:
            for number, content in self._make(parser, size_max):
                self._put(f"{folder}/{number}{ending}", content)
        for name in self.list_names("ignored"):
            self._put(f"ignored/{name}/a.txt", b"a")
        for kind, parser in (("commit", COMMIT_TEXT), ("tree", FOLDER_LIST)):
            for number, content in self._make(parser, self.size):
                self._put_repository(f"repositories/{kind}-{number}", kind, content)

    def list_names(self, folder: str) -> list[str]:
        """List what was written to one folder."""
        return sorted(path.name for path in (self.folder / folder).iterdir())

    def read(self, name: str) -> bytes:
        """Read one file."""
        return (self.folder / name).read_bytes()

    def _make(self, parser: HostileParser, size_max: int) -> Iterator[tuple[int, bytes]]:
        for number, make in list(enumerate(parser.inputs.values()))[:: self.step]:
            yield number, make(min(self.size, size_max))

    def _put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _put_repository(self, name: str, kind: str, content: bytes) -> None:
        repository = RawRepository(self.folder / name)
        repository.put_tree()
        found = repository.put(kind.encode(), content)
        if kind == "commit":
            repository.set_branch("main", found)
        else:
            repository.commit(found)


def serve_pages(corpora: Corpora) -> Handler:
    """A site whose start page links to all hostile pages and texts."""
    paths = [f"/{kind}/{name}" for kind in ("pages", "texts") for name in corpora.list_names(kind)]
    start = html("".join(f"<a href='{path}'>" for path in paths))

    def answer(asked: HttpRequest) -> HttpReply:
        if asked.path == "/robots.txt":
            return HttpReply(404)
        if asked.path not in paths:
            return start
        kind = "text/html" if asked.path.endswith(".html") else "text/plain"
        return HttpReply(body=corpora.read(asked.path[1:]), headers={"content-type": kind})

    return answer


def serve_sitemaps(corpora: Corpora) -> Handler:
    """A site with an index of all hostile sitemaps, plain and packed."""

    def answer(asked: HttpRequest) -> HttpReply:
        if asked.path == "/index.xml":
            host = asked.headers["host"]
            names = corpora.list_names("maps")
            entries = "".join(
                f"<sitemap><loc>http://{host}/maps/{n}</loc></sitemap>" for n in names
            )
            return HttpReply(body=f"<sitemapindex>{entries}</sitemapindex>".encode())
        if asked.path.startswith("/maps/"):
            return HttpReply(body=corpora.read(asked.path[1:]))
        return HttpReply(404) if asked.path == "/robots.txt" else html("A page")

    return answer


def serve_robots(corpora: Corpora, name: str) -> Handler:
    """A site with a hostile robots.txt and a page of up to 10,000 links that lead nowhere."""
    rules = HttpReply(body=corpora.read(f"robots/{name}"))
    start = html("".join(f"<a href='/{'a' * 500}{n}'>" for n in range(10_000 // corpora.step**2)))
    answers = {"/robots.txt": rules, "/": start}
    return lambda asked: answers.get(asked.path, HttpReply(404))


def serve_api(corpora: Corpora) -> Handler:
    """An API that answers for the repository o/NAME with the JSON of that name."""

    def answer(asked: HttpRequest) -> HttpReply:
        name = asked.path.split("/")[3]
        headers = {"content-type": "application/json"}
        return HttpReply(body=corpora.read(f"json/{name}"), headers=headers)

    return answer


def serve_packs(corpora: Corpora) -> Handler:
    """A Git server whose repository /NAME is the pack of that name, and a branch that it lacks."""

    def answer(asked: HttpRequest) -> HttpReply:
        if asked.path.endswith("/info/refs"):
            told = ("version 2\n", "ls-refs=unborn\n", "fetch=shallow\n", "object-format=sha1\n")
            body = b"".join(map(_packet, [b"# service=git-upload-pack\n"]))
            body += b"0000" + b"".join(_packet(line.encode()) for line in told) + b"0000"
            return HttpReply(body=body, headers={"content-type": f"{_GIT}advertisement"})
        headers = {"content-type": f"{_GIT}result"}
        if b"command=ls-refs" in asked.body:
            told = (f"{_HEAD} HEAD symref-target:refs/heads/main\n", f"{_HEAD} refs/heads/main\n")
            body = b"".join(_packet(line.encode()) for line in told) + b"0000"
            return HttpReply(body=body, headers=headers)
        pack = corpora.read(f"packs/{asked.path.split('/')[1]}") or pack_of(pack_entry(3, b""))
        pieces = [pack[at : at + _PACKET_BYTES] for at in range(0, len(pack), _PACKET_BYTES)]
        body = _packet(b"packfile\n") + b"".join(_packet(b"\1" + piece) for piece in pieces)
        return HttpReply(body=body + b"0000", headers=headers)

    return answer


def config_of(kind: str, url: str, corpora: Corpora, name: str) -> Mapping[str, object]:
    """The arguments of `create_connection` for one hostile thing."""
    if kind == "files":
        return {"short_name": "files", "config": {"path": name, "max_file_size": 20 * 1024 * 1024}}
    if kind == "repositories":
        return {"short_name": "git", "config": {"repo": f"repositories/{name}"}}
    if kind == "packs":
        return {"short_name": "git", "config": {"repo": f"{url}/{name}"}}
    if kind == "json":
        credentials = {"personal_access_token": "token-of-a-test"}
        config = {"repo_name": f"o/{name}"}
        return {"short_name": "github", "config": config, "credentials": credentials}
    path = "/index.xml" if kind == "maps" else "/"
    return {"short_name": "web", "config": {"url": url + path, "max_pages": 200}}


def _packet(data: bytes) -> bytes:
    return b"%04x" % (len(data) + 4) + data
