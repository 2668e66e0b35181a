"""How many images are decoded at a time where memory runs out."""

import contextlib
import threading
from collections.abc import Iterator

_IMAGES_UNTIL_MORE = 200
"""After memory has run out, one more image may be decoded at a time whenever so many have been."""


class Turns:
    """How many images may be decoded at a time: any number; fewer for a while where memory has run out; or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._wait_to_be_alone = 0
        self._alone = False
        self._most: int | None = None
        self._since = 0

    @contextlib.contextmanager
    def one(self, alone: bool) -> Iterator[None]:
        """Wait for a turn and take it; alone, once all others have ended."""
        with self._changed:
            self._wait_to_be_alone += alone
            self._changed.wait_for(lambda: self._may_begin(alone))
            self._wait_to_be_alone -= alone
            self._alone = alone
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._alone = False
                self._since += 1
                if self._most is not None and self._since % _IMAGES_UNTIL_MORE == 0:
                    self._most += 1
                self._changed.notify_all()

    def fewer(self) -> None:
        """Let one less decode than did when memory ran out."""
        with self._changed:
            self._most, self._since = max(1, self._running), 0

    def _may_begin(self, alone: bool) -> bool:
        if alone:
            return self._running == 0
        return not self._alone and not self._wait_to_be_alone and (self._most is None or self._running < self._most)
