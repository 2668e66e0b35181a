"""The classical heads are scikit-learn's own: the same probabilities, used without it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import featx.heads.linear
from featx.errors import HeadError
from featx.heads import make_head


def made_rows(n: int, n_classes: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes in 12 columns of very different size, one of them constant."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.random.default_rng(5).normal(0, 1, (n_classes, 12))[y] + rng.normal(0, 1, (n, 12))
    X = X * np.logspace(-3, 3, 12) + 10
    X[:, 4] = 3.0
    return X.astype(np.float32), y


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_logistic_regression_equals_scikit_learns_pipeline(n_classes: int, C: float) -> None:
    """Standardise and regress: probabilities within 1e-9 of scikit-learn's."""
    X, y = made_rows(120, n_classes, 0)
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=2000, random_state=0))
    reference.fit(X.astype(np.float64), y)
    head = make_head("logreg", C=C).fit(X, y)
    X_new, _ = made_rows(80, n_classes, 1)
    np.testing.assert_allclose(head.predict_proba(X_new), reference.predict_proba(X_new.astype(np.float64)), rtol=0, atol=1e-9)
    assert head.notes_ == []


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n_rows", [120, 14], ids=["many rows", "few rows"])
@pytest.mark.parametrize("seed", [0, 3])
def test_svm_equals_scikit_learns_calibrated_one(n_classes: int, n_rows: int, seed: int) -> None:
    """One hyperplane on all rows, its sigmoid on held-out distances: within 1e-9 of scikit-learn's, folds and all."""
    X, y = made_rows(n_rows, n_classes, 0)
    folds = min(5, int(np.bincount(y).min()))
    scaler = StandardScaler().fit(X.astype(np.float64))
    reference = CalibratedClassifierCV(
        LinearSVC(C=0.001, max_iter=2000, random_state=seed),
        method="sigmoid",
        ensemble=False,
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
    ).fit(scaler.transform(X.astype(np.float64)), y)
    head = make_head("svm", seed=seed).fit(X, y)
    X_new, _ = made_rows(80, n_classes, 1)
    wanted = reference.predict_proba(scaler.transform(X_new.astype(np.float64)))
    np.testing.assert_allclose(head.predict_proba(X_new), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "settings"), [("logreg", {"C": 1e6}), ("svm", {"C": 1e6})])
def test_a_fit_that_did_not_converge_says_so_in_its_notes(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, in the result, not as a warning on the terminal (which would fail this test)."""
    monkeypatch.setattr(featx.heads.linear, "_MAX_ITERATIONS", 2)
    head = make_head(name, **settings).fit(*made_rows(120, 4, 0))
    assert len([note for note in head.notes_ if "converge" in note]) == 1
    np.testing.assert_allclose(head.predict_proba(made_rows(8, 4, 1)[0]).sum(axis=1), 1)


def test_half_precision_features_are_learned_in_double() -> None:
    """float16 features give the head that their float64 copies give."""
    X, y = made_rows(60, 3, 0)
    half = X.astype(np.float16)
    for name in ("logreg", "svm"):
        found, wanted = make_head(name).fit(half, y).arrays(), make_head(name).fit(half.astype(np.float64), y).arrays()
        assert {key: array.tobytes() for key, array in found.items()} == {key: array.tobytes() for key, array in wanted.items()}


def test_svm_needs_two_images_of_each_class() -> None:
    """Calibration holds one out and learns from another."""
    X, y = made_rows(9, 4, 0)
    with pytest.raises(HeadError, match="at least 2 training images in each class"):
        make_head("svm").fit(X[:7], y[:7])
    assert make_head("svm").fit(X[:8], y[:8]).classes_.tolist() == [0, 1, 2, 3]
