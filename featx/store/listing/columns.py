"""The columns of a catalog's file: texts joined into one, and how many rows there are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.errors import CacheDamaged, TaskError
from featx.store.documents import MEND
from featx.store.guard import read_array
from featx.system.files import DIGEST_BYTES
from featx.task import Task

_DIGESTS_OF_ZEROS, _DIGESTS_SHRINK = 32_000_000, 8
_TEXT_BYTES, _TEXT_BYTES_A_ROW = 16_000_000, 512


def pack_texts(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Join texts with NUL, which no path contains: a million of them unpack in a tenth of a second."""
    return np.frombuffer("\0".join([*texts, ""]).encode("utf-8", "surrogateescape"), np.uint8)


def as_names(found: object) -> tuple[str, ...]:
    """Return the class names of a head."""
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise TypeError("its class names are no list of texts")
    return tuple(found)


def task_head(task: Task, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return what a head tells of the task.

    Of classes it is what it always was. Of all else the names stand in the task alone: a featx that knows of classes only finds
    no ``class_names``, and refuses the file instead of misreading it.
    """
    return {"class_names": class_names} if task.kind == "classes" else {"task": task.to_dict()}


def read_task(head: dict[str, Any]) -> tuple[Task, tuple[str, ...]]:
    """Return the task and the class names that a head tells of.

    Raises
    ------
    ValueError, TypeError, KeyError
        If they are none.
    """
    if "task" not in head:
        return Task(), as_names(head["class_names"])
    try:
        task = Task.from_dict(head["task"])
    except TaskError as error:
        raise ValueError(str(error)) from None
    return task, task.names if task.has_classes else ()


def read_targets(file: h5py.File, path: Path, task: Task, n: int) -> NDArray[np.float64] | None:
    """Return the targets (n, n_names) of a file; None where the task has none."""
    if not task.has_targets:
        return None
    return read_array(file, path, "target", "f", (n, len(task.names))).astype(np.float64)


def targets_fit(task: Task, targets: NDArray[np.float64] | None, class_names: tuple[str, ...], n: int) -> bool:
    """Return whether targets and class names are what the task wants: 0, 1 or NaN of labels, no infinity of numbers."""
    if task.has_classes:
        return targets is None and (not task.is_ordered or class_names == task.names)
    if targets is None or targets.shape != (n, len(task.names)) or class_names:
        return False
    known = targets[~np.isnan(targets)]
    return bool(np.isfinite(known).all() if task.kind == "numbers" else np.isin(known, (0, 1)).all())


def rows_in(file: h5py.File, path: Path) -> int:
    """Return the number of rows; no column is read before all are found to have as many."""
    n = len(file["label"])
    digests, others = file["digest"], [name for name in ("position", "given", "weight") if name in file]
    shapes = {file[name].shape for name in ("label", "split", "size", "mtime", "ctime", "status", *others)}
    # Digests are noise: where they take few bytes, the rows are a bomb. Some are zeros, of files that could not be read.
    few = digests.nbytes <= max(_DIGESTS_OF_ZEROS, _DIGESTS_SHRINK * digests.id.get_storage_size())
    if shapes != {(n,)} or digests.shape != (n, DIGEST_BYTES) or not few:
        raise CacheDamaged(f"{path}: its columns do not fit together. {MEND}")
    return n


def read_texts(file: h5py.File, path: Path, name: str, n: int) -> list[str]:
    """Read what ``pack_texts`` wrote of n texts."""
    packed = read_bytes(file, path, name, _TEXT_BYTES + _TEXT_BYTES_A_ROW * n)
    if packed.count(b"\0") != n or not packed.endswith(b"\0" * (n > 0)):
        raise CacheDamaged(f"{path}: its columns do not fit together: {name!r} has not one text a row. {MEND}")
    return packed.decode("utf-8", "surrogateescape").split("\0")[:-1]


def read_bytes(file: h5py.File, path: Path, name: str, most: int) -> bytes:
    """Return the bytes of a dataset of at most so many."""
    if file[name].size > most:
        raise ValueError(f"{name!r} is {file[name].size} bytes long, far more than featx writes")
    return read_array(file, path, name, "u", (None,)).astype(np.uint8, copy=False).tobytes()
