"""Splits of images with several labels or numbers: alike in each, no group on two sides, the same whatever the order."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.images import assign_splits, strata_of
from featx.task import Task

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def digests(n: int, salt: str = "") -> list[bytes]:
    """Return n contents."""
    return [hashlib.sha256(f"{salt}{number}".encode()).digest() for number in range(n)]


def strata(task: Task, targets: NDArray[np.float64]) -> NDArray[np.int32] | NDArray[np.bool_]:
    """Return the strata of images that have no class."""
    return strata_of(task, np.full(len(targets), -1, np.int32), targets)


def labelled(n: int, chances: tuple[float, ...], seed: int) -> NDArray[np.float64]:
    """Return labels that are there by chance, of which the later need the first."""
    rng = np.random.default_rng(seed)
    found = (rng.random((n, len(chances))) < chances).astype(np.float64)
    found[:, 1:] *= rng.random((n, len(chances) - 1)) < 0.5 + 0.5 * found[:, :1]
    return found


def test_each_label_is_spread_as_all_images_are() -> None:
    """Within four images of its share, for common labels and rare."""
    for seed in range(20):
        targets = labelled(400, (0.5, 0.3, 0.1, 0.03), seed)
        splits = np.array(assign_splits(strata(Task("labels", tuple("abcd")), targets), digests(400, str(seed)), [""] * 400))
        for split, share in SHARES.items():
            counts = targets[splits == split].sum(axis=0)
            assert (np.abs(counts - share * targets.sum(axis=0)) <= 4).all(), (seed, split, counts)
            assert abs((splits == split).sum() - share * 400) <= 6


def test_a_label_of_three_images_is_in_each_split() -> None:
    """One to learn from, one to validate, one to test."""
    targets = np.zeros((100, 2))
    targets[:50, 0] = targets[:3, 1] = 1
    splits = assign_splits(strata(Task("labels", ("a", "b")), targets), digests(100), [""] * 100)
    assert sorted(splits[:3]) == ["test", "train", "val"]


@pytest.mark.parametrize("kind", ["labels", "numbers", "numbers of two"])
def test_the_order_of_the_images_plays_no_part(kind: str) -> None:
    """A copy of the list on another machine, in another order, is split alike."""
    rng = np.random.default_rng(1)
    targets = labelled(120, (0.5, 0.2), 0) if kind == "labels" else rng.normal(size=(120, 1 + kind.endswith("two")))
    targets[rng.random(targets.shape) < 0.1] = np.nan
    task = Task("labels" if kind == "labels" else "numbers", tuple("ab")[: targets.shape[1]])
    contents, order = np.array(digests(120), object), rng.permutation(120)
    found = np.array(assign_splits(strata(task, targets), contents.tolist(), [""] * 120))
    again = np.array(assign_splits(strata(task, targets[order]), contents[order].tolist(), [""] * 120))
    assert (found[order] == again).all()


def test_numbers_are_alike_in_every_split() -> None:
    """Each tenth of the numbers gives its share; so the means agree far better than by chance."""
    off, by_chance = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        targets = rng.exponential(size=(200, 1))
        splits = np.array(assign_splits(strata(Task("numbers", ("x",)), targets), digests(200, str(seed)), [""] * 200))
        assert 25 <= (splits == "test").sum() <= 35
        off.append(abs(targets[splits == "test"].mean() - targets.mean()))
        by_chance.append(abs(targets[rng.permutation(200)[:30]].mean() - targets.mean()))
    assert np.mean(off) < 0.7 * np.mean(by_chance)


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_no_group_stands_on_two_sides(kind: str) -> None:
    """In 100 lists of images in groups of any size, and copies of images in other groups; no label goes unlearned."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(20, 150))
        targets = labelled(n, (0.5, 0.2), seed) if kind == "labels" else rng.normal(size=(n, 1))
        task = Task("labels", ("a", "b")) if kind == "labels" else Task("numbers", ("x",))
        groups = [f"g{number}" if number % 5 else "" for number in rng.integers(0, max(2, n // 4), n)]
        contents = digests(n, str(seed))
        copies = rng.integers(0, n, n // 10)
        for row in copies:
            contents[row] = contents[int(copies[0])]
        splits = assign_splits(strata(task, targets), contents, [""] * n, groups)
        for names in (groups, contents):
            sides: dict[object, set[str]] = {}
            for name, split in zip(names, splits, strict=True):
                sides.setdefault(name, set()).add(split)
            assert all(len(found) == 1 for name, found in sides.items() if name), seed
        if kind == "labels":
            learned = targets[np.array(splits) == "train"].sum(axis=0)
            assert ((learned > 0) | (targets.sum(axis=0) == 0)).all()


def test_given_splits_stay() -> None:
    """What the table says is kept; only val is drawn where test is given."""
    targets = labelled(60, (0.5, 0.3), 0)
    given = ["test"] * 10 + [""] * 50
    splits = assign_splits(strata(Task("labels", ("a", "b")), targets), digests(60), given)
    assert splits[:10] == ["test"] * 10
    assert "test" not in splits[10:]
    assert splits.count("val") > 0
