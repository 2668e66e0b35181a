"""What commands show while they work: bars on a terminal, lines in a log, or nothing."""

import contextlib
import functools
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from featx.cli.terminal import echo, is_quiet, is_verbose, set_loudness
from featx.system.bars import Bar, Bars, Shown
from featx.system.progress import OnEpoch

STYLES = ("auto", "bar", "lines", "none")

# A line is due after a minute, and after 5 % where these took ten seconds: a short run needs none.
_SECONDS, _SHARE, _LEAST_SECONDS = 60.0, 0.05, 10.0


quiet_option = click.option(
    *("-q", "--quiet"),
    is_flag=True,
    expose_value=False,
    callback=set_loudness,
    help="Print results and errors alone: no notes, no progress, no next step.",
)


def progress_options(command: Any) -> Any:
    """Add --progress, --quiet and --verbose to a command."""
    for option in (
        click.option(
            *("-v", "--verbose"),
            is_flag=True,
            expose_value=False,
            callback=set_loudness,
            help="Say on stderr, too, what it runs on and how long each stage took.",
        ),
        quiet_option,
        click.option(
            "--progress",
            type=click.Choice(STYLES),
            default="auto",
            show_default=True,
            expose_value=False,
            callback=_choose,
            help="How far a run is, on stderr: auto is a bar on a terminal, and elsewhere a line a minute or every 5 %.",
        ),
    ):
        command = option(command)
    return command


@contextlib.contextmanager
def show_progress() -> Iterator[Bars]:
    """Yield a callback that shows how far each stage is."""
    started = time.monotonic()
    bars = Bars(_show)
    try:
        yield bars
    finally:
        bars.close()
        if is_verbose():
            names = ", ".join(bars.stages) or "all"
            echo(f"{names}: {time.monotonic() - started:.1f} s", err=True)


@contextlib.contextmanager
def show_epochs() -> Iterator[OnEpoch]:
    """Yield a callback that shows how many epochs are done, and the figures of the last."""
    bars = Bars(functools.partial(_show, started=time.monotonic()))
    try:
        yield bars.epoch
    finally:
        bars.close()


def _choose(context: click.Context, _: click.Parameter, style: str) -> None:
    context.meta["featx.progress"] = style


def _show(stage: str, total: int, unit: str, started: float | None = None) -> Shown:
    """Return what shows a stage that began just now, or at a time of the monotonic clock."""
    context = click.get_current_context(silent=True)
    style = context.meta.get("featx.progress", "auto") if context else "auto"
    if style == "auto":
        style = "none" if is_quiet() else "bar" if sys.stderr.isatty() else "lines"
    if style == "bar":
        return Bar(stage, total, unit)
    return _Nothing() if style == "none" else _Lines(stage, total, unit, time.monotonic() if started is None else started)


class _Nothing:
    """Shows nothing."""

    def update(self, done: int, values: str = "") -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class _Lines:
    """A line now and then, for a log."""

    def __init__(self, stage: str, total: int, unit: str, started: float) -> None:
        self._stage, self._total, self._unit = stage, total, unit
        self._done = self._first = self._said = 0
        self._values = ""
        self._started = self._began = self._said_at = started

    def update(self, done: int, values: str = "") -> None:
        """Say how far it is, if that is due."""
        now = time.monotonic()
        self._values = values
        if done and not self._done:  # what came before was start-up
            self._first, self._began = done, now
        self._done += done
        waited = now - self._said_at
        if waited >= _SECONDS or (waited >= _LEAST_SECONDS and self._done - self._said >= _SHARE * self._total):
            self._say(now)

    def close(self) -> None:
        """Say what it came to, if it ever said anything."""
        if self._said_at != self._started and self._said != self._done:
            self._say(time.monotonic())

    def _say(self, now: float) -> None:
        self._said, self._said_at = self._done, now
        parts = [f"{self._stage} {self._done:,}/{self._total:,}"]
        since = now - self._began
        if self._done > self._first and since > 0:
            rate = (self._done - self._first) / since
            parts.append(f"{_rounded(rate)} {self._unit}/s")
            if self._done < self._total:
                parts.append(f"about {_duration((self._total - self._done) / rate)} left")
        if self._done >= self._total:
            parts.append(f"in {_duration(now - self._started)}")
        echo(", ".join([*parts, *([self._values] if self._values else [])]), err=True)


def _rounded(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if minutes < 90:
        return f"{round(minutes)} min"
    return f"{round(minutes / 60)} h" if minutes < 48 * 60 else f"{round(minutes / 60 / 24)} days"
