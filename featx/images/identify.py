"""What each listed file is, by content: the digest that its features are kept under."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.files import DIGEST_BYTES, content_digest
from featx.images.decode import read_image_file
from featx.images.index import ImageIndex
from featx.images.loader import available_cores
from featx.progress import Progress

NO_DIGEST = bytes(DIGEST_BYTES)
"""Stands for the digest of a file that could not be read."""

NEVER_TRUSTED = -1
"""An mtime that no file has: whoever compares with it reads the file again [ns]."""

# A file changed again within the clock's grain keeps its size and mtime; git has the same rule for the same reason.
_FRESH_NS = 2_000_000_000

_CHUNK = 1000


class KnownFile(NamedTuple):
    """What an earlier listing knew of a file: size [bytes], mtime and ctime [ns] and content digest.

    The ctime, because size and mtime alone do not tell two files apart that swapped their names: unpacking an archive
    gives many files one mtime, and bitmaps of one size are equally long. A rename changes the ctime.
    """

    size: int
    mtime: int
    ctime: int
    digest: bytes


@dataclasses.dataclass
class Identities:
    """What each listed file is; one entry for each path of the index.

    Parameters
    ----------
    digests : list of bytes
        Content digests; ``NO_DIGEST`` where the file could not be read.
    sizes, mtimes, ctimes : ndarray of shape (n_images,), int64
        When it was read [bytes], [ns], [ns]; ``NEVER_TRUSTED`` where the mtime says nothing.
    reasons : list of str
        Why an image is rejected; empty otherwise.
    """

    digests: list[bytes]
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    ctimes: NDArray[np.int64]
    reasons: list[str]


def identify_files(
    index: ImageIndex,
    known: dict[str, KnownFile],
    workers: int | None = None,
    progress: Progress | None = None,
) -> Identities:
    """Give every listed file its content digest; one with the size and mtime it had last time keeps the one it had.

    Parameters
    ----------
    index : ImageIndex
        The listing.
    known : dict of str to KnownFile
        What an earlier listing knew, by path.
    workers : int or None
        Reading threads; by default one for each core.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    now = time.time_ns()

    def identify(row: int) -> tuple[KnownFile, str]:
        path = index.root / index.paths[row]
        before = known.get(index.paths[row])
        try:
            if index.reasons[row]:
                raise ImageRejected(index.reasons[row])
            # The state before reading: whatever changes later is noticed next time.
            status = path.stat()
            state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if before and before.digest != NO_DIGEST and before[:3] == state:
                return before, ""
            digest = content_digest(read_image_file(path))
        except (OSError, ImageRejected) as error:
            reason = error.reason if isinstance(error, ImageRejected) else f"cannot be read: {error.strerror}"
            # A share that is not mounted today is no reason to forget what was on it.
            return KnownFile(0, NEVER_TRUSTED, NEVER_TRUSTED, before.digest if before else NO_DIGEST), reason
        settled = status.st_mtime_ns < now - _FRESH_NS
        return KnownFile(state[0], state[1] if settled else NEVER_TRUSTED, state[2], digest), ""

    files: list[KnownFile] = []
    reasons: list[str] = []
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-identify") as pool:
        # A chunk at a time: a million waiting tasks would take two gigabytes.
        for start in range(0, len(index.paths), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(index.paths)))
            for file, reason in pool.map(identify, rows):
                files.append(file)
                reasons.append(reason)
            if progress:
                progress("index", len(rows), len(index.paths))
    return Identities(
        digests=[file.digest for file in files],
        sizes=np.array([file.size for file in files], np.int64),
        mtimes=np.array([file.mtime for file in files], np.int64),
        ctimes=np.array([file.ctime for file in files], np.int64),
        reasons=reasons,
    )
