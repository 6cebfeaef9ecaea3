"""What the handler of a tool works with, apart from its arguments."""

from dataclasses import dataclass
from typing import Literal, Protocol

from weft.backend import Backend
from weft.server.elicitation.ask import Ask
from weft.server.elicitation.claim_tokens import ClaimTokens
from weft.server.elicitation.confirmations import Confirmations
from weft.server.elicitation.waits import BoundedWaits


class ReportProgress(Protocol):
    """Sends a progress notification to whoever called."""

    async def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None: ...


async def no_progress(
    progress: float, total: float | None = None, message: str | None = None
) -> None:
    """Tell nobody."""
    del progress, total, message


InlineCredentials = Literal["allow", "warn", "deny"]
"""Whether credentials may come as arguments of a call, which the model's provider sees."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a handler works with, apart from its arguments."""

    backend: Backend
    confirmations: Confirmations
    report_progress: ReportProgress
    waits: BoundedWaits
    ask: Ask
    claim_tokens: ClaimTokens
    inline_credentials: InlineCredentials
