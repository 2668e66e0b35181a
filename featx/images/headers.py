"""The headers of many image files, in order, and their contents where two may be the same."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featx.errors import ImageRejected
from featx.images.decode import digest_image_file
from featx.images.decoder import decode_file
from featx.images.header import Header
from featx.images.raster import MAX_PIXELS
from featx.system.cores import available_cores

# Handing each file over by itself would cost a thread more than reading its header.
_GROUP = 50


def read_headers(
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[int], object] | None = None,
) -> list[Header | str]:
    """Read the headers of image files, in the processes that decode: a header may be as hostile as pixels are.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    workers : int or None
        Processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    progress : callable or None
        Called with the number newly done.

    Returns
    -------
    headers : list of Header or str
        In the order of ``paths``; the reason where there is none.
    """

    def read(group: Sequence[Path]) -> list[Header | str]:
        found: list[Header | str] = []
        for path in group:
            try:
                header = decode_file(path, header=True, max_pixels=max_pixels).header
                assert header is not None
                found.append(header)
            except ImageRejected as rejected:
                found.append(rejected.reason)
        return found

    headers: list[Header | str] = []
    groups = [paths[start : start + _GROUP] for start in range(0, len(paths), _GROUP)]
    with ThreadPoolExecutor(workers or available_cores(), thread_name_prefix="featx-header") as pool:
        try:
            for found in pool.map(read, groups):
                headers += found
                if progress:
                    progress(len(found))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return headers


def find_copies(paths: Sequence[Path], headers: Sequence[Header | str], most_bytes: int) -> list[list[int]] | None:
    """Find files of the same content: of those alike in header and length, the contents are compared.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    headers : sequence of Header or str
        Of each.
    most_bytes : int
        What may be read for it.

    Returns
    -------
    copies : list of list of int, or None
        Positions of each group of two or more; None if that would take more reading.
    """
    alike: dict[Header, list[int]] = {}
    for place, header in enumerate(headers):
        if isinstance(header, Header):
            alike.setdefault(header, []).append(place)
    suspects = {header: places for header, places in alike.items() if len(places) > 1}
    if sum(header.size * len(places) for header, places in suspects.items()) > most_bytes:
        return None
    found: dict[bytes, list[int]] = {}
    for place in itertools.chain.from_iterable(suspects.values()):
        try:
            found.setdefault(digest_image_file(paths[place]), []).append(place)
        except ImageRejected:  # gone by now
            continue
    return [places for places in found.values() if len(places) > 1]
