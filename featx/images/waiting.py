"""Waiting for what another process answers, for some time at most."""

import contextlib
import os
import selectors
import threading
from typing import IO

_SELECTS_PIPES = os.name != "nt"


class Waiting:
    """Waits until a pipe has something to read: with the system's call, or with a thread where that takes only sockets."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._reading: threading.Thread | None = None
        self._selector = selectors.DefaultSelector() if _SELECTS_PIPES else None
        if self._selector is not None:
            self._selector.register(pipe, selectors.EVENT_READ)

    def __call__(self, seconds: float) -> bool:
        """Return whether it has, after so many seconds at most; a pipe that ended has."""
        if self._selector is not None:
            return bool(self._selector.select(seconds))
        if self._reading is None:
            self._reading = threading.Thread(target=self._peek, name="featx-decoder", daemon=True)
            self._reading.start()
        self._reading.join(seconds)
        if self._reading.is_alive():
            return False
        self._reading = None
        return True

    def _peek(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # reading it then says so
            self._pipe.peek(1)  # type: ignore[attr-defined] # a buffered pipe has it

    def close(self) -> None:
        """Stop. The pipe must have ended."""
        if self._selector is not None:
            self._selector.close()
        if self._reading is not None:
            self._reading.join()
