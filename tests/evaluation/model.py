"""Plays a wish with a model behind an OpenAI-compatible endpoint, over any MCP client.

The model reads what a host would show it: the server's instructions, its tools and their answers.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import httpx
from mcp import MCPError
from mcp.client import Client
from mcp_types import TextContent
from pydantic import SecretStr

ROUNDS_MAX = 12
CALLS_PER_ROUND_MAX = 8
ANSWER_SECONDS = 120.0
READ_CHARS_MAX = 400_000
"""A model that reads more than this has lost its way."""


class ModelError(Exception):
    """The endpoint, or the model behind it, did not do its part. The text holds no secret."""


@dataclass(frozen=True)
class Endpoint:
    """A model, and where it answers. The key is never shown or logged."""

    url: str
    model: str
    key: SecretStr | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Read MODEL_URL (up to /v1), MODEL_NAME and MODEL_KEY. Raises ModelError if one lacks."""
        lacking = [name for name in ("MODEL_URL", "MODEL_NAME") if not os.environ.get(name)]
        if lacking:
            raise ModelError(f"Set {' and '.join(lacking)}, and MODEL_KEY if a key is needed.")
        key = os.environ.get("MODEL_KEY")
        url, model = os.environ["MODEL_URL"].rstrip("/"), os.environ["MODEL_NAME"]
        return cls(url, model, SecretStr(key) if key else None)

    async def complete(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the model's next message. Raises ModelError."""
        headers = {"Authorization": f"Bearer {self.key.get_secret_value()}"} if self.key else {}
        body = {"model": self.model, "messages": list(messages), "tools": list(tools)}
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
                answer = await http.post(f"{self.url}/chat/completions", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ModelError(f"The endpoint did not answer ({type(error).__name__}).") from None
        if not answer.is_success:
            raise ModelError(f"The endpoint answered with HTTP {answer.status_code}.")
        try:
            message = answer.json()["choices"][0]["message"]
        except (ValueError, LookupError, TypeError):
            message = None
        if not isinstance(message, dict):
            raise ModelError("The endpoint's answer has no message.")
        return cast("dict[str, Any]", message)


@dataclass(frozen=True)
class Call:
    """One call that the model made, and how much it read in answer."""

    tool: str
    arguments: str
    chars: int
    failed: bool


@dataclass
class Talk:
    """What came of a wish: the calls, and what the model said in the end."""

    calls: list[Call] = field(default_factory=list[Call])
    rounds: int = 0
    answer: str = ""

    @property
    def chars(self) -> int:
        """The size of all answers that the model read."""
        return sum(call.chars for call in self.calls)


async def talk(endpoint: Endpoint, client: Client, wish: str, held: Talk) -> None:
    """Let the model fulfil the wish with the tools of ``client``, and keep account in ``held``.

    Raises ModelError.
    """
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description or "",
                "parameters": tool.input_schema,
            },
        }
        for tool in (await client.list_tools()).tools
    ]
    messages: list[Mapping[str, Any]] = [
        {"role": "system", "content": client.instructions or ""},
        {"role": "user", "content": wish},
    ]
    while held.rounds < ROUNDS_MAX:
        held.rounds += 1
        message = await endpoint.complete(messages, tools)
        wanted = cast("object", message.get("tool_calls"))
        if not isinstance(wanted, list) or not wanted:
            held.answer = str(message.get("content") or "")
            return
        asked = cast("list[Any]", wanted)[:CALLS_PER_ROUND_MAX]
        messages.append({"role": "assistant", "content": None, "tool_calls": asked})
        for each in asked:
            text = await _answer(client, each, held)
            messages.append({"role": "tool", "tool_call_id": each["id"], "content": text})
        if held.chars > READ_CHARS_MAX:
            raise ModelError(f"It read {held.chars} characters and had no answer.")
    raise ModelError(f"It had no answer after {ROUNDS_MAX} rounds.")


async def _answer(client: Client, wanted: Any, held: Talk) -> str:
    """Make one call of the model's; what is wrong with it is an answer, as a host would give."""
    try:
        name, given = str(wanted["function"]["name"]), str(wanted["function"]["arguments"] or "{}")
        wanted["id"]
    except (LookupError, TypeError):
        raise ModelError("The model's call has no id, name or arguments.") from None
    text, failed = "The arguments are not a JSON object.", True
    try:
        arguments = json.loads(given)
        if isinstance(arguments, dict):
            result = await client.call_tool(name, cast("dict[str, Any]", arguments))
            blocks = [block.text for block in result.content if isinstance(block, TextContent)]
            text, failed = "\n".join(blocks), bool(result.is_error)
    except ValueError:
        pass
    except MCPError as error:
        text = error.error.message
    held.calls.append(Call(name, given, len(text), failed))
    return text
