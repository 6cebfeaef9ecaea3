"""Reads the blocks of a page, those below others too, and makes Markdown of them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, cast
from urllib.parse import quote

from weft.sources.rest.api import Api, Missing
from weft.sources.rest.paging import Asked, read_pages
from weft.sources.rest.table import Record, Token
from weft.sources.rest.values import find
from weft.sources.services.notion.rich_text import markdown_of, plain_of, string_in

PAGING: Final = Token(
    param="start_cursor", at="next_cursor", more="has_more", size_param="page_size"
)
CHARS_MAX: Final = 1_000_000
REQUESTS_MAX: Final = 500
DEPTH_MAX: Final = 10
_CUT: Final = "[The page goes on; it is too long to be read whole.]"
_UNSHARED: Final = "[A part that is not shared with the integration.]"

_LIST_ITEMS: Final = frozenset({"bulleted_list_item", "numbered_list_item", "to_do", "toggle"})
_SUBPAGES: Final = frozenset({"child_page", "child_database"})
_BEGINNINGS: Final = {
    "heading_1": "# ",
    "heading_2": "## ",
    "heading_3": "### ",
    "heading_4": "#### ",
    "bulleted_list_item": "- ",
    "toggle": "- ",
    "quote": "> ",
    "callout": "> ",
}


class PageText:
    """The text of one page.

    ``is_cut``: the page is longer than what was read. ``is_sure``: no answer was empty, as a broken
    one would be too.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lines: list[str] = []
        self._chars = 0
        self._requests = 0
        self.is_cut = False
        self.is_sure = True

    async def read(self, page_id: str) -> str:
        """Return the text of a page. Raises Missing if it is gone."""
        await self._add_children(page_id, 0, "")
        if self.is_cut:
            self._lines.append(_CUT)
        return "\n".join(self._lines)

    async def _add_children(self, block_id: str, depth: int, indent: str) -> None:
        number = rows = 0
        async with aclosing(self._list(block_id)) as blocks:
            async for block in blocks:
                kind = string_in(block, "type")
                number = number + 1 if kind == "numbered_list_item" else 0
                self._add(render(block, number), indent)
                if kind == "table_row":
                    rows += 1
                    # Markdown knows no table without a heading.
                    self._add(_rule_below(block) if rows == 1 else "", indent)
                await self._add_below(block, depth + 1, indent)
                if self.is_cut:
                    return

    async def _add_below(self, block: Record, depth: int, indent: str) -> None:
        kind = string_in(block, "type")
        for block_id in children_of(block):
            if depth > DEPTH_MAX:
                self.is_cut = True
                return
            below = f"{indent}  " if kind in _LIST_ITEMS else indent
            try:
                await self._add_children(block_id, depth, below)
            except Missing:
                self._add(_UNSHARED, below)

    async def _list(self, block_id: str) -> AsyncGenerator[Record]:
        path = f"/v1/blocks/{quote(block_id, safe='')}/children"
        asked = Asked("a page's blocks", path)
        async with aclosing(read_pages(self._api, asked, PAGING, "results")) as pages:
            async for page in pages:
                self._requests += 1
                self.is_sure = self.is_sure and bool(page.records)
                for block in page.records:
                    yield block
                if self._requests >= REQUESTS_MAX and page.following is not None:
                    self.is_cut = True
                    return

    def _add(self, text: str, indent: str) -> None:
        if not text or self.is_cut:
            return
        self._chars += len(text)
        self.is_cut = self._chars > CHARS_MAX or self._requests > REQUESTS_MAX
        if not self.is_cut:
            self._lines += [f"{indent}{line}" for line in text.split("\n")]


def children_of(block: Record) -> list[str]:
    """Return the ids of the blocks below which the children of this one lie.

    Pages in a page are entities of their own. What a synced block shows lies below its original,
    and the parts of meeting notes have ids of their own.
    """
    kind = string_in(block, "type")
    parts = find(block, f"{kind}.children")
    if isinstance(parts, dict):
        return [each for each in cast("dict[str, Any]", parts).values() if isinstance(each, str)]
    if block.get("has_children") is not True or kind in _SUBPAGES:
        return []
    found = find(block, "synced_block.synced_from.block_id") or block.get("id")
    return [found] if isinstance(found, str) else []


def render(block: Record, number: int = 1) -> str:
    """Return one block as Markdown, without those below it; empty if it has no text.

    ``number`` is that of an item of a numbered list.
    """
    kind = string_in(block, "type")
    found = block.get(kind)
    content = cast("Record", found) if isinstance(found, dict) else {}
    text = markdown_of(content.get("rich_text"))
    match kind:
        case "code":
            return f"```{string_in(content, 'language')}\n{plain_of(content.get('rich_text'))}\n```"
        case "to_do":
            return f"- [{'x' if content.get('checked') is True else ' '}] {text}"
        case "numbered_list_item":
            return f"{number}. {text}"
        case "equation":
            return f"$${string_in(content, 'expression')}$$"
        case "divider":
            return "---"
        case "table_row":
            return f"| {' | '.join(map(_cell_of, _cells_of(block)))} |"
        case "child_page" | "child_database":
            return f"[{string_in(content, 'title')}]({address_of(block.get('id'))})"
        case "link_to_page":
            target = content.get(string_in(content, "type"))
            return f"<{address_of(target)}>"
        case "transcription" | "meeting_notes":
            return markdown_of(content.get("title"))
        case _:
            beginning = _BEGINNINGS.get(kind, "")
            return f"{beginning}{text}" if text else _render_media(content)


def _render_media(content: Record) -> str:
    """Return the name, the caption and the address of a file or a bookmark.

    Notion's own addresses of files are left out: they hold a key, and work for an hour.
    """
    address = string_in(content, "url") or string_in(content, "external.url")
    shown = [string_in(content, "name"), markdown_of(content.get("caption")), address]
    return " ".join(part for part in shown if part)


def _cells_of(row: Record) -> list[Any]:
    found = find(row, "table_row.cells")
    return cast("list[Any]", found) if isinstance(found, list) else []


def _cell_of(value: object) -> str:
    return markdown_of(value).replace("|", "\\|").replace("\n", " ")


def _rule_below(row: Record) -> str:
    return "|" + " --- |" * len(_cells_of(row))


def address_of(page_id: object) -> str:
    """Return the address of a page in a browser."""
    return f"https://www.notion.so/{str(page_id or '').replace('-', '')}"
