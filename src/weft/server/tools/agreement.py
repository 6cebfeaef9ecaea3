"""Deletions go only after a person has seen what goes and agreed.

The client asks the person if it can. Otherwise there are two steps: a preview, then a call
with a token that is bound to the content of the preview.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from mcp_types import CallToolResult

from weft.errors import Conflict
from weft.server.call import ToolCall
from weft.server.elicitation.confirmations import LIFETIME_SECONDS, Effect
from weft.server.elicitation.consent import ask_consent
from weft.server.render.size import Structured
from weft.server.render.structured import reply, timestamp
from weft.server.render.untrusted import label_untrusted

T = TypeVar("T")

_NAMES = "the source's names of some of them"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A deletion as a person is to see it.

    ``what`` goes into the question, ``lines`` say what would go, ``shown`` is the same as data, and
    ``again`` is the call that a token is for. ``names`` are a few of what would go, as the source
    calls them: cleaned, but not to be trusted; ``names_are`` says which. It can be undone until
    ``undone_until``, or not at all.
    """

    effect: Effect
    what: str
    lines: list[str]
    shown: Structured
    again: str
    names: Sequence[str] = ()
    names_are: str = _NAMES
    undone_until: datetime | None = None

    @property
    def undo_text(self) -> str:
        """Say until when it can be undone."""
        if self.undone_until is None:
            return "This cannot be undone."
        until = timestamp(self.undone_until.replace(microsecond=0))
        return f"restore_connection can undo it until {until}."


async def obtain_agreement(
    call: ToolCall,
    token: str | None,
    fetch: Callable[[], Awaitable[T]],
    propose: Callable[[T], Proposal],
    name: Callable[[T], Awaitable[Sequence[str]]] | None = None,
) -> T | CallToolResult:
    """Return what ``fetch`` finds and may be deleted, or a result that ends the call.

    ``name`` finds the names, where that takes a while: only for somebody who is shown them. Raises
    Conflict if ``token``, or the person's answer, is for something else than it is now.
    """
    found = await fetch()
    proposal = propose(found)
    if token is not None:
        call.confirmations.redeem(token, proposal.effect)
        return found
    if name is not None:
        proposal = replace(proposal, names=await name(found))
    decided = await _ask_or_preview(call, proposal)
    if isinstance(decided, CallToolResult):
        return decided
    found = await fetch()
    _redeem_agreed(call, decided, propose(found))
    return found


async def _ask_or_preview(call: ToolCall, proposal: Proposal) -> str | CallToolResult:
    """Ask the person; return a token if they agree, or a result that ends the call."""
    if not call.ask.can_show_form:
        return _preview(call, proposal)

    async def issue_token() -> str:
        return call.confirmations.issue(proposal.effect)

    # Issue it before the question, so that it covers exactly what the question shows.
    token: str = await call.ask.once_per_call("token", issue_token)
    names = [f"  {name}" for name in proposal.names]
    for_good = "" if proposal.undone_until else " for good"
    message = "\n".join(
        [
            f"Delete {proposal.what}{for_good}?",
            *proposal.lines,
            *([f"- {proposal.names_are}:", *names] if names else ()),
        ]
    )
    consent = await ask_consent(
        call.ask,
        "confirm",
        message,
        title=f"Delete it{for_good}",
        description=proposal.undo_text,
        done="deleted",
    )
    if consent.agreed:
        return token
    if not consent.refusal:
        return _preview(call, proposal)
    return reply(consent.refusal, _nothing_deleted(proposal) | proposal.shown)


def _redeem_agreed(call: ToolCall, token: str, proposal: Proposal) -> None:
    try:
        call.confirmations.redeem(token, proposal.effect)
    except Conflict:
        # The errors of `redeem` are about a token, which this caller has never seen.
        raise Conflict(
            "The answer came too late, or what would be deleted changed while the user was asked; "
            "nothing was deleted.",
            hint=f"Call {proposal.again} to ask about it as it is now.",
        ) from None


def _preview(call: ToolCall, proposal: Proposal) -> CallToolResult:
    token = call.confirmations.issue(proposal.effect)
    text = "\n".join(
        [
            "Nothing is deleted yet. This is what would be deleted"
            + (":" if proposal.undone_until else ", for good:"),
            *proposal.lines,
            f"- {proposal.undo_text}",
            *(
                [label_untrusted("\n".join(proposal.names), proposal.names_are)]
                if proposal.names
                else ()
            ),
            (
                f"If the user agrees, call {proposal.again} within "
                f"{LIFETIME_SECONDS // 60} minutes with confirmation_token='{token}'."
            ),
        ]
    )
    data = _nothing_deleted(proposal) | {
        "confirmation_token": token,
        "expires_in_seconds": LIFETIME_SECONDS,
    }
    return reply(text, data | proposal.shown)


def _nothing_deleted(proposal: Proposal) -> Structured:
    return {"deleted": False, "entities": proposal.effect.entities}
