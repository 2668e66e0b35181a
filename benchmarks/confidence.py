"""What confidence is worth: ``python -m benchmarks.confidence``; about five minutes on two cores.

Over 20 draws into training, validation and test images: how often sets of classes hold the right one, how large they are, and
the calibration error before and after a calibration. On the sample, scikit-learn's digits, and Tux Paint's stamps where
Debian's package tuxpaint-stamps-default is installed. And how many images a calibration takes: on Fashion-MNIST's pixels.
"""

import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import featx
from benchmarks.accuracy import SIDE, STAMPS, features, link_stamps
from benchmarks.made import fashion_cache
from benchmarks.sections import Section, Target, markdown_table, run
from featx.heads import METHODS, Calibration, Conformal, fit_calibration, make_head
from featx.verbs.evaluate.measures import expected_calibration_error, reliability
from featx.verbs.evaluate.surest import risk_coverage
from featx.verbs.sample.make import ORIGINALS, read_idx

HEADS = ("logreg", "ridge", "knn", "dense")
DRAWS = 20
LEVELS = (0.9, 0.95)
SHARES = (0.4, 0.3)
"""Of training and validation images; the rest tests."""

SIZES = (50, 100, 200, 400, 800)

PREDICTED = 100
"""Images of the comparison of speed."""


def digits(folder: Path) -> Path:
    """Write scikit-learn's digits, 64 px wide, in a folder a class."""
    from sklearn.datasets import load_digits

    of = load_digits()
    for number, (image, label) in enumerate(zip(of.images, of.target, strict=True)):
        path = folder / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            pixels = (image * 255 / 16).astype(np.uint8)
            Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(path)
    return folder


def sizes(head: str) -> list[dict[str, Any]]:
    """Calibrate on ever more images: the pixels of Fashion-MNIST's test images, of which the head learns from 1,000."""
    X, y = (read_idx(ORIGINALS / f"t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    X, y = X.reshape(len(X), -1).astype(np.float32) / 255, y.astype(np.int64)
    p, y = make_head(head).fit(X[:1000], y[:1000]).predict_proba(X[1000:]), y[1000:]
    found = []
    for n in SIZES:
        draws = []
        for seed in range(DRAWS):
            order = np.random.default_rng(seed).permutation(len(y))
            few, new = order[:n], order[-4000:]
            one: dict[str, Any] = {"before": errors_of(p[new], y[new])}
            for kind in ("temperature", "isotonic", "auto"):
                calibrated = fit_calibration(p[few], y[few], kind) or Calibration()
                one[kind] = errors_of(calibrated(p[new]), y[new])
            one["chosen"] = calibrated.kind
            draws.append(one)
        found.append({"images": n, "draws": draws})
    return found


def sizes_table(head: str, found: list[dict[str, Any]]) -> str:
    """Return a line for each number of images."""
    rows = []
    for at in found:
        draws = at["draws"]
        cells = [
            f"{mean(draws, kind, 'ece'):.3f}, {mean(draws, kind, 'log_loss'):.3f}"
            for kind in ("before", "temperature", "isotonic", "auto")
        ]
        chosen = sum(one["chosen"] == "isotonic" for one in draws)
        rows.append([head, f"{at['images']}", *cells[:3], f"{cells[3]} ({chosen})"])
    return markdown_table(("head", "validation images", "before", "temperature", "curve", "auto (curve chosen)"), rows)


def caches(quick: bool, work: Path) -> dict[str, Path]:
    """Return the features of each set, made here unless another benchmark has left them in ``work``."""
    folder, side = work / "accuracy", 32 if quick else SIDE
    if quick:
        return {"Fashion-MNIST": fashion_cache(work, True, side, "float32")}
    featx.unpack_sample(folder / "sample")
    sources = {"the sample": (folder / "sample", side), "digits": (digits(folder / "digits"), 64)}
    if STAMPS.is_dir():
        sources["Tux Paint's stamps"] = (link_stamps(folder / "stamps"), side)
    found = {}
    for name, (images, size) in sources.items():
        found[name] = folder / f"{images.name}-float32"
        featx.extract_features(images, found[name], image_size=(size, size))
    return found


def draw(y: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return rows of training, validation and test images; every class has training images."""
    order = np.random.default_rng(seed).permutation(len(y))
    first = [int(np.flatnonzero(y[order] == label)[0]) for label in np.unique(y)]
    order = np.concatenate([order[first], np.delete(order, first)])
    n_train, n_val = (int(share * len(y)) for share in SHARES)
    return order[:n_train], order[n_train : n_train + n_val], order[n_train + n_val :]


def sets_of(found: Conformal, p: NDArray[Any], y: NDArray[Any], level: float, method: str) -> dict[str, float]:
    """Return coverage, mean size, coverage without the best class of empty sets, and the worst class's coverage."""
    from featx.heads.conformal import class_scores

    chosen, own = found.sets(p, level, method), (np.arange(len(y)), y)
    bare = class_scores(p, method) <= found.threshold(level, method)
    by_class = [chosen[own][y == label].mean() for label in np.unique(y)]
    return {
        "coverage": float(chosen[own].mean()),
        "size": float(chosen.sum(axis=1).mean()),
        "bare": float(bare[own].mean()),
        "worst_class": float(min(by_class)),
    }


def errors_of(p: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    """Return calibration error and log loss."""
    loss = float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1)).mean())
    return {"ece": expected_calibration_error(reliability(p, y)), "log_loss": loss}


def one_draw(X: NDArray[Any], y: NDArray[Any], head: str, seed: int) -> dict[str, Any]:
    """Fit, calibrate and measure once."""
    train, val, test = draw(y, seed)
    options = {"epochs": 30} if head == "dense" else {}
    fitted = make_head(head, seed=seed, **options).fit(X[train], y[train], X[val], y[val])
    p_val, p = fitted.predict_proba(X[val]), fitted.predict_proba(X[test])
    found: dict[str, Any] = {"accuracy": float((p.argmax(axis=1) == y[test]).mean()), "before": errors_of(p, y[test])}
    for kind in ("temperature", "isotonic", "auto"):
        calibrated = fit_calibration(p_val, y[val], kind) or Calibration()
        found[kind] = errors_of(calibrated(p), y[test])
        if kind == "auto":
            found["chosen"] = calibrated.kind
            scores = Conformal.of(calibrated(p_val), y[val])
            for method in METHODS:
                for level in LEVELS:
                    found[f"{method} {level}"] = sets_of(scores, calibrated(p), y[test], level, method)
            surest = risk_coverage(calibrated(p), y[test])
            found["surest"] = next(one.accuracy for one in surest.table if one.share == 0.8)
    plain = Conformal.of(p_val, y[val])
    found["uncalibrated"] = sets_of(plain, p, y[test], LEVELS[0], METHODS[0])
    return found


def mean(draws: list[dict[str, Any]], *keys: str) -> float:
    """Return the mean of a figure over the draws."""
    values = []
    for found in draws:
        value: Any = found
        for key in keys:
            value = value[key]
        values.append(value)
    return statistics.fmean(values)


def averaged(draws: list[Any]) -> Any:
    """Return the means of everything in draws of one form; of a word, how often it is there."""
    first = draws[0]
    if isinstance(first, dict):
        return {key: averaged([found[key] for found in draws]) for key in first}
    return dict(Counter(draws)) if isinstance(first, str) else statistics.fmean(draws)


def predict_seconds(cache: Path, work: Path, quick: bool) -> tuple[list[float], list[float]]:
    """Return processor seconds of predicting some images without and with sets, in turn."""
    model = featx.fit_head(cache, "logreg", out=work / "confidence-speed.featx").model
    catalog = featx.open_cache(str(cache)).catalog
    paths = [Path(catalog.source) / path for path in catalog.paths[: 20 if quick else PREDICTED]]
    seconds: tuple[list[float], list[float]] = ([], [])
    featx.predict_images(model, paths[:8])
    for _ in range(2 if quick else 3):
        for some, options in zip(seconds, ({}, {"sets": 0.9}), strict=True):
            started = time.process_time()
            featx.predict_images(model, paths, workers=1, **options)  # type: ignore[arg-type]
            some.append(time.process_time() - started)
    return seconds


def measure(quick: bool, work: Path) -> Section:
    """Draw, fit and measure."""
    rows, targets, figures = [], [], {}
    held = caches(quick, work)
    for name, cache in held.items():
        X, y, _ = features(cache)
        for head in HEADS:
            draws = [one_draw(X, y, head, seed) for seed in range(2 if quick else DRAWS)]
            figures[f"{name}, {head}"] = averaged(draws)
            accuracy, coverage = mean(draws, "accuracy"), mean(draws, "lac 0.9", "bare")
            chosen = sum(found["chosen"] == "isotonic" for found in draws)
            rows.append(
                [
                    f"{name}, {len(y):,} images, {len(np.unique(y))} classes",
                    head,
                    f"{accuracy:.3f}",
                    f"{mean(draws, 'lac 0.9', 'coverage'):.3f} ({coverage:.3f})",
                    f"{mean(draws, 'lac 0.9', 'size'):.2f}",
                    f"{mean(draws, 'aps 0.9', 'coverage'):.3f}, {mean(draws, 'aps 0.9', 'size'):.2f}",
                    f"{mean(draws, 'lac 0.95', 'coverage'):.3f}, {mean(draws, 'lac 0.95', 'size'):.2f}",
                    f"{mean(draws, 'before', 'ece'):.3f}",
                    f"{mean(draws, 'temperature', 'ece'):.3f}",
                    f"{mean(draws, 'isotonic', 'ece'):.3f}",
                    f"{mean(draws, 'auto', 'ece'):.3f} ({chosen})",
                    f"{mean(draws, 'surest'):.3f}",
                ]
            )
            away = abs(coverage - LEVELS[0])
            targets.append(Target(f"{name}, {head}: coverage away from 0.90", 0.02, away, at_least=False, unit=""))
            if head == "knn":
                worse = mean(draws, "auto", "ece") - mean(draws, "before", "ece")
                targets.append(Target(f"{name}, knn: calibration error gained", 0.0, worse, at_least=False, unit=""))
    without, with_sets = predict_seconds(next(iter(held.values())), work, quick)
    slower = 100 * (statistics.median(b / a for a, b in zip(without, with_sets, strict=True)) - 1)
    figures["predict"] = {"without": without, "with": with_sets}
    targets.append(Target("predict with --sets, slower (processor time)", 3, slower, at_least=False, unit=" %"))
    columns = (
        *("images", "head", "accuracy", "lac 0.9: coverage (empty sets left empty)", "classes", "aps 0.9", "lac 0.95"),
        *("error before", "temperature", "curve", "auto (curve chosen)", "surest 80 %"),
    )
    notes = [
        f"Means of {DRAWS} draws: {SHARES[0]:.0%} of the images to learn from, {SHARES[1]:.0%} to validate, the rest to test. "
        "VGG16, averages and maxima. lac and aps: the share of sets that hold the right class, and "
        "classes a set, by the validation images, which calibrated the probabilities too; those of dense chose its epoch as "
        "well (30 at most). featx puts the most probable class into a set that were empty; in brackets what coverage is "
        "without that. Error: the expected calibration error, as the head is, after one temperature, after the isotonic "
        "curve, and after what fit --calibrate takes. Surest 80 %: the share right of the answers that it is surest of."
    ]
    if not quick and ORIGINALS.is_dir():
        notes.append(
            "Calibration error and log loss by the number of validation images: pixels of Fashion-MNIST, 1,000 learned from."
        )
        for head in ("logreg", "knn"):
            found = sizes(head)
            figures[f"sizes, {head}"] = [at | {"draws": averaged(at["draws"])} for at in found]
            notes.append(sizes_table(head, found))
    return Section(
        "confidence",
        "Sets of classes and calibration",
        "python -m benchmarks.confidence",
        columns,
        rows,
        targets,
        notes,
        figures,
    )


if __name__ == "__main__":
    run(measure, __doc__)
