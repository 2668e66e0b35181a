"""What commands show: progress bars, JSON, and which cache or model was taken."""

import contextlib
import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click

from featx.errors import CacheNotFound, ModelNotFound

# What a terminal obeys: control characters but for the line's end and the tab, C1 among them, and what turns text around.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return a text with every character that a terminal would obey written as an escape, such as ``\x1b``.

    A class, a file or a model of somebody else's can have any name: one that sets the title, clears the screen or writes
    into the clipboard, say.
    """
    return _OBEYED.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] < "\u0100" else f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    r"""Return a text with ``\n`` for each end of a line: a name must not look like lines of featx's."""
    return text.replace("\n", "\\n")


def echo(line: str, file: IO[str] | None = None, err: bool = False) -> None:
    """Print one line on stdout or stderr, whatever names are in it."""
    echo_text(one_line(line), file, err)


def echo_text(text: str, file: IO[str] | None = None, err: bool = False) -> None:
    """Print a text of several lines, whose names stand each in one. No command prints in another way."""
    click.echo(printable(text), file=file, err=err)


def newest_cache() -> Path:
    """Find the newest cache and name it on stderr."""
    from featx.store import find_cache

    newest = find_cache(Path("cache"))
    if newest is None:
        raise CacheNotFound("cache/: no finished cache in it. Make one with: featx extract IMAGES")
    echo(f"using cache {newest}", err=True)
    return newest


def newest_model() -> Path:
    """Find the newest model and name it on stderr."""
    from featx.models import find_model

    newest = find_model(Path("models"))
    if newest is None:
        raise ModelNotFound("models/: no model in it. Make one with: featx fit")
    echo(f"using model {newest}", err=True)
    return newest


def show_note(note: str) -> None:
    """Say on stderr what a user should know before the end."""
    echo(f"note: {note}", err=True)


@contextlib.contextmanager
def show_progress() -> Iterator[Any]:
    """Yield a callback that draws one bar a stage on stderr, if that is a terminal."""
    bars: dict[str, Any] = {}

    def step(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            from tqdm import tqdm

            for bar in bars.values():  # one line at a time, and what took no time leaves none
                bar.close()
            quick = {"delay": 0.5, "leave": False} if stage == "index" else {}
            unit = " fits" if stage == "cross-validate" else " images"
            bars[stage] = tqdm(total=total, desc=stage, unit=unit, file=sys.stderr, disable=None, **quick)
        bars[stage].update(done)

    try:
        yield step
    finally:
        for bar in bars.values():
            bar.close()


@contextlib.contextmanager
def show_epochs() -> Iterator[Any]:
    """Yield a callback that draws a bar of epochs on stderr, if that is a terminal."""
    bars: list[Any] = []

    def step(epoch: int, epochs: int, values: dict[str, float]) -> None:
        if not bars:
            from tqdm import tqdm

            form = "{desc} {n_fmt}/{total_fmt} |{bar}| {elapsed}, {rate_fmt}{postfix}"
            bars.append(tqdm(total=epochs, desc="epoch", bar_format=form, unit="", file=sys.stderr, disable=None))
        shown = {name: f"{values[name]:.3f}" for name in ("val_loss", "val_accuracy") if name in values}
        bars[0].set_postfix(shown, refresh=False)
        bars[0].update(epoch - bars[0].n)

    try:
        yield step
    finally:
        for bar in bars:
            bar.close()


def print_json(result: Any) -> None:
    """Print a result, whatever paths and dataclasses are in it, as one JSON object."""
    document = dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
    echo(json.dumps(document, default=str))
