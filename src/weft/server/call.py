"""The context of a tool call: everything that a handler needs besides its arguments."""

from dataclasses import dataclass
from typing import Literal, Protocol

from weft.backend import Backend
from weft.server.bounded_waits import BoundedWaits
from weft.server.claim_tokens import ClaimTokens
from weft.server.elicitation.ask import Ask
from weft.server.elicitation.confirmations import Confirmations


class ReportProgress(Protocol):
    """Sends a progress notification to the caller."""

    async def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None: ...


async def no_progress(
    progress: float, total: float | None = None, message: str | None = None
) -> None:
    """Drop the notification, since nobody waits for it."""
    del progress, total, message


InlineCredentials = Literal["allow", "warn", "deny"]
"""The policy for credentials in the arguments of a call, which the model's provider sees."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, as its handler sees it."""

    backend: Backend
    confirmations: Confirmations
    report_progress: ReportProgress
    waits: BoundedWaits
    ask: Ask
    claim_tokens: ClaimTokens
    inline_credentials: InlineCredentials
