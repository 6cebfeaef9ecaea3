"""Ask the person for required configuration that a call left out."""

from typing import Any

from weft.domain.connections import NewConnection
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import InvalidInput
from weft.server.call import ToolCall
from weft.server.elicitation.ask import AskOutcome, PersonAnswer, can_be_asked
from weft.server.elicitation.consent import CONFIG_REFUSALS
from weft.server.render.untrusted import one_line

# LangChain passes an argument called `config` to its own runtime, never to the tool.
OTHER_CONFIG_NAME = "source_config"


async def ask_missing_config(
    call: ToolCall, short_name: str, config: dict[str, Any]
) -> dict[str, Any]:
    """Ask for missing fields, and return the configuration with the person's answers.

    Returns it unchanged if nobody can be asked, or if a form cannot ask for all missing fields;
    the source then names them. Raises InvalidInput if the person does not answer.
    """
    if not call.ask.can_show_form:
        return config
    source = await call.backend.sources.get(short_name)
    missing = [
        field for field in source.config_fields if field.required and config.get(field.name) is None
    ]
    if not missing or not all(map(can_be_asked, missing)):
        return config
    answer = await call.ask.show_form("config", _question(source), missing)
    if answer.accepted:
        return config | dict(answer.values)
    if answer.outcome is AskOutcome.UNAVAILABLE:
        return config
    raise _missing_error(answer, missing)


def add_other_name_hint(error: InvalidInput, config: dict[str, Any]) -> InvalidInput:
    """Add a hint for agents whose framework does not pass `config` on."""
    if config or not (error.field or "").startswith("config"):
        return error
    other = f"If you gave config and it did not arrive (as with LangChain): {OTHER_CONFIG_NAME}."
    hint = f"{error.hint} {other}" if error.hint else other
    return InvalidInput(error.message, field=error.field, hint=hint)


async def explain_misplaced(
    call: ToolCall, error: InvalidInput, short_name: str, config: dict[str, Any]
) -> InvalidInput:
    """Replace an error about config that holds other arguments; say where those belong."""
    if error.field != "config" or not config:
        return error
    source = await call.backend.sources.get(short_name)
    misplaced = config.keys() - {field.name for field in source.config_fields}
    for field in source.auth_fields:
        if field.name in misplaced:
            return InvalidInput(
                f"config.{field.name} is a credential.",
                field="config",
                hint="Leave it out: authorize_connection without auth gives a link where the user "
                "enters it. If they gave it already: auth={'direct': {'credentials': {...}}}.",
            )
    if "config" in misplaced:
        return InvalidInput("config takes its fields directly, not in a second config.")
    for name in NewConnection.model_fields:
        if name in misplaced:
            return InvalidInput(f"{name} is an argument of its own, beside config.", field=name)
    return error


def _question(source: SourceInfo) -> str:
    return f"{one_line(source.name)} needs this to be connected. Enter no passwords or tokens here."


def _missing_error(answer: PersonAnswer, missing: list[FieldInfo]) -> InvalidInput:
    named = ", ".join(f"config.{field.name}" for field in missing)
    verb = "is" if len(missing) == 1 else "are"
    reason = CONFIG_REFUSALS[answer.outcome]
    return InvalidInput(
        f"{named} {verb} missing, and {reason}; nothing was created.",
        field=f"config.{missing[0].name}",
        hint="Ask the user what they want, and call again with config.",
    )
