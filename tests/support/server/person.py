"""The person in front of a client, who answers its questions as a test scripts them."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp.client import ClientRequestContext
from mcp_types import (
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    ErrorData,
)

YES = {"confirm": True}
ANSWER_SECONDS = 20

Act = Callable[[], Awaitable[None] | None]


class Person:
    """Gives the scripted answers in turn, and remembers what was asked.

    An answer is an action, an action with content, or a protocol error; `act` is done before each
    answer, as what happens while the question is open.
    """

    def __init__(self, *answers: str | dict[str, Any] | ErrorData) -> None:
        self.answers = list(answers)
        self.asked: list[ElicitRequestParams] = []
        self.act: Act | None = None

    async def __call__(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult | ErrorData:
        del context
        self.asked.append(params)
        answer = self.answers.pop(0)
        if self.act is not None:
            done = self.act()
            if done is not None:
                await done
        if isinstance(answer, ErrorData):
            return answer
        if answer == "never":
            await anyio.sleep(ANSWER_SECONDS)
        if isinstance(answer, dict):
            return ElicitResult(action="accept", content=answer)
        return ElicitResult.model_validate({"action": answer})

    @property
    def form(self) -> ElicitRequestFormParams:
        """Return the only question, which was a form."""
        (asked,) = self.asked
        assert isinstance(asked, ElicitRequestFormParams)
        return asked

    @property
    def link(self) -> ElicitRequestURLParams:
        """Return the only question, which was a link."""
        (asked,) = self.asked
        assert isinstance(asked, ElicitRequestURLParams)
        return asked
