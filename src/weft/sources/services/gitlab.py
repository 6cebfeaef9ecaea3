"""`gitlab`: projects with their files, issues and merge requests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.document.read import is_document
from weft.document.suffixes import BINARY_SUFFIXES
from weft.domain.connections import AuthMethod
from weft.errors import SourceUnavailable
from weft.sources.base import OAuth1, OAuth2
from weft.sources.github.answers import has_id
from weft.sources.rest.api import Missing
from weft.sources.rest.comments import has_all, read_comments, show_comments, version_of
from weft.sources.rest.paging import Asked
from weft.sources.rest.source import RestSource
from weft.sources.rest.streams import digest_of
from weft.sources.rest.table import Budget, NextUrl, Record, Request, Since, Single, Stream, Value
from weft.sources.rest.values import find, line_of, moment_of

FILE_BYTES_MAX = 1024 * 1024
DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
# GitLab notes the activity in a project once an hour at most.
ACTIVITY_NOTED_AFTER = timedelta(minutes=65)


class GitLabConfig(BaseModel):
    """The projects to read."""

    model_config = ConfigDict(extra="forbid")

    project_id: str | None = Field(
        default=None,
        title="Project",
        description="Only this project: its number, or its path such as group/project.",
        pattern=r"^[A-Za-z0-9_./-]+$",
        max_length=255,
    )
    branch: str | None = Field(
        default=None,
        title="Branch",
        description="Branch whose files are read; each project's default branch if left out.",
        max_length=255,
    )


class GitLabCredentials(BaseModel):
    """A personal, group or project access token, or an OAuth access token."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        title="Access token", description="Token with the scope read_api."
    )


async def load_file(source: "GitLabSource", file: Record) -> Record | None:
    """Read the content of a file."""
    path = line_of(file.get("path"))
    place = f"/projects/{file['_parent']['id']}/repository/blobs/{line_of(file.get('id'))}/raw"
    limit = DOCUMENT_BYTES_MAX if is_document(path) else FILE_BYTES_MAX
    try:
        content = await source.api.download(place, what="a file", bytes_max=limit)
    except Missing:
        return None
    if not has_id(line_of(file.get("id")), b"blob", content):
        # Stored once, it would stay, as the next sync compares nothing but the id.
        raise SourceUnavailable("GitLab sent something else than the file's content.")
    return {**file, "_content": content}


async def load_notes(source: "GitLabSource", issue: Record) -> Record | None:
    """Add what people said about an issue or a merge request."""
    if not issue.get("user_notes_count"):
        return issue
    kind = "merge_requests" if "source_branch" in issue else "issues"
    asked = Asked(
        "the comments",
        f"/projects/{issue['project_id']}/{kind}/{issue['iid']}/notes",
        params={"sort": "asc", "order_by": "created_at"},
    )
    notes = await read_comments(source.api, asked, _LINK, among=_is_of_a_person)
    if notes is None:
        return None
    said = show_comments(notes, "author.name")
    return {**issue, "_notes": said, "_has_all": has_all(notes, issue["user_notes_count"])}


def _is_of_a_person(note: Record) -> bool:
    return not note.get("system")


def _is_read(file: Record) -> bool:
    suffix = PurePosixPath(line_of(file.get("path"))).suffix.lower()
    return file.get("type") == "blob" and (
        suffix not in BINARY_SUFFIXES or is_document(f"x{suffix}")
    )


def _version_of(project: Record) -> str | None:
    """Return none while a push may yet come that does not show in the project.

    https://gitlab.com/gitlab-org/gitlab/-/issues/16729
    """
    at = moment_of(project.get("last_activity_at"))
    is_settled = at is None or datetime.now(UTC) - at > ACTIVITY_NOTED_AFTER
    return digest_of(project) if is_settled else None


def _address_on(branch: str) -> Value:
    """Return what finds the page of a file on a branch."""

    def find_address(file: Record) -> str:
        site = line_of(find(file, "_parent.web_url"))
        return f"{site}/-/blob/{quote(branch)}/{quote(line_of(file.get('path')))}"

    return find_address


_LINK = NextUrl(size_param="per_page")
_PROJECT: dict[str, Any] = {
    "name": "project",
    "title": "path_with_namespace",
    "text": ("description", "topics"),
    "url": "web_url",
    "updated": "last_activity_at",
    "version": _version_of,
    "created": "created_at",
    "metadata": {"visibility": "visibility", "archived": "archived", "stars": "star_count"},
}
_ISSUE: dict[str, Any] = {
    "parent": "project",
    "params": {"scope": "all", "state": "all", "order_by": "created_at", "sort": "asc"},
    "paging": _LINK,
    "key": ("_parent.id", "iid"),
    "since": Since(param="updated_after", form="iso_ms", extra={"order_by": "updated_at"}),
    "may_lack": True,
    "version": version_of("updated_at"),
    "load": load_notes,
    "title": "{references.short} {title}",
    "text": ("description", "_notes"),
    "url": "web_url",
    "updated": "updated_at",
    "author": "author.name",
    "created": "created_at",
    "breadcrumbs": ("_parent.path_with_namespace",),
    "metadata": {
        "state": "state",
        "labels": "labels",
        "assignees": "assignees[].name",
        "milestone": "milestone.title",
        "confidential": "confidential",
    },
}


class GitLabSource(RestSource[GitLabConfig, GitLabCredentials]):
    """GitLab, on gitlab.com or, by the operator's setting, on a host of one's own.

    https://docs.gitlab.com/api/projects/ https://docs.gitlab.com/api/issues/
    https://docs.gitlab.com/api/merge_requests/ https://docs.gitlab.com/api/repositories/
    """

    short_name = "gitlab"
    name = "GitLab"
    description = "Files, issues and merge requests of GitLab projects, with their comments."
    labels = ("code", "issues", "repository")
    checked_against = "documentation only"
    Config = GitLabConfig
    Credentials = GitLabCredentials
    auth_methods = tuple(AuthMethod)
    base_url = "https://gitlab.com/api/v4"
    budget = Budget(requests=300, seconds=60)
    check_request = Request(path="/user", shows="username")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            **_PROJECT,
            path="/projects",
            params={"membership": True, "order_by": "id", "sort": "asc", "pagination": "keyset"},
            paging=_LINK,
            item="/projects/{key}",
        ),
        Stream(
            name="file",
            parent="project",
            only_if="default_branch",
            path="/projects/{_parent.id}/repository/tree",
            params={"recursive": True, "pagination": "keyset", "ref": "{config.branch}"},
            paging=_LINK,
            key=("_parent.id", "path"),
            may_lack=True,
            wanted=_is_read,
            version="id",
            load=load_file,
            file_name="path",
            title="path",
            text="_content",
            url=_address_on("HEAD"),
            breadcrumbs=("_parent.path_with_namespace",),
            metadata={"path": "path"},
        ),
        Stream(
            **_ISSUE,
            name="issue",
            path="/projects/{_parent.id}/issues",
            item="/projects/{key0}/issues/{key1}",
        ),
        Stream(
            **_ISSUE,
            name="merge_request",
            path="/projects/{_parent.id}/merge_requests",
            item="/projects/{key0}/merge_requests/{key1}",
        ),
    )

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return GitLab's consent page."""
        site = cls.api_url(config, options).removesuffix("/api/v4")
        return OAuth2(
            authorize_url=f"{site}/oauth/authorize",
            token_url=f"{site}/oauth/token",
            scopes=("read_api",),
            client_auth="client_secret_post",
        )

    def table(self) -> tuple[Stream, ...]:
        """Return the streams, of one project or one branch if only that is wanted."""
        projects, files, *others = self.streams
        if self.config.project_id is not None:
            path = "/projects/{config.project_id}"
            projects = Stream(**_PROJECT, path=path, paging=Single(one=True))
        if self.config.branch is not None:
            files = files.model_copy(update={"url": _address_on(self.config.branch)})
        return (projects, files, *others)
