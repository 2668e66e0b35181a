"""From maps to rows of features: an image's row is the same in any company."""

import numpy as np
import pytest

from featx.store.pooling import POOLINGS, pool_maps, sums_by_cell


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", [(7, 7, 512), (3, 3, 64), (1, 1, 8), (5, 4, 1), (14, 14, 3), (40, 40, 1)], ids=str)
def test_an_image_is_pooled_to_the_same_bits_in_any_company_and_layout(pooling: str, shape: tuple[int, int, int]) -> None:
    """Alone, in subsets, in another order; channels last or first in memory."""
    maps = np.random.default_rng(0).normal(size=(65, *shape)).astype(np.float32)
    together = pool_maps(maps, pooling, "float16")
    channels_first = np.ascontiguousarray(maps.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    for laid_out in (maps, np.asfortranarray(maps), channels_first):
        assert pool_maps(laid_out, pooling, "float16").tobytes() == together.tobytes()
        for some in ([0], [64], [3, 9], list(range(64, -1, -1)), list(range(0, 65, 3))):
            assert pool_maps(laid_out[some], pooling, "float16").tobytes() == together[some].tobytes()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("shape", [(7, 7, 64), (3, 5, 4), (1, 1, 8)], ids=str)
def test_what_the_cells_add_is_the_weighted_sum_of_the_features(pooling: str, shape: tuple[int, int, int]) -> None:
    """Each row with weights of its own; values of both signs, many of them equal."""
    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(size=(9, *shape)), -0.5).round(1).astype(np.float32)
    X = pool_maps(maps, pooling, "float32")
    weights = rng.normal(size=X.shape)
    sums = sums_by_cell(maps, weights, pooling)
    assert sums.shape == (9, *shape[:2])
    np.testing.assert_allclose(sums.sum(axis=(1, 2)), (X * weights).sum(axis=1), rtol=0, atol=1e-5)


def test_a_maximum_is_its_cells_and_equal_cells_share_it() -> None:
    """An average is each cell's own part of it; worked out by hand for two channels on two cells."""
    maps = np.array([[[[4.0, 1.0], [2.0, 1.0]]]], np.float32)
    weights = np.array([[10.0, 100.0]])
    np.testing.assert_allclose(sums_by_cell(maps, weights, "max"), [[[40 + 50, 50]]])
    np.testing.assert_allclose(sums_by_cell(maps, weights, "avg"), [[[20 + 50, 10 + 50]]])
    both = np.array([[10.0, 100.0, -1.0, -2.0]])
    np.testing.assert_allclose(sums_by_cell(maps, both, "avgmax"), [[[70 - 4 - 1, 60 - 1]]])
    whole = np.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(sums_by_cell(maps, whole, "flatten"), [[[4 + 2, 6 + 4]]])
