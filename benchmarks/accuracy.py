"""What int8 costs in accuracy: ``python -m benchmarks.accuracy``; about six minutes on two cores.

Balanced accuracy of linear heads on float32 and on int8 features of the same images: by five-fold cross-validation on the
sample (800 images), on 3,000 other images of Fashion-MNIST, and on photographs and drawings in colour where Debian's package
tuxpaint-stamps-default is installed. The folds are the same on both sides.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

import featx
from benchmarks.made import fashion_cache, photos, precision_options, precisions, why_no_int8
from benchmarks.sections import Section, Target, run
from featx.heads import make_head

HEADS = ("logreg", "svm")
FOLDS = 5
PREDICTIONS = 3000
"""Of fewer images than this, the mean of several deals into folds is taken, up to …"""
MOST_DEALS = 5
"""… as many: on some hundred images one deal differs from the next by a point."""

SIDE = 96
RESAMPLES = 2000

STAMPS = Path("/usr/share/tuxpaint/stamps")
_LEAST_STAMPS = 12


def link_stamps(folder: Path, least: int = _LEAST_STAMPS) -> Path:
    """Link to the pictures that come with Tux Paint, a class for each folder that has ``least`` of them; letters left out."""
    for path in sorted(STAMPS.rglob("*.png")):
        parts = path.relative_to(STAMPS).parts
        if "alphabets" in parts or "cartoon" in parts or len(parts) < 2:
            continue
        target = folder / (parts[0] if len(parts) == 2 else f"{parts[0]} {parts[1]}") / "-".join(parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(path)
    for group in sorted(folder.iterdir()):
        if len(list(group.iterdir())) < least:
            for link in group.iterdir():
                link.unlink()
            group.rmdir()
    return folder


def features(cache: Path) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
    """Return X and y of all images, whatever their split, and their paths."""
    store = featx.open_cache(str(cache))
    catalog = store.catalog
    rows = catalog.rows()
    X = store.features(rows, pooling="avgmax").reshape(len(rows), -1)
    return X, catalog.labels[rows].astype(np.int64), [catalog.paths[row] for row in rows]


def cross_validated(X: NDArray[Any], y: NDArray[Any], head: str) -> NDArray[Any]:
    """Return the class (n_deals, n_images) that each image gets from a head that has not seen it, in each deal."""
    n_deals = min(MOST_DEALS, -(-PREDICTIONS // len(y)))
    predicted = np.empty((n_deals, len(y)), y.dtype)
    for deal, classes in enumerate(predicted):
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=deal).split(X, y):
            fitted = make_head(head).fit(X[train], y[train])
            classes[test] = fitted.classes_[fitted.predict_proba(X[test]).argmax(axis=1)]
    return predicted


def mean_accuracy(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Return balanced accuracy, averaged over the deals."""
    return float(np.mean([balanced_accuracy_score(y, classes) for classes in predicted]))


def paired_error(y: NDArray[Any], one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the standard error of a difference in balanced accuracy, from drawing the images anew with replacement.

    Parameters
    ----------
    y : ndarray of shape (n_images,)
        What they are.
    one, other : ndarray of shape (n_deals, n_images)
        From ``cross_validated``.
    """
    rng = np.random.default_rng(0)
    _, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    # Per class, as the mean of the classes' recalls has it.
    difference = ((other == y).astype(float) - (one == y)).mean(axis=0)
    draws = np.empty(RESAMPLES)
    members = [np.flatnonzero(labels == label) for label in range(len(counts))]
    for draw in range(RESAMPLES):
        draws[draw] = np.mean([difference[rng.choice(rows, len(rows))].mean() for rows in members])
    return float(draws.std())


def measure(quick: bool, work: Path) -> Section:
    """Extract each set twice and cross-validate."""
    side = 32 if quick else SIDE
    sets: dict[str, dict[str, Path]] = {
        "3,000 of Fashion-MNIST": {p: fashion_cache(work, quick, side, p) for p in precisions()}
    }
    sources = {}
    if quick:
        photos(work / "accuracy" / "photographs", 40, (64, 48), classes=2)
        sources["photographs"] = work / "accuracy" / "photographs"
    else:
        featx.unpack_sample(work / "accuracy" / "sample")
        sources["the sample"] = work / "accuracy" / "sample"
        if STAMPS.is_dir():
            sources["Tux Paint's stamps"] = link_stamps(work / "accuracy" / "stamps")
    for name, images in sources.items():
        sets[name] = {}
        for precision in precisions():
            cache = work / "accuracy" / f"{images.name}-{precision}"
            featx.extract_features(images, cache, image_size=(side, side), **precision_options(precision))
            sets[name][precision] = cache
    rows, targets, figures = [], [], {}
    for name, caches in sorted(sets.items(), reverse=True):
        X, y, paths = features(caches["float32"])
        X_int8 = features(caches["int8"])[0] if "int8" in caches else None
        if X_int8 is not None:
            assert features(caches["int8"])[2] == paths
        for head in HEADS:
            exact = cross_validated(X, y, head)
            found = {"images": len(y), "classes": len(np.unique(y)), "float32": mean_accuracy(y, exact)}
            cells = [f"{name}, {len(y):,} images, {found['classes']} classes", head, f"{found['float32']:.4f}"]
            if X_int8 is not None:
                quantized = cross_validated(X_int8, y, head)
                found["int8"] = mean_accuracy(y, quantized)
                found["difference"] = found["int8"] - found["float32"]
                found["error"] = paired_error(y, exact, quantized)
                found["changed"] = float((exact != quantized).mean())
                cells += [
                    f"{found['int8']:.4f}",
                    f"{100 * found['difference']:+.2f} ± {100 * found['error']:.2f}",
                    f"{found['changed']:.1%}",
                ]
            else:
                cells += ["–", "–", "–"]
            rows.append(cells)
            figures[f"{name}, {head}"] = found
            loss = -100 * found["difference"] if "difference" in found else None
            targets.append(Target(f"{name}, {head}: points lost with int8", 0.5, loss, at_least=False, unit=""))
    columns = ("images", "head", "float32", "int8", "difference, points", "images classed otherwise")
    notes = [
        f"Balanced accuracy by {FOLDS}-fold cross-validation, the same folds on both sides; of fewer than {PREDICTIONS:,} "
        f"images the mean of up to {MOST_DEALS} deals into folds. VGG16 at {side} px, averages and maxima. ± is the standard "
        "error of the difference: the images drawn anew within each class."
    ]
    if why_no_int8():
        notes.append(f"int8: not measured, {why_no_int8()}.")
    if not quick and not STAMPS.is_dir():
        notes.append("Not measured in colour: Debian's package tuxpaint-stamps-default is not installed.")
    return Section("accuracy", "Accuracy with int8", "python -m benchmarks.accuracy", columns, rows, targets, notes, figures)


if __name__ == "__main__":
    run(measure, __doc__)
