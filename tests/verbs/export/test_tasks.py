"""Exports of labels, numbers and grades: what is written gives what featx gives, read by plain programs."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import featx
from featx.errors import ExportError
from tests.verbs.fit.made import colour_targets, with_task, write_colours

LABELS, NUMBERS = featx.Task("labels", ("warm", "bright")), featx.Task("numbers", ("weight", "age"))
ONE = {"labels": featx.Task("labels", ("warm",)), "numbers": featx.Task("numbers", ("age",))}
HEADS: list[tuple[str, dict[str, Any]]] = [
    ("dense", {"epochs": 4}),
    ("dense", {"epochs": 2, "hidden": [5]}),
    ("ridge", {"scale": "sqrt"}),
    ("svm", {"C": 0.1}),
    ("svm", {"kernel": "rbf"}),
    ("knn", {}),
]


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same images with two labels, with two numbers, and with one of each."""
    colours = write_colours(tmp_path_factory.mktemp("colours"))
    made = {}
    for kind, task in (("labels", LABELS), ("numbers", NUMBERS)):
        for name, own, columns in ((kind, task, slice(None)), (f"one of {kind}", ONE[kind], slice(0, 1))):
            made[name] = tmp_path_factory.mktemp("made") / "cache"
            shutil.copytree(colours, made[name])
            with_task(made[name], own, colour_targets(colours, kind, unknown=0)[:, columns])
    made["grades"] = tmp_path_factory.mktemp("grades") / "cache"
    shutil.copytree(colours, made["grades"])
    with_task(made["grades"], featx.Task("grades", ("red", "blue", "green")))
    return made


def rows_of(model: featx.Model, cache: Path) -> Any:
    """Return features of test images."""
    store = featx.open_cache(cache)
    return store.features(store.catalog.rows("test"), pooling=model.pooling)


PIPELINES = [
    *((kind, *head) for kind in ("labels", "numbers") for head in HEADS),
    ("labels", "logreg", {"scale": "l2"}),
    *((f"one of {kind}", *head) for kind in ("labels", "numbers") for head in HEADS if head[0] in ("ridge", "knn")),
]


@pytest.mark.parametrize(("kind", "head", "settings"), PIPELINES)
def test_a_pipeline_gives_what_the_model_gives(
    caches: dict[str, Path], tmp_path: Path, kind: str, head: str, settings: dict[str, Any]
) -> None:
    """Probabilities of labels as scikit-learn has them, or numbers."""
    model = featx.load_model(featx.fit_head(caches[kind], head, out=tmp_path / "m.featx", **settings).model)
    result = featx.export_model(tmp_path / "m.featx", tmp_path / "p.joblib")
    pipeline, X = joblib.load(tmp_path / "p.joblib"), rows_of(model, caches[kind])
    wanted = model.outputs(X)
    if "numbers" in kind:
        found = pipeline.predict(X).reshape(len(X), -1)
        assert not hasattr(pipeline, "predict_proba")
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
        return
    found = pipeline.predict_proba(X)
    found = np.stack([one[:, 1] for one in found], axis=1) if isinstance(found, list) else found
    found = found[:, 1:] if "one" in kind else found
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    called = pipeline.predict(X).reshape(len(X), -1)
    assert (called == (found >= 0.5)).mean() > 0.95  # ties apart
    assert result.class_names == model.class_names


@pytest.mark.parametrize("kind", ["labels", "numbers"])
@pytest.mark.parametrize(("head", "settings"), HEADS[1:3])
def test_a_network_gives_what_the_model_gives(
    caches: dict[str, Path], tmp_path: Path, kind: str, head: str, settings: dict[str, Any]
) -> None:
    """From pixels; the difference that the export measured is small, and of numbers the output has its own name."""
    import keras

    featx.fit_head(caches[kind], head, out=tmp_path / "m.featx", **settings)
    result = featx.export_model(tmp_path / "m.featx", tmp_path / "n.keras")
    network = keras.saving.load_model(tmp_path / "n.keras")
    assert network.output_names == ["probabilities" if kind == "labels" else "numbers"]
    assert result.largest_difference < (1e-4 if kind == "labels" else 1e-2)
    facts = json.loads(result.sidecar.read_text())
    assert facts["task"]["kind"] == kind
    assert ("thresholds" in facts) == (kind == "labels")
    assert ("intervals" in facts) == (kind == "numbers")
    said = "to the probabilities of 2 labels" if kind == "labels" else "to 2 numbers"
    assert f"{said}\n" in str(result)


@pytest.mark.skipif(importlib.util.find_spec("tf2onnx") is None, reason="needs featx[onnx]")
@pytest.mark.parametrize(("kind", "name"), [("labels", "probabilities"), ("numbers", "numbers")])
def test_onnx_has_the_output_of_the_task(caches: dict[str, Path], tmp_path: Path, kind: str, name: str) -> None:
    """Under its name, for any number of images."""
    import onnxruntime

    featx.fit_head(caches[kind], "ridge", out=tmp_path / "m.featx", threshold="f1" if kind == "labels" else None)
    featx.export_model(tmp_path / "m.featx", tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"))
    (given,) = session.run([name], {"images": np.zeros((3, 64, 64, 3), np.uint8)})
    assert given.shape == (3, 2)
    facts = json.loads((tmp_path / "n.onnx.json").read_text())
    if kind == "labels":
        points = featx.load_model(tmp_path / "m.featx").points
        assert facts["thresholds"] == [point.threshold for point in points]


def test_neighbours_with_unknown_cells_are_refused(caches: dict[str, Path], tmp_path: Path) -> None:
    """By scikit-learn, which must know all; a network never compares images."""
    cache = tmp_path / "cache"
    shutil.copytree(caches["labels"], cache)
    with_task(cache, LABELS, colour_targets(caches["labels"], "labels", unknown=0.3))
    featx.fit_head(cache, "knn", out=tmp_path / "m.featx")
    with pytest.raises(ExportError, match="not known"):
        featx.export_model(tmp_path / "m.featx", tmp_path / "p.joblib")
    with pytest.raises(ExportError, match="distances to training images"):
        featx.export_model(tmp_path / "m.featx", tmp_path / "n.keras")


def test_grades_are_exported_as_classes(caches: dict[str, Path], tmp_path: Path) -> None:
    """With a note of how featx answers."""
    featx.fit_head(caches["grades"], "logreg", out=tmp_path / "m.featx")
    result = featx.export_model(tmp_path / "m.featx", tmp_path / "p.joblib")
    assert result.class_names == ("blue", "green", "red")
    assert any("median grade" in note for note in result.notes)
