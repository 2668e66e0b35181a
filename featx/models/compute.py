"""Batch size, device, workers; and one way of files through decode and backbone, which six loops wrote each for itself."""

import dataclasses

from featx.backbones import choose_batch_size
from featx.images import MAX_PIXELS
from featx.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Compute:
    """How features are computed; nothing here changes what they are.

    Parameters
    ----------
    batch_size : int or None
        Images in a forward pass; by default as many as memory allows, up to 32, or 128 where there may be a GPU.
    device : str or None
        ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    """

    batch_size: int | None = None
    workers: int | None = None
    max_pixels: int = MAX_PIXELS
    device: str | None = None

    def images_a_batch(self, recipe: Recipe) -> int:
        """Return the number of images in a forward pass."""
        return self.batch_size or choose_batch_size(recipe, self.device)
