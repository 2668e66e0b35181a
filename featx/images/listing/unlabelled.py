"""Image files without classes, as ``predict`` and ``explain`` take them: files as they are given, folders with all below."""

import stat
from collections.abc import Sequence
from pathlib import Path

from featx.errors import ImageListError
from featx.images.listing.passed import PassedOver
from featx.images.listing.walk import Tally, mode_of, walk_images

_MOST_SOURCES = 10


class UnlabelledFiles(list[Path]):
    """Image files without classes, and what was found beside them.

    Attributes
    ----------
    passed_over : PassedOver
        What the folders hold besides images.
    """

    passed_over: PassedOver = PassedOver()


def list_unlabelled(sources: Sequence[Path]) -> UnlabelledFiles:
    """List images to predict: files as they are given, folders with everything below them, in natural order.

    Raises
    ------
    ImageListError
        If a path does not exist or cannot be read, or there is no image at all.
    """
    found = UnlabelledFiles()
    tally = Tally(strict=True)
    for source in sources:
        mode = mode_of(source)
        if not mode:
            raise ImageListError(f"{source}: no such file or folder.")
        found += map(Path, walk_images(source, tally)) if stat.S_ISDIR(mode) else [source]
    found.passed_over = PassedOver.of(tally)
    if not found:
        instead = str(found.passed_over)
        named = ", ".join(map(str, sources[:_MOST_SOURCES])) + (" …" if len(sources) > _MOST_SOURCES else "")
        hint = f" Found instead: {instead}." if instead else " Give image files or folders with some."
        raise ImageListError(f"{named}: no images there.{hint}")
    return found
