"""Half precision widened is NumPy's own to the last bit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.system import halves
from featx.system.halves import widened

EVERY = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)


def bits(values: NDArray[np.float32]) -> list[int]:
    """Return the bits of values."""
    return np.ascontiguousarray(values).view(np.uint32).ravel().tolist()


@pytest.mark.parametrize("at_a_time", [64, 1 << 16])
def test_every_number_is_widened_as_numpy_does(monkeypatch: pytest.MonkeyPatch, at_a_time: int) -> None:
    """Both signs, both zeros, those below the normal numbers, infinities and what is no number; alone or among others."""
    monkeypatch.setattr(halves, "_AT_A_TIME", at_a_time)
    for values in (EVERY.reshape(-1, 64), EVERY[::97].reshape(-1, 1), np.sort(np.abs(EVERY[np.isfinite(EVERY)]))[:, None]):
        assert bits(widened(values)) == bits(values.astype(np.float32))


def test_normal_numbers_need_no_help_of_numpy() -> None:
    """Zeros and all numbers from 6.1e-5 on, with a sign and without, in one block."""
    normal = EVERY[np.isfinite(EVERY) & ((np.abs(EVERY) >= 2.0**-14) | (EVERY == 0))]
    found = halves._widened(normal[None])
    assert found.base is not None, "made from whole numbers"
    assert bits(found) == bits(normal.astype(np.float32))


def test_other_types_and_layouts_are_widened_too() -> None:
    """Columns of an array, single and double precision, and no rows at all."""
    X = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float16)
    assert bits(widened(X[:, 3:20])) == bits(X[:, 3:20].astype(np.float32))
    for dtype in (np.float32, np.float64):
        assert bits(widened(X.astype(dtype))) == bits(X.astype(np.float32))
    assert widened(X[:0]).shape == (0, 40)
    assert widened(X[:, :0]).shape == (30, 0)
    assert bits(widened(X[0])) == bits(X[0].astype(np.float32))
