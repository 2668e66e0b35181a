"""What is asked of a damaged file, by its kind: pairs of a name and what reads it through featx's own interface."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import featx
from featx.errors import FeatxError
from featx.images.listing.columns import ManifestOptions
from featx.images.listing.manifest import read_manifest
from featx.models import network_of_cache
from featx.models.model import Model
from featx.verbs.finetune.checkpoint import load_checkpoint
from featx.verbs.inspect import CacheSummary, ModelSummary

Reader = tuple[str, Callable[[], Any]]

TURNS = 8
"""After so many the readers that take turns have all been asked."""


def readers_of(kind: str, copy: Path, file: str, material: Path, turn: int) -> Iterator[Reader]:
    """Yield what is to be asked of one damaged file; what takes long in turns."""
    if kind.startswith("model"):
        yield from _of_model(Path(file), material, turn)
    elif kind == "checkpoint":
        yield "resume", lambda: _checkpoint(Path(file), material)
    elif kind == "packed file":
        yield "pack", lambda: featx.pack_cache(material / "cache", file, overwrite=True).images
    elif "manifest" in kind:
        yield "list", lambda: _listed(Path(file))
    else:
        yield from _of_cache(copy, material, turn)


def _of_cache(cache: Path, material: Path, turn: int) -> Iterator[Reader]:
    parts = not (cache / "catalog.h5").exists() and (cache / "parts").exists()
    yield "verify", lambda: _verified(cache)
    if parts:
        yield "merge", lambda: _merged([cache], cache.parent / "merged")
        return
    yield "read", lambda: [_opened(store := featx.open_cache(cache)), _features(store)]
    name = cache.parent / "m.featx"
    several = {
        "fit": lambda: _fitted(cache, name),
        "merge": lambda: _merged([cache], cache.parent / "merged"),
        "pack": lambda: _packed(cache, cache.parent / "p.h5"),
        "evaluate": lambda: _evaluated(_model_of(cache, material), cache),
        "audit": lambda: _audited(cache),
        "layers": lambda: [_features(featx.open_cache(inside.parent)) for inside in sorted(cache.glob("layers/*/recipe.json"))],
        "network": lambda: _network(featx.open_cache(cache)),
        "inspect": lambda: _inspected(cache),
    }
    chosen = [*several][turn % len(several)]
    yield chosen, several[chosen]


def _opened(store: featx.FeatureCache) -> Any:
    catalog = {name: value for name, value in vars(store.catalog).items() if name != "part"}
    return [catalog, store.recipe, store.network]


def _network(store: featx.FeatureCache) -> Any:
    """Return the int8 network; of a cache that says it has none, that its features are there."""
    return network_of_cache(store) or _features(store)


def _inspected(cache: Path) -> Any:
    found = featx.inspect_path(cache)
    assert isinstance(found, CacheSummary)
    if found.missing:
        raise FeatxError(f"inspect: {found.missing} rows are missing")
    held = ("shards", "rows", "bytes")  # what is there now, whatever was there before
    return {name: value for name, value in vars(found).items() if name not in held}


def _features(store: featx.FeatureCache) -> Any:
    rows, views = store.catalog.learning_rows()
    everything = [
        store.features(store.catalog.rows(), pooling=pooling, layer=layer)
        for layer in store.recipe.layers
        for pooling in ("flatten", "avgmax")
    ]
    return [*everything, store.features(rows, views=views, pooling="avg")]


def _verified(cache: Path) -> Any:
    found = featx.verify_cache(cache)
    if not found.sound:
        raise FeatxError(f"verify: {[str(one) for one in found.damages]}, {found.missing} missing")
    return [found.shards, found.rows, found.missing, found.unlisted, found.repeated, found.foreign, found.unfinished]


def _fitted(cache: Path, out: Path) -> Any:
    result = featx.fit_head(cache, "ridge", out=out)
    return [of_model(featx.load_model(out)), result.train_images, result.val_accuracy, result.parameters]


def _merged(caches: list[Path], target: Path) -> Any:
    shutil.rmtree(target, ignore_errors=True)
    found = featx.merge_caches(caches, target)
    return [found.listed, found.with_features, found.missing, found.conflicts, _features(featx.open_cache(target))]


def _packed(cache: Path, out: Path) -> Any:
    import h5py

    featx.pack_cache(cache, out, overwrite=True)
    with h5py.File(out) as file:
        return [file[name][()].tolist() for name in sorted(file)]


def _model_of(cache: Path, material: Path) -> Path:
    """Return a model that fits a cache's features."""
    recipe = json.loads((material / "cache" / "recipe.json").read_text())["fingerprint"]
    same = recipe in (cache / "recipe.json").read_text(errors="replace")
    int8 = (cache / "quantized").exists()
    return material / ("models/int8.featx" if int8 else "models/logreg.featx" if same else "dense-of-vgg16.featx")


def _evaluated(model: Path, cache: Path) -> Any:
    found = featx.evaluate_model(model, split="test", cache=cache)
    return [found.accuracy, found.log_loss, found.probabilities, found.paths]


def _audited(cache: Path) -> Any:
    found = featx.audit_cache(cache)
    left_out = ("cache", "seconds", "path")
    return {name: value for name, value in vars(found).items() if name not in left_out}


def _of_model(path: Path, material: Path, turn: int) -> Iterator[Reader]:
    yield "load", lambda: of_model(featx.load_model(path))
    if path.stem not in ("int8", "tuned"):
        yield "predict", lambda: _probabilities(path, material)
        if turn % TURNS == 0:
            yield "evaluate", lambda: _evaluated(path, material / "cache")
    if turn % TURNS == 1:
        yield "inspect", lambda: _layers(path)


def _layers(path: Path) -> Any:
    found = featx.inspect_path(path)
    assert isinstance(found, ModelSummary)
    return found.layers


def of_model(model: Model) -> Any:
    """Return everything that a model holds."""
    values = {field.name: getattr(model, field.name) for field in dataclasses.fields(model) if field.compare}
    head = values.pop("head")
    for name in ("seconds",):
        values["metrics"] = {key: value for key, value in values["metrics"].items() if key != name}
    tail, quantized = values.pop("tail"), values.pop("quantized")
    values["versions"] = {}
    return [values, head.arrays(), head.settings(), tail and [tail.start, tail.end, tail.arrays], quantized]


def _probabilities(path: Path, material: Path) -> Any:
    model = featx.load_model(path)
    store = featx.open_cache(material / "cache")
    return model.predict_proba(store.features(store.catalog.rows(), pooling=model.pooling))


def _checkpoint(path: Path, material: Path) -> Any:
    identity = _identity(material / "stopped.featx.checkpoint")
    found = load_checkpoint(path, identity)
    if found is None:
        raise FeatxError("the training starts anew")
    return found


def _identity(path: Path) -> str:
    data = path.read_bytes()
    at = data.index(b'{"identity": ')
    found: str = json.JSONDecoder().raw_decode(data[at : at + 100_000].decode("latin-1"))[0]["identity"]
    return found


def _listed(path: Path) -> None:
    """Read a manifest, whose text has no checksum: another text is another listing."""
    read_manifest(path, ManifestOptions())
