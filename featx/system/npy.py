"""Arrays of numbers as bytes, in NumPy's own format; read from anywhere: no pickle, no room for more than there is."""

import io
import tokenize
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALLOWED_KINDS = "fiub"


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of a ``.npy`` file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def array_of(data: bytes) -> NDArray[Any]:
    """Return the array in ``npy_bytes``'s result, which its declared shape must account for to the byte; not to be written to.

    Raises
    ------
    ValueError
        If these are no such bytes.
    """
    buffer = io.BytesIO(data)
    if np.lib.format.read_magic(buffer) != (1, 0):
        raise ValueError("an array is of another npy version")
    try:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(buffer)
    # NumPy parses the header as Python literals, which say anything of bytes that are none.
    except (tokenize.TokenError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise ValueError(f"an array has no readable header: {error}") from error
    if dtype.kind not in _ALLOWED_KINDS or fortran:
        raise ValueError(f"an array is of type {dtype}, which featx never writes")
    declared = dtype.itemsize
    for side in shape:
        declared *= side
    held = len(data) - buffer.tell()
    if declared != held or any(side < 0 for side in shape):
        raise ValueError(f"an array declares {declared} bytes and holds {held}")
    return np.frombuffer(data, dtype, offset=buffer.tell()).reshape(shape) if held else np.empty(shape, dtype)
