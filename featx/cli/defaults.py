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

_LARGEST = 100_000


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
            document = tomllib.loads(file.read(_LARGEST).decode())
    except (OSError, ValueError) as error:  # no UTF-8 and no TOML are values too
        raise click.UsageError(f"{path}: cannot be read: {error}. Mend it, or move it away.") from None
    known = {name: [p.name or "" for p in command.params if isinstance(p, click.Option)] for name, command in commands.items()}
    defaults: dict[str, dict[str, Any]] = {name: {} for name in commands}
    for name, value in document.items():
        if not isinstance(value, dict):
            takers = [command for command, options in known.items() if _option(name) in options]
            _check(path, name, {option for options in known.values() for option in options})
            for command in takers:
                defaults[command].setdefault(_option(name), _value(value))
            continue
        if name not in known:
            raise click.UsageError(f"{path}: there is no command {name!r}. {did_you_mean(name, known)}".rstrip())
        for option, wanted in value.items():
            _check(path, option, set(known[name]), f" of featx {name}")
            defaults[name][_option(option)] = _value(wanted)
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
    if name not in known:
        shown = [entry.replace("_", "-").strip("-") for entry in known - set(BY_HAND)]
        raise click.UsageError(f"{path}: there is no option {option!r}{of}. {did_you_mean(option, shown)}".rstrip())


def _option(name: str) -> str:
    return {"map": "map_", "from": "start"}.get(name, name.replace("-", "_"))


def _value(value: object) -> object:
    return ",".join(map(str, value)) if isinstance(value, list) else value
