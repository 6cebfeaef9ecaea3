"""Writes the GraphQL queries for Linear's lists."""

from typing import Final

_NAMED: Final = "{ name }"

ISSUE: Final = f"""
  id identifier title description url createdAt updatedAt archivedAt trashed priorityLabel dueDate
  estimate state {{ name type }} creator {_NAMED} assignee {_NAMED} team {{ name key }}
  project {_NAMED} cycle {_NAMED} labels(first: 20) {{ nodes {_NAMED} }}
  comments(first: 1, orderBy: updatedAt) {{ nodes {{ id updatedAt }} }}
"""
PROJECT: Final = f"""
  id name description content url createdAt updatedAt archivedAt trashed startDate
  targetDate status {_NAMED} creator {_NAMED} lead {_NAMED} teams(first: 20) {{ nodes {_NAMED} }}
"""
PROJECT_UPDATE: Final = f"""
  id body health url createdAt updatedAt archivedAt user {_NAMED} project {_NAMED}
"""
DOCUMENT: Final = f"""
  id title content url createdAt updatedAt archivedAt trashed creator {_NAMED} updatedBy {_NAMED}
  project {_NAMED} initiative {_NAMED} team {_NAMED} issue {{ identifier }}
"""
TEAM: Final = "id key name description private createdAt updatedAt archivedAt"

COMMENTS: Final = f"""
query($id: String!, $first: Int, $after: String) {{ issue(id: $id) {{
  comments(first: $first, after: $after) {{
    nodes {{ id body createdAt user {_NAMED} externalUser {_NAMED} botActor {_NAMED} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}} }}
"""
ACCOUNT: Final = "{ viewer { name } organization { name } }"

_CHANGED: Final = "{ updatedAt: { gte: $since } }"
CHANGED: Final = f"filter: {_CHANGED}"
# Nobody promises that a comment changes the time of its issue.
CHANGED_OR_DISCUSSED: Final = (
    f"filter: {{ or: [{_CHANGED}, {{ comments: {{ some: {_CHANGED} }} }}] }}"
)


def list_all(name: str, fields: str) -> str:
    """Return a query for all that is not archived."""
    return _list("", name, "", fields)


def list_changed(name: str, fields: str, changed: str = CHANGED) -> str:
    """Return a query for what changed since a time, also if it is archived by now."""
    since = ", $since: DateTimeOrDuration!"
    return _list(since, name, f", includeArchived: true, {changed}", fields)


def _list(variables: str, name: str, arguments: str, fields: str) -> str:
    return f"""
query($first: Int, $after: String{variables}) {{
  {name}(first: $first, after: $after{arguments}) {{
    nodes {{ {fields.strip()} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""
