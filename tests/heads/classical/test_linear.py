"""The linear heads are scikit-learn's own: the same coefficients and probabilities, on few columns and on many."""

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

import featx.heads.classical.linear
import featx.heads.classical.logistic
from featx.errors import HeadError
from featx.heads import make_head, rebuild_head
from featx.heads.classical.logistic import fit_logistic
from featx.heads.classical.scaling import SCALES, Scaling
from featx.heads.classical.span import Span


def made_rows(n: int, n_classes: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes in 12 columns of very different size, one of them constant."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = np.random.default_rng(5).normal(0, 1, (n_classes, 12))[y] + rng.normal(0, 1, (n, 12))
    X = X * np.logspace(-3, 3, 12) + 10
    X[:, 4] = 3.0
    return X.astype(np.float32), y


def wide_rows(n: int, n_classes: int, n_columns: int = 200, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return ReLU-like features, mostly zeros, the first class twice as large as the others; the last columns never speak."""
    rng = np.random.default_rng(seed)
    y = np.maximum(np.arange(n) % (n_classes + 1) - 1, 0)
    centres = np.random.default_rng(5).normal(-1, 1, (n_classes, n_columns))
    X = np.maximum(centres[y] + rng.normal(0, 1, (n, n_columns)), 0) * 10
    X[:, -3:] = 0
    return X.astype(np.float32), y


def apart(found: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Return the length of the difference over the length of what was wanted."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


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
def test_svm_equals_scikit_learns_with_sigmoids(n_classes: int, n_rows: int, seed: int) -> None:
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


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("C", [0.01, 1.0])
@pytest.mark.parametrize("n_columns", [80, 200], ids=["hardly wide", "wide"])
@pytest.mark.parametrize("scale", SCALES)
def test_coefficients_on_wide_features_equal_scikit_learns(n_classes: int, C: float, n_columns: int, scale: str) -> None:
    """Fewer rows than columns: within 1e-6 of what scikit-learn finds on the whole matrix, both walked to the end."""
    X, y = wide_rows(60, n_classes, n_columns)
    scaled = Scaling.learn(scale, X)(X)
    reference = LogisticRegression(C=C, tol=1e-10, max_iter=10_000, solver="newton-cg").fit(scaled, y)
    head = make_head("logreg", C=C, scale=scale).fit(X, y)
    assert apart(head.arrays()["coef"], reference.coef_) < 1e-6
    X_new, _ = wide_rows(30, n_classes, n_columns, seed=1)
    scaled_new = Scaling(scale, head.arrays()["mean"], head.arrays()["scale"])(X_new)
    np.testing.assert_allclose(head.predict_proba(X_new), reference.predict_proba(scaled_new), rtol=0, atol=1e-6)
    assert head.notes_ == []


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n_columns", [20, 200], ids=["narrow", "wide"])
def test_balanced_weights_are_scikit_learns(n_classes: int, n_columns: int) -> None:
    """For both heads, with one class twice as large as the others."""
    X, y = wide_rows(60, n_classes, n_columns)
    scaled = StandardScaler().fit_transform(X.astype(np.float64))
    regression = LogisticRegression(C=0.1, class_weight="balanced", **({"tol": 1e-10} if n_columns > 60 else {}), max_iter=2000)
    head = make_head("logreg", C=0.1, class_weight="balanced").fit(X, y)
    assert apart(head.arrays()["coef"], regression.fit(scaled, y).coef_) < 1e-6
    assert apart(make_head("logreg", C=0.1).fit(X, y).arrays()["coef"], regression.coef_) > 1e-3
    machine = LinearSVC(C=0.01, class_weight="balanced", max_iter=2000, random_state=0).fit(scaled, y)
    head = make_head("svm", C=0.01, class_weight="balanced").fit(X, y)
    assert apart(head.arrays()["coef"], machine.coef_) < 1e-6


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("scale", SCALES)
def test_svm_on_wide_features_equals_scikit_learns(n_classes: int, scale: str) -> None:
    """The dual steps are the same in every rotation: probabilities within 1e-6, folds and all."""
    X, y = wide_rows(60, n_classes)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scaling = Scaling.learn(scale, X)
    machine = LinearSVC(C=0.001, max_iter=2000, random_state=0)
    reference = CalibratedClassifierCV(machine, method="sigmoid", ensemble=False, cv=folds).fit(scaling(X), y)
    head = make_head("svm", scale=scale).fit(X, y)
    X_new, _ = wide_rows(30, n_classes, seed=1)
    np.testing.assert_allclose(head.predict_proba(X_new), reference.predict_proba(scaling(X_new)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["logreg", "svm"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_one_rotation_serves_every_penalty_and_fold(name: str, n_classes: int) -> None:
    """What a search does: heads on the rotated rows decide about rows held out as heads on the features do."""
    X, y = wide_rows(80, n_classes)
    rows = Span(X, Scaling.learn("sqrt", X)).rows
    for fold in range(2):
        train, held_out = np.arange(80) % 3 != fold, np.arange(80) % 3 == fold
        for C in (0.001, 0.1):
            fast = make_head(name, C=C, scale="none").fit(rows[train], y[train]).predict_proba(rows[held_out])
            plain = make_head(name, C=C, scale="sqrt").fit(X[train], y[train]).predict_proba(X[held_out])
            np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-6)


# Written by featx 0.1.0 before there were other scales than the standard one.
FROZEN_SETTINGS = {"logreg": {"C": 0.01, "seed": 0}, "svm": {"C": 0.001, "seed": 0}}
FROZEN_SCALING = {
    "classes": np.array([0, 1, 2]),
    "mean": np.array([2.2777777777777777, 1.2777777777777777, 0.5, 7.0]),
    "scale": np.array([2.358331697421236, 1.9700692473885715, 2.592724864350674, 1.0]),
}
FROZEN_ARRAYS = {
    "logreg": {
        "coef": np.array(
            [
                [-0.025870247804396656, 0.025018376797712332, -0.0187328469716545, 0.0],
                [0.03135067659490548, -0.0062957467295057055, -0.016670850074691837, 0.0],
                [-0.005480428790508827, -0.018722630068206625, 0.03540369704634634, 0.0],
            ]
        ),
        "intercept": np.array([-4.101460737122315e-06, 4.001836184540883e-06, 9.962455259463393e-08]),
    },
    "svm": {
        "coef": np.array(
            [
                [-0.010505656646568388, 0.010197596945643683, -0.007579569696502692, 0.0],
                [0.012727230715470371, -0.0025907676234273587, -0.006779833081587254, 0.0],
                [-0.002221617088954456, -0.007606802941953433, 0.014359195012997183, 0.0],
            ]
        ),
        "intercept": np.array([-0.0058940464054973545, -0.0058939788236463874, -0.005893870394068464]),
        "slope": np.array([-151.07328485148884, -153.57074192702322, -151.89417873845088]),
        "offset": np.array([0.4461007821034628, 0.11256114736628232, 0.47070151142756383]),
    },
}
FROZEN_ROWS = np.array([[0.25, 1.75, -1.75, 7.25], [3.25, 1.5, 0.25, 7.25], [2.75, -0.75, 4.25, 7.25]], np.float32)


@pytest.mark.parametrize("name", FROZEN_SETTINGS)
def test_heads_of_earlier_model_files_predict_the_same(name: str) -> None:
    """Settings without scale and weights mean the standard one and none; the arithmetic is what it was, to its rounding."""
    arrays = FROZEN_SCALING | FROZEN_ARRAYS[name]
    head = rebuild_head(name, FROZEN_SETTINGS[name], arrays)
    assert head.settings().items() >= FROZEN_SETTINGS[name].items()
    assert head.settings()["scale"] == "standard"
    distances = (FROZEN_ROWS.astype(np.float64) - arrays["mean"]) / arrays["scale"] @ arrays["coef"].T + arrays["intercept"]
    if name == "logreg":
        raised = np.exp(distances - distances.max(axis=1, keepdims=True))
        recorded = [0.3483179815951271, 0.32852992954787813, 0.32315208885699476]
    else:
        raised = 1 / (1 + np.exp(np.clip(distances * arrays["slope"] + arrays["offset"], -700, 700)))
        recorded = [0.8259685569410665, 0.1353634203054716, 0.038668022753461914]
    found = head.predict_proba(FROZEN_ROWS)
    # BLAS rounds each of these sums by some 1e-15 and the head's product by 2 to the -50 (product.py): a slope of 150 makes
    # that 1e-13. The recorded figures are from another machine.
    np.testing.assert_allclose(found, raised / raised.sum(axis=1, keepdims=True), rtol=1e-13)
    np.testing.assert_allclose(found[0], recorded, rtol=1e-13)


@pytest.mark.parametrize(("name", "settings"), [("logreg", {"C": 1e6}), ("svm", {"C": 1e6})])
def test_a_fit_that_did_not_converge_says_so_in_its_notes(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, in the result, not as a warning on the terminal (which would fail this test)."""
    monkeypatch.setattr(featx.heads.classical.linear, "_MAX_ITERATIONS", 2)
    head = make_head(name, **settings).fit(*made_rows(120, 4, 0))
    assert len([note for note in head.notes_ if "converge" in note]) == 1
    np.testing.assert_allclose(head.predict_proba(made_rows(8, 4, 1)[0]).sum(axis=1), 1)


def test_a_wide_fit_that_did_not_converge_says_so_in_its_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a narrow one does; the probabilities are sound all the same."""
    monkeypatch.setattr(featx.heads.classical.logistic, "_MAX_STEPS", 2)
    head = make_head("logreg", C=100.0).fit(*wide_rows(40, 4))
    assert [note for note in head.notes_ if "converge" in note] == head.notes_ != []
    np.testing.assert_allclose(head.predict_proba(wide_rows(8, 4)[0]).sum(axis=1), 1)


@pytest.mark.parametrize("C", [1e-6, 1e3, 1e6])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_minimum_is_found_whatever_the_penalty(C: float, n_classes: int) -> None:
    """At the minimum the coefficients are what the residuals of the rows pull towards."""
    X, y = wide_rows(40, n_classes)
    rows = Span(X, Scaling.learn("standard", X)).rows
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    coef, intercept, converged = fit_logistic(rows, y, weights, C)
    assert converged
    logits = rows @ coef.T + intercept
    logits = np.hstack([np.zeros_like(logits), logits]) if n_classes == 2 else logits
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    residuals = weights[:, None] * ((y[:, None] == np.arange(n_classes)) - shares)[:, -len(coef) :]
    assert np.abs(C * rows.T @ residuals - coef.T).max() < 1e-6 * C * np.abs(rows.T @ (y - y.mean())).max()
    assert np.abs(residuals.sum(axis=0)).max() < 1e-6 * len(y)


def test_half_precision_features_are_learned_in_double() -> None:
    """float16 features give the head that their float64 copies give."""
    half, y = made_rows(60, 3, 0)[0].astype(np.float16), made_rows(60, 3, 0)[1]
    for name in ("logreg", "svm", "ridge"):
        found, wanted = make_head(name).fit(half, y).arrays(), make_head(name).fit(half.astype(np.float64), y).arrays()
        assert {key: array.tobytes() for key, array in found.items()} == {key: array.tobytes() for key, array in wanted.items()}


def test_svm_needs_two_images_of_each_class() -> None:
    """Calibration holds one out and learns from another."""
    X, y = made_rows(9, 4, 0)
    with pytest.raises(HeadError, match="at least 2 training images in each class"):
        make_head("svm").fit(X[:7], y[:7])
    assert make_head("svm").fit(X[:8], y[:8]).classes_.tolist() == [0, 1, 2, 3]
