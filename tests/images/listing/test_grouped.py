"""Splits by whole groups: none on two sides, every class in each split, shares near those wanted."""

import hashlib
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from featx.images import assign_splits


def digests_of(n: int, salt: str = "") -> list[bytes]:
    """Return the digests of n different contents."""
    return [hashlib.sha256(f"{salt}{number}".encode()).digest() for number in range(n)]


def split(labels: list[int], groups: list[str], contents: list[bytes] | None = None, **options: float) -> list[str]:
    """Split images of some classes and groups, all contents different unless they are given."""
    contents = contents or digests_of(len(labels))
    return assign_splits(np.array(labels, np.int32), contents, [""] * len(labels), groups, **options)


def sides(keys: list[str] | list[bytes], splits: list[str]) -> dict[str | bytes, set[str]]:
    """Return the splits that the images of each key stand in; an empty key is none."""
    found: dict[str | bytes, set[str]] = defaultdict(set)
    for key, name in zip(keys, splits, strict=True):
        if key:
            found[key].add(name)
    return found


IMAGES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["", *"abcdefghijkl"]), st.integers(0, 60)), min_size=1, max_size=80
)
"""(label, group, content)."""


@settings(max_examples=200, deadline=None)
@given(IMAGES, st.integers(0, 3))
def test_no_group_and_no_content_is_on_two_sides(images: list[tuple[int, str, int]], seed: int) -> None:
    """Also where a group is tied to others by copies of an image; and every class has something to be learned from."""
    contents = [hashlib.sha256(b"%d" % number).digest() for _, _, number in images]
    labels, groups = [label for label, _, _ in images], [group for _, group, _ in images]
    splits = split(labels, groups, contents, seed=seed)
    assert all(len(found) == 1 for found in sides(groups, splits).values())
    assert all(len(found) == 1 for found in sides(contents, splits).values())
    # A copy in two classes counts for the first of them.
    first = {
        content: min(label for label, other in zip(labels, contents, strict=True) if other == content) for content in contents
    }
    for label in set(first.values()):
        assert "train" in {name for name, content in zip(splits, contents, strict=True) if first[content] == label}


def test_names_and_order_of_files_play_no_part() -> None:
    """Nor do the names of the groups."""
    rng = np.random.default_rng(0)
    labels, groups, contents = rng.integers(0, 3, 200).tolist(), [f"g{g}" for g in rng.integers(0, 40, 200)], digests_of(200)
    splits = split(labels, groups, contents)
    order = rng.permutation(200)
    renamed = {group: f"other {number}" for number, group in enumerate(sorted(set(groups), reverse=True))}
    again = split([labels[i] for i in order], [renamed[groups[i]] for i in order], [contents[i] for i in order])
    assert again == [splits[i] for i in order]
    assert split(labels, groups, contents, seed=1) != splits


def test_without_names_it_is_the_draw_without_groups() -> None:
    """A column of empty cells changes nothing."""
    labels = [0] * 20 + [1] * 50
    assert split(labels, [""] * 70) == split(labels, [])


@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.3])
def test_shares_are_no_further_off_than_scikit_learns(fraction: float) -> None:
    """Groups of very different sizes: the worst class of each draw, on average over draws, against StratifiedGroupKFold."""
    mine, theirs = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        sizes, label_of = rng.geometric(0.15, 150), rng.integers(0, 4, 150)
        group = np.repeat(np.arange(150), sizes)
        y = label_of[group]
        splits = np.array(split(y.tolist(), [f"g{g}" for g in group], seed=seed, val_fraction=0.15, test_fraction=fraction))
        mine.append(max(abs((splits[y == label] == "test").mean() - fraction) for label in range(4)))
        n_folds = round(1 / fraction)
        _, held = next(StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(y, y, group))
        out = np.isin(np.arange(len(y)), held)
        theirs.append(max(abs(out[y == label].mean() - 1 / n_folds) for label in range(4)))
    assert np.mean(mine) <= np.mean(theirs)


def test_a_large_group_is_as_likely_a_test_group_as_a_small_one() -> None:
    """15 % of them, of 600: three times the binomial's spread is 4.4 points."""
    found: Counter[str] = Counter()
    for draw in range(200):
        groups = [name for name in ("a", "b", "c") for _ in range(12)] + [""] * 100
        splits = split([0] * 136, groups, digests_of(136, f"{draw}/"))
        found.update(splits[12 * number] for number in range(3))
    assert found["test"] / 600 == pytest.approx(0.15, abs=0.045)


def test_three_groups_of_a_class_give_one_to_each_split() -> None:
    """However large they are; two stay in train."""
    three = ["a"] * 30 + ["b"] * 30 + ["c"] * 30
    assert {frozenset(found) for found in sides(three, split([0] * 90, three)).values()} == {
        frozenset({"train"}), frozenset({"val"}), frozenset({"test"}),
    }  # fmt: skip
    assert set(split([0] * 60, three[:60])) == {"train"}


def test_given_splits_stay() -> None:
    """Only what is not given is drawn, from the training images, by groups."""
    labels, groups = np.zeros(40, np.int32), [f"g{number // 4}" for number in range(40)]
    given_ = ["test"] * 8 + [""] * 32
    splits = assign_splits(labels, digests_of(40), given_, groups)
    assert splits[:8] == ["test"] * 8
    assert "test" not in splits[8:]
    assert all(len(found) == 1 for found in sides(groups, splits).values())
    assert splits.count("val") > 0
