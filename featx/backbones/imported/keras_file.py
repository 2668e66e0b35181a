"""A Keras model from a file, as a flat network at one image size: built from a checked configuration, then filled."""

import contextlib
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import keras
import numpy as np

from featx.backbones.imported.keras_config import MODELS, STORED, read_config
from featx.backbones.imported.keras_flat import Flat, part_of
from featx.backbones.imported.kinds import kind_of_file, no_network
from featx.backbones.imported.layers import Layers
from featx.backbones.weights_check import check_weights_file
from featx.backbones.weights_file import DAMAGED, shapes_in
from featx.errors import BackboneError, ImageSizeError, WeightsError
from featx.system.files import reading_from
from featx.system.regular import open_regular
from featx.system.zipped import opened_zip

_CHANNELS = 3
_DEFAULT_SIDE = 224
_LARGEST_CONFIG = 16_000_000
_SPARE = 1_000_000  # values that Keras keeps and does not store, such as the seeds of what is random


_NAMED: "weakref.WeakKeyDictionary[Any, dict[str, Any]]" = weakref.WeakKeyDictionary()


def names_kept(network: Any) -> dict[str, Any] | None:
    """Return the layers of a network from a file by the names that it has them under; None for any other network."""
    return _NAMED.get(network)


class KerasFile:
    """A model of a file, with its weights.

    Parameters
    ----------
    path : Path
        A ``.keras`` archive, or an ``.h5`` file of a whole model.

    Attributes
    ----------
    height, width : int or None
        Of the images, where it takes no others [px].
    takes_bytes : bool
        Whether its input is of whole numbers: those from 0 to 255.

    Raises
    ------
    WeightsError
        If it is damaged, no whole model, or names anything but Keras's own layers.
    BackboneError
        If it takes anything but one array of images in colour.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _taken_apart(path) as (config, weights):
            checked = read_config(path, config)
            check_weights_file(weights)
            stored = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes_in(weights))
            self._model = _build(path, checked, stored)
            _fill(path, self._model, weights)
        self._stored = stored
        shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(self._model.inputs)]
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] not in (_CHANNELS, None):
            raise BackboneError(
                f"{path}: takes {len(shapes)} inputs of shapes {', '.join(map(str, shapes[:5]))}, and one array of images (n, "
                "height, width, 3) is wanted."
            )
        self.height, self.width = shapes[0][1:3]
        self.takes_bytes = "int" in str(keras.tree.flatten(self._model.inputs)[0].dtype)

    def image_size(self, asked: tuple[int, int] | None) -> tuple[int, int]:
        """Return the (height, width) of the images that are given to it.

        Raises
        ------
        ImageSizeError
            If its layers are for images of another size.
        """
        own = self.height or self.width or _DEFAULT_SIDE
        size = asked or (self.height or own, self.width or own)
        if (self.height or size[0], self.width or size[1]) != size:
            raise ImageSizeError(
                f"{self.path}: takes images of {self.height}x{self.width} px (height x width) alone. Received: "
                f"{size[0]}x{size[1]}. Leave --image-size out."
            )
        return size

    def network(self, image_size: tuple[int, int], names: Sequence[str] | None = None) -> tuple[Any, Layers]:
        """Return it as one flat network from float32 pixels at an image size, and its layers.

        Parameters
        ----------
        image_size : tuple of int
            (height, width) [px].
        names : sequence of str or None
            Layers that are wanted, of which parts of tokens become layers of the network.

        Raises
        ------
        UnknownLayer
            If there is no such layer.
        BackboneError, MemoryExhausted
            If it does not take images of that size.
        """
        images = keras.Input((*image_size, _CHANNELS), name="images")
        flat = Flat()
        with _stored_initializer(self.path, self._stored + _SPARE):
            try:
                outputs = flat.run(self._model, images)
            except (ValueError, TypeError, RuntimeError) as error:
                said = (str(error).strip() or repr(error)).splitlines()[0]
                raise BackboneError(
                    f"{self.path}: cannot be built at {image_size[0]}x{image_size[1]} px: {said[:300]}."
                ) from error
        flat.copy_weights()
        ends = keras.tree.flatten(outputs)
        layers = Layers(flat.tensors(ends, image_size, self.path), image_size)
        wanted = [layers.by_name[name] for name in layers.find(names, "keras")] if names else []
        parts = {layer.name: part_of(layer, flat.outputs[layer.tensor.name]) for layer in wanted if flat.is_part(layer)}
        network = keras.Model(images, [*ends, *parts.values()])
        own = {id(copy): name for name, copy in flat.named(layers).items()}
        own |= {id(tensor): name for name, tensor in parts.items()}
        by_name: dict[str, Any] = {}
        for layer in network.layers:
            name = own.get(id(layer.output)) or own.get(id(layer)) or layer.name
            by_name[name if name not in by_name else f"{name}_{len(by_name)}"] = layer
        _NAMED[network] = by_name
        return network, layers


@contextlib.contextmanager
def _taken_apart(path: Path) -> Iterator[tuple[str | bytes, Path]]:
    """Yield the configuration in a file, and a copy of its weights, which nobody changes between check and use."""
    kind = kind_of_file(path)
    with TemporaryDirectory(prefix="featx-network-") as folder:
        weights = Path(folder) / ("model.weights.h5" if kind == "keras" else "model.h5")
        try:
            config = _copy_archive(path, weights) if kind == "keras" else _copy_whole(path, weights)
        except DAMAGED as error:
            raise no_network(path, "", f"it is damaged or cut short: {str(error)[:200] or type(error).__name__}") from error
        yield config, weights


def _copy_archive(path: Path, weights: Path) -> bytes:
    with opened_zip(path) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        if weights.name not in infos:
            raise ValueError("it has no model.weights.h5")
        if infos["config.json"].file_size > _LARGEST_CONFIG or infos[weights.name].file_size > path.stat().st_size:
            raise ValueError("its members are compressed, which Keras does not do, or far larger than Keras writes")
        with archive.open(weights.name) as source, weights.open("wb") as target:
            shutil.copyfileobj(source, target)
        return archive.read("config.json")


def _copy_whole(path: Path, weights: Path) -> str | bytes:
    with (
        reading_from(path, "Give a file that you can read.", WeightsError),
        open(open_regular(path), "rb") as source,  # noqa: PTH123
        weights.open("wb") as target,
    ):
        shutil.copyfileobj(source, target)
    check_weights_file(weights)
    with h5py.File(weights, "r", locking=False) as file:
        config = file.attrs.get("model_config")
    if config is None:
        raise WeightsError(
            f"{path}: holds weights alone, not how they are connected. Give --backbone NAME --weights {path}, or save the "
            "whole model: model.save('model.keras')."
        )
    return config if isinstance(config, bytes) else str(config)


@contextlib.contextmanager
def _stored_initializer(path: Path, values: int) -> Iterator[None]:
    """Let layers make room for no more values than the file stores, whatever sizes its configuration gives them."""
    left = values

    class FeatxStored(keras.initializers.Initializer):  # type: ignore[misc] # Keras ships no types
        def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> Any:
            nonlocal left
            left -= int(np.prod([int(side) for side in shape], dtype=object))
            if left < 0:
                raise WeightsError(
                    f"{path}: declares weights of shape {tuple(shape)}, and with them more than the {values:,} values that it "
                    "stores. Give a file that Keras saved as a whole."
                )
            return keras.ops.zeros(shape, dtype)

        def get_config(self) -> dict[str, Any]:
            return {}

    with keras.saving.custom_object_scope({STORED: FeatxStored}):
        yield


def _build(path: Path, config: dict[str, Any], stored: int) -> Any:
    with _stored_initializer(path, stored + _SPARE):
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        except WeightsError:
            raise
        except Exception as error:  # whatever a configuration that does not fit makes Keras stumble over
            said = (str(error).strip() or repr(error)).splitlines()[0]
            raise WeightsError(f"{path}: Keras cannot build its network: {said[:300]}. Save it again with Keras 3.") from error
    if type(model).__name__ not in MODELS or not model.built or not getattr(model, "inputs", None):
        raise WeightsError(
            f"{path}: holds a model that does not say what it takes. Call it on a batch of images once, and save it again."
        )
    return model


def _fill(path: Path, model: Any, weights: Path) -> None:
    try:
        model.load_weights(str(weights))
    except Exception as error:  # as above
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise WeightsError(f"{path}: its weights do not fit its layers: {said[:300]}. Save the model again.") from error
    for variable in model.weights:
        if not np.isfinite(np.asarray(keras.ops.convert_to_numpy(variable), np.float32)).all():
            raise WeightsError(
                f"{path}: {variable.path} holds values that are infinite or no numbers. The training that made them had "
                "failed by then: give an earlier file."
            )
