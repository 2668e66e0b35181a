"""Groups through the verbs: extract, fit, tune, evaluate, merge. No group on two sides, and figures that say so."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, f1_score

import featx
from featx.errors import ImageListError
from featx.store import Catalog
from featx.verbs.compare import cut_into_folds
from featx.verbs.evaluate.grouped import GroupedAnswers
from featx.verbs.evaluate.intervals import measure_intervals
from tests.conftest import Run, as_json

Extract = Callable[..., featx.ExtractResult]
N_GROUPS, N_EACH = 20, 4


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """A manifest of two classes of 20 animals, four nearly equal pictures of each: a class says little."""
    rng = np.random.default_rng(0)
    rows = ["path,label,animal_id"]
    for label in ("cat", "dog"):
        for animal in range(N_GROUPS):
            scene = rng.integers(0, 256, (8, 8, 3))
            for shot in range(N_EACH):
                pixels = np.clip(scene + rng.integers(-6, 7, scene.shape), 0, 255).astype(np.uint8)
                path = tmp_path / "pictures" / label / f"{animal}_{shot}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).resize((64, 64)).save(path)
                rows.append(f"pictures/{label}/{animal}_{shot}.png,{label},{label}{animal}")
    table = tmp_path / "animals.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def sides(catalog: Catalog) -> dict[str, set[int]]:
    """Return the splits of each group."""
    found: dict[str, set[int]] = defaultdict(set)
    for group, split in zip(catalog.groups, catalog.splits.tolist(), strict=True):
        found[group].add(split)
    return found


def test_a_group_stays_in_one_split_and_one_fold(bursts: Path, extract: Extract) -> None:
    """Read back from the file; another extract finds nothing to do."""
    store = featx.open_cache(extract(bursts).cache)
    assert {len(found) for found in sides(store.catalog).values()} == {1}
    assert np.bincount(store.catalog.splits).tolist() == [112, 24, 24]
    folds = cut_into_folds(store, "cells", 5, 0)
    fold_of: dict[str, set[int]] = defaultdict(set)
    for row, fold in zip(folds.rows.tolist(), folds.fold_of.tolist(), strict=True):
        fold_of[store.catalog.groups[row]].add(fold)
    assert {len(found) for found in fold_of.values()} == {1}
    again = extract(bursts)
    assert (again.extracted, again.reused) == (0, 160)


def test_other_groups_are_a_warm_extract(bursts: Path, extract: Extract) -> None:
    """They are the listing's: no feature is made again."""
    extract(bursts)
    alone = extract(bursts, group_from="none")
    assert alone.extracted == 0
    assert featx.open_cache(alone.cache).catalog.groups == []
    by_path = extract(bursts, group_from=r"(\d+)_\d")
    assert by_path.extracted == 0
    catalog = featx.open_cache(by_path.cache).catalog
    assert len(set(catalog.groups)) == N_GROUPS
    assert {len(found) for found in sides(catalog).values()} == {1}


def test_fit_says_what_groups_hide(bursts: Path, extract: Extract, run: Run) -> None:
    """A nearest neighbour knows each animal again: by chance it knows a new one. Kept in the model, and said by evaluate."""
    extract(bursts)
    result = as_json(run("fit", "cache", "--head", "knn", "--neighbors", 1, "--json"))
    found = result["groups"]
    assert (found["groups"], found["head"], found["pooling"]) == (28, "knn", "avgmax")
    assert found["accuracy_across"] > 0.95
    assert found["accuracy_apart"] < 0.75
    figures = as_json(run("evaluate", result["model"], "--json", "--no-page"))
    assert figures["counts"]["groups"] == 6
    assert figures["counts"]["of_groups_seen_in_training"] == 0
    said = (
        f"{found['accuracy_across']:.3f} if images of one group may stand on both sides, {found['accuracy_apart']:.3f} on new"
    )
    assert any(said in note for note in figures["notes"])
    assert any(
        "24 images of 6 groups: the intervals are drawn by group, and are too narrow" in note for note in figures["notes"]
    )


def test_tune_learns_from_groups_left_out(bursts: Path, extract: Extract) -> None:
    """The accuracy of the best setting is that on new animals."""
    extract(bursts)
    result = featx.fit_head(bursts.parent / "cache", "knn", pooling="avg", tune=True, out=bursts.parent / "m.featx")
    assert result.tuning[0]["accuracy"] < 0.8


def test_images_outside_the_cache_have_groups_too(bursts: Path, extract: Extract, run: Run) -> None:
    """From the manifest's column, or from their paths."""
    extract(bursts)
    model = as_json(run("fit", "cache", "--head", "ridge", "--json"))["model"]
    figures = as_json(run("evaluate", model, "--images", bursts, "--json", "--no-page"))
    assert figures["counts"]["groups"] == 2 * N_GROUPS
    by_path = as_json(run("evaluate", model, "--images", bursts, "--group-from", r"/(\d+)_", "--json", "--no-page"))
    assert by_path["counts"]["groups"] == N_GROUPS
    none = as_json(run("evaluate", model, "--images", bursts, "--group-from", "none", "--json", "--no-page"))
    assert "groups" not in none["counts"]
    wide, narrow = (found["intervals"]["accuracy"] for found in (figures, none))
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_parts_draw_by_groups_when_they_are_put_together(bursts: Path, extract: Extract, tmp_path: Path) -> None:
    """As one extract does."""
    whole = featx.open_cache(extract(bursts, tmp_path / "whole").cache).catalog
    parts = [extract(bursts, tmp_path / f"part{number}", shard=(number, 3)).cache for number in (1, 2, 3)]
    merged = featx.open_cache(featx.merge_caches(parts, tmp_path / "merged").cache).catalog
    assert merged.groups == whole.groups
    assert merged.splits.tolist() == whole.splits.tolist()


def test_groups_of_one_of_two_caches_are_kept(bursts: Path, photos: Path, extract: Extract, tmp_path: Path) -> None:
    """Images of the other stand alone."""
    caches = [extract(bursts, tmp_path / "a").cache, extract(photos, tmp_path / "b").cache]
    merged = featx.open_cache(featx.merge_caches(caches, tmp_path / "merged").cache).catalog
    assert len(merged.groups) == 160 + 36
    assert merged.groups.count("") == 36


def test_intervals_by_group_are_those_of_drawing_groups() -> None:
    """Against a loop over resamples that puts whole groups together and asks scikit-learn."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 8, 60)
    groups = np.repeat(np.arange(60), sizes)
    y = np.repeat(rng.integers(0, 3, 60), sizes)
    predicted = np.where(np.repeat(rng.random(60) < 0.6, sizes), y, rng.integers(0, 3, len(y)))
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (y, predicted), 1)
    found = measure_intervals(confusion, GroupedAnswers(y, predicted, groups + 7))
    members = [np.flatnonzero(groups == group) for group in range(60)]
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([members[group] for group in rng.integers(0, 60, 60)])
        yes = y[rows] == predicted[rows]
        drawn.append((
            yes.mean(), balanced_accuracy_score(y[rows], predicted[rows]), f1_score(y[rows], predicted[rows], average="macro"),
        ))  # fmt: skip
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    for name, low, high in zip(("accuracy", "balanced_accuracy", "macro_f1"), *ends, strict=True):
        assert found[name] == pytest.approx((low, high), abs=0.015), name
    alone = measure_intervals(confusion)
    assert found["accuracy"][1] - found["accuracy"][0] > 1.3 * (alone["accuracy"][1] - alone["accuracy"][0])


def test_recalls_are_as_sure_as_drawing_groups_makes_them() -> None:
    """The variance of each class's recall, against 4,000 draws of whole groups; a class without an image has none."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(60), 5)
    y = rng.integers(0, 2, 60)[groups] * 2
    called = np.where(rng.random(60)[groups] < 0.6, y, rng.integers(0, 3, len(y)))
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], len(y))
    recalls, variances = GroupedAnswers(y, called, groups, weights).recalls(3)
    times = rng.multinomial(60, np.full(60, 1 / 60), size=4000)[:, groups] * weights
    for label in (0, 2):
        own = y == label
        drawn = (times[:, own] * (called[own] == label)).sum(axis=1) / times[:, own].sum(axis=1)
        assert recalls[label] == pytest.approx(np.average(called[own] == label, weights=weights[own]))
        assert variances[label] == pytest.approx(drawn.var(), rel=0.15)
    assert np.isnan(recalls[1])


def test_a_group_that_is_a_whole_class_is_refused_before_the_run(photos: Path, extract: Extract) -> None:
    """With the class and the group, unless it is wanted."""
    with pytest.raises(ImageListError, match=r"cannot be split: 'blue' \(group 'blue'\)"):
        extract(photos, group_from="blue|green|red")
    assert extract(photos, group_from="blue|green|red", yes=True).splits == {"train": 36, "val": 0, "test": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("extract", "photos", "--group-from", "("), "is no regular expression"),
        (("extract", "photos", "--group-from", "parent", "--group-column", "p"), "give one of them"),
        (("extract", "photos", "--group-column", "p"), "is a folder; --root, --ext and the --…-column options"),
        (("evaluate", "m.featx", "--group-from", "parent"), "Give --images"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(photos: Path, run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, in one sentence."""
    result = run(*arguments)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
