"""Processes that are measured in turn: each waits for its turn in a read, where it takes nothing from the others.

Thread pools of several runtimes in one process would spin beside each other; here whoever is not asked sleeps.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PAUSE = 0.3
"""Seconds between two turns: thread pools spin a little after their last work."""


class Contender:
    """A process that gets ready once, then does the same again whenever it is told to.

    Parameters
    ----------
    task : str
        ``module:function``. The function gets ready, and returns another one, which takes no arguments, is called at each turn
        and returns a dict of JSON types.
    **arguments
        Its arguments, of JSON types.

    Attributes
    ----------
    ready_seconds : float
        From starting the process until it was ready.

    Raises
    ------
    RuntimeError
        If it fails, with what it said.
    """

    def __init__(self, task: str, **arguments: Any) -> None:
        self._task = task
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by close
        started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contenders", task, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise
        self.ready_seconds = time.monotonic() - started

    def go(self) -> dict[str, Any]:
        """Let it take its turn; return what it measured, and ``wall`` [s]."""
        assert self._process.stdin is not None
        time.sleep(_PAUSE)
        started = time.monotonic()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        found = self._answer()
        return {"wall": time.monotonic() - started} | found

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._said.seek(0)
            raise RuntimeError(f"{self._task} ended with {self._process.returncode}:\n{self._said.read()[-3000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def race(turns: Mapping[str, Callable[[], dict[str, Any]]], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Give everybody a turn each round, another one beginning each time; return what each measured, by round."""
    names, found = list(turns), {name: [] for name in turns}  # type: dict[str, list[dict[str, Any]]]
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(turns[name]())
            print(f"  round {number + 1} of {rounds}, {name}: {json.dumps(found[name][-1])[:150]}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Be a contender."""
    task, arguments = sys.argv[1:]
    module, function = task.split(":")
    # Libraries print; only answers may come out of this pipe.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    turn = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print("{}", file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(turn()), file=answers, flush=True)


if __name__ == "__main__":
    main()
