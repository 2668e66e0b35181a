"""What arrays a weights file holds: to take those of a network inside another, and to say how a file differs from a network.

Keras has two layouts. ``.weights.h5``, and the same inside a ``.keras`` archive, has a group ``layers`` for each network, with
layers called by their kinds and numbered. ``.h5`` has a group for each layer, with the attribute ``weight_names``; a network
that is a layer has all of its weights there, under the names of its own layers, trainable ones first.
"""

import contextlib
import shutil
import zipfile
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from featx.system.zipped import opened_zip

Shape = tuple[int, ...]

_MOST_SHOWN = 3

_INSIDE_KERAS = "model.weights.h5"

# Whatever HDF5 and zipfile say of a file that is damaged or none of their own.
DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError, zipfile.BadZipFile, NotImplementedError, EOFError)


def shapes_in(path: Path) -> list[Shape]:
    """Return the shapes of the arrays in an HDF5 file, optimizer state left out; nothing if it is no HDF5 file."""
    found: list[Shape] = []

    def note(name: str, member: object) -> None:
        if isinstance(member, h5py.Dataset) and not name.startswith(("optimizer", "optimizer_weights")):
            found.append(tuple(member.shape or ()))

    try:
        with opened_weights(path) as file:
            file.visititems(note)
    except DAMAGED:
        return []
    return found


def backend_of(path: Path) -> str:
    """Return the backend that Keras wrote into an ``.h5`` file, such as ``theano``; empty where it wrote none."""
    try:
        with opened_weights(path) as file:
            backend = file.attrs.get("backend", _layers_of(file).attrs.get("backend", ""))
            return backend.decode() if isinstance(backend, bytes) else str(backend)
    except DAMAGED:
        return ""


def first_kernel(path: Path) -> NDArray[np.float32]:
    """Return the kernel of the first convolution in a ``.weights.h5`` file."""
    with h5py.File(path, "r", locking=False) as file:
        kernel: NDArray[np.float32] = file["layers/conv2d/vars/0"][()]
    return kernel


def saved_arrays(path: Path, layers: Iterable[str]) -> dict[str, list[NDArray[np.float32]]]:
    """Return the arrays of layers of a ``.weights.h5`` file, in their order, by the names that Keras gave the layers there."""
    with h5py.File(path, "r", locking=False) as file:
        return {name: [values[()] for _, values in sorted(file[f"layers/{name}/vars"].items())] for name in layers}


def named_arrays(path: Path, wanted: Container[str]) -> dict[str, NDArray[Any]]:
    """Return arrays of an ``.h5`` file by layer and name, such as ``block1_conv1/kernel``, wherever in it that layer is.

    Parameters
    ----------
    path : Path
        The file.
    wanted : container of str
        The names to return; one that is there twice is left out.
    """
    found: dict[str, NDArray[Any]] = {}
    twice = set()
    try:
        with opened_weights(path) as file:
            groups = [member for member in _layers_of(file).values() if isinstance(member, h5py.Group)]
            for group in groups:
                for written in group.attrs.get("weight_names", ()):
                    full = written.decode() if isinstance(written, bytes) else str(written)
                    name = "/".join(full.split(":")[0].split("/")[-2:])
                    if name in found:
                        twice.add(name)
                    elif name in wanted:
                        found[name] = group[full][()]
    except DAMAGED:
        return {}
    return {name: array for name, array in found.items() if name not in twice}


def inner_networks(path: Path, folder: Path) -> Iterator[Path]:
    """Yield each network that is a layer of the one in a ``.weights.h5`` or ``.keras`` file, as a file of its own.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        Empty, for these files.
    """
    with contextlib.suppress(*DAMAGED), opened_weights(path) as file:
        inner: list[str] = []
        file.visit(lambda name: inner.append(name) if name.endswith("/layers") else None)
        for number, name in enumerate(inner):
            copy = folder / f"{number}.weights.h5"
            with h5py.File(copy, "w") as target:
                file.copy(name, target, "layers")
            yield copy


@contextlib.contextmanager
def opened_weights(path: Path) -> Iterator[Any]:
    """Open a weights file; of a ``.keras`` archive the one inside."""
    if not zipfile.is_zipfile(path):
        with h5py.File(path, "r", locking=False) as file:
            yield file
        return
    with opened_zip(path) as archive, TemporaryDirectory() as folder:
        if archive.getinfo(_INSIDE_KERAS).file_size > path.stat().st_size:
            raise ValueError(f"{_INSIDE_KERAS} is compressed, which Keras does not do")
        inside = Path(folder) / _INSIDE_KERAS
        with archive.open(_INSIDE_KERAS) as source, inside.open("wb") as target:
            shutil.copyfileobj(source, target)
        with h5py.File(inside, "r", locking=False) as file:
            yield file


def _layers_of(file: Any) -> Any:
    """Return the group that an ``.h5`` file has its layers in: a whole model's has more beside it."""
    return file.get("model_weights", file)


def describe_shapes(found: Sequence[Shape], wanted: Sequence[Shape]) -> str:
    """Say how the arrays of a file differ from those of a network."""
    missing, foreign = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    said = f"it holds {len(found)} arrays where {len(wanted)} are wanted"
    if missing:
        said += f"; none for {_list(missing)}"
    if foreign:
        said += f"; instead or besides {_list(foreign)}"
    if not missing and not foreign:
        said += ", of the same shapes but in another order"
    return said


def _list(shapes: Counter[Shape]) -> str:
    shown = [f"{count} of shape {shape}" if count > 1 else f"one of shape {shape}" for shape, count in shapes.items()]
    return ", ".join(shown[:_MOST_SHOWN]) + (" …" if len(shown) > _MOST_SHOWN else "")
