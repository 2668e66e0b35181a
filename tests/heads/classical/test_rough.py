"""The rough head: the same decisions as scikit-learn's ridge regression on the scaled rows."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from featx.heads import Scaling, rough_decisions
from featx.heads.classical.left_out import share_rows


@pytest.mark.parametrize("scale", ["standard", "l2", "sqrt"])
@pytest.mark.parametrize(("n_classes", "n_columns"), [(2, 9), (3, 200)])
def test_decisions_are_those_of_scikit_learn(scale: str, n_classes: int, n_columns: int) -> None:
    """On signs, with a column of ones in place of the intercept; a class that is not learned is no answer."""
    rng = np.random.default_rng(0)
    X = np.maximum(rng.normal(0, 1, (60, n_columns)), 0).astype(np.float32)
    labels = np.arange(60) % n_classes
    learned, judged = np.arange(40), np.arange(40, 60)
    rows = share_rows(X, labels, None, scale, [("svm", {"scale": scale})])
    found = rough_decisions(rows, learned, labels[learned], judged, n_classes + 1)
    scaled = np.hstack([Scaling.learn(scale, X)(X), np.ones((60, 1))])
    signs = np.where(labels[:, None] == np.arange(n_classes + 1), 1.0, -1.0)
    wanted = Ridge(500.0, fit_intercept=False).fit(scaled[learned], signs[learned]).predict(scaled[judged])
    assert found[:, :-1] == pytest.approx(wanted[:, :-1], abs=1e-5)
    assert (found[:, -1] == -np.inf).all()
