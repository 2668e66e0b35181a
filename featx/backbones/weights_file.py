"""What arrays a weights file holds, to say how it differs from the network it was given for."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import h5py

Shape = tuple[int, ...]

_MOST_SHOWN = 3


def shapes_in(path: Path) -> list[Shape]:
    """Return the shapes of the arrays in an HDF5 file, optimizer state left out; nothing if it is no HDF5 file."""
    found: list[Shape] = []

    def note(name: str, member: object) -> None:
        if isinstance(member, h5py.Dataset) and not name.startswith(("optimizer", "optimizer_weights")):
            found.append(tuple(member.shape or ()))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    # Whatever HDF5 says of a file that is damaged or none of its own.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return []
    return found


def say_shapes(found: Sequence[Shape], wanted: Sequence[Shape]) -> str:
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
