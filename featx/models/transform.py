"""Files to rows of features that no cache keeps, as a transformer needs them: all of the files, or an error that names some."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.backbones import Backbone
from featx.errors import ImageListError
from featx.images import describe_rejected
from featx.models.compute import Engine, Extractor
from featx.models.settings import Compute
from featx.store import pool_maps


# One is kept, for whoever asks next: the clones that a search makes, and the names of the columns, share it. The recipe
# holds the digest of the weights, so that a file that was replaced is read again.
@functools.lru_cache(maxsize=1)
def ready_backbone(engine: Engine, batch_size: int, device: str | None, runtime: str = "auto") -> Backbone:
    """Return the backbone, loaded if it is not the one that was asked for last."""
    return engine.load(batch_size, device, runtime)


@dataclasses.dataclass(frozen=True)
class Transform:
    """From files to rows of features.

    Parameters
    ----------
    engine : Engine
        What the backbone is loaded from; the features are of its recipe's first layer.
    compute : Compute
        How it computes; the number of images in a forward pass is given.
    pooling : str
        ``flatten``, ``avg``, ``max`` or ``avgmax``.
    """

    engine: Engine
    compute: Compute
    pooling: str

    def rows(self, paths: Sequence[Path]) -> NDArray[np.float32]:
        """Return the features of files (n_files, n_features) in their order; each file is computed once.

        Raises
        ------
        ImageListError
            If files give no pixels: it names up to ten, and why.
        BackboneError
            If the weights are not at hand, or there is no such device.
        """
        # Key by what was asked for, not by where it leads: two names of one file are rare, and cost no more than time.
        number_of = {path: number for number, path in enumerate(dict.fromkeys(paths))}
        different = list(number_of)
        extractor = Extractor(self.engine, self.compute, load=ready_backbone)
        reasons: dict[int, str] = {}
        features = np.empty((0, 0), np.float32)
        for batch in extractor.decode(different):
            reasons |= batch.rejected
            # One file without pixels spoils the result. The rest is still decoded, to name every such file at once, but the
            # backbone, which takes most of the time, need not run any more.
            if not reasons:
                maps = extractor.maps(batch)[self.engine.recipe.layers[0]]
                rows = pool_maps(maps, self.pooling, self.engine.recipe.stored_dtype)
                if not features.size:
                    features = np.empty((len(different), rows.shape[1]), np.float32)
                features[batch.positions] = rows
        if reasons:
            raise ImageListError(describe_rejected(different, reasons))
        if len(different) == len(paths):
            return features
        return features[[number_of[path] for path in paths]]

    def names(self) -> list[str]:
        """Return the names of the columns: layer, pooling and channel, of whole maps the position too."""
        layer = self.engine.recipe.layers[0]
        batch_size = self.compute.images_a_batch(self.engine.recipe)
        described = ready_backbone(
            self.engine, batch_size, self.compute.device, self.compute.engine_for(self.engine.recipe)
        ).network["layers"]
        *places, channels = next(entry["output_shape"] for entry in described if entry["name"] == layer)
        height, width = places or (1, 1)  # what a dense layer gives is a map of 1 x 1
        if self.pooling == "flatten":
            return [f"{layer}_y{y}_x{x}_c{channel}" for y, x, channel in np.ndindex(height, width, channels)]
        poolings = ("avg", "max") if self.pooling == "avgmax" else (self.pooling,)
        return [f"{layer}_{pooling}_{channel}" for pooling in poolings for channel in range(channels)]
