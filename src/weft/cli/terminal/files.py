"""Files that verbs read, and those that they write for people: whole, or not there."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from weft.cli.terminal.text import plain
from weft.errors import InvalidInput, StorageFailed


def open_text(name: str | Path) -> IO[str]:
    """Open a file of UTF-8 text. Raises InvalidInput if it cannot be read."""
    try:
        return Path(name).open(encoding="utf-8-sig")
    except OSError as error:
        text = f"{plain(str(name))} cannot be read: {error.strerror}."
        raise InvalidInput(text, field="file") from None


def read_text(name: str | Path) -> str:
    """Read a file of UTF-8 text. Raises InvalidInput if that fails."""
    with open_text(name) as file:
        try:
            return file.read()
        except UnicodeDecodeError:
            raise InvalidInput("FILE is not UTF-8 text.", field="file") from None


def find_target(name: str) -> Path:
    """Return the file to write. Raises InvalidInput if it can be none."""
    target = Path(name).expanduser().resolve()
    if target.exists() and not target.is_file():
        raise InvalidInput("FILE exists, and is no file.", field="file")
    if not target.parent.is_dir():
        raise InvalidInput("The folder of FILE does not exist.", field="file")
    return target


@contextmanager
def replacing(target: Path) -> Generator[BinaryIO]:
    """Give a new file, which takes the target's place when the block ends well.

    Only this user can read it. Raises StorageFailed when it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise StorageFailed(
            f"{plain(str(target))} cannot be written: {error.strerror}.", field="file"
        ) from None
