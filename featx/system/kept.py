"""What was measured on this machine and need not be measured again: a small file in the user's cache folder.

Nothing in it decides what a result is, only how fast it comes: a file that is missing, damaged or forged costs a measurement or
some speed, and one that cannot be written costs the measurement each time.
"""

import contextlib
import json
import math
import os
import sys
from pathlib import Path

from featx.errors import FeatxError
from featx.system.durable import make_folder
from featx.system.files import replacing
from featx.system.regular import is_own, open_regular

Measured = dict[str, float]

_FILE = "measured.json"
_LARGEST = 200_000  # bytes; featx writes a third of it
_MOST = 200
_LONGEST_KEY, _MOST_NUMBERS = 400, 8


def kept_file() -> Path | None:
    """Return where measurements are kept; None for a process of a user without a home."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Caches"
    else:
        given = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
        folder = given if given.is_absolute() else home / ".cache"  # as the XDG specification has it
    return folder / "featx" / _FILE


def measured_before(key: str) -> Measured | None:
    """Return what was measured under a key; None where nothing was, or the file cannot be used."""
    return _read().get(key)


def keep_measured(key: str, measured: Measured) -> None:
    """Keep what was measured, if that can be done; the oldest of very many measurements are dropped."""
    path = kept_file()
    if path is None:
        return
    entries = _read()
    entries.pop(key, None)
    entries[key] = measured
    text = json.dumps({"measured": dict([*entries.items()][-_MOST:])}, indent=1)
    with contextlib.suppress(OSError, FeatxError):
        make_folder(path.parent)
        if is_own(path.parent.stat()):
            with replacing(path) as temporary:
                temporary.write_text(text, "utf-8")


def _read() -> dict[str, Measured]:
    path = kept_file()
    if path is None:
        return {}
    try:
        with open(open_regular(path), "rb") as file:  # noqa: PTH123 - of a descriptor
            if not is_own(os.fstat(file.fileno())):
                return {}
            text = file.read(_LARGEST + 1)
        found = json.loads(text) if len(text) <= _LARGEST else None
        entries = found["measured"] if isinstance(found, dict) else {}
    except (OSError, ValueError, KeyError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {key: values for key, values in entries.items() if len(key) <= _LONGEST_KEY and _is_measured(values)}


def _is_measured(values: object) -> bool:
    return (
        isinstance(values, dict)
        and len(values) <= _MOST_NUMBERS
        and all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in values.values())
    )
