"""What is known of a Keras model in a file once it has been built."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from featx.backbones.imported.found import ImportedNetwork, network_digest
from featx.backbones.imported.keras_file import KerasFile
from featx.errors import BackboneError, RecipeError
from featx.recipe import Scaling
from featx.system.keras_settings import plain_keras

_DEFAULT_MODE = "rescale"


@plain_keras()
def describe_keras(
    path: Path, asked: Sequence[str], image_size: tuple[int, int] | None, scaling: Scaling | None
) -> ImportedNetwork:
    """Build a model, and say what is in it and what is taken of it; parameters and errors as for ``describe_network``."""
    if scaling and scaling.layout == "nchw":
        raise RecipeError(
            f"{path}: takes images as Keras does, (n, height, width, 3). Received: --preprocess {scaling}. Leave nchw out."
        )
    digest = network_digest(path)  # before it is built: of what was changed meanwhile, find_weights says that it is another
    file = KerasFile(path)
    size = file.image_size(image_size)
    network, layers = file.network(size)
    if not layers.by_name:
        raise BackboneError(
            f"{path}: gives no map (n, h, w, c), no tokens (n, tokens, c) and no vector (n, c) of each image. Give a network "
            "that takes images and gives features."
        )
    mode, note = own_scaling(network)
    return ImportedNetwork(
        path=path,
        kind="keras",
        digest=digest,
        layers=tuple(layers.by_name.values()),
        taken=layers.find(asked, "keras") if asked else layers.default,
        image_size=size,
        fixed_size=bool(file.height and file.width),
        batch=None,
        preprocess=str(dataclasses.replace(scaling, layout="")) if scaling else mode,
        parameters=int(network.count_params()),
        notes=() if scaling or not note else (note,),
    )


def own_scaling(network: Any) -> tuple[str, str]:
    """Return the ``preprocess`` of a network where nobody has said it, and a note on why it was taken."""
    for layer in network.layers[1:]:
        if isinstance(layer, keras.layers.Rescaling):
            return "none", "begins with a scaling of its own (Rescaling): --preprocess none was taken"
        if isinstance(layer, keras.layers.Normalization):
            largest = max(
                float(np.abs(np.asarray(keras.ops.convert_to_numpy(values))).max()) for values in (layer.mean, layer.variance)
            )
            mode = "none" if largest > 1 else "rescale"
            return mode, f"begins with a scaling of its own (Normalization): --preprocess {mode} was taken"
        if layer.weights:
            break
    return (
        _DEFAULT_MODE,
        f"does not say how pixels are scaled for it: --preprocess {_DEFAULT_MODE} was taken, pixels from 0 to 1",
    )


def build_imported(path: Path, image_size: tuple[int, int], layers: Sequence[str]) -> Any:
    """Return the network of a Keras file as ``build_network`` does: from float32 pixels, already scaled.

    Raises
    ------
    WeightsError, BackboneError, UnknownLayer, ImageSizeError
        If the file cannot be used, or has no such layer.
    """
    file = KerasFile(path)
    return file.network(file.image_size(image_size), layers)[0]
