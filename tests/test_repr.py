"""What a notebook shows of a result: one line, however many images and classes are behind it."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.system.brief import brief_repr
from tests.conftest import COLOURS, write_image


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One result of each kind, by the name of its class."""
    root = tmp_path_factory.mktemp("repr")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(12):
            write_image(root / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        extracted = featx.extract_features("photos", backbone="stub", image_size=64)
        fitted = featx.fit_head(extracted, "logreg", tune=True, folds=3)
        found = [
            extracted,
            fitted,
            featx.plan_extract("photos", "cache/none", backbone="stub", image_size=64),
            featx.load_model(fitted),
            featx.evaluate_model(fitted),
            featx.compare_heads(extracted, ["ridge", "logreg"], folds=3),
            featx.audit_cache(extracted),
            featx.explain_images(fitted, "photos/red/0.png")[0],
            featx.export_model(fitted, "photos.joblib"),
            featx.merge_caches(extracted, "cache/merged"),
            featx.predict_images(fitted, "photos/red/0.png")[0],
            look := featx.look_at_images("photos", image_size=64),
            look.examples[0],
        ]
    return {type(result).__name__: result for result in found}


def test_a_result_is_one_line(results: dict[str, Any]) -> None:
    """That begins with its class and is no longer than a notebook shows without scrolling."""
    assert len(results) == 13
    for name, result in results.items():
        text = repr(result)
        assert text.startswith(f"{name}("), text
        assert "\n" not in text, text
        assert len(text) < 2000, f"{name}: {len(text)}"


def test_what_matters_is_in_it(results: dict[str, Any]) -> None:
    """Numbers as they are; arrays and long lists by their size."""
    evaluation, model = repr(results["Evaluation"]), repr(results["Model"])
    assert "accuracy=1.0" in evaluation
    assert "confusion=an array of int64 and shape (3, 3)" in evaluation
    assert "model=<Model>" in evaluation
    assert "head_name='logreg'" in model
    assert "class_names=('blue', 'green', 'red')" in model
    assert "_live" not in model
    assert repr(results["FitResult"]).count("tuning=") == 1


def test_the_length_does_not_grow_with_the_images(results: dict[str, Any]) -> None:
    """A thousand times as many paths add a few digits."""
    evaluation = results["Evaluation"]
    larger = dataclasses.replace(
        evaluation, paths=evaluation.paths * 1000, y=np.tile(evaluation.y, 1000), rejected={f"{n}.png": "x" for n in range(999)}
    )
    assert len(repr(larger)) < len(repr(evaluation)) + 100


def test_a_field_that_is_empty_or_none_is_left_out() -> None:
    """Zero and False are values."""

    @dataclasses.dataclass(frozen=True, repr=False)
    class Some:
        zero: int = 0
        no: bool = False
        none: int | None = None
        notes: tuple[str, ...] = ()
        path: Path = Path("a")
        hidden: int = dataclasses.field(default=1, repr=False)
        __repr__ = brief_repr

    assert repr(Some()) == f"Some(zero=0, no=False, path={Path('a')!r})"


def test_errors_are_there_after_the_import() -> None:
    """So that an editor completes them and ``except featx.errors.FeatxError`` needs no second import."""
    code = "import featx; assert issubclass(featx.errors.ImageRejected, featx.errors.FeatxError); assert 'errors' in dir(featx)"
    subprocess.run([sys.executable, "-c", code], check=True)
