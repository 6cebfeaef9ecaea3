"""Ask before something is destroyed."""

import click

from weft.cli.terminal.context import App, say
from weft.cli.terminal.text import plain
from weft.errors import InvalidInput

EXIT_DECLINED = 1


def confirm(app: App, preview: str, *, yes: bool) -> None:
    """Show ``preview`` and ask y/N, unless ``yes``; end the command when the answer is no.

    Raises InvalidInput when there is nobody to ask.
    """
    if yes:
        return
    text = plain(preview)
    if not app.can_ask():
        raise InvalidInput(
            "Deleting was not confirmed.", field="yes", hint=f"{text} Pass --yes to do it."
        )
    say(text)
    if not click.confirm("Delete?", default=False, err=True):
        say("Nothing was deleted.")
        raise click.exceptions.Exit(EXIT_DECLINED)
