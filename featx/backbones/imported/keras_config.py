"""The stored configuration of a Keras model: refused where it names anything but Keras's own layers, and written anew.

Nothing of a file's configuration reaches Keras but names and plain numbers that stand in it as such. Each object's module is
written here, by the kind of object, whatever the file says; so a file can name no function, no class and no file of its own.
``safe_mode`` of Keras alone had holes (CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906).
"""

import json
import re
from pathlib import Path
from typing import Any

from featx.errors import WeightsError

_LAYERS_NAMES = """
InputLayer Dense EinsumDense Conv1D Conv2D SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D Conv1DTranspose
Conv2DTranspose MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D GlobalAveragePooling1D GlobalAveragePooling2D
GlobalMaxPooling1D GlobalMaxPooling2D AdaptiveAveragePooling2D AdaptiveMaxPooling2D BatchNormalization LayerNormalization
GroupNormalization UnitNormalization RMSNormalization Normalization Activation ReLU LeakyReLU PReLU ELU Softmax Dropout
SpatialDropout1D SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout ActivityRegularization Flatten Reshape Permute
RepeatVector Cropping1D Cropping2D ZeroPadding1D ZeroPadding2D UpSampling1D UpSampling2D Add Subtract Multiply Average
Maximum Minimum Concatenate Dot Rescaling Resizing CenterCrop RandomFlip RandomRotation RandomZoom RandomTranslation
RandomContrast RandomBrightness RandomHue RandomSaturation RandomSharpness RandomGrayscale RandomShear RandomColorJitter
RandomColorDegeneration RandomInvert RandomPosterization RandomErasing MultiHeadAttention GroupQueryAttention Attention
AdditiveAttention Embedding Identity
"""
# Of images and of tokens; none that runs code (Lambda), reads files (StringLookup) or loads another library's network.
LAYERS = frozenset(_LAYERS_NAMES.split())
"""Classes of ``keras.layers`` that a file may name."""

MODELS = frozenset(("Functional", "Model", "Sequential"))
OPERATIONS = ("keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.image", "keras.src.ops.math")
"""Modules of Keras whose operations (a sum, a mean, a slice of tensors) a file may name."""

_CAST = ("keras.src.ops.core", "Cast")
"""The only operation of that module that a file may name: the others run functions, or loops."""

STORED = "FeatxStored"
"""Name of the initializer that stands in place of a file's: see ``keras_file``."""

_PLAIN = frozenset(("__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__tuple__", "__ellipsis__"))
_DROPPED = re.compile(r"(regularizer|constraint)$")
_LARGEST = 16_000_000
_MOST_LAYERS, _DEEPEST = 10_000, 32
_MODEL_KEYS = ("name", "layers", "input_layers", "output_layers", "trainable")
_NUMBERS_LIMIT = 2**31


def read_config(path: Path, text: str | bytes) -> dict[str, Any]:
    """Check a configuration and return it as it may be given to Keras.

    Parameters
    ----------
    path : Path
        The file, for messages.
    text : str or bytes
        JSON.

    Raises
    ------
    WeightsError
        If it is no configuration, or names what is not allowed.
    """
    if len(text) > _LARGEST:
        raise WeightsError(f"{path}: its configuration has {len(text):,} bytes, far more than Keras writes.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: has no readable configuration: {type(error).__name__}. Save the model again.") from error
    reader = _Reader(path)
    config = reader.layer(document, 0)
    if not isinstance(document, dict) or document.get("class_name") not in MODELS:
        raise reader.refused(f"a {document.get('class_name')!r} in place of a model")
    return config


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._layers = 0

    def refused(self, what: str) -> WeightsError:
        """Return the error for a configuration with something that is not allowed."""
        return WeightsError(
            f"{self._path}: names {what[:200]}. featx builds layers of Keras itself alone, and runs no code of a file: export "
            "the network to ONNX (model.export('model.onnx', format='onnx')), and give that."
        )

    def layer(self, document: Any, depth: int) -> dict[str, Any]:
        """Return one layer, or model, with its place in the graph."""
        self._layers += 1
        if not isinstance(document, dict) or self._layers > _MOST_LAYERS or depth > _DEEPEST:
            raise self.refused(f"more than {_MOST_LAYERS} layers, models deeper than {_DEEPEST}, or what is no layer")
        name, module = document.get("class_name"), document.get("module") or "keras.layers"
        config = document.get("config")
        if not isinstance(name, str) or not isinstance(module, str) or not isinstance(config, dict):
            raise self.refused("a layer without class and configuration")
        kept: dict[str, Any] = {"registered_name": None}
        if name in MODELS and module.startswith("keras"):
            kept |= {"module": "keras", "class_name": "Sequential" if name == "Sequential" else "Model"}
            kept["config"] = self._model(config, depth)
        elif module in OPERATIONS or (module, name) == _CAST:
            kept |= {"module": module, "class_name": self._operation(name, module), "config": self._values(config)}
        elif name in LAYERS and re.fullmatch(r"keras(\.src)?\.layers(\..+)?", module):
            kept |= {"module": "keras.layers", "class_name": name, "config": self._settings(name, config)}
        else:
            raise self.refused(f"the layer {name!r} of {module!r}")
        own = config.get("name")
        kept["name"] = document.get("name") if isinstance(document.get("name"), str) else own
        if "inbound_nodes" in document:
            kept["inbound_nodes"] = self._values(document["inbound_nodes"])
        shapes = document.get("build_config")
        if isinstance(shapes, dict) and name == "Sequential" and "input_shape" in shapes:
            kept["build_config"] = {"input_shape": self._values(shapes["input_shape"])}
        return kept

    def _model(self, config: dict[str, Any], depth: int) -> dict[str, Any]:
        layers = config.get("layers")
        if not isinstance(layers, list):
            raise self.refused("a model without layers")
        kept = {
            key: self._values(config[key]) for key in (*_MODEL_KEYS, "build_input_shape") if key in config and key != "layers"
        }
        return kept | {"layers": [self.layer(one, depth + 1) for one in layers]}

    def _operation(self, name: str, module: str) -> str:
        """Return the name of an operation that there is in a module of Keras."""
        import importlib

        import keras

        found = getattr(importlib.import_module(module), name, None)
        is_own = isinstance(found, type) and issubclass(found, keras.Operation) and not issubclass(found, keras.Layer)
        if not is_own:
            raise self.refused(f"the operation {name!r} of {module!r}")
        return name

    def _settings(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of a layer of Keras, with its initializers replaced and all that only training needs left out."""
        import inspect

        import keras

        known = inspect.signature(getattr(keras.layers, name).__init__).parameters
        kept: dict[str, Any] = {}
        for key, value in config.items():
            if _DROPPED.search(key) or key.endswith("_initializer"):
                continue
            if key.endswith("activation"):
                kept[key] = self._activation(value)
            elif key == "dtype":
                kept[key] = self._dtype(value)
            elif key == "batch_input_shape":  # Keras 2
                kept["batch_shape" if name == "InputLayer" else key] = self._values(value)
            elif not (name == "InputLayer" and key in ("sparse", "ragged", "optional")):
                kept[key] = self._values(value)
        if kept.get("data_format") == "channels_first":
            raise self.refused("channels_first, which Keras computes on GPUs alone")
        for key in known:
            if key.endswith("_initializer"):
                kept[key] = {"module": None, "class_name": STORED, "config": {}, "registered_name": STORED}
        return kept

    def _activation(self, value: Any) -> Any:
        import keras

        if isinstance(value, dict):
            inner = value.get("config")
            if value.get("class_name") in LAYERS and value.get("class_name") != "InputLayer" and isinstance(inner, dict):
                return {key: entry for key, entry in self.layer(value, 1).items() if key != "name"}
            value = inner if isinstance(inner, str) else value.get("class_name")
        if value is None or (
            isinstance(value, str) and re.fullmatch(r"\w+", value) and callable(getattr(keras.activations, value, None))
        ):
            if value in ("deserialize", "serialize", "get"):
                raise self.refused(f"the activation {value!r}")
            return value
        raise self.refused(f"the activation {value!r}")

    def _dtype(self, value: Any) -> str:
        given = value
        if isinstance(value, dict):
            inner = value.get("config")
            value = inner.get("name") if isinstance(inner, dict) else None
            given = value or given.get("class_name")
        if not (isinstance(value, str) and re.fullmatch(r"(mixed_)?b?float(16|32|64)|u?int(8|16|32|64)|bool", value)):
            raise self.refused(f"the type of numbers {given!r}")
        return value

    def _values(self, value: Any, depth: int = 0) -> Any:
        """Return plain values as they are: numbers, texts, lists, and the tensors and slices of a graph."""
        if depth > _DEEPEST:
            raise self.refused(f"values nested deeper than {_DEEPEST}")
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            if abs(value) > _NUMBERS_LIMIT:
                raise self.refused(f"the number {value}")
            return value
        if isinstance(value, str):
            if len(value) > 1000:
                raise self.refused("a text of more than 1000 characters")
            return value
        if isinstance(value, list):
            return [self._values(one, depth + 1) for one in value]
        if not isinstance(value, dict):
            raise self.refused(f"a {type(value).__name__}")
        if "class_name" in value:
            kind = value["class_name"]
            if kind == "DTypePolicy":
                return self._dtype(value)
            if kind not in _PLAIN:
                raise self.refused(f"a {kind!r} of {value.get('module')!r}")
        elif {"module", "registered_name"} & set(value):
            raise self.refused(f"something of {value.get('module')!r}")
        return {str(key): self._values(one, depth + 1) for key, one in value.items()}
