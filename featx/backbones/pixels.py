"""Pixels scaled as a network was trained, by NumPy alone: to the bit what Keras' ``preprocess_input`` does."""

import numpy as np
from numpy.typing import NDArray

from featx.backbones.scaling import DEVIATIONS_RGB, MEANS_BGR, MEANS_RGB, is_plain, scale_pixels


def preprocess(pixels: NDArray[np.float32], mode: str) -> NDArray[np.float32]:
    """Scale pixels as the network was trained.

    Parameters
    ----------
    pixels : ndarray of shape (…, 3), float32
        RGB, from 0 to 255. May be changed in place: they are ours alone.
    mode : str
        ``none``, ``rescale``, ``tf``, ``caffe`` or ``torch``; or another scaling of a recipe.
    """
    if not is_plain(mode):
        return scale_pixels(pixels, mode)
    match mode:
        case "rescale":
            pixels /= np.float32(255)
        case "tf":
            pixels /= np.float32(127.5)
            pixels -= np.float32(1)
        case "caffe":
            pixels = pixels[..., ::-1]
            pixels -= np.array(MEANS_BGR, np.float32)
        case "torch":
            pixels /= np.float32(255)
            pixels -= np.array(MEANS_RGB, np.float32)
            pixels /= np.array(DEVIATIONS_RGB, np.float32)
    return pixels
