"""`jira`: projects, and issues with what people said about them."""

from typing import Annotated, Any, ClassVar, cast

from pydantic import Field

from weft.sources.rest.comments import has_all, note_cut, read_comments, sort_by_time, version_of
from weft.sources.rest.paging import Asked
from weft.sources.rest.table import Pages, Record, Request, Since, Stream, Token
from weft.sources.rest.values import find, line_of, records_of
from weft.sources.services.atlassian import AtlassianConfig, AtlassianSource


class JiraConfig(AtlassianConfig):
    """The projects to read."""

    project_keys: list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,254}$")]] = Field(
        default=[],
        title="Projects",
        description="Only these projects, by their keys, such as ABC; all if left out.",
        max_length=50,
    )


async def load_comments(source: "JiraSource", issue: Record) -> Record | None:
    """Read the comments, of which a search shows only the first."""
    shown = find(issue, "fields.comment.comments")
    total = find(issue, "fields.comment.total")
    listed: list[Record] | None = cast("list[Record]", shown) if isinstance(shown, list) else []
    if isinstance(total, int) and total > len(listed):
        asked = Asked(
            "the comments",
            f"/rest/api/3/issue/{line_of(issue.get('id'))}/comment",
            params={"expand": "renderedBody", "orderBy": "created"},
        )
        listed = await read_comments(source.api, asked, _COMMENTS, "comments", created="created")
        if listed is None:
            return None
    bodies = {
        line_of(find(each, "id")): find(each, "body")
        for each in records_of(find(issue, "renderedFields.comment.comments"))
    }
    comments = sort_by_time(listed, "created")
    said = "".join(_show(each, bodies.get(line_of(each.get("id")))) for each in comments)
    return {
        **issue,
        "_said": f"{said}<p>{note_cut(comments)}</p>",
        "_has_all": not isinstance(total, int) or has_all(comments, total),
    }


def _show(comment: Record, rendered: object) -> str:
    who, when = line_of(find(comment, "author.displayName")), line_of(comment.get("created"))
    body = comment.get("renderedBody") or rendered
    return f"<p>{who}, {when}:</p>{body if isinstance(body, str) else ''}"


_COMMENTS = Pages(param="startAt", by="offset", size_param="maxResults", size=100, total="total")
_FIELDS = (
    *("summary", "description", "comment", "status", "issuetype", "priority", "labels", "project"),
    *("assignee", "reporter", "created", "updated", "parent", "resolution", "components"),
)
_ORDER = " ORDER BY created ASC, key ASC"


class JiraSource(AtlassianSource[JiraConfig]):
    """Jira Cloud.

    https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/
    https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-projects/
    """

    short_name = "jira"
    name = "Jira"
    description = "Projects and issues of Jira, with their comments."
    labels = ("issues", "tickets", "tasks", "project management")
    checked_against = "the vendor's published description, which is older than its search"
    Config = JiraConfig
    product = "jira"
    scopes = ("read:jira-work", "read:jira-user")
    base_url = "https://{config.site}.atlassian.net"
    check_request = Request(path="/rest/api/3/myself", shows="displayName")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="project",
            path="/rest/api/3/project/search",
            params={
                "expand": "description,lead",
                "orderBy": "key",
                "keys": "{config.project_keys}",
            },
            records="values",
            paging=Pages(
                param="startAt", by="offset", size_param="maxResults", size=50, total="total"
            ),
            item="/rest/api/3/project/{key}",
            title="{name} ({key})",
            text="description",
            url="{site}/browse/{key}",
            metadata={"key": "key", "lead": "lead.displayName", "kind": "projectTypeKey"},
        ),
        Stream(
            name="issue",
            path="/rest/api/3/search/jql",
            method="POST",
            body={
                "jql": 'created >= "1990-01-01"' + _ORDER,
                "fields": [*_FIELDS],
                "expand": "renderedFields",
            },
            records="issues",
            paging=Token(
                param="nextPageToken",
                at="nextPageToken",
                last="isLast",
                size_param="maxResults",
            ),
            since=Since(param="jql", form="minutes_ago", template="updated >= -{since}m" + _ORDER),
            item="/rest/api/3/issue/{key}",
            version=version_of("fields.updated"),
            load=load_comments,
            title="{key}: {fields.summary}",
            text=("renderedFields.description", "_said"),
            markup="html",
            url="{site}/browse/{key}",
            updated="fields.updated",
            author="fields.reporter.displayName",
            created="fields.created",
            breadcrumbs=("fields.project.name",),
            metadata={
                "key": "key",
                "status": "fields.status.name",
                "kind": "fields.issuetype.name",
                "priority": "fields.priority.name",
                "labels": "fields.labels",
                "assignee": "fields.assignee.displayName",
                "resolution": "fields.resolution.name",
                "components": "fields.components[].name",
                "parent": "fields.parent.key",
            },
        ),
    )

    def table(self) -> tuple[Stream, ...]:
        """Return the streams, with the wanted projects in what is searched for."""
        rows = super().table()
        keys = self.config.project_keys
        if not keys:
            return rows
        # Quoted, since a key may be a word of JQL, such as SET or ORDER.
        shown = ", ".join(f'"{key}"' for key in keys)
        wanted = f"project IN ({shown}) AND "
        return tuple(_narrow(row, wanted) if row.name == "issue" else row for row in rows)


def _narrow(row: Stream, wanted: str) -> Stream:
    body = {**(row.body or {}), "jql": f"{wanted}{(row.body or {})['jql']}"}
    since = row.since and row.since.model_copy(update={"template": wanted + row.since.template})
    changes: dict[str, Any] = {"body": body, "since": since}
    return row.model_copy(update=changes)
