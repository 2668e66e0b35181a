"""Netpbm's PBM, PGM and PPM, plain and raw, of up to 16 bits (http://netpbm.sourceforge.net/doc/)."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images.depth import Samples, deep_raster
from featx.images.raster import Raster, Wanted, check_size

CORRUPT, TRUNCATED = "corrupt PNM", "truncated PNM"

# Numbers of the header, each behind space and comments; a single character ends it.
_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})")
_COMMENT = re.compile(rb"#[^\r\n]*")

_LARGEST = 0xFFFF
_DIGITS = 9


def read_netpbm(data: bytes, wanted: Wanted) -> Raster:
    """Read a file whose name says what is in it: ``P1`` to ``P6``.

    Raises
    ------
    ImageRejected
        If it is too large, has no sound header or too few samples.
    """
    kind, (width, height, largest), at = netpbm_header(data)
    plain, bits, n_colours = kind <= 3, kind in (1, 4), 3 if kind in (3, 6) else 1
    check_size(width, height, wanted.max_pixels)
    count = width * height * n_colours
    if plain:
        values = _plain_values(data[at:], count, bits, wanted.truncated)
    else:
        dtype = np.dtype(">u2" if largest > 0xFF else np.uint8)
        values = _raw_values(data[at + 1 :], height * -(-width // 8) if bits else count, dtype, wanted.truncated)
        if bits:
            values = np.unpackbits(values.astype(np.uint8).reshape(height, -1), axis=1)[:, :width].astype(np.uint16)
    if values.max(initial=0) > largest:
        raise ImageRejected(CORRUPT)
    colours = values.reshape(height, width, n_colours)
    stated = None if largest == _LARGEST else largest
    # Of bits, unlike of grey, 1 is black.
    return deep_raster(Samples(colours, stated=stated, inverted=bits), wanted.recipe.depth, {})


def netpbm_header(data: bytes) -> tuple[int, tuple[int, int, int], int]:
    """Return the number behind the ``P``, (width, height, largest value), and where the header ends.

    Raises
    ------
    ImageRejected
        If it is none.
    """
    kind = data[1] - ord("0")
    bits = kind in (1, 4)
    numbers, at = [], 2
    for _ in range(2 if bits else 3):
        if not (found := _NUMBER.match(data, at)):
            raise ImageRejected(CORRUPT)
        numbers.append(int(found[1]))
        at = found.end()
    width, height, largest = (*numbers, 1) if bits else numbers
    if not (width and height and 0 < largest <= _LARGEST):
        raise ImageRejected(CORRUPT)
    return kind, (width, height, largest), at


def _raw_values(data: bytes, count: int, dtype: np.dtype[Any], truncated: bool) -> NDArray[np.uint16]:
    if not truncated:
        _refuse_few(len(data) // dtype.itemsize, count)
    values = np.frombuffer(data, dtype, min(count, len(data) // dtype.itemsize))
    return np.pad(values, (0, count - len(values))).astype(np.uint16)


def _plain_values(text: bytes, count: int, bits: bool, truncated: bool) -> NDArray[np.uint16]:
    text = _COMMENT.sub(b"", text)
    # Bits need no space between them.
    words = re.findall(rb"[01]", text)[:count] if bits else text.split(None, count)[:count]
    if not truncated:
        _refuse_few(len(words), count)
    if not all(word.isdigit() and len(word) <= _DIGITS for word in words):
        raise ImageRejected(CORRUPT)
    return np.pad(np.minimum(np.array(words, np.int64), _LARGEST), (0, count - len(words))).astype(np.uint16)


def _refuse_few(there: int, declared: int) -> None:
    if there < declared:
        raise ImageRejected(TRUNCATED)
