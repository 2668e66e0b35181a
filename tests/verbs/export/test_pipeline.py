"""A fitted head as a scikit-learn pipeline: loaded without featx, with the head's own probabilities and class names."""

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featx.errors import ExportError
from featx.verbs.export.pipeline import make_pipeline, run_pipeline, save_pipeline, sorted_names
from tests.verbs.export.test_head_layers import HEADS, fitted_head

# Neither in the order of the alphabet nor of one length.
NAMES = ("pear", "10 apples", "fig", "éclair")
NEVER = [("dense", {"hidden": [5], "activation": "sigmoid"}), ("conv", {"map_shape": [3, 2, 4]})]
PIPELINES: list[tuple[str, dict[str, Any]]] = [
    *((name, settings) for name, settings in HEADS if name != "conv"),
    *(("knn", {"scale": scale}) for scale in ("standard", "l2", "none")),
    *(("svm", {"kernel": "rbf", "scale": scale}) for scale in ("standard", "l2", "none")),
]


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("name", "settings"), PIPELINES, ids=str)
def test_the_pipeline_gives_the_heads_probabilities(
    tmp_path: Path, name: str, settings: dict[str, Any], n_classes: int
) -> None:
    """Written and read back: same probabilities, columns sorted as ``classes_`` are, and names from ``predict``."""
    head, X = fitted_head(name, settings, n_classes)
    # The first row is zeros, by l2 equally far from all: which of those vote is scikit-learn's choice.
    X = X[1:] if name == "knn" else X
    pipeline = make_pipeline(head, name, NAMES[:n_classes])
    save_pipeline(pipeline, tmp_path / "head.joblib")
    order = np.argsort(NAMES[:n_classes])
    wanted = head.predict_proba(X)[:, order]
    np.testing.assert_allclose(run_pipeline(tmp_path / "head.joblib", X), wanted, rtol=0, atol=2e-6)
    names = sorted(NAMES[:n_classes])
    assert pipeline.classes_.tolist() == list(sorted_names(NAMES[:n_classes])) == names
    clear = np.sort(wanted, axis=1)[:, -1] - np.sort(wanted, axis=1)[:, -2] > 1e-4
    assert clear.sum() >= 10
    assert pipeline.predict(X[clear]).tolist() == [names[i] for i in wanted[clear].argmax(axis=1)]


@pytest.mark.parametrize("name", ["knn", "svm"])
def test_roots_of_features_that_are_never_negative_can_be_exported_for_distances(name: str) -> None:
    """As behind a ReLU, where NumPy's root is the signed one; a head that saw negative features is refused."""
    settings = {"scale": "sqrt"} | ({"kernel": "rbf"} if name == "svm" else {})
    head, X = fitted_head(name, settings, 3)
    with pytest.raises(ExportError, match=r"scale sqrt: .*negative features"):
        make_pipeline(head, name, NAMES[:3])
    rng = np.random.default_rng(0)
    rows = np.abs(rng.normal(0, 1, (60, 24)).astype(np.float32)) + np.arange(60)[:, None] % 3
    head.fit(rows, np.arange(60) % 3)
    pipeline = make_pipeline(head, name, NAMES[:3])
    wanted = head.predict_proba(np.abs(X))[:, np.argsort(NAMES[:3])]
    np.testing.assert_allclose(pipeline.predict_proba(np.abs(X)), wanted, rtol=0, atol=2e-6)


def test_what_scikit_learn_does_not_have_is_refused_with_the_reason() -> None:
    """Convolutions, and hidden layers with sigmoids; the message says where to go instead."""
    for name, settings in NEVER:
        head, _ = fitted_head(name, settings, 3)
        with pytest.raises(ExportError, match=r"scikit-learn.*\.onnx"):
            make_pipeline(head, name, NAMES[:3])


def test_pipelines_are_read_where_there_is_no_featx(tmp_path: Path) -> None:
    """In a process that cannot import it, with no warning, and nothing but scikit-learn's and NumPy's own inside."""
    wanted = {}
    for number, (name, settings) in enumerate([*PIPELINES[2::3], *PIPELINES[-2:]]):
        head, X = fitted_head(name, settings, 4)
        save_pipeline(make_pipeline(head, name, NAMES), tmp_path / f"{number}.joblib")
        wanted[str(number)] = head.predict_proba(X)[:, np.argsort(NAMES)].tolist()
    np.save(tmp_path / "X.npy", X)
    program = (
        "import json, joblib, numpy as np, pathlib, warnings\n"
        "warnings.simplefilter('error')\n"
        "X = np.load('X.npy')\n"
        "found = {path.stem: joblib.load(path).predict_proba(X).tolist() for path in pathlib.Path().glob('*.joblib')}\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.modules['featx'] = None\n" + program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found.keys() == wanted.keys()
    for number, probabilities in wanted.items():
        np.testing.assert_allclose(found[number], probabilities, rtol=0, atol=2e-6)


def test_rows_of_another_width_are_refused_by_the_pipeline() -> None:
    """scikit-learn's own check knows the width."""
    for name, settings in (("logreg", {}), ("svm", {"scale": "l2"}), ("dense", {"hidden": [3]}), ("knn", {"scale": "none"})):
        head, X = fitted_head(name, settings, 3)
        pipeline = make_pipeline(head, name, NAMES[:3])
        with pytest.raises(ValueError, match="24 features"), warnings.catch_warnings():
            pipeline.predict_proba(X[:, :23])
