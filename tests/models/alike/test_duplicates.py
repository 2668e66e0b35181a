"""Near duplicates are found by their pictures, and pictures that are merely alike are not."""

import io
import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from featx.models.alike import find_near_duplicates
from featx.models.alike.align import disagreement, expected_disagreement, smoothed
from featx.system.linked import group_pairs

Bytes = NDArray[np.uint8]


def pictures(n: int, seed: int = 0, cells: int = 7, side: int = 128) -> list[Image.Image]:
    """Return grey pictures of smooth random blobs, no two alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, cells, cells), np.uint8)
    return [Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC) for one in coarse]


def thumbnails(images: list[Image.Image]) -> Bytes:
    """Return what extract would keep of them."""
    return np.stack([np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX)) for image in images])


def changed(image: Image.Image, crop: float = 0.0, factor: float = 1.0, quality: int | None = None) -> Image.Image:
    """Return a picture with its lower right cut off and stretched back, brighter or darker, and recompressed."""
    side = image.width * (1 - crop)
    image = image.resize(image.size, Image.Resampling.BICUBIC, box=(0, 0, side, side))
    image = Image.fromarray(np.clip(np.asarray(image) * factor, 0, 255).astype(np.uint8))
    if quality is None:
        return image
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


@pytest.mark.parametrize(
    "change",
    [{}, {"crop": 0.04}, {"crop": 0.1}, {"factor": 0.8}, {"quality": 50}, {"crop": 0.04, "factor": 0.9, "quality": 60}],
)
@pytest.mark.parametrize("all_of_up_to", [2000, 60], ids=["all", "screened"])
def test_changed_copies_are_found_and_nothing_else(change: dict[str, float], all_of_up_to: int) -> None:
    """Five copies among 150 pictures: those five pairs and no other, screened first or not."""
    images = pictures(150)
    copies = [changed(images[number], **change) for number in range(0, 50, 10)]  # type: ignore[arg-type] # each to its own
    found = find_near_duplicates(thumbnails(images + copies), all_of_up_to=all_of_up_to)
    assert sorted(map(tuple, found.pairs.tolist())) == [(number, 150 + number // 10) for number in range(0, 50, 10)]
    assert (found.agreement > 0.98).all()


def test_pictures_of_one_kind_are_no_duplicates_of_each_other() -> None:
    """Mixtures of two pictures are far more alike than any two photographs; with nothing planted, next to none is found."""
    one, other = (np.asarray(image, np.float64) for image in pictures(2))
    noise = pictures(200, seed=5)
    shares = np.random.default_rng(0).uniform(0, 1, 200)
    mixed = [
        Image.fromarray((0.7 * (one * share + other * (1 - share)) + 0.3 * np.asarray(own)).astype(np.uint8))
        for share, own in zip(shares, noise, strict=True)
    ]
    correlations = np.corrcoef(thumbnails(mixed).reshape(200, -1))
    assert np.median(np.sort(correlations, axis=1)[:, -2]) > 0.8  # each has another that is much like it
    assert len(find_near_duplicates(thumbnails(mixed)).pairs) <= 2


def test_several_copies_of_one_picture_are_all_found() -> None:
    """Four copies and their original make one group, told by its first."""
    images = pictures(60)
    copies = [changed(images[7], crop=crop, quality=80) for crop in (0.01, 0.02, 0.03, 0.04)]
    found = find_near_duplicates(thumbnails(images + copies))
    groups = group_pairs(64, found.pairs)
    assert np.flatnonzero(groups == 7).tolist() == [7, 60, 61, 62, 63]


def test_a_crowd_of_recompressed_copies_is_found_though_nothing_else_is_near() -> None:
    """Thirty copies that differ by rounding: no neighbour tells the usual distance, so that they are the same says it."""
    images = pictures(40)
    copies = [changed(images[3], quality=quality) for quality in range(70, 100)]
    found = find_near_duplicates(thumbnails(images + copies))
    groups = group_pairs(70, found.pairs)
    assert set(np.flatnonzero(groups == 3)) == {3, *range(40, 70)}


def test_blank_pictures_are_not_compared() -> None:
    """Two of one grey level say nothing about each other."""
    blank = [Image.new("L", (128, 128), level) for level in (0, 0, 128, 255)]
    assert len(find_near_duplicates(thumbnails(pictures(30) + blank)).pairs) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_a_handful_of_pictures(n: int) -> None:
    """Too few to tell what is usual: a rounded copy is still found, and different ones are not taken for copies."""
    images = pictures(n)
    assert len(find_near_duplicates(thumbnails(images) if n else np.empty((0, 32, 32), np.uint8)).pairs) == 0
    if n:
        found = find_near_duplicates(thumbnails([*images, changed(images[0], quality=95)]))
        assert found.pairs.tolist() == [[0, n]]


def test_threads_change_nothing() -> None:
    """The same pairs and the same figures."""
    images = pictures(100)
    shown = thumbnails(images + [changed(image, crop=0.03) for image in images[:5]])
    alone, together = (find_near_duplicates(shown, threads=threads) for threads in (1, 3))
    assert alone.pairs.tolist() == together.pairs.tolist()
    assert alone.agreement.tolist() == together.agreement.tolist()


def test_laying_over_undoes_a_known_shift_and_scale() -> None:
    """A picture sampled at 0.95 of its size and 2 % aside, laid over the original, is it again to a thousandth."""
    image = pictures(1, cells=5, side=320)[0]
    box = (16 + 3.2, 16 - 3.2, 304 + 3.2, 304 - 3.2)
    moved = image.resize(image.size, Image.Resampling.BICUBIC, box=box)
    one, other = smoothed(thumbnails([image, moved]))
    before, after = (float(disagreement(other[None], one[None, None], steps)[0, 0]) for steps in (0, 4))
    assert before > 0.01
    assert after < 1e-3
    assert float(expected_disagreement(other[None], one[None, None])[0, 0]) < before


def test_groups_are_the_connected_parts() -> None:
    """As told by walking from member to member."""
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, 40, (25, 2))
    reached = np.eye(40, dtype=bool)
    reached[pairs[:, 0], pairs[:, 1]] = reached[pairs[:, 1], pairs[:, 0]] = True
    for middle, row in itertools.product(range(40), repeat=2):
        reached[row] |= reached[row, middle] & reached[middle]
    assert group_pairs(40, pairs).tolist() == reached.argmax(axis=1).tolist()
