"""Yes-or-no questions, and the call's text for each way that a person can refuse."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from weft.domain.sources import FieldInfo
from weft.errors import InvalidInput
from weft.server.elicitation.ask import Ask, AskOutcome

CONFIRM_REFUSALS: Final[Mapping[AskOutcome, str]] = {
    AskOutcome.DECLINED: "the user said no. Do not try again unless they ask for it.",
    AskOutcome.CANCELLED: "the user closed the question. Ask them what they want.",
    AskOutcome.UNANSWERED: "the user did not answer in time. Call again when they are there.",
}
LINK_REFUSALS: Final[Mapping[AskOutcome, str]] = {
    AskOutcome.DECLINED: "The user declined to open the link.",
    AskOutcome.CANCELLED: "The user closed the question without opening the link.",
    AskOutcome.UNANSWERED: "The user did not answer in time.",
}
CONFIG_REFUSALS: Final[Mapping[AskOutcome, str]] = {
    AskOutcome.DECLINED: "the user did not want to say",
    AskOutcome.CANCELLED: "the user closed the question",
    AskOutcome.UNANSWERED: "the user did not answer in time",
    AskOutcome.MALFORMED: "the client's answer does not fit the fields",
}


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """A person's yes or refusal, or neither if the client cannot ask."""

    agreed: bool = False
    refusal: str = ""


async def ask_consent(
    ask: Ask, key: str, message: str, *, title: str, description: str, done: str
) -> ConsentAnswer:
    """Ask a question with one box, ``title``, to tick. ``done`` is what a yes permits: "deleted".

    Raises InvalidInput when the client's answer does not fit the question.
    """
    box = FieldInfo(
        name="confirm", title=title, type="boolean", description=description, required=True
    )
    answer = await ask.show_form(key, message, (box,))
    if answer.accepted and answer.values["confirm"] is True:
        return ConsentAnswer(agreed=True)
    if answer.outcome is AskOutcome.UNAVAILABLE:
        return ConsentAnswer()
    if answer.outcome is AskOutcome.MALFORMED:
        raise InvalidInput(
            f"The client's answer does not fit the question; nothing was {done}.",
            hint="Call again, and let the user answer: 'confirm' must be true or false.",
        )
    # Sending the form with the box empty means no.
    reason = CONFIRM_REFUSALS.get(answer.outcome, CONFIRM_REFUSALS[AskOutcome.DECLINED])
    return ConsentAnswer(refusal=f"Nothing was {done}: {reason}")
