"""Makes Markdown of Notion's rich text, and plain lines of the values of properties."""

from collections.abc import Callable
from typing import Any, Final, cast

from weft.sources.rest.table import Record
from weft.sources.rest.values import find, records_of

_MARKS: Final = (("code", "`"), ("bold", "**"), ("italic", "*"), ("strikethrough", "~~"))


def markdown_of(value: object) -> str:
    """Return rich text as Markdown."""
    return "".join(_markdown_of_run(run) for run in records_of(value))


def plain_of(value: object) -> str:
    """Return rich text without its marks."""
    return "".join(string_in(run, "plain_text") for run in records_of(value))


def _markdown_of_run(run: Record) -> str:
    text = string_in(run, "plain_text")
    if not text.strip():
        return text
    if run.get("type") == "equation":
        return f"${text}$"
    for name, mark in _MARKS:
        if find(run, f"annotations.{name}") is True:
            body = text.strip()
            text = text.replace(body, f"{mark}{body}{mark}")
    href = string_in(run, "href")
    if not href or href == text:
        return text
    return f"[{text}]({href if '://' in href else f'https://www.notion.so{href}'})"


def title_of(record: Record) -> str:
    """Return the title of a page, which is one of its properties, or of a data source."""
    if "title" in record:
        return plain_of(record["title"])
    values = _properties_of(record).values()
    return next((plain_of(each["title"]) for each in values if "title" in each), "")


def properties_of(record: Record) -> dict[str, str]:
    """Return the values of a page's properties as text, except its title and empty ones."""
    shown = {name: _text_of(value) for name, value in _properties_of(record).items()}
    return {name: text for name, text in shown.items() if text}


def columns_of(record: Record) -> list[str]:
    """Return the names of the columns of a data source, with their choices."""
    lines: list[str] = []
    for name, value in _properties_of(record).items():
        options = find(value, f"{value.get('type')}.options[].name")
        choices = ", ".join(str(each) for each in cast("list[Any]", options or []))
        lines.append(f"{name} ({choices})" if choices else name)
    return lines


def _properties_of(record: Record) -> dict[str, Record]:
    found = record.get("properties")
    values = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return {name: value for name, value in values.items() if isinstance(value, dict)}


def _text_of(holder: object) -> str:
    """Return the value of a property, a formula or a rollup: it lies under the name of its type.

    Relations hold nothing but ids, and the title of a page is not asked for here.
    """
    kind = string_in(holder, "type")
    read = _READERS.get(kind)
    return read(find(holder, kind)) if read else ""


def _name_of(value: object) -> str:
    return string_in(value, "name") or string_in(value, "address")


def _names_of(value: object) -> str:
    return ", ".join(name for each in records_of(value) if (name := _name_of(each)))


def _texts_of(value: object) -> str:
    return ", ".join(text for each in records_of(value) if (text := _text_of(each)))


def _days_of(value: object) -> str:
    return " to ".join(day for part in ("start", "end") if (day := string_in(value, part)))


def _number_of(value: object) -> str:
    number, prefix = find(value, "number"), string_in(value, "prefix")
    return "" if number is None else f"{prefix}-{number}" if prefix else str(number)


def _word_of(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, str | int | float) else ""


_READERS: Final[dict[str, Callable[[object], str]]] = {
    "rich_text": plain_of,
    **dict.fromkeys(("select", "status", "created_by", "last_edited_by", "place"), _name_of),
    **dict.fromkeys(("multi_select", "people", "files"), _names_of),
    "date": _days_of,
    **dict.fromkeys(("formula", "rollup"), _text_of),
    "array": _texts_of,
    "unique_id": _number_of,
    "verification": lambda value: string_in(value, "state"),
    **dict.fromkeys(("number", "checkbox", "boolean", "string", "url", "email"), _word_of),
    **dict.fromkeys(("phone_number", "created_time", "last_edited_time"), _word_of),
}


def string_in(value: object, name: str) -> str:
    """Return the text at a path, or an empty one."""
    found = find(value, name)
    return found if isinstance(found, str) else ""
