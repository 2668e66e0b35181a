"""What commands show: progress bars, JSON, and which cache or model was taken."""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from featx.errors import CacheNotFound, ModelNotFound


def newest_cache() -> Path:
    """Find the newest cache and name it on stderr."""
    from featx.store import find_cache

    newest = find_cache(Path("cache"))
    if newest is None:
        raise CacheNotFound("cache/: no finished cache in it. Make one with: featx extract IMAGES")
    click.echo(f"using cache {newest}", err=True)
    return newest


def newest_model() -> Path:
    """Find the newest model and name it on stderr."""
    from featx.models import find_model

    newest = find_model(Path("models"))
    if newest is None:
        raise ModelNotFound("models/: no model in it. Make one with: featx fit")
    click.echo(f"using model {newest}", err=True)
    return newest


def show_note(note: str) -> None:
    """Say on stderr what a user should know before the end."""
    click.echo(f"note: {note}", err=True)


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
    click.echo(json.dumps(document, default=str))
