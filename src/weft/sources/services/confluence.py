"""`confluence`: pages and blog posts with their comments."""

import re
from typing import Any, ClassVar, Final

from weft.sources.rest.table import NextUrl, Record, Request, Since, Stream
from weft.sources.rest.values import find, line_of
from weft.sources.services.atlassian import AtlassianConfig, AtlassianSource

_SPACE: Final = re.compile(r"^/spaces/([^/]+)/")
_NEXT: Final = NextUrl(at="_links.next", size_param="limit", size=100)


def _find_space(page: Record) -> object:
    """Return the key of the space, which the page's address names."""
    found = _SPACE.match(line_of(find(page, "_links.webui")))
    return found[1] if found else None


def _is_gone(page: Record) -> bool:
    return page.get("status") not in (None, "current")


_CONTENT: dict[str, Any] = {
    "records": "results",
    "paging": _NEXT,
    # In descending order of change, the listing ends where the last sync has read everything.
    "since": Since(extra={"sort": "-modified-date"}),
    "deleted": _is_gone,
    "forgets": True,
    "text": "body.storage.value",
    "markup": "html",
    "url": "{site}/wiki{_links.webui}",
    "updated": "version.createdAt",
    "created": "createdAt",
}
_PAGES: dict[str, Any] = {
    **_CONTENT,
    "params": {"body-format": "storage", "status": "current", "sort": "id"},
    "title": "title",
    "breadcrumbs": (_find_space,),
    "metadata": {"space": _find_space, "version": "version.number", "author_id": "authorId"},
}


class ConfluenceSource(AtlassianSource[AtlassianConfig]):
    """Confluence Cloud.

    https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-page/
    https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-comment/
    """

    short_name = "confluence"
    name = "Confluence"
    description = "Pages, blog posts and comments of Confluence."
    labels = ("wiki", "documents", "knowledge base")
    Config = AtlassianConfig
    product = "confluence"
    scopes = (
        "read:page:confluence",
        "read:comment:confluence",
        "read:space:confluence",
        "read:confluence-user",
    )
    base_url = "https://{config.site}.atlassian.net"
    check_request = Request(path="/wiki/rest/api/user/current", shows="displayName")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            **_PAGES,
            name="page",
            path="/wiki/api/v2/pages",
            item="/wiki/api/v2/pages/{key}",
        ),
        Stream(
            **_PAGES,
            name="blogpost",
            path="/wiki/api/v2/blogposts",
            item="/wiki/api/v2/blogposts/{key}",
        ),
        Stream(
            **_CONTENT,
            name="comment",
            path="/wiki/api/v2/footer-comments",
            params={"body-format": "storage", "sort": "created-date"},
            item="/wiki/api/v2/footer-comments/{key}",
            title="title",
            metadata={"page_id": "pageId", "author_id": "version.authorId"},
        ),
        Stream(
            name="trashed_page",
            deletes="page",
            path="/wiki/api/v2/pages",
            params={"status": "trashed", "sort": "-modified-date"},
            records="results",
            paging=_NEXT,
            since=Since(),
            updated="version.createdAt",
        ),
    )
