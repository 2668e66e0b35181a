"""One browser and one set of pages for all tests of pages: to start the one takes longer than most of them."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.report import write_audit, write_explanation_page, write_look_page, write_prediction_page
from tests.conftest import write_image
from tests.report.page.browsing import start

NAMES = ("<script>alert(1)<", 'b"onload="alert(2)', "caf\udce9 & <b>", "plain")
FILE = "<img src=x onerror=alert(3)>.png"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium that writes down what it logs and asks for."""
    driver = start()
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, of 4 classes of 20 images, some mistaken, with hostile names.

    ``r/report.html``, ``p.html`` of predictions, ``a/audit.html``, ``e.html`` of explanations and ``l.html`` of a look, which
    has a copy and a file that is no image besides. ``labels/report.html``, ``numbers/report.html`` and ``two/report.html`` are
    of a table of these images, with labels, a number and two classes; ``labels.html`` and ``numbers.html`` of predictions.
    """
    root = tmp_path_factory.mktemp("site")
    for label, name in enumerate(NAMES):
        for number in range(20):
            level = 100 + 4 * label + int(np.random.default_rng(label * 100 + number).integers(-5, 6))
            stem = FILE if number == 0 else f"{number}.png"
            for split in ("train", "val", "test"):
                seed = label * 1000 + number + 333 * ("train", "val", "test").index(split)
                write_image(root / "images" / split / name / stem, (level, level, 255 - level), seed=seed)
    cache = featx.extract_features(root / "images", root / "cache", backbone="stub", image_size=(64, 64)).cache
    model = featx.fit_head(cache, "dense", out=root / "m.featx", epochs=5, calibrate=True).model
    featx.write_report(featx.evaluate_model(model), root / "r")
    predictions = featx.predict_images(model, [root / "images" / "test"], explain=True)
    middle = float(np.median([one.confidence for one in predictions]))
    write_prediction_page(predictions, root / "p.html", model, min_confidence=middle)
    write_audit(featx.audit_cache(cache), root / "a")
    write_explanation_page(featx.explain_images(model, root / "images" / "test" / "plain"), root / "e.html", model)
    shutil.copytree(root / "images" / "train", root / "looked")
    (root / "looked" / "plain" / "no image.png").write_text("no image")
    shutil.copy(root / "looked" / "plain" / "1.png", root / "looked" / "plain" / "copy.png")
    write_look_page(featx.look_at_images(root / "looked", image_size=64, examples=1, augment="flip"), root / "l.html")
    write_columns(root)
    return root


def write_columns(root: Path) -> None:
    """Write the pages of labels, of a number, and of two classes with an operating point."""
    rng, rows = np.random.default_rng(0), [["path", "split", *NAMES[:2], "score", "side"]]
    listed = [path for path in sorted((root / "images").glob("*/*/*.png")) if "\udce9" not in str(path)]  # a table is UTF-8
    for path in listed:
        split, name = path.relative_to(root / "images").parts[:2]
        has = [int(rng.random() < (0.9 if one == name else 0.2)) for one in NAMES[:2]]
        score = NAMES.index(name) + rng.normal(0, 0.5)
        label = ["left", "right"][int(NAMES.index(name) + rng.normal(0, 1) > 1.5)]
        rows.append([str(path), split, *map(str, has), f"{score:.2f}", label])
    with (root / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    options: dict[str, dict[str, Any]] = {
        "labels": {"label_columns": NAMES[:2]},
        "numbers": {"target": ["score"]},
        "two": {"label_column": "side"},
    }
    for name, given in options.items():
        cache = featx.extract_features(
            root / "table.csv", root / f"c-{name}", backbone="stub", image_size=(64, 64), **given
        ).cache
        head, threshold = ("logreg", "f1") if name == "two" else ("ridge", None)
        model = featx.fit_head(cache, head, out=root / f"{name}.featx", threshold=threshold).model
        featx.write_report(featx.evaluate_model(model), root / name, map="none")
        if name != "two":
            write_prediction_page(featx.predict_images(model, root / "images" / "test"), root / f"{name}.html", model)
