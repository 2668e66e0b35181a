"""The verb compare: its figures, its table in each form, and that it looks at training images alone."""

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
import featx.verbs.compare.validate
from featx.errors import CacheError, CacheNotFound, FeatxError, HeadError, OutputError, UnknownHead
from featx.models import wilson
from featx.report.text.compare import comparison_text
from featx.store import FeatureCache
from featx.verbs.compare.candidates import Candidate, Tried
from featx.verbs.compare.comparison import ComparedHead, Comparison, save_comparison
from featx.verbs.compare.folds import cut_into_folds
from featx.verbs.compare.validate import cross_validate
from tests.conftest import Run
from tests.test_architecture import command, modules_loaded_by
from tests.verbs.compare.test_search import write_noisy

CLASSICAL = ("logreg", "ridge", "knn")


@pytest.fixture(scope="module")
def noisy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 3 classes x 12 training images, 3 to validate and 3 to test, that no head tells apart without mistakes."""
    folder = tmp_path_factory.mktemp("compare")
    write_noisy(folder / "photos", [("train", 12), ("val", 3), ("test", 3)])
    featx.extract_features(folder / "photos", folder / "cache", backbone="stub", image_size=(64, 64), workers=1)
    return folder / "cache"


def row_of(head: str, **values: Any) -> ComparedHead:
    """Return a row of a table with made-up figures."""
    names = ("accuracy", "low", "high", "log_loss", "seconds", "difference", "difference_low", "difference_high")
    return ComparedHead(**({"head": head, "pooling": "avg", "settings": {}} | dict.fromkeys(names, 0.0) | values))


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [
        # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # Of all right the mirror image of none; of one image nearly nothing is known.
        (20, 20, 0.8389, 1.0),
        (1, 1, 0.2065, 1.0),
        (0, 1, 0.0, 0.7935),
    ],
)
def test_the_interval_is_wilsons(right: int, images: int, low: float, high: float) -> None:
    """Published values, to four digits."""
    assert wilson(right, images) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("images", [2, 36, 10_000])
def test_the_interval_holds_the_shares_that_do_not_contradict_it(images: int) -> None:
    """Its ends are where share and end differ by 1.96 standard errors of the end; it lies within 0 and 1."""
    for right in {0, 1, images // 3, images - 1, images}:
        share = right / images
        low, high = wilson(right, images)
        assert 0 <= low <= share <= high <= 1
        for end in {low, high} - {0.0, 1.0}:
            assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / images), rel=1e-6)


def test_a_comparison_is_sorted_and_measured_against_its_best(noisy_cache: Path) -> None:
    """Accuracy, log loss, interval and paired difference of each, computed by hand from who was right."""
    found = featx.compare_heads(noisy_cache, CLASSICAL, ["avg", "flatten"], folds=4, seed=3)
    assert (found.cache, found.images, found.classes, found.folds) == (noisy_cache, 36, 3, 4)
    assert {(one.head, one.pooling) for one in found.heads} == {(h, p) for h in CLASSICAL for p in ("avg", "flatten")}
    keys = [(-one.accuracy, one.log_loss) for one in found.heads]
    assert keys == sorted(keys)
    images = cut_into_folds(FeatureCache.open(noisy_cache), "cells", 4, 3)
    candidates = [Candidate(one.head, one.pooling, {"seed": 3}) for one in found.heads]
    tried = cross_validate(images, candidates)
    best = tried[0].right
    for one, alone in zip(found.heads, tried, strict=True):
        assert (one.accuracy, one.log_loss) == (alone.accuracy, alone.log_loss)
        assert one.accuracy == alone.right.mean()
        assert (one.low, one.high) == wilson(int(alone.right.sum()), 36)
        gained, lost = int((alone.right & ~best).sum()), int((~alone.right & best).sum())
        mean = (gained - lost) / 36
        variance = (gained * (1 - mean) ** 2 + lost * (1 + mean) ** 2 + (36 - gained - lost) * mean**2) / 35
        half = 1.959964 * math.sqrt(variance / 36)
        assert one.difference == pytest.approx(mean, abs=1e-12)
        assert (one.difference_low, one.difference_high) == pytest.approx((mean - half, mean + half), abs=1e-12)
        assert one.settings == {}
        assert one.seconds > 0
    assert found.best is found.heads[0]
    assert (found.best.difference, found.best.difference_low, found.best.difference_high) == (0, 0, 0)
    assert len({one.accuracy for one in found.heads}) > 2, "the heads should differ"


def test_a_comparison_is_a_function_of_its_seed(noisy_cache: Path) -> None:
    """The same one, the same figures; another one deals other folds."""

    def figures(seed: int) -> list[tuple[str, float, float]]:
        found = featx.compare_heads(noisy_cache, ["logreg", "svm"], folds=3, seed=seed)
        return [(one.head, one.accuracy, one.log_loss) for one in found.heads]

    assert figures(0) == figures(0)
    assert figures(0) != figures(1)


def test_settings_go_to_each_head_that_has_them(noisy_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table shows them where they were used; each head takes its own pooling, and no combination comes twice."""
    seen: list[Candidate] = []

    def spy(images: object, candidates: list[Candidate], progress: object) -> list[Tried]:
        seen.extend(candidates)
        return [Tried(one, 0.5, 1.0, 0.1, np.array([True, False])) for one in candidates]

    monkeypatch.setattr("featx.verbs.compare.compare.cross_validate", spy)
    heads = ["knn", "dense", "logreg", "knn", "conv"]
    found = featx.compare_heads(noisy_cache, heads, C=0.5, epochs=2, scale="l2", seed=7)
    assert seen == [
        Candidate("knn", "avgmax", {"scale": "l2", "seed": 7}),
        Candidate("dense", "flatten", {"epochs": 2, "seed": 7}),
        Candidate("logreg", "avgmax", {"C": 0.5, "scale": "l2", "seed": 7}),
        Candidate("conv", "flatten", {"epochs": 2, "seed": 7}),
    ]
    assert [one.settings for one in found.heads] == [
        {"scale": "l2"},
        {"epochs": 2},
        {"C": 0.5, "scale": "l2"},
        {"epochs": 2},
    ]
    seen.clear()
    featx.compare_heads(noisy_cache, ["conv", "ridge"], ["max", "flatten", "max"])
    assert [(one.head, one.pooling) for one in seen] == [("conv", "flatten"), ("ridge", "max"), ("ridge", "flatten")]


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "said"),
    [
        ((["logrek"],), {}, UnknownHead, "Did you mean logreg"),
        (([],), {}, HeadError, "at least one head"),
        ((["knn"],), {"epochs": 3}, HeadError, "none of the heads knn has a setting 'epochs'"),
        ((["knn"],), {"temperature": 3}, HeadError, "'temperature'"),
        ((["knn"], ["median"]), {}, HeadError, "'median': unknown"),
        ((["knn"],), {"layer": "block9"}, CacheError, "keeps no layer 'block9'"),
        ((["knn"],), {"folds": 1}, HeadError, "--folds must be from 2 to 100"),
        ((["knn"],), {"neighbors": 0}, HeadError, "neighbors must be"),
        ((["logreg"],), {"C": -1.0}, HeadError, "C must be"),
        ((["logreg"],), {"scale": "minmax"}, HeadError, "scale must be"),
        ((["logreg"],), {"seed": -1}, HeadError, "seed must be"),
        ((["conv"], ["avg"]), {}, HeadError, "conv"),
    ],
    ids=str,
)
def test_a_mistake_is_named(
    noisy_cache: Path, arguments: tuple[Any, ...], settings: dict[str, Any], error: type[FeatxError], said: str
) -> None:
    """Heads, settings, poolings, layers, folds and seeds that there are none of, and a table that would be empty."""
    with pytest.raises(error, match=said):
        featx.compare_heads(noisy_cache, *arguments, **settings)


def test_no_cache_is_an_error(tmp_path: Path) -> None:
    """With the command that makes one."""
    with pytest.raises(CacheNotFound, match="featx extract"):
        featx.compare_heads(tmp_path / "nowhere")


def test_only_training_images_are_read(noisy_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the head: not one row of a val or test image is asked of the cache, and every training row is."""
    asked: set[int] = set()
    read = FeatureCache._read

    def recorded(self: FeatureCache, rows: Any, *arguments: Any, **options: Any) -> Any:
        asked.update(rows.tolist())
        return read(self, rows, *arguments, **options)

    monkeypatch.setattr(FeatureCache, "_read", recorded)
    catalog = FeatureCache.open(noisy_cache).catalog
    for heads, pooling in ((["logreg", "svm", "ridge", "knn"], "avgmax"), (["dense"], "flatten")):
        asked.clear()
        featx.compare_heads(noisy_cache, heads, [pooling], folds=2, **({"epochs": 1} if heads == ["dense"] else {}))
        assert asked == set(catalog.rows("train").tolist())
    assert len(catalog.rows()) == 54


NAMES = ("head", "pooling", "layer")


def test_json_is_one_object_and_the_csv_says_the_same(noisy_cache: Path, run: Run) -> None:
    """Every figure to the last digit, the best first; settings as NAME=VALUE; the progress goes elsewhere."""
    options = ("--heads", "logreg,knn", "--pooling", "avg,max", "--C", "0.5", "--scale", "l2", "--folds", "3")
    result = run("compare", noisy_cache, *options, "--out", "new/table.csv", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["images"], document["classes"], document["folds"]) == (36, 3, 3)
    assert (document["cache"], document["out"]) == (str(noisy_cache), "new/table.csv")
    with Path("new/table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(document["heads"]) == 4
    for row, one in zip(rows, document["heads"], strict=True):
        assert row.keys() == one.keys() == {field.name for field in dataclasses.fields(ComparedHead)}
        assert row.pop("settings") == " ".join(f"{name}={value}" for name, value in one.pop("settings").items())
        assert (row.pop("figures"), one.pop("figures"), row.pop("measure"), one.pop("measure")) == ("", {}, *["accuracy"] * 2)
        assert [row.pop(name) for name in NAMES] == [one.pop(name) for name in NAMES]
        assert {name: float(value) for name, value in row.items()} == one
    best = [one["accuracy"] for one in document["heads"]]
    assert best == sorted(best, reverse=True)


def test_the_csv_keeps_settings_with_commas_in_one_field(tmp_path: Path) -> None:
    """Of each head its own; a table saved over another replaces it whole."""
    one = row_of("dense", settings={"hidden": (256, 128), "epochs": 2}, accuracy=1 / 3)
    save_comparison(Comparison(tmp_path, 9, 3, 2, [one, one, one]), tmp_path / "t.csv")
    save_comparison(Comparison(tmp_path, 9, 3, 2, [one]), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["settings"] == "hidden=(256, 128) epochs=2"
    assert float(row["accuracy"]) == 1 / 3
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_place_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    """A file where the folder should be, and a folder where the file should be."""
    (tmp_path / "file").write_text("mine")
    for place in ("file/table.csv", "."):
        with pytest.raises(OutputError, match="--out"):
            save_comparison(Comparison(tmp_path, 9, 3, 2, [row_of("knn")]), tmp_path / place)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_impossible_out_is_said_before_the_work(noisy_cache: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As fit, evaluate and predict do: minutes of work are not lost to a wrong --out."""

    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr(featx.verbs.compare.validate.CrossValidation, "run", work)
    Path("file").write_text("mine")
    result = run("compare", noisy_cache, "--heads", "knn", "--out", "file/table.csv")
    assert result.exit_code == 1
    assert "file/table.csv: cannot be written" in result.stderr


def test_the_text_has_every_head_and_says_which_are_as_good(tmp_path: Path) -> None:
    """A head whose difference may be nothing is as good as the best; one whose interval lies below is not."""
    heads = [
        row_of("ridge", accuracy=0.9, low=0.8, high=0.95, log_loss=0.3),
        row_of("logreg", accuracy=0.875, difference=-0.025, difference_low=-0.1, difference_high=0.05),
        row_of("knn", pooling="max", accuracy=0.85, difference=-0.05, difference_low=-0.1, difference_high=0.0),
        row_of("svm", accuracy=0.5, difference=-0.4, difference_low=-0.5, difference_high=-0.3),
    ]
    lines = comparison_text(Comparison(tmp_path, 1200, 3, 5, heads)).splitlines()
    assert lines[0] == "1,200 training images, 3 classes, 5 folds: each image judged by the fit that it was left out of"
    assert [line.split()[:3] for line in lines[3:7]] == [
        ["ridge", "avg", "0.900"],
        ["logreg", "avg", "0.875"],
        ["knn", "max", "0.850"],
        ["svm", "avg", "0.500"],
    ]
    assert "0.800 to 0.950  " in lines[3]
    assert lines[3].endswith("best")
    assert lines[4].endswith("-0.025  -0.100 to +0.050")
    assert lines[7:] == ["", "note: within what 1,200 images can tell, as good as the best: logreg avg, knn max"]
    assert "note" not in comparison_text(Comparison(tmp_path, 1200, 3, 5, [heads[0], heads[3]]))
    assert "note" not in comparison_text(Comparison(tmp_path, 1200, 3, 5, heads[:1]))


def test_the_command_prints_the_table(noisy_cache: Path, run: Run) -> None:
    """A line for each head asked for."""
    result = run("compare", noisy_cache, "--heads", "knn, ridge", "--folds", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("36 training images, 3 classes, 2 folds")
    assert {line.split()[0] for line in lines[3:5]} == {"knn", "ridge"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--heads", "knn,logrek"), 2, "Did you mean logreg"),
        (("--heads", "knn,"), 2, "give names with commas"),
        (("--pooling", "median"), 2, "'median' is none of flatten, avg, max, avgmax"),
        (("--heads", "knn", "--folds", "1"), 2, "--folds must be from 2 to 100"),
        (("--heads", "knn,logreg", "--epochs", "3"), 2, "none of the heads knn, logreg has a setting 'epochs'"),
        (("--heads", "knn", "--seed", "-1"), 2, "seed must be"),
        (("--heads", "conv", "--pooling", "avg"), 2, "conv"),
    ],
    ids=str,
)
def test_a_mistake_on_the_command_line_is_one_message(
    noisy_cache: Path, run: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Exit 2; nothing on stdout."""
    result = run("compare", noisy_cache, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in " ".join(result.stderr.split())


def test_classical_heads_load_no_tensorflow(noisy_cache: Path, tmp_path: Path) -> None:
    """Neither their comparison nor the search for their settings."""
    code = command("compare", noisy_cache, "--heads", "logreg,svm,ridge,knn", "--folds", "2")
    for head in ("ridge", "svm"):
        options = ("--C", "0.01") if head == "svm" else ()
        code += "\n" + command("fit", noisy_cache, "--head", head, "--tune", "--folds", 2, *options, "--out", tmp_path / head)
    assert modules_loaded_by(code, tmp_path) & {"tensorflow", "keras", "jax", "torch"} == set()
