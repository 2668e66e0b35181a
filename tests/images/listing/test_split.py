"""Splits: stratified, decided by content and seed alone, duplicates on one side."""

import hashlib
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.images import assign_splits


def digest_of(number: int) -> bytes:
    """Return the digest of some content."""
    return hashlib.sha256(str(number).encode()).digest()


def split(contents: list[tuple[int, int]], given_splits: list[str] | None = None, **options: float) -> list[str]:
    """Split images given as (label, content)."""
    labels = np.array([label for label, _ in contents], np.int32)
    return assign_splits(labels, [digest_of(c) for _, c in contents], given_splits or [""] * len(contents), **options)


def counts(contents: list[tuple[int, int]], splits: list[str]) -> dict[int, tuple[int, int, int]]:
    """Count train, val and test images of each class."""
    found = Counter((label, name) for (label, _), name in zip(contents, splits, strict=True))
    return {label: (found[label, "train"], found[label, "val"], found[label, "test"]) for label, _ in contents}


def some_images(*sizes: int) -> list[tuple[int, int]]:
    """Return (label, content) of classes of the given sizes, all contents different."""
    return [(label, 1000 * label + number) for label, size in enumerate(sizes) for number in range(size)]


IMAGES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=80)
"""(label, content): few contents, so that there are duplicates within and across classes."""


def test_every_class_gives_its_share() -> None:
    """15 % of 20 is 3, of 100 is 15, of 10 is 1.5 and rounds to 2: in every class, not only on average."""
    images = some_images(20, 100, 10)
    assert counts(images, split(images)) == {0: (14, 3, 3), 1: (70, 15, 15), 2: (6, 2, 2)}


@pytest.mark.parametrize(
    ("val_fraction", "test_fraction", "wanted"),
    [
        (0.0, 0.0, (20, 0, 0)),
        (0.25, 0.0, (15, 5, 0)),
        (0.0, 0.25, (15, 0, 5)),
        (0.1, 0.4, (10, 2, 8)),
    ],
)
def test_fractions_are_those_asked_for(val_fraction: float, test_fraction: float, wanted: tuple[int, int, int]) -> None:
    """A fraction of 0 draws nothing, not even the one image that small classes give."""
    images = some_images(20)
    assert counts(images, split(images, val_fraction=val_fraction, test_fraction=test_fraction)) == {0: wanted}


@pytest.mark.parametrize(("size", "wanted"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (4, (2, 1, 1)), (9, (7, 1, 1))])
def test_small_classes_keep_images_to_learn_from(size: int, wanted: tuple[int, int, int]) -> None:
    """Fewer than three images are all for training; three or more give one each to val and test."""
    images = some_images(size, 50)
    assert counts(images, split(images))[0] == wanted


@pytest.mark.parametrize(("val_fraction", "test_fraction"), [(0.15, 0.15), (0.4, 0.4), (0.3, 0.5), (0.9, 0.0), (0.45, 0.5)])
def test_every_class_keeps_a_training_image(val_fraction: float, test_fraction: float) -> None:
    """However large the fractions: a class that is only measured is never learned."""
    images = some_images(*range(1, 20))
    found = counts(images, split(images, val_fraction=val_fraction, test_fraction=test_fraction))
    assert [label + 1 for label, (train, _, _) in found.items() if not train] == []


@settings(deadline=None)
@given(IMAGES, st.integers(0, 5), st.randoms(use_true_random=False))
def test_order_of_files_plays_no_part(images: list[tuple[int, int]], seed: int, random: object) -> None:
    """The same images listed in another order (so under other names) are split alike, image by image."""
    order = list(range(len(images)))
    random.shuffle(order)
    straight = split(images, seed=seed)
    shuffled = split([images[i] for i in order], seed=seed)
    assert [straight[i] for i in order] == shuffled


@settings(deadline=None)
@given(IMAGES, st.integers(0, 5))
def test_duplicates_are_on_one_side(images: list[tuple[int, int]], seed: int) -> None:
    """All copies of a content have one split, also copies in different classes."""
    sides = defaultdict(set)
    for (_, content), name in zip(images, split(images, seed=seed, val_fraction=0.3, test_fraction=0.3), strict=True):
        sides[content].add(name)
    assert all(len(names) == 1 for names in sides.values())


def test_shares_count_different_images() -> None:
    """Copies do not make a class larger: 20 contents in 60 files give 3 contents each, with all their copies."""
    images = some_images(20) * 3
    assert counts(images, split(images)) == {0: (42, 9, 9)}


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_same_seed_draws_the_same_split(seed: int) -> None:
    """Twice the same call, twice the same answer."""
    images = some_images(12, 7)
    assert split(images, seed=seed) == split(images, seed=seed)


def test_other_seeds_draw_other_splits() -> None:
    """Ten seeds give ten different splits of the same shares."""
    images = some_images(50)
    drawn = [split(images, seed=seed) for seed in range(10)]
    assert len({tuple(splits) for splits in drawn}) == 10
    assert {tuple(sorted(splits)) for splits in drawn} == {("test",) * 8 + ("train",) * 34 + ("val",) * 8}


def test_every_image_is_drawn_for_some_seed() -> None:
    """No content is bound to one side: over 100 seeds each of 20 images is in test about 15 times."""
    images = some_images(20)
    tested = np.mean([[name == "test" for name in split(images, seed=seed)] for seed in range(100)], axis=0)
    assert tested.min() > 0.02
    assert tested.max() < 0.35


def test_adding_a_class_leaves_the_other_classes_as_they_were() -> None:
    """A class is drawn by its own contents alone."""
    images = some_images(20, 20)
    assert split(some_images(20, 20, 30))[:40] == split(images)


GIVEN_10 = {"train": ["train"] * 10, "val": ["val"] * 10, "test": ["test"] * 10, "": [""] * 10}


@pytest.mark.parametrize(
    ("folders", "drawn_from_train"),
    [
        (("train", "val", "test"), set()),
        (("train", "val"), set()),
        (("train", "test"), {"val"}),
        (("train",), {"val", "test"}),
        (("",), {"val", "test"}),
    ],
)
def test_only_missing_splits_are_drawn(folders: tuple[str, ...], drawn_from_train: set[str]) -> None:
    """Val alone is drawn beside a given test; nothing beside a given val; both where neither is given."""
    images = some_images(10 * len(folders))
    given_splits = [name for folder in folders for name in GIVEN_10[folder]]
    splits = split(images, given_splits)
    assert set(splits[:10]) == {"train"} | drawn_from_train
    assert splits[10:] == given_splits[10:]


@settings(deadline=None)
@given(
    IMAGES.flatmap(
        lambda images: st.tuples(
            st.just(images), st.lists(st.sampled_from(["train", "val", "test", ""]), min_size=len(images), max_size=len(images))
        )
    )
)
def test_given_val_and_test_images_are_kept(case: tuple[list[tuple[int, int]], list[str]]) -> None:
    """Folders decide: what they call val or test stays so, and every image has one of the three splits."""
    images, given_splits = case
    splits = split(images, given_splits)
    assert len(splits) == len(images)
    assert set(splits) <= {"train", "val", "test"}
    assert [name for name in given_splits if name in ("val", "test")] == [
        name for name, folder in zip(splits, given_splits, strict=True) if folder in ("val", "test")
    ]


def test_duplicate_in_two_classes_is_drawn_once() -> None:
    """A label conflict does not move the other images: one content in two classes has one side in every seed."""
    images = [*some_images(20, 20), (0, 5000), (1, 5000)]
    for seed in range(30):
        splits = split(images, seed=seed)
        assert splits[-1] == splits[-2]
