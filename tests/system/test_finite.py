"""Which row holds what is no number."""

from typing import Any

import numpy as np
import pytest

from featx.system.finite import first_not_finite


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_row_with_such_a_value_is_named(dtype: Any, bad: float) -> None:
    """Of any type and shape; the largest finite numbers, zeros of both signs and no rows at all are fine."""
    X = np.zeros((9, 2, 3), dtype)
    X[0], X[1], X[2] = np.finfo(dtype).max, np.finfo(dtype).min, -0.0
    assert first_not_finite(X) is None
    assert first_not_finite(X[:0]) is None
    X[8, 1, 2] = X[5, 0, 1] = bad
    assert first_not_finite(X) == 5
    assert first_not_finite(X.transpose(2, 1, 0)) == 1
