"""Runs of the verbs that change files, each prepared, killed, run again and looked at by the fault injections."""

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import featx
from benchmarks.scene import extract, make_images, rows_of
from benchmarks.tiny import small_vgg16


@dataclasses.dataclass(frozen=True)
class Verb:
    """One verb at work in a folder.

    Parameters
    ----------
    prepare : callable
        Makes what it works on, of so many images, once, in an empty folder.
    run : callable
        The command; the same one again after a kill.
    result : callable
        What it is all about, in a form that two runs can be compared by.
    images : int
        How many images are enough for a run in which a kill comes at many places.
    traced : int
        The same, where a run is repeated for every system call of it.
    whole : tuple of str
        Files that hold what they held before, or what they hold in the end, at every instant.
    repeats : bool
        Whether two undisturbed runs give the same result.
    """

    prepare: Callable[[Path, int], object]
    run: Callable[[Path], object]
    result: Callable[[Path], object]
    images: int = 12
    traced: int = 6
    whole: tuple[str, ...] = ()
    repeats: bool = True


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder that is neither hidden nor inside something hidden."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    shown = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    return {str(name): hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in shown}


def holds_its_name(path: Path) -> bool:
    """Tell whether every byte of a shard is what was written: its name is their digest."""
    return hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def sound_shards(folder: Path) -> set[str]:
    """Return the names of all shards below a cache's ``damaged/`` whose every byte is what was written."""
    return {path.name for path in folder.rglob("damaged/*.h5") if holds_its_name(path)}


def _cache(place: Path, n_images: int, drop: int = 0) -> Path:
    """Extract, and again after some of the images are gone."""
    images = make_images(place / "images", n_images)
    extract(images, place / "cache")
    for path in sorted(images.rglob("*.png"))[:: n_images // drop] if drop else ():
        path.unlink()
    if drop:
        extract(images, place / "cache")
    return place / "cache"


def _prepare_repair(place: Path, n_images: int) -> None:
    cache = _cache(place, n_images)
    for path in sorted(cache.glob("shards/*.h5"))[::3]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def _repair(place: Path) -> object:
    featx.verify_cache(place / "cache", repair=True)
    return extract(place / "images", place / "cache")


def _prepare_merge(place: Path, n_images: int) -> None:
    for number in range(2):
        extract(make_images(place / f"images{number}", n_images // 2, seed=number), place / f"cache{number}")


def _prepare_models(place: Path, n_images: int) -> None:
    cache = _cache(place, n_images)
    for head in ("logreg", "ridge"):
        featx.fit_head(cache, head, out=place / f"{head}.featx")


def _prepare_export(place: Path, n_images: int) -> None:
    _prepare_models(place, n_images)
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


def _prepare_pack(place: Path, n_images: int) -> None:
    featx.pack_cache(_cache(place, n_images), place / "it.h5")
    extract(make_images(place / "images", n_images + 12), place / "cache")


def _prepare_finetune(place: Path, n_images: int) -> None:
    with small_vgg16():
        featx.extract_features(
            *(make_images(place / "images", n_images), place / "cache"), weights="random", image_size=(32, 32), batch_size=8
        )
        featx.fit_head(place / "cache", "dense", out=place / "models" / "dense.featx", epochs=1)


def _finetune(place: Path) -> object:
    """Fine-tune the last layer, whose input is extracted first, over two epochs."""
    with small_vgg16():
        return featx.fine_tune(
            *(place / "cache", "block5_conv3"),
            model=place / "models" / "dense.featx",
            out=place / "tuned" / "it.featx",
            epochs=2,
            batch_size=8,
            learning_rate=1e-4,
        )


def _tuned(place: Path) -> object:
    """Return every array of the model and how its training went, and that no checkpoint is left."""
    model = featx.load_model(place / "tuned" / "it.featx")
    assert model.tail is not None
    arrays = {name: array.tobytes() for name, array in (model.tail.arrays | model.head.arrays()).items()}
    shown = sorted(path.name for path in (place / "tuned").iterdir() if not path.name.startswith("."))
    deep = place / "cache" / "layers" / "block5_conv2"
    return arrays, model.history, shown, featx.verify_cache(deep).sound


def _verified(place: Path) -> object:
    """Return what a cache holds, which must be sound, and have nothing sound set aside."""
    result = featx.verify_cache(place / "cache")
    return rows_of(place / "cache"), result.sound, result.unlisted, result.repeated, sorted(sound_shards(place))


def _merged(place: Path) -> object:
    result = featx.verify_cache(place / "cache")
    return rows_of(place / "cache"), result.sound, rows_of(place / "cache0"), rows_of(place / "cache1")


def _report(place: Path) -> object:
    for head in ("logreg", "ridge"):
        evaluation = featx.evaluate_model(place / f"{head}.featx", split="val")
        featx.write_report(evaluation, place / "new" / "reports" / "logreg", page=False)
    return None


def _pages(place: Path) -> object:
    """Write what the other verbs write of a result: tables and pages, over those of an earlier run too."""
    from featx.report import write_audit, write_explanation_page, write_prediction_page
    from featx.verbs.compare import save_comparison
    from featx.verbs.predict import save_predictions

    new, model = place / "new" / "pages", place / "ridge.featx"
    predictions = featx.predict_images(model, place / "images")
    for _ in range(2):
        save_predictions(predictions, new / "p.csv")
        write_prediction_page(predictions, new / "p.html", model)
        write_explanation_page(featx.explain_images(model, place / "images"), new / "why.html", model)
        write_audit(featx.audit_cache(place / "cache"), new / "audit")
        save_comparison(featx.compare_heads(place / "cache", heads=["ridge"], folds=2), new / "compared.csv")
    return None


def _extract_parts(place: Path) -> object:
    options = {"backbone": "stub", "image_size": (96, 96)}
    return [featx.extract_features(place / "images", place / "new" / "cache", **options, shard=part) for part in ("1/2", None)]  # type: ignore[arg-type]


def _overwrite(place: Path) -> object:
    return featx.extract_features(place / "images", place / "cache", backbone="stub", image_size=(96, 96), overwrite=True)


VERBS = {
    "extract": Verb(
        lambda place, n: make_images(place / "images", n),
        lambda place: extract(place / "images", place / "new" / "cache" / "photos"),
        lambda place: rows_of(place / "new" / "cache" / "photos"),
        images=20,
    ),
    "prune": Verb(
        lambda place, n: _cache(place, n, drop=n // 4),
        lambda place: featx.verify_cache(place / "cache", prune=True),
        _verified,
        images=40,
        traced=20,
    ),
    "repair": Verb(_prepare_repair, _repair, _verified, images=20, traced=12),
    "merge": Verb(
        _prepare_merge,
        lambda place: featx.merge_caches([place / "cache0", place / "cache1"], place / "cache"),
        _merged,
        images=24,
        traced=12,
    ),
    "export": Verb(
        _prepare_export,
        _export,
        lambda place: digests_of(place / "out"),
        traced=12,
        whole=("out/it.joblib", "out/it.xml", "out/it.bin"),
    ),
    "finetune": Verb(_prepare_finetune, _finetune, _tuned, images=24, traced=12),
    "pack": Verb(
        _prepare_pack,
        lambda place: featx.pack_cache(place / "cache", place / "it.h5", overwrite=True),
        lambda place: digests_of(place)["it.h5"],
        whole=("it.h5",),
    ),
    "overwrite": Verb(_cache, _overwrite, lambda place: rows_of(place / "cache")),
    "parts": Verb(
        lambda place, n: make_images(place / "images", n), _extract_parts, lambda place: rows_of(place / "new" / "cache")
    ),
    "fit": Verb(
        _cache,
        lambda place: featx.fit_head(place / "cache", "ridge", out=place / "new" / "models" / "it.featx"),
        lambda place: digests_of(place / "new"),
        images=24,
        traced=24,
        repeats=False,  # the model says how long it took
    ),
    "report": Verb(_prepare_models, _report, lambda place: digests_of(place / "new"), images=24, traced=24, repeats=False),
    "pages": Verb(_prepare_models, _pages, lambda place: digests_of(place / "new"), images=24, traced=24, repeats=False),
    "sample": Verb(
        lambda place, n: None, lambda place: featx.unpack_sample(place / "new" / "sample"), lambda place: digests_of(place)
    ),
}


def fresh(prepared: Path, place: Path) -> Path:
    """Return a copy of what was prepared."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(prepared, place)
    return place
