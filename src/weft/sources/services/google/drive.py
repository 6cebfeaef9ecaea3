"""`google_drive`: documents of My Drive, of shared drives, and those shared by others."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, cast

import httpx
from pydantic import BaseModel, ConfigDict, Field

from weft.domain.base import Json
from weft.domain.connections import AuthMethod
from weft.errors import WeftError
from weft.sources.base import OAuth1, OAuth2, SourceContext
from weft.sources.files.config import IgnorePatterns
from weft.sources.files.ignore import Patterns
from weft.sources.patterns import locate_below, read_patterns
from weft.sources.rest.api import PlaceLost
from weft.sources.rest.paging import unexpected_answer
from weft.sources.rest.source import RestSource
from weft.sources.rest.streams import digest_of
from weft.sources.rest.table import Budget, Changed, Feed, Gone, Record, Request, Stream, Token
from weft.sources.rest.values import find, line_of, records_of
from weft.sources.services.google.common import (
    GoogleCredentials,
    find_google_error,
    google_oauth,
    reasons_of,
)
from weft.sources.services.google.drive_content import (
    FOLDER,
    REFUSALS,
    SHORTCUT,
    Refused,
    read_content,
    size_of,
)
from weft.sources.services.google.drive_folders import Folders

# Part of every version: raise it when the reading improves, so that all files are read again.
READER: Final = "1"
_FIELDS: Final = (
    "id,name,mimeType,description,parents,driveId,trashed,createdTime,modifiedTime,version,size,"
    "md5Checksum,webViewLink,shared,owners(displayName),lastModifyingUser(displayName),"
    "permissions(type,emailAddress,domain,deleted),capabilities(canDownload)"
)
_ALL_DRIVES: Final = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}
_PAGES: Final[dict[str, Any]] = {
    "param": "pageToken",
    "at": "nextPageToken",
    "size_param": "pageSize",
    "size": 1000,
}


class DriveConfig(BaseModel):
    """Which files are read."""

    model_config = ConfigDict(extra="forbid")

    include_patterns: IgnorePatterns = Field(
        default_factory=list,
        title="Include patterns",
        description="Paths in a drive, such as Specs/* or *.pdf: all is read without any.",
    )


async def add_folders(source: "DriveSource", records: Sequence[Record]) -> Sequence[Record]:
    """Add the names of the folders that files lie in."""
    for record in records:
        if record.get("mimeType") == FOLDER:
            source.folders.note(record)
    placed: list[Record] = []
    for record in records:
        if _is_file(record):
            top, names = await source.folders.find(source.api, record)
            placed.append({**record, "_folders": names, "_crumbs": [top, *names]})
        else:
            placed.append(record)
    return placed


async def load_content(source: "DriveSource", file: Record) -> Record | None:
    """Read the content of a file."""
    return await read_content(source.api, file)


def version_of(file: Record) -> str:
    """Return a digest of all that is read of a file, which also its name and place change.

    Google's own number changes by things that nobody sees, so it counts only without a checksum.
    """
    facts = {name: part for name, part in file.items() if not name.startswith("_")}
    facts["_crumbs"] = file["_crumbs"]
    facts["permissions"] = viewers_of(file)
    if file.get("md5Checksum"):
        facts.pop("version", None)
    return f"{READER}-{digest_of(facts)}"


def viewers_of(file: Record) -> list[str]:
    """Return who may see a file, where the token's owner may know."""
    viewers: set[str] = set()
    for each in records_of(file.get("permissions")):
        kind = line_of(find(each, "type"))
        who = line_of(find(each, "emailAddress")) or line_of(find(each, "domain"))
        if kind == "anyone" or (who and find(each, "deleted") is not True):
            viewers.add(f"{kind}:{who}" if who else kind)
    return sorted(viewers)


def _is_file(record: Record) -> bool:
    """Return whether this is a file: what a shortcut leads to is listed by itself."""
    return record.get("mimeType") not in (FOLDER, SHORTCUT)


def _path_of(file: Record) -> str:
    return "/".join((*file["_folders"], line_of(file.get("name"))))


def _changes_in(change: Record) -> Iterable[Changed | Gone]:
    if change.get("changeType") == "drive":
        # Whether a shared drive can be seen no more is shown by the daily listing.
        return
    key, file = line_of(change.get("fileId")), cast("Record", change.get("file") or {})
    is_gone = change.get("removed") is True or file.get("trashed") is True
    if not key or not (is_gone or file):
        raise unexpected_answer("a change")
    if is_gone:
        yield Gone(key=key)
    elif _is_file(file):
        yield Changed(record=file)


class DriveSource(RestSource[DriveConfig, GoogleCredentials]):
    """The files that an account sees in Google Drive.

    https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list,
    https://developers.google.com/workspace/drive/api/reference/rest/v3/changes/list,
    https://developers.google.com/workspace/drive/api/guides/ref-export-formats and
    https://developers.google.com/workspace/drive/api/guides/handle-errors.
    """

    short_name = "google_drive"
    name = "Google Drive"
    description = "Google Docs, Sheets, Slides and other documents in Google Drive."
    labels = ("documents", "files", "docs", "sheets", "slides", "file storage")
    checked_against = "the vendor's published description"
    Config = DriveConfig
    Credentials = GoogleCredentials
    auth_methods = tuple(AuthMethod)
    base_url = "https://www.googleapis.com/drive/v3"
    # Older projects may send 12,000 a minute; newer ones have 325,000 units, several a request.
    budget = Budget(requests=1_200, seconds=60)
    check_request = Request(
        path="/about",
        params={"fields": "user(displayName,emailAddress)"},
        shows="user.emailAddress",
    )
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="file",
            path="/files",
            params={
                **_ALL_DRIVES,
                "corpora": "allDrives",
                "q": "trashed = false",
                # Folders that come before their files need not be asked for. Google advises against
                # an order by time of creation for large drives.
                "orderBy": "folder,name",
                "fields": f"nextPageToken,incompleteSearch,files({_FIELDS})",
            },
            records="files",
            cut="incompleteSearch",
            among=_is_file,
            prepare=add_folders,
            paging=Token(**_PAGES),
            feed=Feed(
                start_path="/changes/startPageToken?supportsAllDrives=true",
                start_at="startPageToken",
                path="/changes",
                params={
                    **_ALL_DRIVES,
                    "includeRemoved": True,
                    "fields": "nextPageToken,newStartPageToken,"
                    f"changes(changeType,fileId,removed,file({_FIELDS}))",
                },
                mark_param="pageToken",
                mark="newStartPageToken",
                records="changes",
                paging=Token(**_PAGES),
                changes=_changes_in,
            ),
            # An account's changes do not hold all those of shared drives.
            forgets=True,
            deleted="trashed",
            item=f"/files/{{key}}?supportsAllDrives=true&fields={_FIELDS}",
            version=version_of,
            load=load_content,
            unproven=lambda file: not file.get("md5Checksum"),
            file_name="_file_name",
            title="name",
            text=("description", "_text", "_content"),
            url="webViewLink",
            updated="modifiedTime",
            created="createdTime",
            author="owners.0.displayName",
            viewers=viewers_of,
            breadcrumbs=("_crumbs",),
            metadata={
                "path": _path_of,
                "media_type": "mimeType",
                "size": size_of,
                "shared": "shared",
                "last_edited_by": "lastModifyingUser.displayName",
            },
        ),
    )

    def __init__(
        self, config: DriveConfig, credentials: GoogleCredentials, context: SourceContext
    ) -> None:
        super().__init__(config, credentials, context)
        self._patterns = Patterns(config.include_patterns)
        self.folders = Folders()

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return Google's consent page."""
        del config, options
        return google_oauth("drive.readonly")

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Write the patterns as they are matched."""
        del context
        given = cast("DriveConfig", config).include_patterns
        read = read_patterns(given, "include_patterns", locate_below(""), negates=False)
        return {} if read == given else {"include_patterns": [*read]}

    def table(self) -> tuple[Stream, ...]:
        """Return the stream, of the files that the configuration wants."""
        [row] = self.streams
        return (row.model_copy(update={"wanted": self._is_wanted}),) if self._patterns else (row,)

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error that an answer names by its reason."""
        if response.status_code == 400 and find(answer, "error.errors.0.location") == "pageToken":
            return PlaceLost("Google does not know the place in the listing any more.")
        reasons = reasons_of(response, answer)
        refused = sorted(reasons & REFUSALS.keys())
        if refused:
            return Refused(REFUSALS[refused[0]])
        return find_google_error(response, answer, "the Google Drive API")

    def _is_wanted(self, file: Record) -> bool:
        """Return whether a pattern fits the file, or a folder that it lies in."""
        parts = (*file["_folders"], line_of(file.get("name")))
        return any(
            self._patterns.verdict(parts[:depth], is_folder=depth < len(parts))
            for depth in range(1, len(parts) + 1)
        )
