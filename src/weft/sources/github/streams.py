"""Issues, releases and discussions of a repository on GitHub, as streams of the REST kit."""

from typing import Any, Final

from weft.sources.rest.comments import (
    has_all,
    read_comments,
    show_comment,
    show_comments,
    version_of,
)
from weft.sources.rest.paging import Asked
from weft.sources.rest.table import NextUrl, Record, Since, Stream, Token
from weft.sources.rest.values import find, line_of, records_of

_LINK: Final = NextUrl(size_param="per_page")
_CRUMBS: Final = ("{config.repo_name}",)
_DISCUSSIONS: Final = """
query($owner: String!, $name: String!, $first: Int!, $after: String, $order: DiscussionOrder!) {
  repository(owner: $owner, name: $name) {
    discussions(first: $first, after: $after, orderBy: $order) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        number title body url createdAt updatedAt
        author { login }
        category { name }
        answer { id }
        comments(first: 50) {
          totalCount
          nodes {
            id body createdAt
            author { login }
            replies(first: 20) { totalCount nodes { body createdAt author { login } } }
          }
        }
      }
    }
  }
}
"""


async def load_comments(source: Any, issue: Record) -> Record | None:
    """Add what people said about an issue."""
    if not issue.get("comments"):
        return issue
    asked = Asked("the comments", f"{source.repository_path}/issues/{issue['number']}/comments")
    comments = await read_comments(source.api, asked, _LINK)
    if comments is None:
        return None
    said = show_comments(comments, "user.login")
    return {**issue, "_said": said, "_has_all": has_all(comments, issue["comments"])}


def find_said(discussion: Record) -> str:
    """Return the comments of a discussion with their replies, and what was left out of them."""
    nodes = records_of(find(discussion, "comments.nodes"))
    answer = find(discussion, "answer.id")
    said: list[str] = []
    for each in nodes:
        is_answer = answer is not None and each.get("id") == answer
        said.append(
            ("Answer: " if is_answer else "") + show_comment(each, "author.login", "createdAt")
        )
        replies = records_of(find(each, "replies.nodes"))
        said += [show_comment(reply, "author.login", "createdAt") for reply in replies]
    total = find(discussion, "comments.totalCount")
    if isinstance(total, int) and total > len(nodes):
        said.append(f"[{total - len(nodes)} later comments are left out.]")
    return "\n\n".join(said)


def _is_no_pull_request(issue: Record) -> bool:
    return "pull_request" not in issue


def make_streams(repo_name: str, graphql_url: str) -> dict[str, Stream]:
    """Return the streams of a repository by the names of their entities.

    https://docs.github.com/rest/issues/issues https://docs.github.com/rest/releases/releases
    https://docs.github.com/graphql/reference/objects#discussion
    """
    base = f"/repos/{repo_name}"
    rows = (_make_issues(base), _make_releases(base), _make_discussions(repo_name, graphql_url))
    return {row.name: row for row in rows}


def _make_issues(base: str) -> Stream:
    # An issue that was moved is found in its new repository.
    home = f"{base}/issues/".lower()
    return Stream(
        name="issue",
        path=f"{base}/issues",
        params={"state": "all", "sort": "created", "direction": "asc"},
        paging=_LINK,
        key="number",
        among=_is_no_pull_request,
        wanted=lambda issue: home in line_of(issue.get("url")).lower(),
        since=Since(param="since"),
        item=f"{base}/issues/{{key}}",
        may_lack=True,
        version=version_of("updated_at"),
        load=load_comments,
        title="#{number} {title}",
        text=("body", "_said"),
        url="html_url",
        updated="updated_at",
        author="user.login",
        created="created_at",
        breadcrumbs=_CRUMBS,
        metadata={
            "number": "number",
            "state": "state",
            "reason": "state_reason",
            "labels": "labels[].name",
            "assignees": "assignees[].login",
            "milestone": "milestone.title",
        },
    )


def _make_releases(base: str) -> Stream:
    return Stream(
        name="release",
        path=f"{base}/releases",
        paging=_LINK,
        item=f"{base}/releases/{{key}}",
        title="{tag_name} {name}",
        text="body",
        url="html_url",
        updated="published_at",
        author="author.login",
        created="created_at",
        breadcrumbs=_CRUMBS,
        metadata={
            "tag": "tag_name",
            "draft": "draft",
            "prerelease": "prerelease",
            "assets": "assets[].name",
        },
    )


def _make_discussions(repo_name: str, graphql_url: str) -> Stream:
    owner, _, name = repo_name.partition("/")
    order = {"field": "CREATED_AT", "direction": "ASC"}
    return Stream(
        name="discussion",
        path=graphql_url,
        method="POST",
        body={
            "query": _DISCUSSIONS,
            "variables": {"owner": owner, "name": name, "order": order},
        },
        records="data.repository.discussions.nodes",
        paging=Token(
            param="variables.after",
            at="data.repository.discussions.pageInfo.endCursor",
            more="data.repository.discussions.pageInfo.hasNextPage",
            size_param="variables.first",
            size=25,
        ),
        key="number",
        since=Since(extra={"variables.order": {"field": "UPDATED_AT", "direction": "DESC"}}),
        title="{title}",
        text=("body", find_said),
        url="url",
        updated="updatedAt",
        author="author.login",
        created="createdAt",
        breadcrumbs=_CRUMBS,
        metadata={"number": "number", "category": "category.name"},
    )
