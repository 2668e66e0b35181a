"""A run that is killed, without a process for each moment that it could be killed at."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Killed(BaseException):
    """What a killed run raises here; no cleanup of it reaches the disk."""


_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")


class _Watch:
    """Counts changes below a folder; from one of them on, none is let through."""

    root = ""
    count = 0
    last = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.root or not (event in _CHANGES or (event == "open" and (arguments[2] or 0) & _WRITES)):
            return
        paths = [os.fsdecode(one) for one in arguments if isinstance(one, str | bytes | os.PathLike)]
        if any(path.startswith(self.root) for path in paths):
            self.count += 1
            if self.count > self.last:
                raise Killed


_watch = _Watch()
sys.addaudithook(_watch)


def changes_until_killed(run: Callable[[], Any], root: Path, last: int) -> int:
    """Run something that is killed before its change number ``last`` + 1 below a folder; return how many it made.

    A file is made, opened for writing, renamed or deleted: each is a change. What was written to an open file is on the disk,
    to its last byte or, as a buffer that was not flushed, not at all.
    """
    _watch.root, _watch.count, _watch.last = str(root), 0, last
    try:
        run()
    except Killed:
        return last
    finally:
        _watch.root = ""
    return _watch.count
