"""Batches of one shape, and what happens where memory runs out."""

import dataclasses

import numpy as np
import pytest

from featx.backbones import choose_batch_size
from featx.backbones import load as registry
from featx.backbones.batched import Batches
from featx.errors import BackboneError, MemoryExhausted
from featx.recipe import Recipe

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(8, 8), preprocess="none")
IMAGES = np.random.default_rng(0).integers(0, 256, (21, 8, 8, 3), dtype=np.uint8)


class ResourceExhaustedError(Exception):
    """What TensorFlow calls it."""


def limited(most: int, error: Exception) -> tuple[list[int], Batches]:
    """Return batches of 16 whose forward pass fails for more than some images, and the sizes that were tried."""
    tried: list[int] = []

    def forward(images: np.ndarray) -> dict[str, np.ndarray]:
        tried.append(len(images))
        if len(images) > most:
            raise error
        return {"cells": images.astype(np.float32)}

    return tried, Batches(forward, RECIPE, 16)


@pytest.mark.parametrize(
    "error",
    [
        ResourceExhaustedError("OOM when allocating tensor"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"),  # XLA
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),  # PyTorch
        RuntimeError("Exception from src/inference: std::bad_alloc"),  # OpenVINO
        MemoryError(),
    ],
    ids=["tensorflow", "jax", "torch", "openvino", "numpy"],
)
def test_batch_is_halved_where_memory_runs_out(error: Exception) -> None:
    """Nothing is lost or done twice; later batches start at the size that fitted."""
    tried, batches = limited(5, error)
    np.testing.assert_array_equal(batches.run(IMAGES)["cells"], IMAGES)
    assert tried == [16, 8, 4, 4, 4, 4, 4, 4]
    np.testing.assert_array_equal(batches.run(IMAGES[:3])["cells"], IMAGES[:3])
    assert tried[8:] == [4]
    assert batches.size == 4


def test_no_room_for_one_image_is_a_typed_error() -> None:
    """It names the size that did not fit and what to do."""
    tried, batches = limited(0, MemoryError())
    with pytest.raises(MemoryExhausted, match=r"a single image of 8x8 px\. Give a smaller --image-size"):
        batches.run(IMAGES)
    assert tried == [16, 8, 4, 2, 1]


def test_other_errors_are_not_taken_for_it() -> None:
    """A bug must not be run into four times and then be called lack of memory."""
    tried, batches = limited(0, ValueError("shapes do not fit"))
    with pytest.raises(ValueError, match="shapes do not fit"):
        batches.run(IMAGES)
    assert tried == [16]


@pytest.mark.parametrize(("gigabytes", "size"), [(64.0, 32), (2.0, 16), (0.2, 2), (0.0, 1)])
def test_batch_size_follows_the_memory_at_hand(monkeypatch: pytest.MonkeyPatch, gigabytes: float, size: int) -> None:
    """At 224 px an image takes at most 39 MB; half of the memory may go to a batch."""
    monkeypatch.setattr(registry, "memory_at_hand", lambda: int(gigabytes * 1e9))
    recipe = Recipe(backbone="vgg16", weights="random:0", layers=("block5_pool",), image_size=(224, 224), preprocess="caffe")
    assert choose_batch_size(recipe, "cpu") == size


def test_overflow_in_float16_is_an_error_and_no_feature() -> None:
    """A map of infinities would be kept as float32 and spoil every head; the layer and the way out are named."""
    recipe = dataclasses.replace(RECIPE, precision="float16")
    batches = Batches(lambda images: {"cells": np.full(images.shape, np.inf, np.float16)}, recipe, 16)
    with pytest.raises(BackboneError, match=r"cells overflows in float16.*--precision bfloat16"):
        batches.run(IMAGES)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_what_is_no_number_is_an_error_in_every_precision(precision: str, bad: float) -> None:
    """The cache would keep it, and a head give it a class."""
    recipe = dataclasses.replace(RECIPE, precision=precision)
    batches = Batches(lambda images: {"cells": np.full(images.shape, bad, np.float32)}, recipe, 16)
    with pytest.raises(BackboneError, match=f"cells gives values that are infinite or no numbers, with precision {precision}"):
        batches.run(IMAGES)


def test_another_number_of_images_a_pass_is_taken_from_there_on() -> None:
    """And where memory runs out, half as many, as before."""
    tried, batches = limited(5, MemoryError())
    for size in (3, 16, 2):
        batches.take(size)
        np.testing.assert_array_equal(batches.run(IMAGES[:4])["cells"], IMAGES[:4])
    assert tried == [3, 3, 16, 8, 4, 2, 2]
