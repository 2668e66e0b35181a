"""The layers of a backbone that were trained together with a head."""

import dataclasses
import hashlib
from typing import Any

from numpy.typing import NDArray

from featx.system.npy import npy_bytes


@dataclasses.dataclass(frozen=True)
class FineTuned:
    """Layers of the backbone that were trained together with the head.

    Parameters
    ----------
    start, end : str
        The first and the last of them; the head takes the output of the last.
    arrays : dict of str to ndarray
        Their weights, as ``layer/name``.
    """

    start: str
    end: str
    arrays: dict[str, NDArray[Any]]

    @property
    def n_parameters(self) -> int:
        """Number of values in these layers."""
        return sum(array.size for array in self.arrays.values())

    @property
    def identity(self) -> str:
        """First layer and digest of the weights, as the recipe has it."""
        digest = hashlib.sha256()
        for name in sorted(self.arrays):
            digest.update(name.encode() + b"\0" + npy_bytes(self.arrays[name]))
        return f"{self.start}:{digest.hexdigest()}"
