"""Ctrl-C at a moment of our choosing, and once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


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

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)
    if pressed:
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """Let Ctrl-C interrupt the block once: pressed again while that is being left, it does nothing.

    Work that is being stopped has rows to keep and threads to end, for some seconds at most. A second KeyboardInterrupt would
    cut that short, or come up inside a generator that is being closed, where Python can but print it. What is to end at once
    can be killed: the cache bears it. Blocks may be nested.
    """
    before = interrupt_once()
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


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
    stopping = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            return
        stopping = True
        before(number, frame)
        stopping = False  # the handler returned: the process goes on

    signal.signal(signal.SIGINT, press)
    return before
