"""Ctrl-C at a moment of our choosing."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def finishing_first() -> Iterator[None]:
    """Hold Ctrl-C back until the block has ended, so that it can cut nothing in half.

    Python hands signals to the main thread alone; in any other the block simply runs.

    Raises
    ------
    KeyboardInterrupt
        After the block, if it was pressed meanwhile.
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
        raise KeyboardInterrupt
