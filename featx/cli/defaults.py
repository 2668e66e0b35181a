"""Defaults of options that a user sets once: in ``featx.toml`` of the current folder, or in FEATX_* variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

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
    known = {name: [p.name or "" for p in command.params if isinstance(p, click.Option)] for name, command in commands.items()}
    defaults: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for name, value in document.items():
        if not isinstance(value, dict):
            takers = [command for command, options in known.items() if _option(name) in options]
            _check(path, name, {option for options in known.values() for option in options})
            for command in takers:
                defaults[command].setdefault(_option(name), _value(path, name, value))
            continue
        if name not in known:
            raise click.UsageError(f"{path}: there is no command {name!r}. {did_you_mean(name, known)}".rstrip())
        for option, wanted in value.items():
            _check(path, option, set(known[name]), f" of featx {name}")
            defaults[name][_option(option)] = _value(path, option, wanted)
    return defaults


def forget_refused_variables() -> None:
    """Drop FEATX_* variables of options that are to be given by hand, so that click does not take them."""
    for name in list(os.environ):
        if name.startswith(f"{PREFIX}_") and any(name.lower().endswith(f"_{option}") for option in BY_HAND):
            del os.environ[name]


def _check(path: Path, option: str, known: set[str], of: str = "") -> None:
    name = _option(option)
    if name in BY_HAND:
        raise click.UsageError(f"{path}: {option!r} is to be given on the command line, each time. Take it out of the file.")
    if name in IN_NO_FILE:
        raise click.UsageError(f"{path}: {option!r} is to be given on the command line, or as a variable. Take it out here.")
    if name not in known:
        shown = [entry.replace("_", "-").strip("-") for entry in known - {*BY_HAND, *IN_NO_FILE}]
        raise click.UsageError(f"{path}: there is no option {option!r}{of}. {did_you_mean(option, shown)}".rstrip())


def _option(name: str) -> str:
    return {"map": "map_", "from": "start", "open": "open_"}.get(name, name.replace("-", "_"))


def _value(path: Path, option: str, value: object) -> str:
    """Return what would have been typed: click takes a number in place of a path for that of an open file."""
    single = value if isinstance(value, list) else [value]
    if any(not isinstance(one, str | int | float) or "\0" in str(one) for one in single):
        raise click.UsageError(
            f"{path}: {option!r} is {repr(value)[:80]}. Give a text, a number, true or false, or a list of these."
        )
    return ",".join(str(one) for one in single)
