"""The verb inspect: what is in a cache or a model."""

import dataclasses
from pathlib import Path
from typing import Any

from featx.errors import ModelError, ModelNotFound
from featx.models import Model, advise, kind_at, load_model, open_cache
from featx.recipe import Recipe
from featx.store import REJECTED, SPLITS, FeatureCache, missing_rows
from featx.system.paths import StrPath, as_path
from featx.system.results import Result
from featx.task import Task


@dataclasses.dataclass(frozen=True, repr=False)
class CacheSummary(Result):
    """What a cache holds.

    Parameters
    ----------
    path : Path
        Its folder.
    recipe : Recipe
        How its features were made.
    source : str
        The images' folder at the last extract.
    counts : dict of str to dict of str to int
        Class, label or target to split to number of images with features: of labels those that have it, of numbers those of
        which it is known.
    splits : dict of str to int
        Images with features in each split.
    listed, rejected : int
        Images listed; those without features.
    rows, shards, bytes : int
        Feature rows, files and bytes on disk.
    reasons : dict of str to int
        Rejected images by reason.
    views : int
        Views of each training image, the clean one included.
    augment : str
        How the other views were made; empty without any.
    missing : int
        Rows of listed images that are in no shard: they were lost, or the listing is of another cache.
    task : Task
        What is to be learned of the images.
    """

    path: Path
    recipe: Recipe
    source: str
    counts: dict[str, dict[str, int]]
    splits: dict[str, int]
    listed: int
    rejected: int
    rows: int
    shards: int
    bytes: int
    reasons: dict[str, int]
    views: int
    augment: str
    missing: int = 0
    task: Task = Task()  # noqa: RUF009 - frozen


@dataclasses.dataclass(frozen=True, repr=False)
class ModelSummary(Result):
    """What a model is.

    Parameters
    ----------
    path : Path
        The model file.
    model : Model
        Its content.
    layers : list of dict
        ``name``, ``type``, ``output_shape``, ``parameters``, ``trainable`` of backbone and head, in order.
    """

    path: Path
    model: Model
    layers: list[dict[str, Any]]


def inspect_path(path: StrPath) -> CacheSummary | ModelSummary:
    """Summarise a cache folder or a model file.

    Raises
    ------
    CacheError, ModelError
        If it is neither, or damaged.

    Examples
    --------
    >>> featx.inspect_path("cache/photos").counts["red"]
    {'train': 8, 'val': 2, 'test': 2}
    >>> featx.inspect_path("models/photos-logreg.featx").model.class_names
    ('blue', 'green', 'red')
    """
    path = as_path("path", path, ModelError, "a cache's folder or a model file")
    if path.is_dir() and kind_at(path) != "models":
        return _inspect_cache(path)
    if not path.exists():
        said = advise(path, "model") or advise(path, "cache")
        raise ModelNotFound(said or f"{path}: no such cache or model. Give a cache's folder or a .featx file.")
    return summarise_model(load_model(path), path)


def _inspect_cache(path: Path) -> CacheSummary:
    return summarise_cache(open_cache(path))


def summarise_cache(store: FeatureCache) -> CacheSummary:
    """Summarise a cache that is open."""
    catalog = store.catalog
    of_split = {split: catalog.images_of_class(split) for split in SPLITS}
    counts = {name: {split: of_split[split][name] for split in SPLITS} for name in of_split["train"]}
    return CacheSummary(
        path=store.folder,
        recipe=store.recipe,
        source=catalog.source,
        counts=counts,
        splits={split: len(catalog.rows(split)) for split in SPLITS},
        listed=len(catalog),
        rejected=int((catalog.status == REJECTED).sum()),
        rows=len(store),
        shards=len(store.shards),
        bytes=store.stored_bytes,
        reasons=catalog.reason_counts(),
        views=1 + len(catalog.view_keys),
        augment=catalog.augment,
        missing=missing_rows(catalog, store),
        task=catalog.task,
    )


def summarise_model(model: Model, path: Path) -> ModelSummary:
    """Summarise a model that was read from a file, or is to be written there."""
    tuned = {name.split("/")[0] for name in model.tail.arrays} if model.tail else set()
    layers = [layer | {"trainable": layer["name"] in tuned} for layer in model.network.get("layers", [])]
    end = model.tail.end if model.tail else model.layer
    layers.append(
        {
            "name": f"{model.head_name} head on {end}, {model.pooling}",
            "type": "Head",
            "output_shape": [len(model.column_names)],
            "parameters": model.head.n_parameters,
            "trainable": model.head_name != "knn",
        }
    )
    return ModelSummary(path=path, model=model, layers=layers)
