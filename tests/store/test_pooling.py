"""From maps to rows of features: an image's row is the same in any company."""

import numpy as np
import pytest

from featx.store.pooling import POOLINGS, pool_maps


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
