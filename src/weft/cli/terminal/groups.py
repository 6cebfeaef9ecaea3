"""Verbs, and groups of them that list when no sub-command is named."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

LIST = "list"


class Verb(click.Command):
    """A command that never repeats a surplus argument, because it may be a secret."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse. The UsageError for surplus arguments counts them and shows none."""
        ctx.allow_extra_args = True
        surplus = super().parse_args(ctx, args)
        if surplus and not ctx.resilient_parsing:
            ctx.fail(
                f"Got {len(surplus)} unexpected extra argument{'s'[: len(surplus) != 1]}, not "
                "repeated here. A secret is never an argument: it is asked for, or read from "
                "standard input."
            )
        return surplus


class ListGroup(click.Group):
    """`weft connections` is `weft connections list`; help still shows the sub-commands."""

    command_class = Verb
    words_are_arguments = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `list` before options and, in some groups, before a word that is no command."""
        helps = set(self.get_help_option_names(ctx))
        if not args or (args[0] not in helps and self._belongs_to_list(args[0])):
            args = [LIST, *args]
        return super().parse_args(ctx, args)

    def _belongs_to_list(self, word: str) -> bool:
        if word.startswith("-"):
            return True
        return self.words_are_arguments and word not in self.commands


class ListGroupWithName(ListGroup):
    """`weft jobs NAME` is `weft jobs list NAME`."""

    words_are_arguments = True


def limit_options(command: F) -> F:
    """Give a listing --limit and --cursor."""
    command = click.option(
        "--cursor", metavar="CURSOR", help="Continue where an earlier list's next_cursor points."
    )(command)
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=50,
        show_default=True,
        help="How many at most.",
    )(command)
