"""A process of featx's own, in the Python that runs now and with its module path, however featx was put on that."""

import json
import subprocess
import sys


def calling(function: str) -> str:
    """Return the text of a program that calls ``package.module:function`` with the process's arguments.

    For ``python -c`` and not ``-m``: the process must find the very featx that started it.
    """
    module, _, name = function.partition(":")
    setting = "import sys, json; sys.path[:] = json.loads(sys.argv[1])"
    return f"{setting}; from {module} import {name}; {name}(*sys.argv[2:])"


def command(program: str, *arguments: str) -> list[str]:
    """Return the command that runs such a program, for ``subprocess``.

    With ``-P``, as otherwise the program's modules would be looked for first in the folder it is started in, among the user's
    files. What is no text in ``sys.path``, such as a ``Path``, is left out: Python passes it over too.
    """
    path = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
    return [sys.executable, "-P", "-c", program, path, *arguments]


def stderr() -> int | None:
    """Return where such a process writes its stderr, for ``subprocess``: where this one does, or nowhere if that is closed.

    A process without descriptor 2 gives that number to a file of its own. Python noted at its start whether it was open: by
    now it may be a file of this process.
    """
    return subprocess.DEVNULL if sys.__stderr__ is None else None
