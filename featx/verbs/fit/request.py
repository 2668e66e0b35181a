"""What a fit was asked for: refused or completed before a feature is read."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.backbones import QuantizedNetwork
from featx.errors import CacheError, HeadError, OutputError
from featx.heads import HEADS_OF, HeadSpec, head_spec, head_task
from featx.models import check_model_path, network_of_cache, open_cache
from featx.store import CachedRows, FeatureCache
from featx.system.kinds import check_kind, plain
from featx.system.outputs import as_result_path
from featx.system.paths import StrPath
from featx.verbs.fit.log import check_log


@dataclasses.dataclass(frozen=True)
class FitRequest:
    """Which head is fitted on which features, and where the model goes.

    Parameters
    ----------
    spec : HeadSpec
        The head.
    store : FeatureCache
        Where its features are.
    layer : str
        Which of them.
    pooling : str or None
        How they are pooled; None where a search may choose.
    settings : dict
        The head's own, with the seed.
    path : Path
        The model file.
    log : Path or None
        The table of epochs.
    quantized : QuantizedNetwork or None
        The network of int8 features.
    """

    spec: HeadSpec
    store: FeatureCache
    layer: str
    pooling: str | None
    settings: dict[str, Any]
    path: Path
    log: Path | None
    quantized: QuantizedNetwork | None

    @classmethod
    def make(
        cls,
        cache: StrPath,
        head: str,
        settings: Mapping[str, Any],
        *,
        layer: str | None,
        pooling: str | None,
        seed: int,
        out: StrPath | None,
        log: StrPath | None,
        keywords: Iterable[str],
    ) -> Self:
        """Check everything that can be checked at once; ``keywords`` are those of the function that received the settings.

        Raises
        ------
        CacheError, HeadError, OutputError
            As for ``fit_head``.
        """
        # An unknown head, and a setting that it has for no task, need not wait for the cache.
        of_classes = head_spec(head)
        of_tasks = [specs[of_classes.name].settings() for specs in HEADS_OF.values() if of_classes.name in specs]
        of_classes.check_settings([name for name in settings if not any(name in own for own in of_tasks)], beside=keywords)
        check_kind("layer", layer, (str, type(None)), "the name of a layer, or None", CacheError)
        check_kind("pooling", pooling, (str, type(None)), "the name of a pooling, or None", HeadError)
        store = open_cache(cache)
        spec = head_spec(head, head_task(store.catalog.task))
        spec.check_settings(settings, beside=keywords)
        spec.check_pooling(pooling or spec.pooling)
        default = f"{store.folder.resolve().name}-{head}.featx"
        path = as_result_path("out", out, default) or Path("models") / default
        log_path = as_result_path("log", log, f"{path.stem}.csv")
        if log_path is not None:
            if log_path.absolute() == path.absolute():
                raise OutputError(f"{path}: cannot be both the model and its log. Give another --log.", wrong_value=True)
            check_log(log_path, spec)
        check_model_path(path)
        quantized = network_of_cache(store)
        layer = layer or store.recipe.layers[-1]
        own = {**settings, "seed": plain(seed)}
        if "map_shape" in spec.settings():
            own.setdefault("map_shape", list(store.row_shape(layer)))
        return cls(spec, store, layer, pooling, own, path, log_path, quantized)

    @property
    def features(self) -> str:
        """The pooling that was asked for, or that suits the head."""
        return self.pooling or self.spec.pooling

    def rows(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> CachedRows:
        """Return the features of some views of some images."""
        # Whole maps stay in half precision where the cache has them so; heads widen them a batch at a time.
        dtype = self.store.maps_dtype if self.features == "flatten" else np.float32
        return CachedRows(self.store, rows, views, self.layer, self.features, dtype)
