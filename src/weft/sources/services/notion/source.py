"""The source `notion`: the pages and databases that an integration is given."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.domain.connections import AuthMethod
from weft.sources.base import NoFields, OAuth2
from weft.sources.rest.api import Missing
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import Budget, Record, Request, Since, Stream
from weft.sources.rest.values import find, moment_of
from weft.sources.services.notion.blocks import PAGING, PageText
from weft.sources.services.notion.rich_text import (
    columns_of,
    plain_of,
    properties_of,
    string_in,
    title_of,
)

API_VERSION: Final = "2025-09-03"
# Notion tells the time of a change in whole minutes: a page may yet change within its minute.
SETTLED_AFTER: Final = timedelta(minutes=3)
_OLDEST_FIRST: Final = {"timestamp": "last_edited_time", "direction": "ascending"}


class NotionCredentials(BaseModel):
    """The token of an integration."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        description="Secret of an internal integration (ntn_…) that the pages are shared with."
    )


async def load_page(source: "NotionSource", record: Record) -> Record | None:
    """Add the text of a page's blocks; None if it is gone."""
    page = PageText(source.api)
    try:
        text = await page.read(string_in(record, "id"))
    except Missing:
        return None
    return {**record, "_text": text, "_is_cut": page.is_cut or None, "_is_sure": page.is_sure}


def version_of(record: Record) -> str | None:
    """Return the time of the last change, unless there may yet be another with the same time."""
    edited = moment_of(record.get("last_edited_time"))
    if edited is None or record.get("_is_sure") is False:
        return None
    is_settled = edited < datetime.now(UTC) - SETTLED_AFTER
    return string_in(record, "last_edited_time") if is_settled else None


def is_in_trash(record: Record) -> bool:
    """Return whether a page or database is in the trash, or archived."""
    return any(record.get(name) is True for name in ("in_trash", "archived", "is_archived"))


def _is_row(record: Record) -> bool:
    # A wiki's rows may be databases, which are listed by themselves.
    is_page = record.get("object") == "page"
    return is_page and find(record, "parent.type") in ("data_source_id", "database_id")


def _is_cut(answer: Record) -> bool:
    return find(answer, "request_status.type") == "incomplete"


def _facts_text_of(record: Record) -> list[str]:
    return [f"{name}: {text}" for name, text in properties_of(record).items()]


_COMMON: Final[dict[str, Any]] = {
    "records": "results",
    "cut": _is_cut,
    "paging": PAGING,
    "method": "POST",
    "title": title_of,
    "url": "url",
    "updated": "last_edited_time",
    "created": "created_time",
    "author": "created_by.name",
    "deleted": is_in_trash,
    # A search does not list what is in the trash.
    "forgets": True,
}
_PAGES: Final[dict[str, Any]] = {
    **_COMMON,
    "version": version_of,
    "load": load_page,
    "item": "/v1/pages/{key}",
    "text": (_facts_text_of, "_text"),
    "metadata": {
        "properties": properties_of,
        "last_edited_by": "last_edited_by.name",
        "is_cut": "_is_cut",
    },
}


class NotionSource(RestSource[NoFields, NotionCredentials]):
    """The pages, databases and rows that are shared with an integration.

    https://developers.notion.com/reference/post-search,
    https://developers.notion.com/reference/query-a-data-source,
    https://developers.notion.com/reference/block and
    https://developers.notion.com/reference/request-limits.
    """

    short_name = "notion"
    name = "Notion"
    description = "Pages, databases and their rows that are shared with a Notion integration."
    Config = NoFields
    Credentials = NotionCredentials
    auth_methods = tuple(AuthMethod)
    labels = ("wiki", "documents", "notes", "knowledge base")
    checked_against = "documentation only"
    base_url = "https://api.notion.com"
    headers: ClassVar[Mapping[str, str]] = {"notion-version": API_VERSION}
    budget = Budget(requests=3)
    check_request = Request(path="/v1/users/me", shows="{name} in {bot.workspace_name}")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="page",
            path="/v1/search",
            body={"filter": {"property": "object", "value": "page"}, "sort": _OLDEST_FIRST},
            # A row is read with its database: a search is not made to list all of something.
            among=lambda record: not _is_row(record),
            since=Since(extra={"sort.direction": "descending"}),
            **_PAGES,
        ),
        Stream(
            name="database",
            path="/v1/search",
            body={"filter": {"property": "object", "value": "data_source"}, "sort": _OLDEST_FIRST},
            item="/v1/data_sources/{key}",
            text=(lambda record: plain_of(record.get("description")), columns_of),
            **_COMMON,
        ),
        Stream(
            name="row",
            parent="database",
            path="/v1/data_sources/{_parent.id}/query",
            body={"sorts": [{"timestamp": "created_time", "direction": "ascending"}]},
            among=_is_row,
            # Some databases, such as those that mirror another service, cannot be asked.
            may_lack=True,
            since=Since(
                param="filter.last_edited_time.on_or_after",
                extra={"filter.timestamp": "last_edited_time"},
            ),
            breadcrumbs=(lambda record: title_of(record["_parent"]),),
            **_PAGES,
        ),
    )

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2:
        """Return Notion's consent page, where people choose the pages too."""
        del config
        api = options.get("notion_api_url") or cls.base_url
        return OAuth2(
            authorize_url=f"{api}/v1/oauth/authorize",
            token_url=f"{api}/v1/oauth/token",
            extra={"owner": "user"},
        )
