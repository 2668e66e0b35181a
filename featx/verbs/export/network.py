"""One Keras network of the whole way: from uint8 pixels through preprocessing, backbone, pooling and head to probabilities.

Only layers and operations of Keras itself, so that a file of it is read by a plain Keras.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from featx.backbones.network import build_network, layers_by_name
from featx.backbones.preprocess import _FLOAT, preprocess_layers
from featx.backbones.stub import CELL
from featx.backbones.table import backbone_spec, unknown_layer
from featx.backbones.tail import assign_arrays, pool_layers
from featx.backbones.weights import find_weights
from featx.errors import ExportError
from featx.heads.layers import (
    Convolution,
    Dense,
    Maps,
    PlainLayer,
    Probabilities,
    Sigmoids,
    SignedRoots,
    Standardized,
    UnitRows,
)
from featx.recipe import Recipe
from featx.verbs.export.whole import INPUT, NUMBERS, OUTPUT, Whole

# A value times this and back leaves the 11 bits of float16's fraction (Veltkamp's splitting).
_SPLIT = 2.0**13 + 1


def build_whole(base: Any, whole: Whole) -> Any:
    """Build the network that featx's prediction is, decoding left out.

    Parameters
    ----------
    base : keras.Model
        The backbone, built at the recipe's image size, with its weights; ``whole.replaced`` is put into it.
    whole : Whole
        What stands before, in and behind it.

    Returns
    -------
    network : keras.Model
        From ``images`` (n, height, width, 3), uint8, to ``probabilities`` (n, n_classes), float32; of numbers to ``numbers``.

    Raises
    ------
    UnknownLayer
        If the base has no such layer.
    BackboneError
        If a replaced array is of no variable of the base, or of another shape.
    ExportError
        If the head compares images with training images.
    """
    recipe, layer, end = whole.recipe, whole.layer, whole.end
    named = layers_by_name(base)
    assign_arrays(named, whole.replaced or {})
    for name in (layer, end or layer):
        if name not in named:
            raise unknown_layer(recipe.backbone, name, list(named), ())
    base.trainable = False
    backbone = keras.Model(base.input, named[layer].output, name=recipe.backbone)
    images = keras.Input((*recipe.image_size, 3), dtype="uint8", name=INPUT)
    values = backbone(preprocess_layers(images, recipe.preprocess), training=False)
    stored_dtype = recipe.stored_dtype
    if end:
        # What the cache holds is rounded; what fine-tuned layers make of it is not.
        values = _rounded(values) if stored_dtype == "float16" else values
        values = keras.Model(named[layer].output, named[end].output, name="fine_tuned")(values, training=False)
        stored_dtype = "float32"
    values = pool_layers(values, whole.pooling)
    if whole.pooling == "flatten" and stored_dtype == "float16":
        values = _rounded(values)
    for plain in whole.head:
        values = _applied(plain, values)
    if isinstance(whole.head[-1], Dense):
        values = layers.Activation("linear", name=NUMBERS, **_FLOAT)(values)
    return keras.Model(images, values, name="featx")


def build_base(recipe: Recipe, weights: Path | None) -> Any:
    """Return a recipe's backbone as a network from preprocessed pixels; the stub's is the mean of each cell.

    Raises
    ------
    WeightsError, UnknownLayer
        If it cannot be built.
    """
    if not backbone_spec(recipe.backbone).is_stub:
        return build_network(recipe, find_weights(recipe, weights))
    images = keras.Input((*recipe.image_size, 3))
    return keras.Model(images, layers.AveragePooling2D(CELL, name=recipe.layers[0], **_FLOAT)(images))


def _rounded(values: Any) -> Any:
    """Round to the 11 bits that the cache keeps of a feature: without this, probabilities differ in their fourth digit.

    Not by casts to float16 and back, which OpenVINO takes out again.
    """
    large = ops.multiply(values, _SPLIT)
    return ops.subtract(large, ops.subtract(large, values))


def _applied(plain: PlainLayer, values: Any) -> Any:
    options = {"data_format": "channels_last"} | _FLOAT
    match plain:
        case Standardized(mean, scale):
            return ops.divide(ops.subtract(values, mean.astype(np.float32)), scale.astype(np.float32))
        case SignedRoots():
            return ops.multiply(ops.sign(values), ops.sqrt(ops.absolute(values)))
        case UnitRows():
            squares = ops.sum(ops.square(values), axis=-1, keepdims=True)
            # A row of zeros is divided by 1.
            return ops.divide(values, ops.sqrt(ops.where(ops.greater(squares, 0.0), squares, 1.0)))
        case Maps(shape):
            return layers.Reshape(shape, **_FLOAT)(values)
        case Convolution(kernel, bias):
            convolved = _filled(layers.Conv2D(len(bias), 3, padding="same", activation="relu", **options), values, kernel, bias)
            return layers.MaxPooling2D(2, padding="same", **options)(convolved)
        case Dense(kernel, bias, relu):
            flat = layers.Flatten(**options)(values) if len(values.shape) > 2 else values
            return _filled(layers.Dense(len(bias), activation="relu" if relu else None, **_FLOAT), flat, kernel, bias)
        case Probabilities(kind, temperature):
            if kind == "sigmoid":
                # The softmax of their logarithms: no row of tiny sigmoids is ever divided by zero.
                away = ops.log(ops.add(ops.exp(ops.negative(ops.absolute(values))), 1.0))
                values = ops.subtract(ops.minimum(values, 0.0), away)
            if temperature != 1.0:
                values = ops.divide(values, temperature)
            return layers.Softmax(name=OUTPUT, **_FLOAT)(values)
        case Sigmoids():
            return layers.Activation("sigmoid", name=OUTPUT, **_FLOAT)(values)
    raise ExportError(f"{type(plain).__name__}: is no layer of a network. Export to .joblib.")


def _filled(layer: Any, values: Any, kernel: NDArray[np.floating], bias: NDArray[np.floating]) -> Any:
    result = layer(values)
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return result
