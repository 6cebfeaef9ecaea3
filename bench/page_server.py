"""A service with pages of records, made before anybody asks."""

import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import uvicorn

PAGE = 100

Message = MutableMapping[str, Any]


def make_pages(count: int) -> list[bytes]:
    """Make the answers: records of about half a kilobyte, the last page without a next one."""
    records = [
        {
            "id": number,
            "title": f"Ticket {number}: a short line about it",
            "body": f"Word by word, ticket {number} says what happened and what was done. " * 5,
            "author": {"name": "Ada Lovelace"},
            "labels": [{"name": "urgent"}, {"name": "billing"}],
            "updated_at": f"2026-03-{number % 27 + 1:02}T12:00:{number % 60:02}Z",
        }
        for number in range(count)
    ]
    starts = range(0, count, PAGE)
    return [
        json.dumps(
            {
                "items": records[start : start + PAGE],
                "next": f"/tickets?page={page + 1}" if start + PAGE < count else None,
            }
        ).encode()
        for page, start in enumerate(starts)
    ]


def main() -> None:
    """Serve ``count`` records at a port of 127.0.0.1: `page_server PORT COUNT`."""
    pages = make_pages(int(sys.argv[2]))

    async def answer(
        scope: Message,
        _receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        query = parse_qs(scope["query_string"].decode())
        body = pages[int(query.get("page", ["0"])[0])]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(answer, port=int(sys.argv[1]), log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()
