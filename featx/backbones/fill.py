"""A backbone's network, and the weights that are put into it: a file's, or drawn ones."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from featx.backbones.lite import build_lite0
from featx.backbones.table import BackboneSpec
from featx.backbones.weights_check import check_weights_file
from featx.backbones.weights_file import backend_of, describe_shapes, first_kernel, inner_networks, named_arrays, shapes_in
from featx.errors import WeightsError

# What Keras says of a weights file that is no weights file, or another network's: whatever it stumbles over first.
_REFUSALS = (ValueError, OSError, KeyError, IndexError, TypeError)

_ALIKE = 0.9
"""Cosine of two first kernels: fine-tuned, they hardly leave the one they started from; VGG16's has -0.3 with itself turned."""


def build_empty(spec: BackboneSpec, image_size: tuple[int, int], *, with_top: bool) -> Any:
    """Build a network for a backbone, without any weights that mean something."""
    if not spec.of_keras:
        return keras.Model(*build_lite0(image_size, keras.layers), name=spec.name)
    builder = getattr(keras.applications, spec.builder)
    with warnings.catch_warnings():
        # MobileNets warn that weights for another size would be loaded; none are, here.
        warnings.simplefilter("ignore", UserWarning)
        return builder(include_top=with_top, weights=None, input_shape=(*image_size, 3))


def fill_network(network: Any, spec: BackboneSpec, weights: Path, *, with_top: bool) -> None:
    """Put a file's weights into a network.

    The file may be of this network, or of one that holds it: with its top, or with layers of the user's own before and behind
    it, as the tutorials build it (``Sequential([vgg16, Flatten(), Dense(5)])``), saved as ``.keras``, ``.weights.h5`` or
    ``.h5``.

    Raises
    ------
    WeightsError
        If it is of another network, of a network on Theano (kernels turned round), or holds values that are no numbers, or
        what Keras never writes.
    """
    if weights != spec.bundled:
        check_weights_file(weights)
    try:
        _load(network, weights)
    except _REFUSALS as error:
        found = not with_top and (_copy_from_whole(network, spec, weights) or _copy_from_nested(network, weights))
        if not found:
            raise _refused(weights, spec, network, error, with_top) from error
    _refuse_theano(network, spec, weights)
    _refuse_no_numbers(network, weights)
    if spec.rescales:
        _rescale_as_keras_does(network)


def _load(network: Any, weights: Path) -> None:
    with warnings.catch_warnings():
        # Of a foreign file Keras first warns, a line for every layer it skips; one error says it better.
        warnings.simplefilter("ignore", UserWarning)
        network.load_weights(str(weights))


def _copy_from_whole(base: Any, spec: BackboneSpec, weights: Path) -> bool:
    """Fill the base from a file of the network with its top, if it is one."""
    if not spec.top_layers or not shapes_in(weights) or len(shapes_in(weights)) <= len(base.weights):
        return False
    whole = build_empty(spec, spec.image_size, with_top=True)
    try:
        _load(whole, weights)
    except _REFUSALS:
        return False
    arrays = [weight.numpy() for weight in whole.weights[: len(base.weights)]]
    if [array.shape for array in arrays] != [tuple(weight.shape) for weight in base.weights]:
        return False
    base.set_weights(arrays)
    return True


def _copy_from_nested(network: Any, weights: Path) -> bool:
    """Fill the network from a file of one that it is a layer, or the first layers, of."""
    variables = {f"{layer.name}/{variable.name}": variable for layer in network.layers for variable in layer.weights}
    arrays = named_arrays(weights, variables)
    if arrays.keys() == variables.keys() and all(arrays[name].shape == tuple(v.shape) for name, v in variables.items()):
        for name, variable in variables.items():
            variable.assign(arrays[name])
        return True
    with tempfile.TemporaryDirectory() as folder:
        for file in inner_networks(weights, Path(folder)):
            try:
                _load(network, file)
            except _REFUSALS:
                continue
            return True
    return False


def _refused(weights: Path, spec: BackboneSpec, network: Any, error: Exception, with_top: bool) -> WeightsError:
    found, wanted = shapes_in(weights), [tuple(weight.shape) for weight in network.weights]
    said = (str(error).strip() or repr(error)).splitlines()[0]
    reason = describe_shapes(found, wanted) if found else said
    kind = "with its top" if with_top else "without its top"
    within = ""
    if len(found) > len(wanted):
        within = (
            f" If {spec.name} is a layer of that network, save it alone in Keras: "
            f"model.get_layer({spec.name!r}).save_weights('base.weights.h5')."
        )
    return WeightsError(
        f"{weights}: does not hold weights of {spec.name} {kind}: {reason.rstrip('.')}. "
        f"Give --weights imagenet, or a file saved from that network.{within}"
    )


def _refuse_theano(network: Any, spec: BackboneSpec, weights: Path) -> None:
    """Refuse kernels that are turned round: Theano convolves where all others correlate.

    Keras 2 and later write what computed into ``.h5`` files. Of older ones, and of files that were converted without it, the
    numbers alone tell: where featx holds a network's ImageNet weights, its first kernel is like these or like them turned.
    """
    turned = backend_of(weights) == "theano"
    if not turned and spec.bundled:
        kernel = next(variable.numpy() for variable in network.weights if len(variable.shape) == 4)
        known = first_kernel(spec.bundled)
        turned = _likeness(kernel[::-1, ::-1], known) > max(_ALIKE, _likeness(kernel, known))
    if turned:
        raise WeightsError(
            f"{weights}: holds kernels as Theano has them, turned by 180 degrees: features of them would mean nothing. Turn "
            "the kernel of each convolution (kernel[::-1, ::-1]) and save the file again, or give --weights imagenet."
        )


def _likeness(kernel: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the cosine of two kernels; 0 where one holds what is no number, which is refused elsewhere."""
    product = float(np.linalg.norm(kernel) * np.linalg.norm(other))
    return float(np.vdot(kernel, other)) / product if np.isfinite(product) and product > 0 else 0.0


def _refuse_no_numbers(network: Any, weights: Path) -> None:
    for layer in network.layers:
        for variable in layer.weights:
            if not np.isfinite(np.asarray(variable.numpy(), np.float32)).all():
                raise WeightsError(
                    f"{weights}: layer {layer.name} holds values that are infinite or no numbers in its {variable.name}. The "
                    "training that made them had failed by then: give an earlier file, or --weights imagenet."
                )


def _rescale_as_keras_does(network: Any) -> None:
    """Divide pixels by the square root of their deviation once more.

    Keras' EfficientNets have a layer for it, but only where ``weights="imagenet"`` is given by that name and not by the
    path of the very file. Its effect on the variance that pixels are divided by is the same.
    """
    layer = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    layer.adapt_variance.assign(layer.adapt_variance.numpy() * np.array(_IMAGENET_DEVIATION, np.float32))
    layer.finalize_state()


_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of red, green and blue, for pixels from 0 to 1; Keras' own constant."""


def draw_weights(base: Any, seed: int, *, depthwise: bool = False) -> None:
    """Fill a network with He-normal weights from NumPy, so that every Keras backend gets the same ones.

    What normalises stays as it is: means of 0, variances and factors of 1.

    Parameters
    ----------
    base : keras.Model
        The network.
    seed : int
        Of the random numbers.
    depthwise : bool
        Whether each channel of a ``DepthwiseConv2D`` is drawn as one that sees itself alone. In Keras' own networks it never
        was, since that kernel's name does not tell, and so features of 32 to 1,152 channels are far smaller than they should
        be: but what ``random:SEED`` means in a recipe does not change.
    """
    rng = np.random.default_rng(seed)
    kernels = [id(layer.kernel) for layer in base.layers if type(layer) is keras.layers.DepthwiseConv2D] if depthwise else []
    for variable in base.weights:
        shape = tuple(variable.shape)
        is_kernel = len(shape) > 1
        # Each channel of a depthwise kernel (h, w, c, 1) sees itself alone.
        alone = "depthwise" in variable.name or id(variable) in kernels
        fan_in = int(np.prod(shape[:2] if alone else shape[:-1])) or 1
        values = rng.normal(0.0, np.sqrt(2.0 / fan_in) if is_kernel else 0.0, shape).astype(np.float32)
        if variable.name in ("gamma", "moving_variance", "variance"):
            values = np.ones(shape, np.float32)
        variable.assign(values if variable.name != "count" else np.zeros(shape, np.int32))
    for layer in base.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
