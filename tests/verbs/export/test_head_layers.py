"""A fitted head told as plain layers gives the head's own probabilities, also where those layers are run by hand in NumPy."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.errors import ExportError
from featx.heads import Head, make_head
from featx.heads.layers import Convolution, Dense, Maps, PlainLayer, Probabilities, SignedRoots, UnitRows
from featx.verbs.export.head_layers import plain_layers

SCALES = ("standard", "l2", "sqrt", "none")
HEADS: list[tuple[str, dict[str, Any]]] = [
    *(("logreg", {"scale": scale}) for scale in SCALES),
    *(("svm", {"scale": scale}) for scale in SCALES),
    *(("ridge", {"scale": scale}) for scale in SCALES),
    ("dense", {}),
    ("dense", {"activation": "sigmoid"}),
    ("dense", {"hidden": [5, 4]}),
    ("conv", {"map_shape": [3, 2, 4], "filters": [5, 3], "hidden": [4]}),
    ("conv", {"map_shape": [3, 2, 4], "filters": [5], "activation": "sigmoid"}),
]


def fitted_head(name: str, settings: dict[str, Any], n_classes: int, columns: int = 24) -> tuple[Head, NDArray[np.float32]]:
    """Fit a head on made rows with positive, negative and constant columns; return it with rows it has not seen."""
    rng = np.random.default_rng(5)
    y = np.arange(60) % n_classes
    centres = rng.normal(0, 2, (n_classes, columns))
    X = (3 + centres[y] + rng.normal(0, 1, (60, columns))).astype(np.float32)
    X[:, 0] = 7
    new = (3 + centres[y[:20]] + rng.normal(0, 3, (20, columns))).astype(np.float32)
    new[0] = 0
    quick = {"epochs": 3} if name in ("dense", "conv") else {}
    return make_head(name, **settings, **quick).fit(X, y), new


def run_by_hand(layers: tuple[PlainLayer, ...], X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Do what each layer's docstring says, in float64 and with loops where loops are plainer."""
    values = X.astype(np.float64)
    for layer in layers:
        match layer:
            case SignedRoots():
                values = np.copysign(np.sqrt(np.abs(values)), values)
            case UnitRows():
                lengths = np.array([np.linalg.norm(row) or 1.0 for row in values])
                values = values / lengths[:, None]
            case Maps(shape):
                values = values.reshape(-1, *shape)
            case Convolution(kernel, bias):
                n, height, width, _ = values.shape
                padded = np.pad(values, ((0, 0), (1, 1), (1, 1), (0, 0)))
                convolved = np.empty((n, height, width, len(bias)))
                for row in range(height):
                    for column in range(width):
                        window = padded[:, row : row + 3, column : column + 3]
                        convolved[:, row, column] = np.maximum(np.tensordot(window, kernel, 3) + bias, 0)
                values = np.stack(
                    [
                        np.stack([convolved[:, r : r + 2, c : c + 2].max(axis=(1, 2)) for c in range(0, width, 2)], axis=1)
                        for r in range(0, height, 2)
                    ],
                    axis=1,
                )
            case Dense(kernel, bias, relu):
                values = values.reshape(len(values), -1) @ kernel + bias
                values = np.maximum(values, 0) if relu else values
            case Probabilities(kind):
                shares = np.exp(values) if kind == "softmax" else 1 / (1 + np.exp(-values))
                values = shares / shares.sum(axis=1, keepdims=True)
    return values


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("name", "settings"), HEADS, ids=str)
def test_the_layers_give_the_heads_probabilities(name: str, settings: dict[str, Any], n_classes: int) -> None:
    """For every head that is a network, scale and activation, two classes and four, a row of zeros among the rows."""
    head, X = fitted_head(name, settings, n_classes)
    found = run_by_hand(plain_layers(head, name), X)
    # dense and conv add up in float32 themselves.
    np.testing.assert_allclose(found, head.predict_proba(X), rtol=0, atol=1e-5 if name in ("dense", "conv") else 1e-10)


@pytest.mark.parametrize("name", ["logreg", "svm", "ridge"])
def test_a_linear_head_is_one_dense_layer(name: str) -> None:
    """Its standardisation and its calibration are in the kernel and the bias: nothing else stands before the probabilities."""
    head, _ = fitted_head(name, {}, 3)
    dense, probabilities = plain_layers(head, name)
    assert isinstance(dense, Dense)
    assert dense.kernel.shape == (24, 3)
    assert probabilities == Probabilities("softmax" if name == "logreg" else "sigmoid")


def test_telling_a_head_leaves_it_as_it_is() -> None:
    """The arrays are new ones or unchanged: the head predicts the same bits afterwards."""
    head, X = fitted_head("svm", {}, 3)
    before = head.predict_proba(X)
    plain_layers(head, "svm")
    assert head.predict_proba(X).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("name", "settings", "said"), [("knn", {}, "knn"), ("svm", {"kernel": "rbf"}, "svm with kernel rbf")], ids=str
)
def test_heads_that_compare_images_are_refused_with_the_way_out(name: str, settings: dict[str, Any], said: str) -> None:
    """Distances to training images are no layers; the message names the format that holds them."""
    head, _ = fitted_head(name, settings, 3)
    with pytest.raises(ExportError, match=rf"^{said}: .*distances to training images.*\.joblib"):
        plain_layers(head, name)
