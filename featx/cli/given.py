"""Paths that a command takes as arguments, or from another command through a pipe."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from featx.cli.options import Decorator, Given
from featx.cli.terminal import echo
from featx.errors import ImageListError

_FROM_STDIN = "-"

_KEY = "featx.null"


class OrStdin(Given):
    """A path; ``-`` alone stays a text, and so differs from the file of that name, ``./-``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a value."""
        return value if value == _FROM_STDIN else super().convert(value, param, ctx)


def paths_argument(name: str) -> Decorator:
    """Make the argument PATH..., of which ``-`` stands for paths on stdin, and the option that says how these are parted."""
    argument = click.argument(name, type=OrStdin(path_type=Path), nargs=-1, required=True, metavar="PATH...", callback=_checked)
    # Eager: read before the argument, which may have to know.
    option = click.option(
        *("-0", "--null"),
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_keep,
        help="With -: paths end with a NUL character, as find -print0 writes them, and not with the line.",
    )
    return lambda function: option(argument(function))


def _keep(context: click.Context, _: click.Parameter, null: bool) -> None:
    context.meta[_KEY] = null


def _checked(context: click.Context, _: click.Parameter, paths: tuple[Path | str, ...]) -> list[Path | str]:
    """Refuse what stdin cannot be asked for; it is read when the command runs, and not before."""
    asked = sum(path == _FROM_STDIN for path in paths)
    if context.meta.get(_KEY) and not asked and not context.resilient_parsing:
        raise click.UsageError("--null says how paths on stdin are parted: give - among the paths too.", context)
    if asked > 1:
        raise click.UsageError("- stands for stdin, which can be read once: give it once.", context)
    return list(paths)


def given_paths(paths: list[Path | str]) -> list[Path]:
    """Return the paths of such an argument, those on stdin in the place of ``-``.

    Raises
    ------
    ImageListError
        If there are none on stdin.
    """
    null = bool(click.get_current_context().meta.get(_KEY))
    return [Path(one) for path in paths for one in (_read_paths(null) if path == _FROM_STDIN else [path])]


def _read_paths(null: bool) -> list[Path]:
    """Return the paths on stdin, one a line; relative ones are relative to the current folder."""
    if sys.stdin.isatty():
        echo("reading paths from the terminal, one a line, up to Ctrl-D", err=True)
    content = sys.stdin.buffer.read()
    if not null and b"\0" in content:
        raise ImageListError("-: stdin has NUL characters in it. Give --null for the output of find -print0.")
    names = content.split(b"\0") if null else [line.removesuffix(b"\r") for line in content.split(b"\n")]
    paths = [Path(os.fsdecode(name)) for name in names if name]
    if not paths:
        raise ImageListError(
            "-: stdin names no files. Pipe paths into it, one a line, such as: find new -name '*.jpg' | featx …"
        )
    return paths


def unlisted_keys(passed_over: Any) -> dict[str, Any]:
    """Return the keys of ``--json`` on what folders hold besides images."""
    return {"skipped": passed_over.skipped, "passed_over": passed_over.folders, "hidden": passed_over.hidden}
