"""Read the patterns, folders and branches of a configuration as people write them, in one form.

People and models write `./docs/*.md`, `{a,b}.txt`, an absolute path, a full address or an ending.
Each is turned into what sources match, or refused with the form to write: one that was only kept
would match nothing, and so delete what was synced before.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field

from weft.document.text import is_text_ending
from weft.domain.base import Json
from weft.domain.text.media_types import MEDIA_TYPES
from weft.domain.text.names import suggest_name
from weft.errors import InvalidInput
from weft.sources.base import Unmatched

EXPANDED_MAX: Final = 200
"""How many patterns one field may have once its braces are expanded."""
GLOBS_MAX: Final = 50
GLOB_CHARS_MAX: Final = 200
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
# A backslash makes one of these characters plain; before any other, it divides folders on Windows.
_DIVIDER = re.compile(r"\\(?![\\*?\[\]{}!#, ])|(?<=[\w.])\\(?=\*)")
# A question mark alone stands for one character.
_QUERY = re.compile(r"\?[^/]*=")
_BRANCH = re.compile(r"(?!/)[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")
_AT_TOP = re.compile(r"^(?:\.?/)+")
# One letter alone, without a dot, is a name.
_ENDING = re.compile(r"\.[a-z][a-z0-9]{0,9}|[a-z][a-z0-9]{1,9}", re.IGNORECASE)

_TOPS_MAX = 1_000
_NEAR_MAX = 10


def _check_globs(given: list[str]) -> list[str]:
    if any(not pattern or len(pattern) > GLOB_CHARS_MAX for pattern in given):
        raise ValueError(f"patterns must have 1 to {GLOB_CHARS_MAX} characters")
    return given


Globs = Annotated[list[str], Field(max_length=GLOBS_MAX), AfterValidator(_check_globs)]
Parts = tuple[str, ...]
Fits = Callable[[Parts, bool], bool]
"""Tells whether a name, of a folder or not, fits a pattern."""
Locate = Callable[[str], str]
"""Turns a pattern into one from where reading begins. Raises WrongPattern."""


class WrongPattern(ValueError):
    """The pattern could never match, for the stated reason; ``hint`` says what to write."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


def pin_patterns(config: BaseModel, locate: Locate, *, negates: bool = True) -> Json:
    """Return the fields ``include`` and ``exclude`` that are read otherwise than given.

    Raises InvalidInput as `read_patterns`, and for an ``include`` that only revokes.
    """
    pinned: Json = {}
    for field in ("include", "exclude"):
        given: list[str] = getattr(config, field)
        read = read_patterns(given, field, locate, negates=negates)
        if field == "include" and read and all(pattern.startswith("!") for pattern in read):
            raise InvalidInput(
                "config.include has only ! patterns, so nothing would be read.",
                field="config.include",
                hint="Name in exclude what is not to be read, without the !.",
            )
        if read != given:
            pinned[field] = [*read]
    return pinned


def read_patterns(
    given: Sequence[str], field: str, locate: Locate, *, negates: bool = True
) -> list[str]:
    """Return the patterns in the form that is matched, those with braces one by one.

    ``negates``: a `!` at the beginning revokes earlier patterns. Raises InvalidInput, which names
    the field and the place in the list, as a text may be a secret.
    """
    found: list[str] = []
    for number, text in enumerate(given, start=1):
        try:
            found += [_read_one(each, locate, negates=negates) for each in expand_braces(text)]
            if len(found) > EXPANDED_MAX:
                raise _too_many()
        except WrongPattern as wrong:
            raise InvalidInput(
                f"config.{field}: pattern {number} {wrong}.",
                field=f"config.{field}",
                hint=wrong.hint,
            ) from None
    return found


def read_branch(value: str) -> str:
    """Return the name of a branch as it is. Raises ValueError if Git allows no such name."""
    bad = (
        value.startswith("-")
        or value.endswith(".lock")
        or any(part in value for part in ("..", "//", "@{", "/."))
    )
    if bad or not _BRANCH.fullmatch(value):
        raise ValueError("is not a branch name")
    return value


class PatternWatch:
    """Tells, of names that go by, which patterns of some fields none of them fits."""

    def __init__(
        self, fields: Mapping[str, Sequence[str]], compile_one: Callable[[str], Fits]
    ) -> None:
        self._left = [
            (field, pattern, compile_one(pattern))
            for field, patterns in fields.items()
            for pattern in patterns
        ]
        # In one of the forms in which Unicode writes a letter with an accent: names keep theirs.
        self._tops: dict[str, str] = {}

    def see(self, parts: Parts, is_folder: bool = False) -> None:
        """Try the patterns that are left on one name."""
        if self._left:
            self._left = [each for each in self._left if not each[2](parts, is_folder)]
        if len(self._tops) < _TOPS_MAX:
            self._tops[normalize("NFC", parts[0])] = parts[0]

    def list_unmatched(self) -> list[Unmatched]:
        """Return the patterns that nothing fitted, the first with names that may be meant.

        Runs in a worker thread: to find those takes a while.
        """
        return [
            Unmatched(field, pattern, self._suggest(pattern) if place < _NEAR_MAX else None)
            for place, (field, pattern, _) in enumerate(self._left)
        ]

    def _suggest(self, pattern: str) -> str | None:
        first = next(filter(None, pattern.removeprefix("!").split("/")), "")
        near = self._tops.get(suggest_name(normalize("NFC", first), self._tops) or "")
        # A folder of that very name may be there, but passed over, or without such files.
        return None if near == first else near


def watch_path(path: str | None) -> PatternWatch:
    """Return a watch for one folder or file of a repository; None for all of it."""

    def compile_one(text: str) -> Fits:
        wanted = tuple(text.split("/"))
        return lambda parts, _: parts[: len(wanted)] == wanted

    return PatternWatch({"path": [path] if path else []}, compile_one)


def read_folder(given: str) -> str:
    """Return a path from the top as `a/b`; empty for the top. Raises ValueError."""
    parts = [part for part in given.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    if _URL.match(given.strip()):
        raise ValueError("must be a path such as docs/guide, without the repository's address")
    if ".." in parts:
        raise ValueError("must be a path inside the repository")
    if "*" in given:
        raise ValueError("must be one folder or file such as docs/guide: it takes no pattern")
    return "/".join(parts)


def expand_braces(text: str) -> list[str]:
    """Return what `{a,b}` stands for, as in a shell: a brace without comma or partner is plain.

    Raises WrongPattern for more than EXPANDED_MAX.
    """
    done: list[str] = []
    waiting = [text]
    while waiting:
        present = waiting.pop()
        span = _find_braces(present)
        if span is None:
            done.append(present)
        else:
            before, after = present[: span[0]], present[span[-1] + 1 :]
            # Each choice lies between two of: the opening brace, the commas, the closing brace.
            choices = (present[a + 1 : b] for a, b in pairwise(span))
            waiting += reversed([f"{before}{choice}{after}" for choice in choices])
        if len(done) + len(waiting) > EXPANDED_MAX:
            raise _too_many()
    return done


def locate_in_folder(folder: str) -> Locate:
    """Return how a pattern of files below ``folder`` is read, which may name that folder."""
    place = Path(folder)
    # A pattern may begin with the folder as it was given, or as it is without symbolic links.
    known = {place.as_posix(), place.resolve().as_posix()} if place.is_absolute() else set[str]()
    roots = sorted((root.rstrip("/") for root in known), key=len, reverse=True)

    def locate(text: str) -> str:
        is_path, text = _is_path(text), _path_of(text)
        # A stored pattern such as /docs is read the same again in a folder /docs.
        if text.rstrip("/") in ("", ".", *(root for root in roots if root.count("/") > 1)):
            raise WrongPattern("names all that is read", "Leave it out: without any, all is read.")
        for root in filter(None, roots):
            if text.startswith(f"{root}/"):
                return _anchor(text[len(root) :])
        if is_path:
            raise WrongPattern("is a path outside the folder that is read", _RELATIVE)
        return _anchor(text) if text.startswith("./") else text

    return locate


def locate_on_site(address: str) -> Locate:
    """Return how a pattern of paths on the site of ``address`` is read, which may be an address."""
    site = urlsplit(address)

    def locate(text: str) -> str:
        if _URL.match(text):
            given = urlsplit(text)
            if (given.scheme, given.netloc.lower()) != (site.scheme, site.netloc):
                raise WrongPattern("is on another site than url", "Write a path: /docs/*.")
            text = unquote(text.partition("://")[2].partition("/")[2])
        if _QUERY.search(text):
            raise WrongPattern("has a query, which is not looked at", "Write its path: /docs/*.")
        text = text.removeprefix("./")
        return text if text.startswith(("/", "*")) else f"/{text}"

    return locate


def locate_below(address: str) -> Locate:
    """Return how a pattern of paths below ``address`` is read, which may be an address as well."""
    root = f"{address.rstrip('/')}/"

    def locate(text: str) -> str:
        if text.startswith(root):
            return _anchor(text[len(root) :])
        if _URL.match(text):
            raise WrongPattern("is an address outside of what is read", _RELATIVE)
        return _anchor(text) if text.startswith("./") else text

    return locate


def _is_path(text: str) -> bool:
    """Return whether this is a whole path for certain, and not one from the top."""
    return text.startswith(("~/", "file://")) or _DRIVE.match(text) is not None


def _path_of(text: str) -> str:
    """Return a file's address, a path below ~ or one of Windows as a plain path."""
    if text.startswith("file://"):
        return unquote(text.removeprefix("file://").removeprefix("localhost"))
    if _URL.match(text):
        raise WrongPattern("is a web address", _RELATIVE)
    if text.startswith("~/"):
        with suppress(RuntimeError):
            return Path(text).expanduser().as_posix()
    return text.replace("\\", "/") if _DRIVE.match(text) else text


def _read_one(text: str, locate: Locate, *, negates: bool) -> str:
    text = text.lstrip()
    sign = "!" if text.startswith("!") else ""
    if sign and not negates:
        raise WrongPattern("begins with !", "Name in exclude what is not to be read.")
    body = text.removeprefix(sign)
    _refuse_unmatchable(body)
    body = locate(body)
    if ".." in body.split("/"):
        raise WrongPattern("has .. in it, which leads out of what is read", _RELATIVE)
    return f"{sign}{body}"


def _refuse_unmatchable(text: str) -> None:
    if not text.strip():
        raise WrongPattern("is empty", "Leave it out.")
    if text.startswith("#"):
        raise WrongPattern("begins with #, as a comment does", "Write \\# for a name with it.")
    if _DIVIDER.search(text) and not _DRIVE.match(text):
        raise WrongPattern("has a \\ between folders", "Write / between folders.")
    ending = text.removeprefix(".").lower()
    if _ENDING.fullmatch(text) and (ending in MEDIA_TYPES or is_text_ending(ending)):
        raise WrongPattern(
            "is an ending alone", f"Write *.{ending} for such files, or **/{text} for that name."
        )


def _anchor(text: str) -> str:
    """Return a pattern that begins at the top; one with a slash inside does so anyway."""
    text = _AT_TOP.sub("", text)
    return text if "/" in text.rstrip("/") else f"/{text}"


def _find_braces(text: str) -> list[int] | None:
    """Return the places of the outermost first `{`, its commas and its `}`, if it has both."""
    opened: list[list[int]] = []
    best: list[int] | None = None
    for place, character in _unescaped(text):
        if character == "{":
            opened.append([place])
        elif character == "," and opened:
            opened[-1].append(place)
        elif character == "}" and opened:
            closed = [*opened.pop(), place]
            if len(closed) > 2 and (best is None or closed[0] < best[0]):
                best = closed
    return best


def _unescaped(text: str) -> Iterator[tuple[int, str]]:
    places = iter(enumerate(text))
    for place, character in places:
        if character == "\\":
            next(places, None)
        else:
            yield place, character


def _too_many() -> WrongPattern:
    return WrongPattern(f"makes more than {EXPANDED_MAX} of them", "Write fewer, or a wider one.")


_RELATIVE = "Write it from the top of what is read, such as docs/** or *.md."
