"""Finds state that other users can change: whoever writes it decides what Weft does and keeps.

Files of secrets that others can read are refused where they are opened.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from weft.errors import InvalidInput
from weft.settings import CONFIG_FILE_NAME, Settings

_GROUP_WRITES, _ALL_WRITE = stat.S_IWGRP, stat.S_IWOTH


def find_exposed(settings: Settings, keys: Path) -> Sequence[Path]:
    """Return all state that other users can change; ``keys`` is the folder of the keys."""
    database = settings.database_path
    files = [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]
    return [*_find_refused(settings, keys), *filter(_is_exposed, (settings.home, *files))]


def refuse_exposed(settings: Settings, keys: Path) -> None:
    """Raise InvalidInput if others can change the settings or put a key of theirs in place."""
    for path in _find_refused(settings, keys):
        raise InvalidInput(
            f"Other users can change {path}.",
            field="config" if path.name == CONFIG_FILE_NAME else "WEFT_HOME",
            hint=f"Look whether they did, then run `{repair_command(path)}`.",
        )


def repair_command(path: Path) -> str:
    """Return the command after which nobody else can change the file or folder."""
    is_foreign = os.name == "posix" and is_owned_by_others(path.stat())
    return f"{'chown $(id -u)' if is_foreign else 'chmod go-w'} {path}"


def is_owned_by_others(found: os.stat_result) -> bool:
    """Tell whether a user owns the file who is neither this one nor root: owners set the mode."""
    return os.name == "posix" and found.st_uid not in (0, os.geteuid())


def _find_refused(settings: Settings, keys: Path) -> Sequence[Path]:
    file = settings.master_key_file
    paths = (settings.home / CONFIG_FILE_NAME, keys if file is None else file.parent)
    return [path for path in paths if _is_exposed(path)]


def _is_exposed(path: Path) -> bool:
    if os.name != "posix":
        return False
    try:
        found = path.stat()
    except OSError:
        return False
    if is_owned_by_others(found):
        return True
    # In a sticky folder, such as those that mounted secrets are in, only the owner replaces files.
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return False
    # Many systems give each user a group of their own, with the same number.
    by_group = found.st_mode & _GROUP_WRITES and found.st_gid != found.st_uid
    return bool(found.st_mode & _ALL_WRITE or by_group)
