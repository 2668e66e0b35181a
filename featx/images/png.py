"""PNG files that end before their picture does, without an error that Pillow would notice."""

import math
import struct
import zlib

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

# PNG specification, 8.2: first column, first row, steps of columns and rows of Adam7's seven passes.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def lacks_pixels(data: bytes) -> bool:
    """Tell whether a PNG's pixels, unpacked, are fewer than its header declares; Pillow leaves the others black.

    Parameters
    ----------
    data : bytes
        The file, of which Pillow has read a picture already.
    """
    width, height, depth, colour_type = struct.unpack(">IIBB", data[16:26])
    bits = depth * _CHANNELS[colour_type]
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    declared = 0
    for left, top, across, along in passes:
        columns, rows = math.ceil((width - left) / across), math.ceil((height - top) / along)
        if columns > 0 and rows > 0:
            declared += rows * (1 + math.ceil(columns * bits / 8))
    packed = b"".join(_chunks(data, b"IDAT"))
    return len(zlib.decompressobj().decompress(packed, declared)) < declared


def _chunks(data: bytes, wanted: bytes) -> list[bytes]:
    found, at = [], 8
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        if name == wanted:
            found.append(data[at + 8 : at + 8 + length])
        at += length + 12
    return found
