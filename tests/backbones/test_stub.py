"""The stub backbone: mean colours of cells, computed by hand."""

import numpy as np
import pytest

from featx.backbones import load_backbone
from featx.backbones.stub import StubBackbone
from featx.errors import ImageSizeError, UnknownLayer
from featx.recipe import Recipe


def stub(height: int, width: int) -> StubBackbone:
    """Build the stub for one image size."""
    return StubBackbone(Recipe("stub", "none", ("cells",), (height, width), "none"))


def test_each_cell_is_its_mean_colour() -> None:
    """Two images of 2 x 3 flat cells give back the colours of those cells, rows before columns."""
    cells = np.arange(2 * 2 * 3 * 3).reshape(2, 2, 3, 3).astype(np.uint8) * 5
    images = cells.repeat(32, axis=1).repeat(32, axis=2)
    maps = stub(64, 96)(images)
    assert list(maps) == ["cells"]
    assert maps["cells"].dtype == np.float32
    np.testing.assert_array_equal(maps["cells"], cells)


def test_mean_is_over_all_pixels_of_a_cell() -> None:
    """One pixel of 255 among 1024, and a half of 200 beside a half of 100."""
    image = np.zeros((1, 32, 32, 3), np.uint8)
    image[0, 5, 7, 0] = 255
    image[0, :16, :, 1], image[0, 16:, :, 1] = 200, 100
    np.testing.assert_array_equal(stub(32, 32)(image)["cells"], [[[[255 / 1024, 150, 0]]]])


def test_pixels_past_the_last_whole_cell_are_left_out() -> None:
    """70 x 100 px hold 2 x 3 whole cells, as VGG16's five halvings would leave."""
    image = np.full((1, 70, 100, 3), 255, np.uint8)
    image[:, :64, :96] = 10
    maps = stub(70, 100)(image)["cells"]
    assert maps.shape == (1, 2, 3, 3)
    assert (maps == 10).all()


def test_no_images_give_no_features() -> None:
    """An empty batch is answered with an empty one of the right shape."""
    assert stub(64, 96)(np.empty((0, 64, 96, 3), np.uint8))["cells"].shape == (0, 2, 3, 3)


def test_images_are_left_unchanged() -> None:
    """The caller's array is read, not written."""
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    before = images.copy()
    stub(32, 32)(images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("shape", [(1, 96, 64, 3), (1, 64, 96), (1, 64, 96, 4), (1, 32, 96, 3)])
def test_other_image_shape_is_refused(shape: tuple[int, ...]) -> None:
    """The error names the shape wanted and the one received."""
    with pytest.raises(ImageSizeError, match=r"\(64, 96, 3\)\. Received"):
        stub(64, 96)(np.zeros(shape, np.uint8))


def test_other_layers_are_refused() -> None:
    """The stub has one layer, and says its name."""
    with pytest.raises(UnknownLayer, match=r"no layers block5_pool\. It has one: cells"):
        load_backbone(Recipe("stub", "none", ("block5_pool",), (64, 64), "none"))


def test_network_is_described() -> None:
    """One layer without parameters, of the shape it gives."""
    assert stub(64, 96).network == {
        "parameters": 0,
        "layers": [{"name": "cells", "type": "Mean", "output_shape": [2, 3, 3], "parameters": 0}],
    }
