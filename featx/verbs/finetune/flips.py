"""Maps that are mirrored and turned at random while layers learn from them."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Flip = Literal["none", "horizontal", "all"]

FLIPS: tuple[Flip, ...] = ("none", "horizontal", "all")


def flipped(maps: NDArray[np.floating], flip: str, seed: Sequence[int]) -> NDArray[np.floating]:
    """Mirror and turn maps at random, each on its own.

    The map of a mirrored image is nearly the mirrored map, at no cost: no pixel goes through the frozen layers again.

    Parameters
    ----------
    maps : ndarray of shape (n, h, w, n_channels)
        Of the frozen layers.
    flip : str
        ``none``; ``horizontal``: left and right change places in half of them; ``all``: up and down, too, and where maps are
        square, rows and columns, so that each of the eight positions is as likely.
    seed : sequence of int
        What is drawn is a function of it.

    Returns
    -------
    maps : ndarray of shape (n, h, w, n_channels)
        Those given where nothing is to be turned; never changed in place.
    """
    if flip == "none" or maps.shape[1] * maps.shape[2] == 1:
        return maps
    across, along, turn = np.random.default_rng(list(seed)).random((3, len(maps))) < 0.5
    moved = np.where(across[:, None, None, None], maps[:, :, ::-1], maps)
    if flip == "all":
        moved = np.where(along[:, None, None, None], moved[:, ::-1], moved)
        if maps.shape[1] == maps.shape[2]:
            moved = np.where(turn[:, None, None, None], moved.transpose(0, 2, 1, 3), moved)
    return moved
