"""Quantization for an extract: which images the int8 network is made from, and the time that int8 would save."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.backbones import int8_rates
from featx.errors import FeatxError
from featx.models import Compute, Engine, decode_files
from featx.recipe import Recipe

MOST_IMAGES = 32
"""Images that set the ranges of int8 numbers. Twice as many came no nearer to float32, neither on the sample nor in colour."""

# What the conversion takes beside the pass over the images, on two cores (docs/explain/int8.md).
_SECONDS_TO_CONVERT = 17.0
_WORTH_REPORTING = 0.75
_WORTH_MEASURING = 60.0
"""Seconds of a run in float32: what int8 would save of less is not worth the seconds that finding out takes."""


def quantization_images(
    draft: Recipe, paths: Sequence[Path], digests: Sequence[bytes], compute: Compute, seed: int = 0
) -> NDArray[np.uint8]:
    """Choose the images that a quantized network is made from, and decode them.

    Parameters
    ----------
    draft : Recipe
        How to decode the images.
    paths : sequence of Path
        The image files to choose from.
    digests : sequence of bytes
        Content digests of the files: the choice depends on these and the seed alone.
    compute : Compute
        Decoding processes, and the limit of pixels above which an image is left out.
    seed : int
        Seed of the choice.

    Returns
    -------
    images : ndarray of shape (n_images, height, width, 3), uint8
        At most ``MOST_IMAGES``; where files are rejected, the next files take their place.
    """
    # An image's rank comes from its own content: adding or removing an image changes at most one of the chosen images.
    ranks = [hashlib.sha256(b"%d:%s" % (seed, digest)).digest() for digest in digests]
    places = sorted(range(len(paths)), key=ranks.__getitem__)
    how = dataclasses.replace(compute, batch_size=32)
    decoded: list[NDArray[np.uint8]] = []
    for start in range(0, len(places), MOST_IMAGES):
        chosen = [paths[place] for place in places[start : start + MOST_IMAGES]]
        for batch in decode_files(chosen, draft, how):
            decoded += list(batch.images)
        if len(decoded) >= MOST_IMAGES:
            break
    return np.array(decoded[:MOST_IMAGES], np.uint8)


def seconds_in_int8(engine: Engine, n_images: int, rate: float) -> float | None:
    """Estimate the seconds that int8 would take for images that took ``n_images / rate`` seconds; None where that is no gain.

    None also where the gain is not known: on processors without instructions for int8 products, without OpenVINO, for backbones
    whose int8 network cannot be tried, and after runs too short to ask.
    """
    took = n_images / rate if rate else 0.0
    if engine.recipe.precision != "float32" or took < _WORTH_MEASURING:
        return None
    try:
        rates = int8_rates(engine.recipe, engine.weights_file)
    except FeatxError:  # the features are there: no advice is worth losing them
        return None
    if rates is None:
        return None
    in_float32, in_int8 = rates
    beside = max(0.0, took - n_images / in_float32)
    seconds = beside + n_images / in_int8 + min(n_images, MOST_IMAGES) / in_float32 + _SECONDS_TO_CONVERT
    return seconds if seconds < _WORTH_REPORTING * took else None
