"""What a file is, by its first bytes: an image that is read, a camera's raw file, or neither."""

import re

from featx.system.containers import LFS_POINTER

SNIFF_BYTES = 24
"""How much of a file ``sniff_format`` looks at [bytes]."""

NOT_AN_IMAGE = "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"
"""Reason of a file that is none of the formats that are read."""

POINTER = "a pointer of Git LFS, not the image itself (git lfs pull)"
"""Reason of the small text that stands in an image's place where Git LFS has not fetched it."""

# Raw files that begin unlike a TIFF. Those that are TIFFs inside (NEF, DNG, ARW, PEF …) only their directories tell.
_RAW_FILES = (
    (0, b"FUJIFILMCCD-RAW", "Fujifilm RAF"),
    (0, b"IIRO", "Olympus ORF"),
    (0, b"IIRS", "Olympus ORF"),
    (0, b"MMOR", "Olympus ORF"),
    (0, b"IIU\0", "Panasonic RW2"),
    (0, b"\0MRM", "Minolta MRW"),
    (0, b"FOVb", "Sigma X3F"),
    (4, b"ftypcrx ", "Canon CR3"),
    (6, b"HEAPCCDR", "Canon CRW"),
    (8, b"CR\2", "Canon CR2"),
)

# The sizes that a bitmap's second header may have: OS/2's two, and Windows' 40, 52, 56, 64, 108 and 124 bytes.
_BITMAP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)

_NETPBM = re.compile(rb"P[1-6][ \t\r\n]+(?:\d|#)")


def sniff_format(head: bytes) -> str | None:
    """Tell an image's format from its first bytes, whatever its name is.

    Parameters
    ----------
    head : bytes
        At least the first 24 bytes of the file.

    Returns
    -------
    image_format : str or None
        Name of one of the seven allowed formats; ``RAW`` for a camera's raw file that begins unlike a TIFF; or None.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if sniff_raw(head):
        return "RAW"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    # "BM" alone also begins many a text: reserved bytes that are zero, as they should be, or the size of the next header.
    if head.startswith(b"BM") and (head[6:10] == bytes(4) or int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS):
        return "BMP"
    if _NETPBM.match(head):
        return "PNM"
    return None


def what_else(head: bytes) -> str:
    """Return the reason for a file that begins like none of the formats."""
    return POINTER if head.startswith(LFS_POINTER) else NOT_AN_IMAGE


def sniff_raw(head: bytes) -> str | None:
    """Return which camera's raw file begins like this, such as ``Olympus ORF``; None if it is none that tells so early."""
    return next((name for at, magic, name in _RAW_FILES if head[at : at + len(magic)] == magic), None)
