"""Quantization for an extract: which images the int8 network is made from, and the time that int8 would save."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.models import Compute, decode_files
from featx.recipe import Recipe
from featx.system.processor import has_int8_products

MOST_IMAGES = 32
"""Images that set the ranges of int8 numbers. Twice as many came no nearer to float32, neither on the sample nor in colour."""

# Of VGG16 on two cores with AVX512-VNNI (docs/explain/int8.md): rate against float32, and what conversion takes beside the
# pass over the images [s].
_GAIN, _SECONDS_TO_CONVERT = 3.6, 17.0
_WORTH_REPORTING = 0.75


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


def seconds_in_int8(recipe: Recipe, n_images: int, rate: float) -> float | None:
    """Estimate the seconds that int8 would take for images that took ``n_images / rate`` seconds; None where that is no gain.

    None also where the gain was not measured: for backbones other than VGG16, and on processors without instructions for
    int8 products.
    """
    if recipe.precision != "float32" or recipe.backbone != "vgg16" or not n_images or not rate or not has_int8_products():
        return None
    seconds = n_images / (rate * _GAIN) + min(n_images, MOST_IMAGES) / rate + _SECONDS_TO_CONVERT
    return seconds if seconds < _WORTH_REPORTING * n_images / rate else None
