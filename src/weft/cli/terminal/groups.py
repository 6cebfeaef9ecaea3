"""Verbs, and groups of them that list when no sub-command is named."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from weft.domain.text.names import suggest

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
        # A shell that completes the first word wants to see the sub-commands.
        implied = not ctx.resilient_parsing if not args else args[0] not in helps
        if implied and (not args or self._belongs_to_list(args[0])):
            args = [LIST, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the sub-command. Raises UsageError as `refuse_unknown`."""
        refuse_unknown(ctx, args[0], self.commands)
        return super().resolve_command(ctx, args)

    def _belongs_to_list(self, word: str) -> bool:
        if word.startswith("-"):
            return True
        return self.words_are_arguments and word not in self.commands


class ListGroupWithName(ListGroup):
    """`weft jobs NAME` is `weft jobs list NAME`."""

    words_are_arguments = True

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the sub-commands, and what `list` takes."""
        taken = [p for p in self.commands[LIST].params if isinstance(p, click.Argument)]
        found = [item for each in taken[:1] for item in each.shell_complete(ctx, incomplete)]
        return [*super().shell_complete(ctx, incomplete), *found]


def refuse_unknown(ctx: click.Context, word: str, known: Iterable[str]) -> None:
    """Raise UsageError for a word that is no command, without the word: it may be a secret."""
    names = list(known)
    # A shell that completes a line wants no errors, and click knows what to do with options.
    if word in names or word.startswith("-") or ctx.resilient_parsing:
        return
    near = suggest(word, names)
    ctx.fail(f"No such command. {f'Did you mean {near!r}?' if near else _one_of(names)}")


def without_argument(error: click.UsageError) -> click.UsageError:
    """Return the error with what is expected instead of what was given: that may be a secret."""
    if isinstance(error, click.NoSuchOption):
        near = f" Did you mean {error.possibilities[0]}?" if error.possibilities else ""
        return click.UsageError(f"No such option.{near}", ctx=error.ctx)
    return _without_value(error) if isinstance(error, click.BadParameter) else error


def _without_value(error: click.BadParameter) -> click.BadParameter:
    kind = error.param.type if error.param else None
    if isinstance(error, click.MissingParameter) or kind is None:
        return error
    if isinstance(kind, click.Choice):
        expected = _one_of(map(str, kind.choices))
    elif isinstance(kind, click.IntRange):
        bounds = ((kind.min, "from"), (kind.max, "to"))
        limits = [f"{word} {bound}" for bound, word in bounds if bound is not None]
        expected = " ".join(["Give a whole number", *limits]) + "."
    else:
        expected = f"Give a value of the kind {kind.name}."
    return click.BadParameter(expected, ctx=error.ctx, param=error.param)


def _one_of(names: Iterable[str]) -> str:
    return f"Give one of: {', '.join(names)}."


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
