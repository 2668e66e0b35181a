"""What is checked of a listing before the backbone runs: it may run for hours, for images that no head can use."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageListError
from featx.images import (
    Identities,
    ImageIndex,
    decoder_notes,
    describe_missing,
    file_faults,
    group_faults,
    listing_faults,
    listing_notes,
    missing_rows,
)

Notify = Callable[[str], None]
"""Takes a note when it is known, which may be hours before the end."""


class Checks:
    """Collects notes, passes each on as it comes, and refuses what no head can use.

    Parameters
    ----------
    index : ImageIndex
        The whole listing.
    yes : bool
        What no head can use is wanted all the same: a note, then.
    notify : callable or None
        Called with each note.
    drawn : bool
        Whether val or test are to be drawn.

    Attributes
    ----------
    notes : list of str
        All of them.
    """

    def __init__(self, index: ImageIndex, yes: bool, notify: Notify | None, *, drawn: bool = True) -> None:
        self.notes: list[str] = []
        self._index, self._yes, self._notify, self._drawn = index, yes, notify, drawn

    def before_reading(self) -> None:
        """Check names and classes, before any file is read.

        Raises
        ------
        ImageListError
            If no head could use the images.
        """
        faults = group_faults(self._index) if self._drawn else []
        self._add([*decoder_notes(), *listing_notes(self._index)], listing_faults(self._index) + faults)

    def note(self, notes: Sequence[str]) -> None:
        """Take notes over that nothing is wrong with."""
        self._add(notes, [])

    def after_reading(self, listed: ImageIndex, identities: Identities, known: NDArray[np.bool_], *, whole: bool) -> None:
        """Check which files there are, after each was read and before one is decoded.

        Parameters
        ----------
        listed : ImageIndex
            The images that were read: all, or those of a part, which cannot show whether a class has any.
        identities : Identities
            What they are.
        known : ndarray of shape (n_images,), bool
            Which have features.
        whole : bool
            Whether they are all.

        Raises
        ------
        ImageListError
            If no file of a manifest was found, or no head could use those that were.
        """
        missing = missing_rows(listed, identities.reasons)
        self._add([describe_missing(listed, missing)] if missing else [], [])
        if whole:
            self._add([], file_faults(listed, identities.reasons, identities.digests, known, splits_wanted=self._drawn))

    def _add(self, notes: Sequence[str], faults: Sequence[str]) -> None:
        for note in (*notes, *(faults if self._yes else ())):
            self.notes.append(note)
            if self._notify:
                self._notify(note)
        if faults and not self._yes:
            source = self._index.manifest or self._index.root
            raise ImageListError(f"{source}: {' '.join(faults)} Or give --yes to extract them all the same.")
