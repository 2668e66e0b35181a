"""Images of none of a model's classes: how well it tells them from those that it was measured on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from featx.errors import ImageListError, ModelError
from featx.images import UnlabelledFiles, list_unlabelled
from featx.models import FileProbabilities, Judged, Model, advised, tell_apart
from featx.verbs.evaluate.parts import Strangers


def list_strangers(model: Model, path: Path, source: Path) -> UnlabelledFiles:
    """List them before anything is measured.

    Raises
    ------
    ModelError
        If the model is of an earlier version and cannot tell.
    ImageListError
        If there are none.
    """
    if model.familiarity is None:
        raise ModelError(
            f"{path}: was fitted by an earlier featx and cannot tell strange images. Fit it again, or give no --unknown-images."
        )
    with advised(source, "images"):
        return list_unlabelled([source])


def measure_strangers(
    model: Model,
    source: Path,
    files: Sequence[Path],
    genuine: Judged,
    classify: Callable[[Sequence[Path]], FileProbabilities],
) -> Strangers:
    """Run them through the backbone and compare them with the images measured.

    Raises
    ------
    ImageListError
        If none could be read.
    """
    result = classify(files)
    kept = [place for place in range(len(files)) if place not in result.rejected]
    if not kept:
        raise ImageListError(f"{source}: none of its {len(files)} images could be read. Try featx predict on one of them.")
    assert model.familiarity is not None
    assert result.strangeness is not None
    judged = model.familiarity.judge(result.strangeness[kept], np.asarray(result.probabilities[kept]))
    return Strangers(source, len(kept), len(result.rejected), tell_apart(genuine, judged))
