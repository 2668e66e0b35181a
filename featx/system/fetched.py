"""Files that are not here: an address, a pointer of Git LFS, or nothing at all."""

import contextlib
from pathlib import Path

from featx.system.addresses import address_of, how_to_read
from featx.system.containers import container_of

POINTER = "is a pointer of Git LFS, not the file itself. Fetch that: git lfs pull"
"""What to say of the small text that Git leaves where Git LFS has not fetched a file."""


def not_fetched(path: Path, *, or_empty: bool = False) -> str:
    """Return a message on a path where the file that is meant is not; none where there may be one.

    Parameters
    ----------
    path : Path
        What was given.
    or_empty : bool
        Whether an empty file is none either.
    """
    if address := address_of(path):
        return f"{address}: {how_to_read(address)}"
    with contextlib.suppress(OSError):
        kind = found.kind if (found := container_of(path)) else ""
        if kind == "pointer":
            return f"{path}: {POINTER}"
        if kind == "empty" and or_empty:
            return f"{path}: is empty. Copy or download it again."
    return ""
