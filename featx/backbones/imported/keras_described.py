"""What is known of a Keras model in a file once it has been built."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from featx.backbones.imported.keras_file import KerasFile
from featx.backbones.imported.network import ImportedNetwork
from featx.backbones.imported.own_scale import scaling_before
from featx.errors import BackboneError, RecipeError
from featx.recipe import Scaling
from featx.system.files import file_digest
from featx.system.keras_settings import plain_keras

_DEFAULT_MODE = "rescale"

_FACTORS = ("Rescaling", "Multiply")
_BY_A_CONSTANT = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide")
"""Operations that scale pixels where one of the two is a number: ``preprocess_input`` of Keras is made of them."""


@plain_keras()
def describe_keras(
    path: Path, asked: Sequence[str], image_size: tuple[int, int] | None, scaling: Scaling | None
) -> ImportedNetwork:
    """Build a model, and say what is in it and what is taken of it; parameters and errors as for ``describe_network``."""
    if scaling and scaling.layout == "nchw":
        raise RecipeError(
            f"{path}: takes images as Keras does, (n, height, width, 3). Received: --preprocess {scaling}. Leave nchw out."
        )
    digest = f"sha256:{file_digest(path).hex()}"
    file = KerasFile(path)
    size = file.image_size(image_size)
    network, layers = file.network(size)
    if not layers.by_name:
        raise BackboneError(
            f"{path}: gives no map (n, h, w, c), no tokens (n, tokens, c) and no vector (n, c) of each image. Give a network "
            "that takes images and gives features."
        )
    mode, note = ("none", "") if file.takes_bytes else own_scaling(network)
    if file.takes_bytes and scaling and dataclasses.replace(scaling, layout="") != Scaling("none"):
        raise RecipeError(
            f"{path}: takes bytes from 0 to 255 and scales them itself. Received: --preprocess {scaling}. Leave it out."
        )
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
    for operation in network.operations[1:]:
        kind = type(operation).__name__
        if isinstance(operation, keras.layers.Rescaling):
            mode = _mode_of(kind, operation.scale)
        elif isinstance(operation, keras.layers.Normalization):
            mode = _mode_of(kind, operation.mean, operation.variance)
        elif kind in _BY_A_CONSTANT and (constants := _constants_of(operation)):
            mode = _mode_of(kind, *constants)
        elif getattr(operation, "weights", None):
            break
        else:
            continue
        return mode, f"begins with a scaling of its own ({kind}): --preprocess {mode} was taken"
    return (
        _DEFAULT_MODE,
        f"does not say how pixels are scaled for it: --preprocess {_DEFAULT_MODE} was taken, pixels from 0 to 1",
    )


def _mode_of(kind: str, *constants: Any) -> str:
    """Return the ``preprocess`` of a network that begins with an operation by these numbers."""
    largest = max(float(np.abs(np.asarray(keras.ops.convert_to_numpy(values), np.float64)).max()) for values in constants)
    return scaling_before(largest, is_factor=kind in _FACTORS)


def _constants_of(operation: Any) -> list[Any]:
    """Return the numbers that an operation was called with beside a tensor; Keras has no public name for them."""
    arguments = operation._inbound_nodes[0].arguments
    given = keras.tree.flatten([*arguments.args, *arguments.kwargs.values()])
    return [one for one in given if not keras.utils.is_keras_tensor(one) and not isinstance(one, str | bool | None)]


def build_imported(path: Path, image_size: tuple[int, int], layers: Sequence[str]) -> Any:
    """Return the network of a Keras file as ``build_network`` does: from float32 pixels, already scaled.

    Raises
    ------
    WeightsError, BackboneError, UnknownLayer, ImageSizeError
        If the file cannot be used, or has no such layer.
    """
    file = KerasFile(path)
    return file.network(file.image_size(image_size), layers)[0]
