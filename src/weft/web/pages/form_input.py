"""Reads the forms that people send, and turns their texts into values for the source."""

import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

import anyio
from starlette.requests import ClientDisconnect, Request

from weft.domain.base import Json
from weft.domain.sources import FieldInfo
from weft.errors import InvalidInput, WeftError
from weft.web.pages.html import is_multi_line

BODY_MAX_BYTES: Final = 64 * 1024
BODY_SECONDS: Final = 15.0
FIELDS_MAX: Final = 200


async def read_form(request: Request) -> dict[str, str] | None:
    """Read the form's fields; None if it is too long. Raises ValueError if it is not a form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ValueError("not a form")
    body = bytearray()
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_MAX_BYTES:
                    return None
    except ClientDisconnect:
        raise ValueError("the client went away") from None
    pairs = parse_qsl(
        body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
    )
    return dict(pairs)


def parse_values(
    fields: Sequence[FieldInfo], texts: Mapping[str, str]
) -> tuple[Json, dict[str, str]]:
    """Return the values for the source, and problems by field name."""
    values: Json = {}
    problems: dict[str, str] = {}
    for each in fields:
        # Pasted text often has an extra space or line end.
        text = texts.get(each.name, "").replace("\r\n", "\n").strip()
        if each.type == "boolean":
            values[each.name] = text == "true"
        elif not text:
            if each.required:
                problems[each.name] = f"{each.title} is needed."
        elif each.choices and text not in each.choices:
            problems[each.name] = f"{each.title} is none of the choices."
        elif each.type in ("object", "array"):
            try:
                values[each.name] = json.loads(text)
            except (ValueError, RecursionError):
                problems[each.name] = f"{each.title} is not valid JSON."
        else:
            values[each.name] = text if is_multi_line(each) else " ".join(text.splitlines())
    return values, problems


def problem_by_field(error: WeftError, fields: Sequence[FieldInfo]) -> dict[str, str]:
    """Return the error's message under the field that it names, if the form has that field."""
    if not isinstance(error, InvalidInput) or error.field is None:
        return {}
    name = error.field.rpartition(".")[2]
    titles = {each.name: each.title for each in fields}
    return {name: error.message.replace(error.field, titles[name])} if name in titles else {}
