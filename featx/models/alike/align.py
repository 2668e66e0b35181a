"""Laying one small picture over another: how well they agree once shifted, scaled and brought to one brightness.

References
----------
Baker & Matthews (2004), Lucas-Kanade 20 years on: A unifying framework. Section 3.2, the inverse compositional step.
"""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

FARTHEST = 0.2
"""Shift, as a share of half a side, and change of scale that are still looked for."""

# Pixels at the edge that are not compared: what lies there may have been cut off the other picture.
_EDGE = 2

# Of the mean curvature: steps stay short along directions in which the picture hardly changes.
_DAMPING = 0.003
_TINY = 1e-6


def smoothed(pictures: NDArray[np.uint8]) -> Values:
    """Return pictures (…, h, w) under a 3 x 3 binomial filter: what compression does to single pixels plays no part."""
    values = pictures.astype(np.float32)
    for axis in (-2, -1):
        moved = np.moveaxis(values, axis, 0)
        total: Values = 2 * values
        summed = np.moveaxis(total, axis, 0)
        summed[1:] += moved[:-1]
        summed[:-1] += moved[1:]
        # Beyond the edge the picture goes on as it ends.
        summed[0] += moved[0]
        summed[-1] += moved[-1]
        values = total * np.float32(0.25)
    return values


def expected_disagreement(templates: Values, pictures: Values) -> Values:
    """Estimate what ``disagreement`` would leave if grey levels changed linearly with place: a tenth of its work.

    Parameters
    ----------
    templates, pictures
        As for ``disagreement``.

    Returns
    -------
    left : ndarray of shape (n, k), float32
    """
    n, k, height, width = pictures.shape
    inner = slice(_EDGE, -_EDGE)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32)[inner] for side in (height, width))
    wanted, step_of, curvature = _prepare(templates, inner, y, x)
    laid = _normalised(pictures[:, :, inner, inner].reshape(n * k, -1)).reshape(n, k, -1)
    laid -= wanted[:, None]
    step = laid @ step_of
    explained = np.einsum("nki,nij,nkj->nk", step, curvature, step)
    return np.asarray(np.maximum(np.einsum("nkp,nkp->nk", laid, laid) - explained, 0) / 2)


def disagreement(templates: Values, pictures: Values, steps: int) -> Values:
    """Lay pictures over templates as well as possible, and return the difference that is left.

    Parameters
    ----------
    templates : ndarray of shape (n, h, w), float32
        Smoothed pictures.
    pictures : ndarray of shape (n, k, h, w), float32
        k smoothed pictures for each template.
    steps : int
        Improvements of scale and shift, each along both axes.

    Returns
    -------
    left : ndarray of shape (n, k), float32
        1 - the correlation of the grey levels at the best place passed: 0 where only brightness and contrast differ.
    """
    n, k, height, width = pictures.shape
    inner = slice(_EDGE, -_EDGE)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32)[inner] for side in (height, width))
    wanted, step_of, _ = _prepare(templates, inner, y, x)
    flat = pictures.reshape(n * k, height, width)
    # Scale and shift along y, then along x.
    place: NDArray[np.floating] = np.tile(np.array([1, 0, 1, 0], np.float32), (n * k, 1))
    best = np.full((n, k), 2, np.float32)
    for step in range(steps + 1):
        laid = _normalised(_sample(flat, place, y, x)).reshape(n, k, -1)
        best = np.minimum(best, 1 - np.einsum("nkp,np->nk", laid, wanted))
        if step < steps:
            change = ((laid - wanted[:, None]) @ step_of).reshape(n * k, 4)
            place = _composed(place, change)
    return np.maximum(best, 0)


def _prepare(templates: Values, inner: slice, y: Values, x: Values) -> tuple[Values, Values, Values]:
    """Return the normalised templates (n, p), what turns a difference into a step (n, p, 4), and what a step takes off."""
    n, height, width = templates.shape
    along_y, along_x = (np.gradient(templates, axis=axis) for axis in (1, 2))
    cut = templates[:, inner, inner].reshape(n, -1)
    cut = cut - cut.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("np,np->n", cut, cut) + _TINY)[:, None]
    wanted = cut / length
    along_y = along_y[:, inner, inner] * np.float32((height - 1) / 2)
    along_x = along_x[:, inner, inner] * np.float32((width - 1) / 2)
    slopes = np.stack([along_y * y[:, None], along_y, along_x * x, along_x], axis=1).reshape(n, 4, -1) / length[:, None]
    # Brightness and contrast are taken out of the pictures at each step, so they are taken out of the slopes too.
    slopes -= slopes.mean(axis=2, keepdims=True)
    slopes -= (slopes @ wanted[:, :, None]) * wanted[:, None]
    curvature = slopes @ slopes.transpose(0, 2, 1)
    damping = _DAMPING / 4 * np.trace(curvature, axis1=1, axis2=2) + _TINY
    curvature[:, range(4), range(4)] += damping[:, None]
    return wanted, (np.linalg.inv(curvature) @ slopes).transpose(0, 2, 1), curvature


def _sample(pictures: Values, place: NDArray[np.floating], y: Values, x: Values) -> Values:
    """Return the pictures at scaled and shifted places, between pixels by linear interpolation: (m, len(y), len(x))."""
    _, height, width = pictures.shape
    rows, row_share = _positions(place[:, :2], y, height)
    columns, column_share = _positions(place[:, 2:], x, width)
    # One axis after the other: two neighbours each instead of four.
    first = np.take_along_axis(pictures, rows[:, :, None], axis=1)
    first += (np.take_along_axis(pictures, rows[:, :, None] + 1, axis=1) - first) * row_share[:, :, None]
    left = np.take_along_axis(first, columns[:, None, :], axis=2)
    left += (np.take_along_axis(first, columns[:, None, :] + 1, axis=2) - left) * column_share[:, None, :]
    return left


def _positions(place: NDArray[np.floating], at: Values, side: int) -> tuple[NDArray[np.intp], Values]:
    wanted = np.clip((place[:, :1] * at + place[:, 1:] + 1) * np.float32((side - 1) / 2), 0, side - 1)
    pixel = np.minimum(wanted.astype(np.intp), side - 2)
    return pixel, np.asarray(wanted - pixel, np.float32)


def _normalised(values: Values) -> Values:
    flat = values.reshape(len(values), -1).copy()
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.sqrt(np.einsum("np,np->n", flat, flat) + _TINY)[:, None]
    return flat


def _composed(place: NDArray[np.floating], change: NDArray[np.floating]) -> NDArray[np.floating]:
    """Undo a change of the template's place in the picture's: x -> scale * (x - shift') / (1 + scale') + shift."""
    scale = np.clip(place[:, 0::2] / (1 + change[:, 0::2]), 1 - FARTHEST, 1 + FARTHEST)
    shift = np.clip(place[:, 1::2] - scale * change[:, 1::2], -FARTHEST, FARTHEST)
    return np.stack([scale, shift], axis=2).reshape(place.shape)
