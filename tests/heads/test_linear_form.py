"""What each feature adds to a linear head's values: against the head's own probabilities, and no form of any other head."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.heads import Head, LinearForm, make_head

SCALES = ("standard", "l2", "sqrt", "none")
LINEAR: list[tuple[str, dict[str, Any]]] = [
    *((name, {"scale": scale}) for name in ("logreg", "svm", "ridge") for scale in SCALES),
    ("dense", {}),
    ("dense", {"activation": "sigmoid"}),
]


def fitted(name: str, settings: dict[str, Any], n_classes: int) -> tuple[Head, NDArray[np.float32]]:
    """Fit a head on rows of 24 columns of both signs, one of them constant; return it with rows it has not seen, one empty."""
    rng = np.random.default_rng(5)
    y = np.arange(60) % n_classes
    centres = rng.normal(0, 2, (n_classes, 24))
    X = (1 + centres[y] + rng.normal(0, 1, (60, 24))).astype(np.float32)
    X[:, 0] = 7
    new = (1 + centres[y[:20]] + rng.normal(0, 2, (20, 24))).astype(np.float32)
    new[0], new[1, ::3] = 0, 0
    quick = {"epochs": 3} if name in ("dense", "conv") else {}
    return make_head(name, **settings, **quick).fit(X, y), new


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("name", "settings"), LINEAR, ids=str)
def test_the_values_give_the_heads_probabilities(name: str, settings: dict[str, Any], n_classes: int) -> None:
    """Through a softmax, or through a sigmoid for each class, made to sum to 1."""
    head, X = fitted(name, settings, n_classes)
    form = LinearForm.of(head.as_layers())
    assert form is not None
    values = form.values(X)
    shares = 1 / (1 + np.exp(-values)) if form.kind == "sigmoid" else np.exp(values - values.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, head.predict_proba(X), rtol=0, atol=1e-6 if name == "dense" else 1e-10)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("name", "settings"), LINEAR, ids=str)
def test_what_the_features_add_and_the_bias_are_the_values(name: str, settings: dict[str, Any], n_classes: int) -> None:
    """Of each class, and of one against another; a row of zeros is all bias."""
    head, X = fitted(name, settings, n_classes)
    form = LinearForm.of(head.as_layers())
    assert form is not None
    for label in range(n_classes):
        for other in (None, (label + 1) % n_classes):
            mix = np.zeros((len(X), n_classes))
            mix[:, label] = 1
            if other is not None:
                mix[:, other] = -1
            wanted = form.values(X)[:, label] - (0 if other is None else form.values(X)[:, other])
            added = X * form.weights(X, mix)
            np.testing.assert_allclose(added.sum(axis=1) + mix @ form.bias, wanted, rtol=0, atol=1e-9)
            assert not added[0].any()
            assert np.isfinite(added).all()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dense", {"hidden": [5]}),
        ("conv", {"map_shape": [2, 3, 4], "filters": [5]}),
        ("svm", {"kernel": "rbf"}),
        ("knn", {}),
    ],
    ids=str,
)
def test_other_heads_have_no_linear_form(name: str, settings: dict[str, Any]) -> None:
    """Hidden layers, convolutions and distances are no sums over the features."""
    head, _ = fitted(name, settings, 3)
    assert LinearForm.of(head.as_layers()) is None
