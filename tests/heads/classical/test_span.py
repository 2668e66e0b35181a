"""Rotated rows: the same inner products and distances on fewer columns, and the way back."""

import numpy as np
import pytest

import featx.heads.classical.scaling
from featx.heads.classical.scaling import SCALES, Scaling
from featx.heads.classical.span import Span, gram_matrix

X = np.maximum(np.random.default_rng(0).normal(-1, 1, (30, 400)), 0).astype(np.float32)


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("block_bytes", [1, 10_000, 10**9])
def test_rotated_rows_keep_inner_products_and_distances(kind: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On at most as many columns as there are rows, whatever the blocks they were summed up in."""
    scaling = Scaling.learn(kind, X)
    scaled = scaling(X)
    monkeypatch.setattr(featx.heads.classical.scaling, "_BLOCK_BYTES", block_bytes)
    span = Span(X, scaling)
    assert span.rows.shape[1] <= 30
    np.testing.assert_allclose(span.rows @ span.rows.T, scaled @ scaled.T, rtol=0, atol=1e-8)
    distances = ((span.rows[:, None] - span.rows) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances, ((scaled[:, None] - scaled) ** 2).sum(axis=2), rtol=0, atol=1e-8)
    np.testing.assert_allclose(gram_matrix(X, scaling), scaled @ scaled.T, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("kind", SCALES)
def test_coefficients_go_back_to_the_features(kind: str) -> None:
    """They decide about the rows as before, and about a row at a right angle to all of them nothing."""
    scaling = Scaling.learn(kind, X)
    span = Span(X, scaling)
    coef = np.random.default_rng(1).normal(0, 1, (3, span.rows.shape[1]))
    back = span.back(coef)
    assert back.shape == (3, 400)
    np.testing.assert_allclose(scaling(X) @ back.T, span.rows @ coef.T, rtol=0, atol=1e-9)
    elsewhere = np.random.default_rng(2).normal(0, 1, 400)
    elsewhere -= np.linalg.lstsq(scaling(X), scaling(X) @ elsewhere, rcond=None)[0]
    np.testing.assert_allclose(back @ elsewhere, 0, atol=1e-9)


def test_rows_of_few_directions_are_told_by_few_columns() -> None:
    """Copies add no column; the standard scale takes one away."""
    copies = np.tile(X[:10], (3, 1))
    assert Span(copies, Scaling.learn("none", copies)).rows.shape == (30, 10)


def test_rows_of_zeros_are_told_by_one_column() -> None:
    """Of zeros; its coefficients lead nowhere."""
    nothing = np.zeros((4, 9), np.float32)
    for kind in SCALES:
        span = Span(nothing, Scaling.learn(kind, nothing))
        assert span.rows.tolist() == [[0.0]] * 4
        assert span.back(np.ones((2, 1))).tolist() == [[0.0] * 9] * 2
