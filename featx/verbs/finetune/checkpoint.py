"""A checkpoint: the state of a long training, in a file that is whole or absent."""

import hashlib
import io
import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from featx.system.durable import make_folder
from featx.system.files import replacing, writing_to
from featx.system.marks import CHECKPOINT as _MAGIC
from featx.system.npy import array_of
from featx.system.outputs import Kind, check_result_file
from featx.system.regular import open_regular
from featx.system.zipped import read_members

_CHECKPOINT = Kind("", "is not a checkpoint of featx", [_MAGIC])  # it may be taken up

_MOST_MEMBERS, _LARGEST_TEXT = 5000, 16_000_000
_DIGEST = 65
"""Digits of a SHA-256, and the end of their line."""

Arrays = dict[str, NDArray[Any]]


class _Done(msgspec.Struct):
    epoch: Annotated[int, msgspec.Meta(ge=0, le=10**9)]
    step: Annotated[int, msgspec.Meta(ge=0)]
    sums: tuple[float, float, float]
    seconds: float


class _Document(msgspec.Struct):
    done: _Done
    history: dict[str, list[float]]
    before: dict[str, float]


def check_checkpoint_path(path: Path) -> None:
    """Make sure that checkpoints can be written there.

    Raises
    ------
    OutputError
        If the place cannot be written, or holds a file that is no checkpoint.
    """
    check_result_file(path, _CHECKPOINT, "--out")


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
    with writing_to(path, "Make room and run again."):
        make_folder(path.parent)  # the model that comes at the end would make it too late
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(_MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n")
            file.write(data)


def load_checkpoint(path: Path, identity: str) -> tuple[dict[str, Any], Arrays] | None:
    """Return document and arrays, or None if there is no whole checkpoint of this training."""
    # A file that was made to fit its digest can still hold anything.
    try:
        with open(open_regular(path), "rb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
            head = file.read(len(_MAGIC) + _DIGEST)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if head != _MAGIC + digest.encode() + b"\n":
                return None
            members = read_members(file, _MOST_MEMBERS)  # zipfile looks for the beginning behind the head by itself
        text = array_of(members.pop(".npy")).tobytes()
        if len(text) > _LARGEST_TEXT:
            raise ValueError("it is far larger than featx writes")
        written = json.loads(text)
        # One after the other: a checkpoint is read in little more memory than it has bytes.
        arrays = {name.removesuffix(".npy"): array_of(members.pop(name)).copy() for name in [*members]}
        _check(written["document"])
        return (written["document"], arrays) if written["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _check(document: object) -> None:
    """Refuse what no training has written.

    Raises
    ------
    ValueError
        If a field is missing or of another type, or there are not as many values as epochs.
    """
    found = msgspec.convert(document, _Document)
    if {len(values) for values in found.history.values()} - {0} not in (set(), {found.done.epoch}):
        raise ValueError("history: its lists must have one value an epoch each")
    if not found.before.keys() <= {"val_loss", "val_accuracy"} or len(found.before) == 1:
        raise ValueError("before: has other measures")
