"""A digest behind the last byte of a listing, compared before HDF5 opens the file.

HDF5 has checksums of its metadata, but not every path of its library survives a wrong one: a zeroed page in the heap that
names the columns of a listing ended the process. HDF5 itself, and an older featx, pass over what stands behind a file's end.
"""

import hashlib
import os
from pathlib import Path

from featx.errors import CacheDamaged
from featx.store.documents import MEND
from featx.system.regular import read_at

SEALED = "featx_sealed"
"""An attribute of the file's root: its name tells that a seal must follow, also where the seal itself is damaged."""

_MARK = b"featx listing "
_BYTES = len(_MARK) + hashlib.sha256().digest_size
_PIECE = 1 << 20


def seal(content: bytes) -> bytes:
    """Return the seal of a file's bytes, to stand behind them."""
    return _MARK + hashlib.sha256(content).digest()


def check_seal(path: Path, descriptor: int) -> None:
    """Refuse a listing whose bytes are not those that were sealed. One of an older featx has no seal, and passes.

    Raises
    ------
    CacheDamaged
        If they are not, or a seal is missing that was there.
    """
    n_bytes = os.fstat(descriptor).st_size - _BYTES
    found = read_at(descriptor, _BYTES, n_bytes) if n_bytes > 0 else b""
    sealed, named, before = hashlib.sha256(), False, b""
    for start in range(0, max(0, n_bytes), _PIECE):
        piece = read_at(descriptor, min(_PIECE, n_bytes - start), start)
        sealed.update(piece)
        named = named or SEALED.encode() in before + piece
        before = piece[-len(SEALED) :]
    if named and found != _MARK + sealed.digest():
        raise CacheDamaged(f"{path}: is damaged: its bytes are not those that its digest is of. {MEND}")
