"""Ctrl-C, and what ends a program as it does, at a moment of our choosing, and once."""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], object]

# What a container, a queue or a service sends before it kills, and what a terminal sends that is closed; on Windows not all.
_ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_A_MOMENT = 0.05
"""Seconds after which what was being done when a signal came has ended, if it was the garbage collector or the like."""

_ended_by: int | None = None


@contextlib.contextmanager
def finishing_first() -> Iterator[None]:
    """Hold Ctrl-C back until the block has ended, so that it can cut nothing in half.

    Python hands signals to the main thread alone; in any other the block simply runs.

    Raises
    ------
    KeyboardInterrupt
        After the block, if it was pressed meanwhile and no other handler takes it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)

    # Of the endings only those that are taken as Ctrl-C: what ends the process without Python cannot be held back.
    held = [signal.SIGINT, *(number for number in _ENDINGS if callable(signal.getsignal(number)))]
    before = {number: signal.signal(number, note) for number in held}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.default_int_handler)
    if pressed:
        signal.raise_signal(pressed[0])


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """Let Ctrl-C interrupt the block once: pressed again while that is being left, it does nothing.

    Work that is being stopped has rows to keep and threads to end, for some seconds at most. A second KeyboardInterrupt would
    cut that short, or come up inside a generator that is being closed, where Python can but print it. What is to end at once
    can be killed: the cache bears it. Blocks may be nested.
    """
    hook, before = sys.unraisablehook, interrupt_once()
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
            sys.unraisablehook = hook


def interrupt_once() -> Handler | None:
    """Let Ctrl-C interrupt this process once, until it ends; see ``interrupted_once``.

    Only a handler of Python's is wrapped, so that a process which ignores Ctrl-C goes on ignoring it.

    Returns
    -------
    before : callable or None
        What handled it until now; None where nothing was changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        return None
    once = _Once(before)
    signal.signal(signal.SIGINT, once)
    once.watch()
    return before


class _Once:
    """Lets one signal through, and the next only if its handler returned: the process went on."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._stopping = False
        self._number = int(signal.SIGINT)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping, self._number = True, number
            self._handler(number, frame)
            self._stopping = False

    def watch(self) -> None:
        """Send the signal again where Python could only print that it interrupted something.

        It may arrive within a callback of the garbage collector, as JAX has one, or while an object is deleted: there an
        exception goes no further, the work would go on, and every later signal would be taken for the second.
        """
        before = sys.unraisablehook

        def again(lost: "sys.UnraisableHookArgs") -> None:
            if not (self._stopping and issubclass(lost.exc_type, KeyboardInterrupt)):
                before(lost)
                return
            self._stopping = False
            threading.Timer(_A_MOMENT, _send_to_main, (self._number,)).start()

        sys.unraisablehook = again


def _send_to_main(number: int) -> None:
    if hasattr(signal, "pthread_kill"):  # ends a wait too
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM and SIGHUP interrupt this process as Ctrl-C does, once of all three, until it ends.

    Process 1 of a container would not even hear them otherwise. Only what would end the process is handled: under ``nohup``
    SIGHUP goes on being ignored.
    """
    ctrl_c = signal.getsignal(signal.SIGINT)
    once = _Once(_interrupt)
    once.watch()
    if callable(ctrl_c):
        signal.signal(signal.SIGINT, once)
    for number in _ENDINGS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, once)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _ended_by
    _ended_by = number
    raise KeyboardInterrupt


def exit_code_of_interrupt() -> int:
    """Return what a program that was interrupted ends with: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + (_ended_by or signal.SIGINT)
