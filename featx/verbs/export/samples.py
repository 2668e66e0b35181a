"""The pictures that an export is tried on: some of the bundled sample, with featx's own answers."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.models import Compute, Model, classify_files, decode_files
from featx.verbs.sample import ARCHIVE

_SAMPLES_A_CLASS = 2


def answered_samples(model: Model, weights: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return sample images, decoded as the model's recipe says, and what featx predicts for them.

    Returns
    -------
    images : ndarray of shape (n_images, height, width, 3), uint8
    probabilities : ndarray of shape (n_images, n_classes), float64

    Raises
    ------
    WeightsError
        If the backbone's weights are not at hand.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = _unpack(Path(folder))
        probabilities = classify_files(model, files, Compute(workers=1), weights=weights).probabilities
        batches = decode_files(files, model.recipe, Compute(len(files), 1))
        return np.concatenate([batch.images for batch in batches]), probabilities


def _unpack(folder: Path) -> list[Path]:
    """Write the first test images of each class of the bundled sample."""
    files: list[Path] = []
    with zipfile.ZipFile(ARCHIVE) as archive:
        by_class: dict[str, list[str]] = {}
        for name in sorted(archive.namelist()):
            if name.startswith("test/"):
                by_class.setdefault(Path(name).parent.name, []).append(name)
        for names in by_class.values():
            for name in names[:_SAMPLES_A_CLASS]:
                files.append(folder / f"{len(files)}{Path(name).suffix}")
                files[-1].write_bytes(archive.read(name))
    return files
