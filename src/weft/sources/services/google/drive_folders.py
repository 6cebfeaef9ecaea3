"""Finds the names of the folders that files in Drive lie in, asking for each but once."""

from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from weft.sources.rest.api import Api, Missing
from weft.sources.rest.paging import unexpected_answer
from weft.sources.rest.table import Record
from weft.sources.rest.values import find, line_of

FOLDERS_MAX: Final = 50_000
DEPTH_MAX: Final = 100


class _Folder(NamedTuple):
    """``is_top``: My Drive, or a shared drive, whose name is part of no path."""

    name: str
    parent: str
    is_top: bool = False


class Folders:
    """The folders that were met so far."""

    def __init__(self) -> None:
        self._known: dict[str, _Folder] = {}
        self._my_drive: str | None = None

    def note(self, folder: Record, *, is_top: bool = False) -> _Folder:
        """Remember the name of a folder, and where it lies."""
        if len(self._known) >= FOLDERS_MAX:
            self._known.clear()
        found = _Folder(line_of(folder.get("name")), line_of(find(folder, "parents.0")), is_top)
        self._known[line_of(folder.get("id"))] = found
        return found

    async def find(self, api: Api, file: Record) -> tuple[str, list[str]]:
        """Return the drive that a file lies in, and the names of its folders from there on.

        Empty where the account cannot see them, as of a file that is shared without its folder.
        """
        drive, at = line_of(file.get("driveId")), line_of(find(file, "parents.0"))
        names: list[str] = []
        while at and len(names) < DEPTH_MAX:
            folder = self._known.get(at) or await self._ask(api, at, drive)
            if folder.is_top:
                return folder.name, names[::-1]
            names += [folder.name] if folder.name else []
            at = folder.parent
        return "", names[::-1]

    async def _ask(self, api: Api, key: str, drive: str) -> _Folder:
        is_drive = key == drive
        place = f"/{'drives' if is_drive else 'files'}/{quote(key, safe='')}"
        params: dict[str, Any] = {"fields": "id,name"}
        if not is_drive:
            params = {"fields": "id,name,parents", "supportsAllDrives": True}
        try:
            found = await api.get(place, what="a folder", params=params)
        except Missing:
            found = {"id": key}
        if find(found, "id") != key:
            raise unexpected_answer("a folder")
        is_top = is_drive or key == await self._find_my_drive(api)
        return self.note(cast("Record", found), is_top=is_top)

    async def _find_my_drive(self, api: Api) -> str:
        if self._my_drive is None:
            found = await api.get("/files/root", what="My Drive", params={"fields": "id"})
            self._my_drive = line_of(find(found, "id"))
            if not self._my_drive:
                raise unexpected_answer("My Drive")
        return self._my_drive
