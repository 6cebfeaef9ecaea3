"""Fetches from a Git server over HTTP: protocol version 2, and version 0 for older servers.

All requests go through the guarded client, so addresses, redirects, credentials, sizes and times
follow the same rules as everywhere else. They say only what to list and what to fetch.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import httpx

from weft import __version__
from weft.errors import AuthenticationFailed, SourceMisconfigured, SourceUnavailable, WeftError
from weft.net.errors import raise_for_status
from weft.net.transport import MAX_BYTES, TOTAL_S

MAX_PACK_BYTES = 2 * 1024 * 1024 * 1024
MAX_PACK_S = 1800.0
MAX_REFS_BYTES = 64 * 1024 * 1024
# Each is parsed on the event loop, and a ref is kept. The largest repositories have some hundred
# thousand; servers send packs in pieces of kilobytes.
MAX_REF_LINES = 500_000
MAX_PACK_LINES = 10_000_000
SERVICE = "git-upload-pack"
_WHAT = "the repository"
_VERSION_2 = {"git-protocol": "version=2"}
_AGENT = f"agent=weft/{__version__}"
_OBJECT_ID = re.compile(r"[0-9a-f]{40}")
_FLUSH, _DELIMITER, _END = b"0000", b"0001", b"0002"
_BAND_PACK, _BAND_PROGRESS = 1, 2
_SHALLOW = b"shallow "
MAX_SHALLOW = 50_000


@dataclass(frozen=True, slots=True)
class Remote:
    """A server's description of itself; ``url`` is where a redirect led."""

    url: str
    version: int
    capabilities: dict[str, str]
    refs: dict[str, str] = field(default_factory=dict[str, str])
    """Commit ids by ref name; filled only for version 0, where servers list all refs at once."""
    head: str | None = None

    @property
    def can_filter(self) -> bool:
        """Return whether the server can leave out objects on request (protocol version 2 only)."""
        return self.version == 2 and "filter" in self.capabilities.get("fetch", "").split()


async def discover(client: httpx.AsyncClient, url: str) -> Remote:
    """Ask a server which protocol it speaks. Raises the errors of `Source.check`."""
    query = f"/info/refs?service={SERVICE}"
    async with _open_stream(
        client, "GET", url + query, b"", "advertisement", MAX_REFS_BYTES
    ) as answer:
        # A repository that has moved redirects; later requests go straight to its new address.
        moved = str(answer.response.url)
        place = moved.removesuffix(query) if moved.endswith(query) else url
        advertised = _Advertisement()
        # Each is taken as it comes: all together would take seconds.
        async for line in answer.read_lines(MAX_REF_LINES):
            if line != _FLUSH and not line.startswith(b"# service="):
                advertised.add(line)
    version = advertised.version or 0
    return Remote(place, version, advertised.capabilities, advertised.refs, advertised.head)


async def find_branch(
    client: httpx.AsyncClient, remote: Remote, branch: str | None
) -> tuple[str, str]:
    """Find the name and commit id of a branch, or of the one that HEAD points to.

    Raises SourceMisconfigured if there is none.
    """
    wanted = "HEAD" if branch is None else f"refs/heads/{branch}"
    if remote.version == 2:
        refs, head = await _list_refs(client, remote, wanted)
    else:
        refs, head = remote.refs, remote.head
    found = refs.get(wanted)
    if found is None:
        raise SourceMisconfigured(
            "The repository has no such branch." if branch else "The repository is empty.",
            field="branch" if branch else "repo",
            hint="Leave branch out for the default branch." if branch else None,
        )
    if not _OBJECT_ID.fullmatch(found):
        raise SourceMisconfigured("Repositories with SHA-256 ids cannot be read.", field="repo")
    name = branch or (head or "HEAD").removeprefix("refs/heads/")
    return name, found


async def fetch_pack(
    client: httpx.AsyncClient,
    remote: Remote,
    commit: str,
    *,
    depth: int,
    leave_out: str | None,
    into: BinaryIO,
) -> frozenset[str]:
    """Fetch a pack with ``commit`` and its history, ``depth`` commits deep, with folders and files.

    ``leave_out`` is a filter such as "blob:none", for servers that `can_filter`. Returns the
    commits whose parents the server says it left out.
    Raises SourceUnavailable, and `ResponseTooLarge` beyond MAX_PACK_BYTES.
    """
    if remote.version == 2:
        body = _fetch_request_2(remote, commit, depth, leave_out)
    else:
        body = _fetch_request_0(remote, commit, depth)
    size = 0
    shallow: set[str] = set()
    async with _open_stream(
        client, "POST", f"{remote.url}/{SERVICE}", body, "result", MAX_PACK_BYTES, remote.version
    ) as answer:
        async for line in answer.read_lines(MAX_PACK_LINES):
            if line.startswith(_SHALLOW) and len(shallow) < MAX_SHALLOW:
                shallow.add(_text(line[len(_SHALLOW) :]))
            # The pack's own lines begin with their band number. Other lines name sections (version
            # 2) or say where a shallow history ends.
            if line[:1] == bytes([_BAND_PACK]):
                # These small writes go to the page cache; a worker thread for each would cost more.
                size += into.write(line[1:])
            elif line[:1] not in _CONTROL:
                raise SourceUnavailable("The Git server reported an error.")
    if size == 0:
        raise SourceUnavailable("The Git server sent nothing.")
    into.seek(0)
    return frozenset(shallow)


# The first bytes of the lines around a pack: progress, flush and delimiter packets ("0"), the
# sections and cut-offs of the two protocol versions, NAK and ACK.
_CONTROL = frozenset({bytes([_BAND_PROGRESS]), *(bytes([c]) for c in b"0spuNAw")})


class _PacketStream:
    """A streamed answer in packet lines."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response

    async def read_lines(self, lines_max: int) -> AsyncIterator[bytes]:
        """Yield each line's content; flush and delimiter packets as their four digits."""
        buffer = bytearray()
        count = 0
        async for chunk in self.response.aiter_bytes():
            buffer += chunk
            start = 0
            while (end := _line_end(buffer, start)) is not None:
                count += 1
                if count > lines_max:
                    raise SourceUnavailable("The Git server sent more lines than any needs.")
                length = end - start
                yield bytes(buffer[start:end]) if length == 4 else bytes(buffer[start + 4 : end])
                start = end
            del buffer[:start]
        if buffer:
            raise _broken_answer()


@asynccontextmanager
async def _open_stream(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    body: bytes,
    kind: str,
    limit: int,
    version: int = 2,
) -> AsyncGenerator[_PacketStream]:
    headers = dict(_VERSION_2) if version == 2 else {}
    media_type = f"application/x-{SERVICE}-{kind}"
    headers["accept"] = media_type
    if body:
        headers["content-type"] = f"application/x-{SERVICE}-request"
    extensions: dict[str, float] = {MAX_BYTES: limit}
    if limit == MAX_PACK_BYTES:
        # A pack may take long; each read of it is still bounded by the client's own timeout.
        extensions[TOTAL_S] = MAX_PACK_S
    async with client.stream(
        method, url, content=body, headers=headers, extensions=extensions
    ) as response:
        try:
            raise_for_status(response, _WHAT)
        except AuthenticationFailed as error:
            raise _with_hint(error) from None
        if response.headers.get("content-type", "").split(";")[0].strip() != media_type:
            raise SourceMisconfigured(
                "No Git repository answers at the URL.", field="repo", hint="Give its clone URL."
            )
        yield _PacketStream(response)


async def _list_refs(
    client: httpx.AsyncClient, remote: Remote, wanted: str
) -> tuple[dict[str, str], str | None]:
    lines = ["symrefs", f"ref-prefix {wanted}"]
    body = _command(remote, "ls-refs", lines)
    url = f"{remote.url}/{SERVICE}"
    refs: dict[str, str] = {}
    head: str | None = None
    async with _open_stream(client, "POST", url, body, "result", MAX_REFS_BYTES) as answer:
        async for line in answer.read_lines(MAX_REF_LINES):
            if line == _FLUSH:
                continue
            object_id, _, rest = _text(line).partition(" ")
            name, *attributes = rest.split(" ")
            refs[name] = object_id
            for attribute in attributes:
                if name == "HEAD" and attribute.startswith("symref-target:"):
                    head = attribute.removeprefix("symref-target:")
    return refs, head


def _fetch_request_2(remote: Remote, commit: str, depth: int, leave_out: str | None) -> bytes:
    lines = ["no-progress", "ofs-delta", f"want {commit}"]
    if "shallow" in remote.capabilities.get("fetch", "").split():
        lines.append(f"deepen {depth}")
    if leave_out:
        lines.append(f"filter {leave_out}")
    return _command(remote, "fetch", [*lines, "done"])


def _fetch_request_0(remote: Remote, commit: str, depth: int) -> bytes:
    known = remote.capabilities
    if "side-band-64k" not in known:
        raise SourceMisconfigured("The Git server is too old.", field="repo")
    # We claim to have no objects, so no pack can be thin, but some servers insist on the word.
    asked = ["side-band-64k", "thin-pack", "ofs-delta", "no-progress", "shallow"]
    asked = [name for name in asked if name in known]
    lines = [_packet(f"want {commit} {' '.join([*asked, _AGENT])}\n")]
    if "shallow" in asked:
        lines.append(_packet(f"deepen {depth}\n"))
    return b"".join([*lines, _FLUSH, _packet("done\n")])


def _command(remote: Remote, name: str, lines: Sequence[str]) -> bytes:
    head = [f"command={name}\n", f"{_AGENT}\n"]
    if "object-format" in remote.capabilities:
        head.append("object-format=sha1\n")
    packets = [_packet(line) for line in head]
    return b"".join([*packets, _DELIMITER, *(_packet(f"{line}\n") for line in lines), _FLUSH])


def _packet(text: str) -> bytes:
    data = text.encode()
    return b"%04x" % (len(data) + 4) + data


def _line_end(buffer: bytearray, start: int) -> int | None:
    if len(buffer) - start < 4:
        return None
    try:
        length = int(bytes(buffer[start : start + 4]), 16)
    except ValueError:
        raise _broken_answer() from None
    if length == 3:
        raise _broken_answer()
    # Lengths 0 to 2 are the special packets, of four digits and no content.
    end = start + (4 if length < 3 else length)
    return end if end <= len(buffer) else None


@dataclass(slots=True)
class _Advertisement:
    """The lines of a server's description that have been read so far."""

    version: int | None = None
    capabilities: dict[str, str] = field(default_factory=dict[str, str])
    refs: dict[str, str] = field(default_factory=dict[str, str])
    head: str | None = None

    def add(self, line: bytes) -> None:
        if self.version is None and line.strip() == b"version 2":
            self.version = 2
        elif self.version == 2:
            name, _, value = _text(line).partition("=")
            self.capabilities[name] = value
        else:
            self._add_ref(line)

    def _add_ref(self, line: bytes) -> None:
        reference, _, extra = line.partition(b"\0")
        if self.version is None:
            self.version = 0
            for word in _text(extra).split(" "):
                name, _, value = word.partition("=")
                self.capabilities[name] = value
                if name == "symref" and value.startswith("HEAD:"):
                    self.head = value.removeprefix("HEAD:")
        object_id, _, name = _text(reference).partition(" ")
        if name and name != "capabilities^{}":
            self.refs[name] = object_id


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\n")


def _broken_answer() -> SourceUnavailable:
    return SourceUnavailable("The Git server sent a broken answer.")


def _with_hint(error: AuthenticationFailed) -> WeftError:
    # Many servers also answer this for a repository that does not exist, to give no name away.
    return AuthenticationFailed(
        error.message,
        hint="The repository is private or does not exist: check its URL and give an access_token "
        "that may read it.",
    )
