"""Bars that show how far a run is: by default in a terminal and in a notebook, for the library and the command line alike."""

import contextlib
import contextvars
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from featx.errors import FeatxError
from featx.system.kinds import shown
from featx.system.progress import Progress

ProgressOption = Progress | bool | None
"""What a function takes as ``progress``: a callback; True or False for a bar or none; None for a bar where it can be seen."""

# What a stage counts, where that is not images.
_UNITS = {
    "augment": "views",
    "extract views": "views",
    "predict views": "views",
    "check": "rows",
    "merge": "rows",
    "cross-validate": "candidates",
    "first look": "candidates",
    "withhold": "fits",
    "duplicates": "comparisons",
}

# What takes no time in most runs shows no bar there, and leaves none.
_QUICK = ("index",)

# Whether functions show bars of their own accord. A command shows its own.
_by_default = contextvars.ContextVar("featx_bars_by_default", default=True)
_open: contextvars.ContextVar[list["Bars"] | None] = contextvars.ContextVar("featx_open_bars", default=None)


class Shown(Protocol):
    """How far one stage is, as a reader sees it."""

    def update(self, done: int, values: str = "") -> None:
        """Take so many more as done; ``values`` are figures of the last of them."""
        ...

    def close(self) -> None:
        """Show nothing more."""
        ...


class Bar:
    """A bar of tqdm's. What comes before the first that is done, such as loading a network, is no part of its rate.

    Parameters
    ----------
    stage : str
        What is done.
    total : int
        How many there are.
    unit : str
        What they are.
    """

    def __init__(self, stage: str, total: int, unit: str) -> None:
        self._stage = stage
        quick: dict[str, Any] = {"delay": 0.5, "leave": False} if stage in _QUICK else {}
        self._bar = _tqdm()(total=total, desc=f"{stage}: starting", unit=f" {unit}", file=sys.stderr, **quick)

    def update(self, done: int, values: str = "") -> None:
        """Move the bar."""
        bar = self._bar
        if values:
            bar.set_postfix_str(values, refresh=False)
        if done and not bar.n:
            bar.set_description(self._stage, refresh=False)
            bar.n = bar.last_print_n = bar.initial = done
            bar.start_t = bar.last_print_t = time.time()
            if self._stage not in _QUICK:
                bar.refresh()  # without a rate, and so without a time left
            return
        bar.update(done)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class Bars:
    """A callback for progress, and one for epochs: each stage has what shows it, one at a time.

    Parameters
    ----------
    make : callable
        Called as (stage, total, unit); returns what shows the stage.
    """

    def __init__(self, make: Callable[[str, int, str], Shown] = Bar) -> None:
        self._make = make
        self._shown: dict[str, Shown] = {}
        self._counts: dict[str, tuple[int, int]] = {}
        self._epoch = 0

    @property
    def stages(self) -> list[str]:
        """Those that there were, in their order."""
        return list(self._counts)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take so many more of a stage as done."""
        self._show(stage, total, _UNITS.get(stage, "images"), done).update(done)

    def epoch(self, epoch: int, epochs: int, values: dict[str, float]) -> None:
        """Take an epoch as done, with its figures."""
        done, self._epoch = epoch - self._epoch, epoch
        figures = ", ".join(f"{name} {values[name]:.3f}" for name in ("val_loss", "val_accuracy") if name in values)
        self._show("epoch", epochs, "epochs", done).update(done, figures)

    def close(self) -> None:
        """Show nothing more."""
        for stage in self._shown.values():
            stage.close()

    def _show(self, stage: str, total: int, unit: str, done: int) -> Shown:
        so_far, before = self._counts.get(stage, (0, -1))
        # A stage may come again: a search in two steps, say, or images that changed while they were read.
        if total != before or (not done and so_far >= total):
            self.close()  # one at a time
            so_far, self._shown[stage] = 0, self._make(stage, total, unit)
        self._counts[stage] = so_far + done, total
        return self._shown[stage]


def as_progress(given: ProgressOption) -> Progress | None:
    """Return the callback that is meant: the one given, bars, or None for none.

    Bars are closed by ``closing_bars`` around the function that asks.

    Raises
    ------
    FeatxError
        If it is neither a callable nor True, False or None.
    """
    if given is False or (given is None and not (_by_default.get() and _can_be_seen())):
        return None
    if given is not None and given is not True:
        if not callable(given):
            raise FeatxError(f"progress must be a callable, True, False or None. Received: {shown(given)}.", wrong_value=True)
        return given
    bars = Bars()
    if (opened := _open.get()) is not None:
        opened.append(bars)
    return bars


def epochs_of(progress: Progress | None) -> Callable[[int, int, dict[str, float]], None] | None:
    """Return what shows epochs beside these bars; None beside a callback of the user's, or none."""
    return progress.epoch if isinstance(progress, Bars) else None


@contextlib.contextmanager
def closing_bars() -> Iterator[None]:
    """Close the bars that are opened inside, also where it fails: what is then written begins on a line of its own."""
    opened: list[Bars] = []
    token = _open.set(opened)
    try:
        yield
    finally:
        _open.reset(token)
        for bars in opened:
            bars.close()


@contextlib.contextmanager
def no_bars_by_default() -> Iterator[None]:
    """Let functions that are called inside show nothing unless they are told to."""
    token = _by_default.set(False)
    try:
        yield
    finally:
        _by_default.reset(token)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook: Jupyter, or one like it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _can_be_seen() -> bool:
    if in_notebook():
        return True
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except (AttributeError, ValueError):  # something else in its place, or closed
        return False


def _tqdm() -> Any:
    """Return the kind of bar that suits the place."""
    if not in_notebook():
        from tqdm import tqdm

        return tqdm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of widgets that are not installed: it then writes text, which is as good
        from tqdm.auto import tqdm as auto

    return auto
