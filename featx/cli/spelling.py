"""How options are spelt: one scheme of names, what is taken besides, and variables by each of these.

The scheme, which ``docs/reference/options.md`` tells and ``tests/cli/test_spelling.py`` holds: an option has one name in every
command, and a name one meaning; names of things are in the singular, also where several are taken, with commas or by giving the
option again; counts are in the plural; what a command writes is ``--out``.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import click


class _Spellings(list[str]):
    """The spellings that are shown; ``in`` is true of the others too, as click asks that way whose value to complete."""

    hidden: tuple[str, ...] = ()

    def __contains__(self, spelling: object) -> bool:
        return super().__contains__(spelling) or spelling in self.hidden


class Named(click.Option):
    """An option that is known by further spellings, none of which ``--help`` shows.

    Parameters
    ----------
    also : sequence of str
        These spellings: what it was called before, or what it is called where it stands for something larger.
    """

    def __init__(self, *declarations: Any, also: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.also = tuple(also)
        self.opts = _Spellings(self.opts)
        self.opts.hidden = self.also

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser know all spellings."""
        shown = self.opts
        self.opts = [*shown, *self.also]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Take a variable by whichever spelling: click knows only the name of the function's argument."""
        return os.environ.get(variable_of(self, ctx))


class Several(Named):
    """An option that takes several values: with commas between them, or each behind an option of its own."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser keep every value, not the last alone."""
        self.multiple = True
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.multiple = False

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the values as one list."""
        return super().type_cast_value(ctx, ",".join(map(str, value)) if isinstance(value, list) else value)


def spellings_of(option: click.Parameter) -> list[str]:
    """Return what a variable or ``featx.toml`` may call an option, the first as ``--help`` shows it: ``image_size``."""
    shown = [_plain(spelling) for spelling in option.opts if spelling.startswith("--")]
    return list(dict.fromkeys([*shown, *map(_plain, getattr(option, "also", ())), option.name or ""]))


def variable_of(option: click.Parameter, ctx: click.Context) -> str:
    """Return the name of the variable that an option takes its value from; empty for none that is set."""
    names = [f"{ctx.auto_envvar_prefix}_{spelling.upper()}" for spelling in spellings_of(option)]
    return next((name for name in names if os.environ.get(name)), "")


def find_option(command: click.Command, spelling: str) -> click.Option | None:
    """Return the option of a command that has this spelling."""
    return next((option for option in options_of(command) if _plain(spelling) in spellings_of(option)), None)


def is_shown(option: click.Parameter, spelling: str) -> bool:
    """Return whether ``--help`` shows an option by this spelling."""
    return _plain(spelling) in map(_plain, option.opts)


def options_of(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command, ``--help`` left out."""
    yield from (option for option in command.params if isinstance(option, click.Option))


def one_of(ctx: click.Context, option: click.Parameter, names: tuple[str, ...] | None) -> str | None:
    """Return the single name that was given where one alone can be: the callback of such an option.

    Raises
    ------
    click.BadParameter
        If several were given.
    """
    if names and len(names) > 1:
        raise click.BadParameter(
            f"featx {ctx.command.name} takes one {option.name}. Received: {', '.join(names)[:200]}. "
            f"featx compare takes several.",
            ctx,
            option,
        )
    return names[0] if names else None


def _plain(spelling: str) -> str:
    return spelling.lstrip("-").replace("-", "_")
