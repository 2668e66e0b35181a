"""A checkpoint: the state of a long training, in a file that is whole or absent."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import OutputError
from featx.system.files import is_foreign, replacing, writing_to
from featx.system.regular import read_regular

_MAGIC = b"featx checkpoint 1\n"

Arrays = dict[str, NDArray[Any]]


def check_checkpoint_path(path: Path) -> None:
    """Make sure that checkpoints can be written there.

    Raises
    ------
    OutputError
        If the place cannot be written, or holds a file that is no checkpoint.
    """
    with writing_to(path, "Give another --out."):
        foreign = is_foreign(path, _MAGIC)
    if foreign:
        raise OutputError(f"{path}: exists and is not a checkpoint of featx. Give another --out, or move it away.")


def save_checkpoint(path: Path, identity: str, document: dict[str, Any], arrays: Arrays) -> None:
    """Replace the checkpoint, atomically.

    Parameters
    ----------
    path : Path
        The file.
    identity : str
        What the training is of; the checkpoint of another training is never taken up.
    document : dict
        JSON types.
    arrays : dict of str to ndarray
        Of numbers.

    Raises
    ------
    OutputError
        If the disk refuses.
    """
    buffer = io.BytesIO()
    text = json.dumps({"identity": identity, "document": document}).encode()
    np.savez(buffer, allow_pickle=False, **{"": np.frombuffer(text, np.uint8)}, **arrays)
    data = buffer.getvalue()
    with writing_to(path, "Make room and run again."), replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n")
        file.write(data)


def load_checkpoint(path: Path, identity: str) -> tuple[dict[str, Any], Arrays] | None:
    """Return document and arrays, or None if there is no whole checkpoint of this training."""
    try:
        content = read_regular(path)
    except OSError:
        return None
    head = len(_MAGIC) + 65
    data = content[head:]
    if content[:head] != _MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n":
        return None
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        written = json.loads(arrays.pop("").tobytes())
    # A file that was made to fit its digest can still hold anything.
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return (written["document"], arrays) if written.get("identity") == identity else None
