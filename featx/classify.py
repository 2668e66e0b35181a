"""From image files to class probabilities: the way that evaluate and predict share."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.backbones import load_backbone
from featx.errors import WeightsError
from featx.images import load_batches
from featx.model import Model
from featx.progress import Progress
from featx.store import pool_maps


@dataclasses.dataclass(frozen=True)
class FileProbabilities:
    """Class probabilities of image files.

    Parameters
    ----------
    probabilities : ndarray of shape (n_files, n_classes), float64
        In the order of the files; NaN where a file was rejected.
    digests : list of bytes
        Content digests; empty where a file was rejected.
    rejected : dict of int to str
        Position and reason.
    """

    probabilities: NDArray[np.float64]
    digests: list[bytes]
    rejected: dict[int, str]


def classify_files(
    model: Model,
    paths: Sequence[Path],
    *,
    weights: Path | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FileProbabilities:
    """Run files through decode, backbone and head, exactly as the model's training images went.

    Parameters
    ----------
    model : Model
        Says how to decode, which backbone and which head.
    paths : sequence of Path
        Image files.
    weights : Path or None
        The backbone's weights file, if it is neither bundled nor where it was at extraction.
    batch_size, workers : int
        Images a forward pass, decoding threads.
    progress : callable or None
        Called as (stage, done, total).

    Raises
    ------
    WeightsError
        If the backbone's weights are not at hand.
    """
    if weights is not None and not weights.is_file():
        raise WeightsError(f"{weights}: no such weights file. Give the one that the features were extracted with, or none.")
    # One image must not cost a forward pass of a whole batch.
    batch_size = max(1, min(batch_size, len(paths)))
    probabilities = np.full((len(paths), len(model.class_names)), np.nan)
    digests = [b""] * len(paths)
    rejected: dict[int, str] = {}
    backbone = None
    hint = model.source.get("weights_file")
    if progress:
        progress("predict", 0, len(paths))
    for batch in load_batches(paths, model.recipe, batch_size, workers):
        rejected |= batch.rejected
        if batch.positions:
            # Only now: a list of files that are no images need not wait for Keras.
            backbone = backbone or load_backbone(model.recipe, weights or (Path(hint) if hint else None), batch_size)
            X = pool_maps(backbone(batch.images)[model.layer], model.pooling, model.recipe.stored_dtype)
            probabilities[batch.positions] = model.head.predict_proba(X)
            for position, digest in zip(batch.positions, batch.digests, strict=True):
                digests[position] = digest
        if progress:
            progress("predict", len(batch.positions) + len(batch.rejected), len(paths))
    return FileProbabilities(probabilities, digests, rejected)
