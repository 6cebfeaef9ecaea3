"""The source `linear`: issues with their comments, projects, documents and teams."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, cast

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.domain.connections import AuthMethod
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.retry import retry_after_seconds
from weft.sources.base import NoFields, OAuth2
from weft.sources.rest.api import Missing
from weft.sources.rest.comments import sort_by_time
from weft.sources.rest.paging import Asked, read_pages, unexpected_answer
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import (
    Auth,
    Bearer,
    Budget,
    Header,
    Paging,
    Record,
    Request,
    Search,
    Since,
    Stream,
    Token,
)
from weft.sources.rest.values import find, line_of, moment_of
from weft.sources.services.linear import queries

PATH: Final = "/graphql"
COMMENTS_MAX: Final = 2_000
WAIT_S: Final = 60.0
_QUOTAS: Final = ("requests", "complexity", "endpoint-requests")


class LinearCredentials(BaseModel):
    """A key or a token."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        description="Personal API key (lin_api_…), or an access token of OAuth."
    )


async def load_comments(source: "LinearSource", issue: Record) -> Record | None:
    """Add the comments of an issue that has some; None if it is gone."""
    if not find(issue, "comments.nodes.0"):
        return issue
    asked = Asked(
        "an issue's comments",
        PATH,
        "POST",
        body={"query": queries.COMMENTS, "variables": {"id": issue["id"]}},
    )
    found: list[Record] = []
    try:
        pages = read_pages(
            source.api, asked, _page_at("issue.comments"), "data.issue.comments.nodes"
        )
        async for page in pages:
            if not page.records:
                raise unexpected_answer(asked.what)
            found += page.records
            if len(found) > COMMENTS_MAX:
                break
    except Missing:
        return None
    return {**issue, "_comments": found}


def discussion_of(issue: Record) -> str:
    """Return the comments of an issue as text, the oldest first."""
    comments = cast("list[Record]", issue.get("_comments") or [])
    shown: list[str] = []
    for comment in sort_by_time(comments, "createdAt"):
        people = (find(comment, f"{kind}.name") for kind in ("user", "externalUser", "botActor"))
        name = next((line for person in people if (line := line_of(person))), "somebody")
        day = line_of(comment.get("createdAt"))[:10]
        shown.append(f"{name} ({day}):\n{comment.get('body') or ''}")
    if len(comments) > COMMENTS_MAX:
        shown.append("[There may be more comments; reading stopped here.]")
    return "\n\n".join(["## Comments", *shown]) if shown else ""


def changed_at(issue: Record) -> str:
    """Return when an issue or its newest comment changed, whichever is later."""
    return max(line_of(issue.get("updatedAt")), line_of(find(issue, "comments.nodes.0.updatedAt")))


def version_of(issue: Record) -> str:
    """Return what changes with an issue and with its comments."""
    newest = line_of(find(issue, "comments.nodes.0.id"))
    return f"{line_of(issue.get('updatedAt'))} {newest} {changed_at(issue)}".strip()


def is_archived(record: Record) -> bool:
    """Return whether a record is archived or in the trash."""
    return bool(record.get("trashed") or record.get("archivedAt"))


def _page_at(name: str, size: int = 50) -> Token:
    info = f"data.{name}.pageInfo"
    return Token(
        param="variables.after",
        at=f"{info}.endCursor",
        more=f"{info}.hasNextPage",
        size_param="variables.first",
        size=size,
    )


def _stream(
    kind: str, name: str, fields: str, changed: str = queries.CHANGED, **more: Any
) -> Stream:
    """Return the stream of what Linear lists under a name."""
    records = f"data.{name}.nodes"
    paging: Paging = _page_at(name)
    search = Search(
        path=PATH, query=queries.list_changed(name, fields, changed), records=records, paging=paging
    )
    common: dict[str, Any] = {
        "updated": "updatedAt",
        "created": "createdAt",
        "author": "creator.name",
        "url": "url",
        "deleted": is_archived,
        # Nothing is said about what left the trash, or a team that one may not see any more.
        "forgets": True,
    }
    return Stream(
        name=kind,
        path=PATH,
        query=queries.list_all(name, fields),
        records=records,
        paging=paging,
        since=Since(param="variables.since", form="iso_ms", search=search),
        **{**common, **more},
    )


class LinearSource(RestSource[NoFields, LinearCredentials]):
    """The issues, projects, documents and teams that a key or a token may read.

    https://linear.app/developers/graphql, https://linear.app/developers/pagination,
    https://linear.app/developers/filtering and https://linear.app/developers/rate-limiting.
    """

    short_name = "linear"
    name = "Linear"
    description = "Issues with their comments, projects, documents and teams of a Linear workspace."
    Config = NoFields
    Credentials = LinearCredentials
    auth_methods = tuple(AuthMethod)
    labels = ("tickets", "tasks", "bugs", "project management")
    checked_against = "the vendor's published description"
    base_url = "https://api.linear.app"
    budget = Budget(requests=2_500, seconds=3_600)
    check_request = Request(
        path=PATH,
        query=queries.ACCOUNT,
        shows="{data.viewer.name} in {data.organization.name}",
    )
    streams: ClassVar[tuple[Stream, ...]] = (
        _stream(
            "issue",
            "issues",
            queries.ISSUE,
            queries.CHANGED_OR_DISCUSSED,
            updated=changed_at,
            version=version_of,
            load=load_comments,
            title="{identifier}: {title}",
            text=("description", discussion_of),
            breadcrumbs=("team.name", "project.name"),
            metadata={
                "identifier": "identifier",
                "state": "state.name",
                "state_type": "state.type",
                "priority": "priorityLabel",
                "assignee": "assignee.name",
                "labels": "labels.nodes[].name",
                "cycle": "cycle.name",
                "due": "dueDate",
                "estimate": "estimate",
            },
        ),
        _stream(
            "project",
            "projects",
            queries.PROJECT,
            title="name",
            text=("description", "content"),
            metadata={
                "state": "status.name",
                "lead": "lead.name",
                "teams": "teams.nodes[].name",
                "start": "startDate",
                "target": "targetDate",
            },
        ),
        _stream(
            "project_update",
            "projectUpdates",
            queries.PROJECT_UPDATE,
            title="Update of {project.name}",
            text="body",
            author="user.name",
            breadcrumbs=("project.name",),
            metadata={"health": "health"},
        ),
        _stream(
            "document",
            "documents",
            queries.DOCUMENT,
            title="title",
            text="content",
            breadcrumbs=("team.name", "initiative.name", "project.name", "issue.identifier"),
            metadata={"updated_by": "updatedBy.name"},
        ),
        _stream(
            "team",
            "teams",
            queries.TEAM,
            title="name",
            text="description",
            url=None,
            author=None,
            metadata={"key": "key", "is_private": "private"},
        ),
    )

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2:
        """Return Linear's consent page."""
        api = cls.api_url(config, options)
        site = "https://linear.app" if api == cls.base_url else api
        return OAuth2(
            authorize_url=f"{site}/oauth/authorize",
            token_url=f"{api}/oauth/token",
            scopes=("read",),
            client_auth="client_secret_post",
        )

    def find_auth(self) -> Auth:
        """Return how a key is sent, which is without the word that comes before a token."""
        is_key = self.credentials.access_token.get_secret_value().startswith("lin_api_")
        value = "{access_token}"
        return Header(name="authorization", value=value) if is_key else Bearer()

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error of an answer, which may have the status 200 or 400."""
        told = find(answer, "errors.0")
        if told is None:
            return None
        code = line_of(find(told, "extensions.code")).lower().replace("_", " ")
        kinds = {code, line_of(find(told, "extensions.type")).lower()}
        if "ratelimited" in kinds:
            return RateLimited("Linear's limit is used up.", retry_after=_wait_of(response))
        if "authentication error" in kinds:
            return AuthenticationFailed("Linear refused the key or token.")
        if kinds & {"forbidden", "feature not accessible"}:
            return AccessDenied("Linear does not let the key or token read this.")
        if line_of(find(told, "message")).startswith("Entity not found"):
            return Missing("Linear says that this is not there, or not visible.")
        if kinds & {"invalid input", "input error", "graphql validation failed", "user error"}:
            return SourceMisconfigured("Linear refused the query.")
        return SourceUnavailable("Linear could not answer the query.")


def _wait_of(response: httpx.Response) -> float:
    """Return the seconds until all quotas that are used up are there again."""
    asked = retry_after_seconds(response, now=None)
    waits = [WAIT_S if asked is None else asked]
    now = datetime.now(UTC)
    for name in _QUOTAS:
        until = moment_of(response.headers.get(f"x-ratelimit-{name}-reset"))
        if until and response.headers.get(f"x-ratelimit-{name}-remaining") == "0":
            waits.append((until - now).total_seconds())
    return max(waits) if asked is None else asked
