"""From the maps that a cache holds to the rows that a model's head takes: pooled, and through fine-tuned layers first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featx.backbones import QuantizedNetwork, find_weights, is_name_of_weights, load_tail, weights_by_name
from featx.errors import WeightsError
from featx.recipe import Recipe
from featx.store import FeatureCache, pool_maps
from featx.system.addresses import address_of, how_to_read
from featx.system.nearest import nearest_path
from featx.system.paths import WEIGHTS, StrPath, as_path

_BLOCK_BYTES = 32_000_000


class Fitted(Protocol):
    """What of a model its features are made by. The model itself keeps its network, and so stands above this module."""

    @property
    def recipe(self) -> Recipe:
        """How its features were made."""
        ...

    @property
    def cached_recipe(self) -> Recipe:
        """The recipe without fine-tuned layers."""
        ...

    @property
    def layer(self) -> str:
        """The cached layer that it starts from."""
        ...

    @property
    def pooling(self) -> str:
        """How the head's features are pooled."""
        ...

    @property
    def source(self) -> dict[str, Any]:
        """Paths, as a hint where to look."""
        ...

    @property
    def tail(self) -> Any:
        """The layers between the cached one and the head, a ``FineTuned``; None without any."""
        ...

    @property
    def quantized(self) -> QuantizedNetwork | None:
        """The network that int8 features are made with."""
        ...


class HeadFeatures:
    """The features that a model's head takes, for cached images and for new images alike.

    Parameters
    ----------
    model : Model
        Gives the layer, the pooling, and the fine-tuned layers.
    weights : Path or None
        The backbone's weights file, where it is neither bundled nor where it was.
    batch_size : int
        Images a pass of the fine-tuned layers.
    device : str or None
        Where these compute: ``cpu``, ``gpu``, ``gpu:1`` …
    """

    def __init__(self, model: Fitted, weights: StrPath | None = None, batch_size: int = 32, device: str | None = None) -> None:
        self._model = model
        self._weights = weights
        self._batch_size = batch_size
        self._device = device
        self._tail: Any = None

    def of_maps(self, maps: NDArray[np.float32], size: int | None = None) -> NDArray[np.float32]:
        """Turn maps of the model's layer (n, h, w, c) into features (n, n_features), rounded as a cache would have.

        ``size`` is the number of images a pass of the fine-tuned layers from here on; without it it stays as it is.
        """
        return self.pooled(self.head_maps(maps, size))

    def head_maps(self, maps: NDArray[np.float32], size: int | None = None) -> NDArray[np.float32]:
        """Return the maps that the head's features are pooled from, of maps of the model's layer (n, h, w, c).

        Behind fine-tuned layers they are what these give; whole maps are rounded as a cache would have.
        """
        model = self._model
        if not model.tail and model.pooling != "flatten":
            return maps
        rounded = pool_maps(maps, "flatten", model.recipe.stored_dtype).reshape(maps.shape)
        if not model.tail:
            return rounded
        tail = self._ready_tail()
        if size is not None:
            tail.take(size)
        return np.asarray(tail(rounded))

    def pooled(self, head_maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn what ``head_maps`` gave into features (n, n_features)."""
        return pool_maps(head_maps, self._model.pooling, "float32")

    def with_averages(self, maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return features and, whatever the head's pooling is, averages (n, n_channels) of the maps that it takes."""
        own = self.head_maps(maps)
        X = self.pooled(own)
        # A cache averages before it rounds maps.
        return X, X if self._model.pooling == "avg" else pool_maps(own if self._model.tail else maps, "avg", "float32")

    def of_cache(self, store: FeatureCache, rows: NDArray[np.int64]) -> Any:
        """Yield (positions, features) of catalog rows a block at a time, in order."""
        model = self._model
        if not model.tail:
            yield from store.blocks(rows, layer=model.layer, pooling=model.pooling)
            return
        shape = store.row_shape(model.layer)
        for positions, flat in store.blocks(rows, layer=model.layer, pooling="flatten", block_bytes=_BLOCK_BYTES):
            yield positions, self.of_maps(flat.reshape(len(flat), *shape).astype(np.float32))

    def with_averages_of_cache(self, store: FeatureCache, rows: NDArray[np.int64]) -> Any:
        """Yield (positions, features, averages) of catalog rows a block at a time, in order."""
        model = self._model
        if not model.tail:
            for positions, X in store.blocks(rows, layer=model.layer, pooling=model.pooling):
                yield positions, X, self.averages_of_cache(store, rows[positions])
            return
        shape = store.row_shape(model.layer)
        for positions, flat in store.blocks(rows, layer=model.layer, pooling="flatten", block_bytes=_BLOCK_BYTES):
            yield positions, *self.with_averages(flat.reshape(len(flat), *shape).astype(np.float32))

    def averages_of_cache(self, store: FeatureCache, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Return averages (n, n_channels) of catalog rows."""
        if not self._model.tail:
            return store.features(rows, layer=self._model.layer, pooling="avg")
        return np.concatenate([averages for _, _, averages in self.with_averages_of_cache(store, rows)])

    def _ready_tail(self) -> Any:
        if self._tail is None:
            tail, recipe = self._model.tail, self._model.cached_recipe
            assert tail is not None
            weights = find_weights(recipe, weights_hint(self._model, self._weights))
            self._tail = load_tail(recipe, weights, tail.start, tail.end, tail.arrays, self._batch_size, self._device)
        return self._tail


def weights_hint(model: Fitted, given: StrPath | None) -> Path | None:
    """Return where a model's backbone finds its weights: the file given, or the file that the features were extracted with.

    ``imagenet`` and ``random:SEED`` mean what they mean to an extract.

    Raises
    ------
    WeightsError
        If the file given is not there, or the features were made with other weights.
    """
    return recorded_weights(model.cached_recipe, model.source, given)


def recorded_weights(recipe: Recipe, record: Mapping[str, Any], given: StrPath | None) -> Path | None:
    """Return where features of a recipe find their weights; parameters and errors as for ``weights_hint``.

    Parameters
    ----------
    recipe : Recipe
        How the features were made.
    record : dict
        With ``weights_file``: what a model's ``source``, or a cache's ``network``, has kept.
    given : Path, str or None
        What the user gave.
    """
    recorded = record.get("weights_file")
    hint = Path(recorded) if recorded else None
    given = None if given is None else as_path("weights", given, WeightsError, WEIGHTS)
    if given is not None and is_name_of_weights(given):
        return weights_by_name(recipe, str(given))
    # The model's own hint, passed on, may be of another machine: the weights that it names may be bundled here.
    if given not in (None, hint) and not given.is_file():
        if address := address_of(given):
            raise WeightsError(f"{address}: {how_to_read(address)}", wrong_value=True)
        near = nearest_path(given, Path.is_file, map(Path, ("imagenet", "random")))
        meant = f" Did you mean {near}?" if near else ""
        raise WeightsError(
            f"{given}: no such weights file. Give the one that the features were extracted with, or none.{meant}"
        )
    return given or hint
