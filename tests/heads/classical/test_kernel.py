"""The svm head with the rbf kernel: scikit-learn's machines, used without it; and what a restored head believes."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight

import featx.heads.classical.linear
from featx.errors import HeadError
from featx.heads import Head, make_head, rebuild_head
from featx.heads.classical.scaling import SCALES, Scaling


def made_rows(n: int, n_classes: int, n_columns: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return classes that overlap, each of two heaps on opposite sides, the first class twice as large as the others."""
    rng = np.random.default_rng(seed)
    y = np.maximum(np.arange(n) % (n_classes + 1) - 1, 0)
    side = np.where(rng.random(n) < 0.5, -1, 1)[:, None]
    X = np.random.default_rng(5).normal(0, 2, (n_classes, n_columns))[y] * side + rng.normal(0, 1, (n, n_columns))
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def fitted() -> Head:
    """A head of three classes."""
    return make_head("svm", kernel="rbf").fit(*made_rows(60, 3, 7))


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n_columns", [8, 120], ids=["tall", "wide"])
@pytest.mark.parametrize(
    ("scale", "class_weight"), [*zip(SCALES, [None, "balanced"] * 2, strict=True), ("standard", "balanced")]
)
def test_probabilities_equal_scikit_learns(n_classes: int, n_columns: int, class_weight: Any, scale: str) -> None:
    """One class against the others, sigmoids fitted on held-out distances: within 1e-6, both walked to the end."""
    X, y = made_rows(45, n_classes, n_columns)
    X_new, _ = made_rows(40, n_classes, n_columns, seed=1)
    scaling = Scaling.learn(scale, X)
    gamma = 1 / (n_columns * scaling(X).var())
    assert gamma == pytest.approx(SVC(gamma="scale").fit(scaling(X), y)._gamma)
    machine = OneVsRestClassifier(SVC(C=2.0, gamma=gamma, class_weight=class_weight, tol=1e-7))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    reference = CalibratedClassifierCV(machine, method="sigmoid", ensemble=False, cv=folds)
    with warnings.catch_warnings():
        # OneVsRestClassifier takes no weights of rows: it has its class weights already, and the sigmoids take these.
        warnings.filterwarnings("ignore", ".*will only be used for the calibration")
        reference.fit(scaling(X), y, sample_weight=compute_sample_weight(class_weight, y) if class_weight else None)
    head = make_head("svm", kernel="rbf", C=2.0, scale=scale, class_weight=class_weight).fit(X, y)
    np.testing.assert_allclose(head.predict_proba(X_new), reference.predict_proba(scaling(X_new)), rtol=0, atol=1e-6)
    assert head.notes_ == []


def test_heaps_on_opposite_sides_are_told_apart() -> None:
    """What no hyperplane can do."""
    (X, y), (X_new, y_new) = made_rows(90, 2, 7), made_rows(90, 2, 7, seed=1)
    assert (make_head("svm", kernel="rbf").fit(X, y).predict_proba(X_new).argmax(axis=1) == y_new).mean() > 0.9
    assert (make_head("svm", kernel="linear").fit(X, y).predict_proba(X_new).argmax(axis=1) == y_new).mean() < 0.75


def test_equal_rows_have_a_kernel_too() -> None:
    """No variance: gamma is 1, as in scikit-learn."""
    head = make_head("svm", kernel="rbf").fit(np.ones((8, 3), np.float32), np.arange(8) % 2)
    assert head.arrays()["gamma"].tolist() == [1.0]
    np.testing.assert_allclose(head.predict_proba(np.ones((1, 3), np.float32)).sum(), 1)


def test_more_rows_than_a_kernel_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the advice to use the other one, which takes them."""
    monkeypatch.setattr(featx.heads.classical.linear, "LARGEST_DECOMPOSITION", 20)
    X, y = made_rows(21, 2, 7)
    with pytest.raises(HeadError, match=r"at most 20 training images\. Received: 21\. Use kernel linear"):
        make_head("svm", kernel="rbf").fit(X, y)
    make_head("svm").fit(X, y)


def test_probabilities_stay_probabilities_far_away(fitted: Head) -> None:
    """The kernel is then 0 everywhere."""
    for factor in (0, 1e6, -1e6):
        probabilities = fitted.predict_proba(made_rows(5, 3, 7)[0] * np.float32(factor))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)
        assert probabilities.min() >= 0


def test_a_restored_rbf_head_needs_numpy_alone(tmp_path: Path, fitted: Head) -> None:
    """The same bits in a process without scikit-learn, from settings and arrays."""
    X_new, _ = made_rows(20, 3, 7, seed=1)
    np.savez(tmp_path / "arrays.npz", **fitted.arrays())
    np.save(tmp_path / "X.npy", X_new)
    program = (
        "import sys, numpy as np\n"
        "from featx.heads import rebuild_head\n"
        f"head = rebuild_head('svm', {fitted.settings()!r}, dict(np.load('arrays.npz')))\n"
        "np.save('found.npy', head.predict_proba(np.load('X.npy')))\n"
        "print(sorted({'keras', 'tensorflow', 'sklearn', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
    assert np.load(tmp_path / "found.npy").tobytes() == fitted.predict_proba(X_new).tobytes()


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_arrays_of_the_other_kernel_are_refused(fitted: Head, kernel: str) -> None:
    """A model file cannot mix them."""
    other = make_head("svm").fit(*made_rows(60, 3, 7)) if kernel == "rbf" else fitted
    with pytest.raises(HeadError, match="must have the arrays"):
        rebuild_head("svm", fitted.settings() | {"kernel": kernel}, other.arrays())


@pytest.mark.parametrize("name", ["coef", "rows", "gamma", "intercept", "slope", "mean", "scale", "classes"])
def test_arrays_that_do_not_fit_are_refused(fitted: Head, name: str) -> None:
    """Cut, doubled, of another type, or holding what is no number: each array in turn."""
    array = fitted.arrays()[name]
    spoiled = [array[:-1], np.concatenate([array, array]), array[..., None], array.astype(complex), array.astype("U8")]
    if name != "classes":
        spoiled += [np.full_like(array, np.nan), np.full_like(array, np.inf), array.astype(np.int64)]
    if name == "scale":
        spoiled += [np.zeros_like(array), -array]
    for value in spoiled:
        with pytest.raises(HeadError, match="must"):
            rebuild_head("svm", fitted.settings(), fitted.arrays() | {name: value})


@pytest.mark.parametrize("classes", [[2, 1, 0], [0, 0, 1], [7]], ids=str)
def test_classes_that_no_fit_gives_are_refused(classes: list[int]) -> None:
    """They ascend, and there are two at least."""
    head = make_head("logreg").fit(*made_rows(60, len(classes) if len(classes) > 1 else 2, 7))
    arrays = head.arrays() | {"classes": np.array(classes)}
    if len(classes) == 1:
        arrays |= {"coef": arrays["coef"][:1], "intercept": arrays["intercept"][:1]}
    with pytest.raises(HeadError, match="classes must be"):
        rebuild_head("logreg", head.settings(), arrays)
