"""One browser and one set of pages for all tests of pages: to start the one takes longer than most of them."""

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
    """The five pages, of 4 classes of 20 images, some mistaken, with hostile names.

    ``r/report.html``, ``p.html`` of predictions, ``a/audit.html``, ``e.html`` of explanations and ``l.html`` of a look, which
    has a copy and a file that is no image besides.
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
    return root
