"""LAPACK's Cholesky factor without Python's lock gives NumPy's solutions."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.heads.classical import positive
from featx.heads.classical.positive import Cholesky


def made_matrix(n: int) -> NDArray[np.float64]:
    """Return a symmetric positive definite matrix."""
    X = np.random.default_rng(n).normal(size=(n, n + 5))
    return X @ X.T


@pytest.mark.parametrize("n", [1, 2, 7, 150])
@pytest.mark.parametrize("shape", [(), (1,), (4,)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("has_lock", [False, True], ids=["without lock", "SciPy's own"])
def test_solutions_are_numpys(
    n: int, shape: tuple[int, ...], order: str, has_lock: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one side and for several, in rows and in columns; they are left as they are."""
    if has_lock:
        monkeypatch.setattr(positive, "_SIGNATURES", dict.fromkeys(positive._SIGNATURES, "void (other *)"))
        positive._function.cache_clear()
    matrix, wanted = made_matrix(n), np.random.default_rng(0).normal(size=(n, *shape))
    before = wanted.copy()
    found = Cholesky(np.array(matrix, order=order)).solve(wanted)  # type: ignore[call-overload] # an order
    np.testing.assert_allclose(found, np.linalg.solve(matrix, wanted), rtol=1e-9)
    assert wanted.tobytes() == before.tobytes()
    positive._function.cache_clear()


def test_what_is_not_positive_definite_is_refused() -> None:
    """With NumPy's error."""
    for matrix in (-np.eye(3), np.array([[1.0, 2.0], [2.0, 1.0]])):
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            Cholesky(matrix)


def test_another_thread_goes_on_meanwhile() -> None:
    """The lock is let go: while one thread factors, another counts."""
    matrix, done, counted = np.eye(1500), threading.Event(), 0
    thread = threading.Thread(target=lambda: (Cholesky(matrix), done.set()))
    thread.start()
    while not done.is_set():
        counted += 1
    thread.join()
    assert counted > 100
