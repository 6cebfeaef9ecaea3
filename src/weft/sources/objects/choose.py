"""Chooses the objects that are wanted, by their keys."""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from weft.document.text import path_id
from weft.domain.text.characters import clean_line
from weft.sources.base import Skipped
from weft.sources.files.ignore import Patterns
from weft.sources.objects.config import ObjectsConfig
from weft.sources.objects.store import Listed, broken_list, is_addressable
from weft.sources.patterns import PatternWatch
from weft.sources.secret_names import is_secret_file, is_secret_folder

Parts = tuple[str, ...]


class Choice:
    """The patterns of a configuration. A key is a path whose folders exist only in its name."""

    def __init__(self, config: ObjectsConfig) -> None:
        self._prefix = config.place.prefix
        self._include = Patterns(config.include)
        self._exclude = Patterns(config.exclude)
        # Keys come sorted, so most have the folder of the one before.
        self._folder: tuple[Parts, bool | None] = ((), None)

    def choose(
        self, page: Iterable[Listed], watch: PatternWatch | None = None
    ) -> list[Listed | Skipped]:
        """Return what is wanted of a page, and what is passed over for its name's sake.

        Runs in a worker thread. Raises SourceUnavailable for keys that were not asked for.
        """
        found: list[Listed | Skipped] = []
        for listed in page:
            parts = self._parts_of(listed.key)
            if parts is None:
                raise broken_list("has keys of another folder")
            is_folder = parts[-1] == ""
            if watch:
                _show(watch, parts)
            if is_folder or not self.wants(listed.key):
                continue
            if _is_secret(listed.key):
                found.append(Skipped(id_of(listed.key), "may hold secrets"))
            elif not is_addressable(listed.key):
                found.append(Skipped(id_of(listed.key), "has . or .. as a folder of its name"))
            else:
                found.append(listed)
        return found

    def wants(self, key: bytes) -> bool:
        """Return whether the patterns choose the key, and no folder of it usually holds secrets."""
        parts = self._parts_of(key)
        if parts is None:
            return False
        inside = self._judge_folder(parts[:-1])
        if inside is None or self._exclude.verdict(parts, is_folder=False):
            return False
        verdict = self._include.verdict(parts, is_folder=False)
        return inside if verdict is None else verdict

    def _judge_folder(self, folder: Parts) -> bool | None:
        """Return whether what is in a folder is wanted unless named itself; None if it never is."""
        known, inside = self._folder
        if known == folder and folder:
            return inside
        inside = not self._include
        for depth in range(1, len(folder) + 1):
            at = folder[:depth]
            if is_secret_folder(at[-1]) or self._exclude.verdict(at, is_folder=True):
                inside = None
                break
            verdict = self._include.verdict(at, is_folder=True)
            inside = inside if verdict is None else verdict
        self._folder = folder, inside
        return inside

    def _parts_of(self, key: bytes) -> Parts | None:
        """Return the path from the configured folder, None outside of it.

        Of an object that is itself configured, it is the last part of its name.
        """
        text = key.decode(errors="surrogateescape")
        if not self._prefix:
            return tuple(text.split("/"))
        if text == self._prefix:
            return (text.rpartition("/")[2],)
        if not text.startswith(f"{self._prefix}/"):
            return None
        return tuple(text[len(self._prefix) + 1 :].split("/"))


def _is_secret(key: bytes) -> bool:
    *_, folder, name = f"/{key.decode(errors='surrogateescape')}".split("/")
    return is_secret_file(name, folder)


def _show(watch: PatternWatch, parts: Parts) -> None:
    for depth in range(1, len(parts)):
        watch.see(parts[:depth], is_folder=True)
    if parts[-1]:
        watch.see(parts)


def show_key(key: bytes) -> str:
    """Return a key on one line."""
    return clean_line(key.decode(errors="replace"))


def id_of(key: bytes) -> str:
    """Return the id of the entity of a key."""
    return path_id(key)


def key_of(entity_id: str) -> bytes:
    """Return the key that an id was made of."""
    return unquote_to_bytes(entity_id[2:]) if entity_id.startswith("%/") else entity_id.encode()
