"""Whether explanations find what decides a class: ``python -m benchmarks.explain [--cache FOLDER --images FOLDER]``.

Images of noise with one patch that is the class, at a random place, and one to three patches that say nothing; VGG16 at 224 px.
Of the test images that a head takes for their class: in how many the strongest cell overlaps the patch, and which share of what
speaks for the class lies in such cells; then how alike the maps of a second head are that learned from other labels.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import featx
from benchmarks.planted import make_planted, overlapping
from featx.heads import make_head
from featx.models import HeadFeatures
from featx.verbs.explain.cells import Explainer
from featx.verbs.explain.explain import choose_classes

SIDE, PATCH = 224, 48
COUNTS = {"train": 240, "test": 120}
HEADS: list[tuple[str, str, dict[str, Any]]] = [
    *(("logreg", pooling, {}) for pooling in ("avgmax", "avg", "max", "flatten")),
    *(("logreg", "avgmax", {"scale": scale}) for scale in ("l2", "sqrt")),
    ("svm", "avgmax", {}),
    ("ridge", "avgmax", {}),
    ("dense", "avgmax", {}),
    ("dense", "avgmax", {"hidden": [64]}),
    ("svm", "avgmax", {"kernel": "rbf"}),
]


def measure(model: featx.Model, maps: NDArray[np.float32], y: NDArray[np.int64], inside: list[NDArray[np.bool_]]) -> list[str]:
    """Return the cells of a table: method, accuracy, share of patches found and of evidence in them, time an image."""
    X = HeadFeatures(model).pooled(maps)
    labels, others = choose_classes(model.predict_proba(X))
    started = time.monotonic()
    explainer = Explainer(model)
    cells = explainer(maps, X, labels, others).cells
    seconds = time.monotonic() - started
    right = labels == y
    found = np.array([patch.ravel()[one.argmax()] for one, patch in zip(cells, inside, strict=True)])
    spoken = np.maximum(cells, 0)
    shares = np.array([one[patch].sum() / max(one.sum(), 1e-12) for one, patch in zip(spoken, inside, strict=True)])
    return [
        explainer.method,
        f"{right.mean():.3f}",
        f"{found[right].mean():.3f} of {right.sum()}",
        f"{shares[right].mean():.2f}",
        f"{1000 * seconds / len(maps):.1f} ms",
    ]


def likeness(model: featx.Model, rows: NDArray[np.float32], y: NDArray[np.int64], maps: NDArray[np.float32]) -> str:
    """Return the median size of the correlation with the maps of the same head fitted on labels drawn anew."""
    labels = np.arange(len(maps)) % len(model.class_names)
    others = (labels + 1) % len(model.class_names)
    X = HeadFeatures(model).pooled(maps)
    head = make_head("logreg").fit(rows, np.random.default_rng(0).permutation(y))
    drawn = dataclasses.replace(model, head=head)
    real, random = (Explainer(one)(maps, X, labels, others).cells.reshape(len(maps), -1) for one in (model, drawn))
    sizes = [abs(np.corrcoef(one, two)[0, 1]) for one, two in zip(real, random, strict=True)]
    return f"{np.median(sizes):.2f}, {np.quantile(sizes, 0.95):.2f} at the 95th percentile"


def main() -> None:
    """Make the images, extract, fit each head, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, help="where the images are made, or stand already")
    parser.add_argument("--cache", type=Path, help="where their features go, or are already")
    parser.add_argument("--counts", type=int, nargs=2, default=list(COUNTS.values()), metavar=("TRAIN", "TEST"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        images, cache = chosen.images or Path(scratch) / "images", chosen.cache or Path(scratch) / "cache"
        places = make_planted(images, dict(zip(COUNTS, chosen.counts, strict=True)), side=SIDE, patch=PATCH)
        store = featx.open_cache(featx.extract_features(images, cache, image_size=(SIDE, SIDE)).cache)
        catalog = store.catalog
        test, train = catalog.rows("test"), catalog.rows("train")
        maps, y = store.maps(test).astype(np.float32), catalog.labels[test]
        inside = [overlapping(places[catalog.paths[row]], PATCH, SIDE, maps.shape[1:3]) for row in test]
        print(f"{len(test)} test images; by chance a cell overlaps the patch in {np.mean(inside):.3f}\n")
        print("| head | pooling | method | accuracy | found | evidence inside | an image |")
        print("|---|---|---|---|---|---|---|")
        for head, pooling, settings in HEADS:
            out = Path(scratch) / "m.featx"
            model = featx.load_model(featx.fit_head(cache, head, out=out, pooling=pooling, **settings).model)
            said = ", ".join([head, *(f"{name} {value}" for name, value in settings.items())])
            print(f"| {said} | {pooling} | {' | '.join(measure(model, maps, y, inside))} |", flush=True)
            if (head, pooling, settings) == HEADS[0]:
                alike = likeness(model, store.features(train, pooling=pooling), catalog.labels[train], maps)
        print(f"\nsize of the correlation with a head of random labels: {alike}")


if __name__ == "__main__":
    main()
