"""Defaults of options that a user sets once: in ``featx.toml`` of the current folder, or in FEATX_* variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from featx.cli.spelling import find_option, is_shown, options_of, spellings_of
from featx.system.names import did_you_mean

FILE = "featx.toml"

PREFIX = "FEATX"
"""``FEATX_EXTRACT_IMAGE_SIZE`` is the default of ``featx extract --image-size``: click's own way."""

BY_HAND = ("overwrite", "yes", "prune", "repair", "restore", "dry_run", "as_json")
"""What nobody should do without having typed it, and what changes the kind of the result."""

IN_NO_FILE = ("ray", "raw_csv")
"""What lets others in, a Ray that runs what it likes and formulas in tables: the file may have come with the images."""

_LARGEST = 100_000
"""Of the file [bytes]: it is written by hand."""


def read_defaults(commands: Mapping[str, click.Command], path: Path) -> dict[str, dict[str, Any]]:
    """Read defaults of options: a table for each command, and above the tables those of every command that has them.

    Parameters
    ----------
    commands : mapping of str to click.Command
        The commands by name.
    path : Path
        The TOML file.

    Returns
    -------
    defaults : dict of str to dict
        For each command its options, as click names them.

    Raises
    ------
    click.UsageError
        If it is no TOML, or names a command or an option that there is not, or one that is to be given by hand.
    """
    import tomllib

    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:  # the rest of it would count for nothing
            raise ValueError(f"has more than {_LARGEST:,} bytes")
        document = tomllib.loads(text.decode())
    except (OSError, ValueError, RecursionError) as error:  # no UTF-8 and no TOML are values too
        raise click.UsageError(f"{path}: cannot be read: {error}. Mend it, or move it away.") from None
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in commands:
            raise click.UsageError(f"{path}: there is no command {name!r}. {did_you_mean(name, commands)}".rstrip())
    common = {name: value for name, value in document.items() if name not in tables}
    defaults = _read_entries(path, common, commands)
    for name, entries in tables.items():
        defaults[name] |= _read_entries(path, entries, {name: commands[name]}, f" of featx {name}")[name]
    return defaults


def _read_entries(
    path: Path, entries: Mapping[str, Any], commands: Mapping[str, click.Command], of: str = ""
) -> dict[str, dict[str, Any]]:
    """Return what entries of the file give to each of the commands."""
    given: dict[str, dict[str, Any]] = {name: {} for name in commands}
    spelt: dict[tuple[str, str | None], str] = {}
    for spelling, value in entries.items():
        for command, option in _known(path, spelling, commands, of).items():
            first = spelt.setdefault((command, option.name), spelling)
            if first != spelling:
                raise click.UsageError(f"{path}: {first!r} and {spelling!r} are one option of featx {command}. Give it once.")
            given[command][option.name or ""] = _value(path, spelling, value)
    return given


def forget_refused_variables() -> None:
    """Drop FEATX_* variables of options that are to be given by hand, so that click does not take them."""
    for name in list(os.environ):
        if name.startswith(f"{PREFIX}_") and any(name.lower().endswith(f"_{option}") for option in (*BY_HAND, "json")):
            del os.environ[name]


def _known(path: Path, spelling: str, commands: Mapping[str, click.Command], of: str = "") -> dict[str, click.Option]:
    """Return the option of that spelling of each command that has it; where any shows it, of those that do."""
    found = {name: option for name, command in commands.items() if (option := find_option(command, spelling)) is not None}
    names = {option.name for option in found.values()}
    if names & set(BY_HAND):
        raise click.UsageError(f"{path}: {spelling!r} is to be given on the command line, each time. Take it out of the file.")
    if names & set(IN_NO_FILE):
        raise click.UsageError(f"{path}: {spelling!r} is to be given on the command line, or as a variable. Take it out here.")
    if not found:
        shown = {
            spellings_of(option)[0].replace("_", "-")
            for command in commands.values()
            for option in options_of(command)
            if option.name not in (*BY_HAND, *IN_NO_FILE)
        }
        raise click.UsageError(f"{path}: there is no option {spelling!r}{of}. {did_you_mean(spelling, shown)}".rstrip())
    shows = {name: option for name, option in found.items() if is_shown(option, spelling)}
    return shows or found


def _value(path: Path, option: str, value: object) -> str:
    """Return what would have been typed: click takes a number in place of a path for that of an open file."""
    single = value if isinstance(value, list) else [value]
    if any(not isinstance(one, str | int | float) or "\0" in str(one) for one in single):
        raise click.UsageError(
            f"{path}: {option!r} is {repr(value)[:80]}. Give a text, a number, true or false, or a list of these."
        )
    return ",".join(str(one) for one in single)
