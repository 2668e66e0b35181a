"""Runs of the verbs that change files, each prepared, killed, run again and looked at by the fault injections."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

import featx
from benchmarks.scene import extract, make_images, rows_of


@dataclasses.dataclass(frozen=True)
class Verb:
    """One verb at work in a folder.

    Parameters
    ----------
    prepare : callable
        Makes what it works on, once, in an empty folder.
    run : callable
        The command; the same one again after a kill.
    result : callable
        What it is all about, in a form that two runs can be compared by.
    preload : tuple of str
        Modules to load before a process forks: loading them takes longer than the run.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], object]
    result: Callable[[Path], object]
    preload: tuple[str, ...] = ()


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder that is neither hidden nor inside something hidden."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    shown = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return {str(name): hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in shown}


def sound_shards(folder: Path) -> set[str]:
    """Return the names of all shards below a cache's ``damaged/`` whose every byte is what was written."""
    return {path.name for path in folder.rglob("damaged/*.h5") if hashlib.sha256(path.read_bytes()).hexdigest() == path.stem}


def _cache(place: Path, n_images: int, drop: int = 0) -> Path:
    """Extract, and again after some of the images are gone."""
    images = make_images(place / "images", n_images)
    extract(images, place / "cache")
    for path in sorted(images.rglob("*.png"))[:: n_images // drop] if drop else ():
        path.unlink()
    if drop:
        extract(images, place / "cache")
    return place / "cache"


def _prepare_prune(place: Path) -> None:
    _cache(place, 160, drop=40)  # about 40 shards


def _prepare_repair(place: Path) -> None:
    cache = _cache(place, 80)
    for path in sorted(cache.glob("shards/*.h5"))[::3]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def _repair(place: Path) -> object:
    featx.verify_cache(place / "cache", repair=True)
    return extract(place / "images", place / "cache")


def _prepare_merge(place: Path) -> None:
    for number in range(2):
        extract(make_images(place / f"images{number}", 40, seed=number), place / f"cache{number}")


def _prepare_models(place: Path) -> None:
    cache = _cache(place, 24)
    for head in ("logreg", "ridge"):
        featx.fit_head(cache, head, out=place / f"{head}.featx")


def _prepare_export(place: Path) -> None:
    _prepare_models(place)
    _export(place, "logreg")


def _export(place: Path, head: str = "ridge") -> object:
    """Replace an earlier export by another one, as a file (joblib) and as a result of two files."""
    from featx.verbs.export.outputs import check_place, put_in_place, workshop

    featx.export_model(place / f"{head}.featx", place / "out" / "it.joblib", overwrite=True)
    pair = place / "out" / "it.xml"
    names = (pair.name, "it.bin")
    check_place(pair, names, True)
    with workshop(pair) as folder:
        for name in names:
            (folder / name).write_bytes(f"{head} {name} ".encode() * 20_000)
        return put_in_place(folder, pair, names, {"head": head})


def _finetune(place: Path) -> object:
    return featx.fine_tune(place / "cache", epochs=2, batch_size=8, out=place / "models" / "tuned.featx", seed=0)


def _pack(place: Path) -> object:
    return featx.pack_cache(place / "cache", place / "it.h5", overwrite=True)


def _verified(place: Path) -> object:
    """Return what a cache holds, which must be sound, and have nothing sound set aside."""
    result = featx.verify_cache(place / "cache")
    return rows_of(place / "cache"), result.sound, result.unlisted, result.repeated, sorted(sound_shards(place))


def _merged(place: Path) -> object:
    result = featx.verify_cache(place / "cache")
    return rows_of(place / "cache"), result.sound, rows_of(place / "cache0"), rows_of(place / "cache1")


def _tuned(place: Path) -> object:
    """Return how the training went, to what two cores can repeat, and that no checkpoint is left."""
    model = featx.load_model(place / "models" / "tuned.featx")
    history = {name: np.round(values, 3).tolist() for name, values in model.history.items()}
    return model.head_name, sorted(path.name for path in (place / "models").iterdir()), history


VERBS = {
    "prune": Verb(_prepare_prune, lambda place: featx.verify_cache(place / "cache", prune=True), _verified),
    "repair": Verb(_prepare_repair, _repair, _verified),
    "merge": Verb(
        _prepare_merge, lambda place: featx.merge_caches([place / "cache0", place / "cache1"], place / "cache"), _merged
    ),
    "export": Verb(_prepare_export, _export, lambda place: digests_of(place / "out")),
    "finetune": Verb(_prepare_models, _finetune, _tuned, ("keras", "tensorflow", "featx.verbs.finetune.finetune")),
    "pack": Verb(_prepare_models, _pack, lambda place: digests_of(place)["it.h5"]),
}


def _report(place: Path) -> object:
    evaluation = featx.evaluate_model(place / "logreg.featx", split="val")
    featx.write_report(evaluation, place / "new" / "reports" / "logreg", page=False)
    featx.write_report(
        featx.evaluate_model(place / "ridge.featx", split="val"), place / "new" / "reports" / "logreg", page=False
    )
    return None


# What else writes: their protocol is traced, in folders that are not there yet.
WRITERS = {
    "extract": Verb(
        lambda place: make_images(place / "images", 12) and None,
        lambda place: extract(place / "images", place / "new" / "cache" / "photos"),
        lambda place: rows_of(place / "new" / "cache" / "photos"),
    ),
    "overwrite": Verb(
        lambda place: _cache(place, 12) and None,
        lambda place: featx.extract_features(
            place / "images", place / "cache", backbone="stub", image_size=(96, 96), overwrite=True
        ),
        lambda place: rows_of(place / "cache"),
    ),
    "parts": Verb(
        lambda place: make_images(place / "images", 12) and None,
        lambda place: [
            featx.extract_features(place / "images", place / "new" / "cache", backbone="stub", image_size=(96, 96), shard=shard)
            for shard in ("1/2", None)
        ],
        lambda place: rows_of(place / "new" / "cache"),
    ),
    "fit": Verb(
        lambda place: _cache(place, 24) and None,
        lambda place: featx.fit_head(place / "cache", "ridge", out=place / "new" / "models" / "it.featx"),
        lambda place: digests_of(place / "new"),
    ),
    "report": Verb(_prepare_models, _report, lambda place: digests_of(place / "new")),
    "sample": Verb(
        lambda place: None, lambda place: featx.unpack_sample(place / "new" / "sample"), lambda place: digests_of(place)
    ),
}


def fresh(prepared: Path, place: Path) -> Path:
    """Return a copy of what was prepared."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(prepared, place)
    return place
