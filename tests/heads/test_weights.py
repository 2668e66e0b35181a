"""Weights of rows: what scikit-learn's classifiers learn with the same, and what a head learns from repeated rows."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from featx.errors import HeadError, SingleClassError, TooFewImages
from featx.heads import HEADS, make_head
from tests.heads.made import BlockRows
from tests.heads.made_up import CentroidHead

Values = NDArray[np.float64]

HEADS_TRIED: dict[str, tuple[str, dict[str, Any]]] = {
    "logreg": ("logreg", {}),
    "logreg-balanced": ("logreg", {"class_weight": "balanced", "C": 1.0}),
    "svm": ("svm", {}),
    "svm-balanced": ("svm", {"class_weight": "balanced", "scale": "l2"}),
    "rbf": ("svm", {"kernel": "rbf"}),
    "rbf-balanced": ("svm", {"kernel": "rbf", "class_weight": "balanced"}),
    "ridge": ("ridge", {}),
    "ridge-balanced": ("ridge", {"class_weight": "balanced", "scale": "sqrt"}),
    "knn": ("knn", {"neighbors": 4}),
    "dense": ("dense", {"epochs": 4}),
    "dense-balanced": ("dense", {"epochs": 4, "class_weight": "balanced", "optimizer": "sgd"}),
}


def made_rows(n: int, n_columns: int, n_classes: int = 3, seed: int = 0) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    """Return overlapping classes and whole weights from 0 to 4, with which each class is left."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    weights = rng.integers(0, 5, n)
    weights[: 2 * n_classes] = 2
    return rng.normal(0, 1, (n, n_columns)) + 0.6 * y[:, None], y, weights


def scaled(X: Values, weights: Values) -> Values:
    """Return X as a scikit-learn scaler with the same weights has it."""
    values: Values = StandardScaler().fit(X, sample_weight=weights).transform(X)
    return values


def test_each_head_is_tried() -> None:
    """A new head must be added above; conv takes maps, and learns as dense does."""
    assert {name for name, _ in HEADS_TRIED.values()} == set(HEADS) - {"conv"}


@pytest.mark.parametrize("shape", [(60, 12), (40, 120)], ids=["tall", "wide"])
@pytest.mark.parametrize("case", HEADS_TRIED)
def test_a_weight_is_so_many_rows(case: str, shape: tuple[int, int]) -> None:
    """Wherever they stand: rows of weight 0 left out and the others repeated give the same head, and other weights another."""
    name, settings = HEADS_TRIED[case]
    X, y, weights = made_rows(*shape)
    order = np.random.default_rng(1).permutation(len(y))
    new = made_rows(30, shape[1], seed=5)[0]
    found = make_head(name, **settings).fit(X[order], y[order], sample_weight=weights[order]).predict_proba(new)
    repeated = make_head(name, **settings).fit(X.repeat(weights, axis=0), y.repeat(weights)).predict_proba(new)
    np.testing.assert_allclose(found, repeated, rtol=0, atol=1e-7)  # logreg stops at a tolerance
    assert np.abs(found - make_head(name, **settings).fit(X, y).predict_proba(new)).max() > 1e-3


@pytest.mark.parametrize("case", HEADS_TRIED)
def test_weights_of_one_are_none(case: str) -> None:
    """To the last bit, in any container."""
    name, settings = HEADS_TRIED[case]
    X, y, _ = made_rows(40, 12)
    plain = make_head(name, **settings).fit(X, y).arrays()
    weighted = make_head(name, **settings).fit(X, y, sample_weight=[1] * 40).arrays()
    assert {key: array.tobytes() for key, array in plain.items()} == {key: array.tobytes() for key, array in weighted.items()}


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("shape", [(90, 12), (60, 200)], ids=["tall", "wide"])
def test_coefficients_are_those_of_scikit_learn_with_the_same_weights(
    shape: tuple[int, int], n_classes: int, class_weight: str | None
) -> None:
    """logreg, svm and ridge on standardised features; weights need not be whole, and balanced classes weigh the same in sum."""
    X, y, _ = made_rows(*shape, n_classes)
    weights = np.random.default_rng(3).uniform(0.2, 3, len(y))
    rows = scaled(X, weights)
    given = weights if class_weight is None else weights * (weights.sum() / (n_classes * np.bincount(y, weights)))[y]
    exact = {"tol": 1e-10} if shape[1] > shape[0] else {}
    references: dict[str, tuple[dict[str, Any], Any]] = {
        "logreg": ({"C": 0.1}, LogisticRegression(C=0.1, max_iter=5000, **exact)),
        "svm": ({"C": 0.01}, LinearSVC(C=0.01, tol=1e-8, max_iter=5000)),
        "ridge": ({"alpha": 3.0}, RidgeClassifier(alpha=3.0)),
    }
    for name, (settings, reference) in references.items():
        head = make_head(name, **settings, class_weight=class_weight).fit(X, y, sample_weight=weights).arrays()
        reference.fit(rows, y, sample_weight=given)
        tolerance = 1e-3 if name == "svm" else 1e-5  # liblinear stops at a tolerance
        for found, wanted in ((head["coef"], reference.coef_), (head["intercept"], reference.intercept_)):
            assert np.linalg.norm(found - wanted) < tolerance * np.linalg.norm(reference.coef_), name


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_kernel_machine_is_that_of_scikit_learn_with_the_same_weights(n_classes: int) -> None:
    """One class against the others: the decisions of an SVC each, with gamma from rows that count as their weights say."""
    X, y, _ = made_rows(60, 8, n_classes)
    weights = np.random.default_rng(3).uniform(0.2, 3, len(y))
    head = make_head("svm", kernel="rbf", C=2.0).fit(X, y, sample_weight=weights)
    rows = scaled(X, weights)
    gamma = 1 / (8 * np.average((rows - np.average(rows, weights=weights, axis=0).mean()) ** 2, weights=weights, axis=0).mean())
    wanted = [
        SVC(C=2.0, gamma=gamma, tol=1e-8).fit(rows, y == label, sample_weight=weights).decision_function(rows)
        for label in range(1 if n_classes == 2 else 0, n_classes)
    ]
    np.testing.assert_allclose(head._decision(X), np.stack(wanted, axis=1), rtol=0, atol=1e-4)  # type: ignore[attr-defined]


def test_a_dense_layer_learns_what_weighted_logistic_regression_does() -> None:
    """Without a penalty, by full batches to the end: within 0.01 of scikit-learn's, whatever the weights' size."""
    X, y, weights = made_rows(60, 3)
    wanted = LogisticRegression(C=1e9, max_iter=5000).fit(X, y, sample_weight=weights).predict_proba(X)
    plain = LogisticRegression(C=1e9, max_iter=5000).fit(X, y).predict_proba(X)
    for size in (1.0, 1000.0):
        head = make_head("dense", batch_size=60, epochs=600, learning_rate=0.05).fit(X, y, sample_weight=size * weights)
        assert np.abs(head.predict_proba(X) - wanted).max() < 0.01 < np.abs(plain - wanted).max()


@pytest.mark.parametrize("name", ["ridge", "dense"])
def test_rows_that_are_read_in_blocks_are_weighted_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of weight 0 among them; the heads that read blocks learn what they learn from an array."""
    monkeypatch.setattr("featx.heads.epochs.batches.MEMORY_BYTES", 1)
    X, y, weights = made_rows(90, 6)
    settings = {"epochs": 3, "learning_rate": 0.01} if name == "dense" else {}
    found = make_head(name, **settings).fit(BlockRows(X, 32), y, sample_weight=weights).predict_proba(X)
    kept = np.flatnonzero(weights)
    alone = make_head(name, **settings).fit(BlockRows(X[kept], 32), y[kept], sample_weight=weights[kept]).predict_proba(X)
    if name == "ridge":
        np.testing.assert_allclose(found, make_head(name).fit(X, y, sample_weight=weights).predict_proba(X), rtol=0, atol=1e-9)
        np.testing.assert_allclose(found, alone, rtol=0, atol=1e-9)
    assert found.shape == alone.shape == (90, 3)
    assert np.abs(found - make_head(name, **settings).fit(BlockRows(X, 32), y).predict_proba(X)).max() > 1e-4


def test_ridge_leaves_copies_out_together() -> None:
    """What it decides about a row that stands three times is what the fit without all three decides."""
    X, y, _ = made_rows(40, 6, 2)
    X, y = np.concatenate([X, X[[4, 4]]]), np.append(y, y[[4, 4]])
    head = make_head("ridge", alpha=2.0, scale="none").fit(X, y)
    others = np.setdiff1d(np.arange(40), [4])
    columns = np.hstack([X[others], np.ones((39, 1))])
    penalty = 2.0 * np.eye(7)
    penalty[-1, -1] = 0  # the intercept is free
    coef = np.linalg.solve(columns.T @ columns + penalty, columns.T @ np.where(y[others] == 1, 1.0, -1.0))
    for row in (4, 40, 41):
        assert head.left_out_[row, 0] == pytest.approx(np.append(X[4], 1) @ coef)  # type: ignore[attr-defined]


def test_a_class_whose_rows_all_weigh_nothing_is_not_learned() -> None:
    """As if they were not there; and two classes must be left."""
    X, y, _ = made_rows(30, 6)
    for name in ("logreg", "svm", "ridge", "knn", "dense"):
        settings = {"epochs": 2} if name == "dense" else {}
        head = make_head(name, **settings).fit(X, y, sample_weight=(y != 1) * 1.0)
        assert head.classes_.tolist() == [0, 2]
        with pytest.raises(SingleClassError, match="at least 2 classes"):
            make_head(name, **settings).fit(X, y, sample_weight=(y == 1) * 1.0)


def test_svm_counts_a_single_row_by_its_weight() -> None:
    """Of weight 2 it can be on both sides of a fold, as two copies are; of weight 1 it cannot."""
    X, y, _ = made_rows(12, 6)
    X, y = X[y < 2][:7], y[y < 2][:7]
    y[:] = [0, 0, 0, 0, 0, 0, 1]
    weights = np.array([1, 1, 1, 1, 1, 1, 2.0])
    assert make_head("svm").fit(X, y, sample_weight=weights).classes_.tolist() == [0, 1]
    with pytest.raises(TooFewImages, match=r"at least 2 training images in each class.*1 of"):
        make_head("svm").fit(X, y)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_svm_takes_images_that_weigh_little(kernel: str) -> None:
    """Two images of a class are two, however little they weigh; all together it is as another penalty."""
    X, y, _ = made_rows(40, 6, 2)
    head = make_head("svm", kernel=kernel, C=1.0).fit(X, y, sample_weight=np.full(40, 0.01))
    wanted = make_head("svm", kernel=kernel, C=0.005).fit(X, y, sample_weight=np.full(40, 2.0))
    np.testing.assert_allclose(head.arrays()["coef"], wanted.arrays()["coef"], rtol=1e-3, atol=1e-6)
    alone = np.where(np.arange(40) == 1, 1, 0)
    with pytest.raises(TooFewImages, match=r"at least 2 training images in each class.*1 of class 1"):
        make_head("svm", kernel=kernel).fit(X, alone, sample_weight=np.full(40, 1.5))


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([1.0, -1.0, 1.0], "-1.0 in row 1"),
        ([1.0, 1.0, float("nan")], "nan in row 2"),
        ([float("inf"), 1.0, 1.0], "inf in row 0"),
        ([1.0, 1.0], r"an array of shape \(2,\)"),
        ([[1.0], [1.0], [1.0]], r"an array of shape \(3, 1\)"),
        (2.0, r"an array of shape \(\)"),
        (["a", "b", "c"], "list that is no array of numbers"),
        ([[1.0], [1.0, 2.0], 3], "list that is no array of numbers"),
        ([0.0, 0.0, 0.0], "a sum of 0.0"),
        ([1e308, 1e308, 1e308], "a sum of inf"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["logreg", "dense"])
def test_what_is_no_weight_is_refused(name: str, weights: Any, found: str) -> None:
    """The message says what a weight is, what was found and where."""
    X, y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 1])
    with pytest.raises(
        HeadError, match=f"^sample_weight must be a finite number from 0 for each of the 3 rows.*{found}"
    ) as caught:
        make_head(name).fit(X, y, sample_weight=weights)
    assert caught.value.wrong_value


def test_a_head_that_cannot_take_these_weights_says_so() -> None:
    """Knn takes whole numbers, as rows stand so many times among the neighbours; a head without an answer takes none."""
    X, y, _ = made_rows(9, 4)
    with pytest.raises(HeadError, match=r"knn: takes whole numbers as weights.*Received: 0.5 in row 8"):
        make_head("knn").fit(X, y, sample_weight=[1] * 8 + [0.5])
    with pytest.raises(HeadError, match=r"knn: with these weights .* needs .* GB of memory"):
        make_head("knn").fit(X, y, sample_weight=[1e18] * 9)
    with pytest.raises(HeadError, match="CentroidHead: takes no weights"):
        CentroidHead().fit(X, y, sample_weight=[2] * 9)
