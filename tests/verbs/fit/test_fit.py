"""The verb fit: every head's own options, the search for settings, and features larger than memory."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import featx
from featx.errors import HeadError
from featx.heads import HEADS, head_spec
from featx.heads.epochs import batches
from featx.report import fit_text
from featx.store import CachedRows, FeatureCache
from featx.verbs.compare.folds import cut_into_folds
from featx.verbs.compare.search import search_settings
from featx.verbs.fit.result import FitResult
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.verbs.compare.test_search import write_noisy


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 3 colours x 24 images that any head tells apart, 16 of each to learn from; maps of (2, 2, 3)."""
    folder = tmp_path_factory.mktemp("colours")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(24):
            split = "train" if number < 16 else "val" if number < 20 else "test"
            write_image(folder / "photos" / split / name / f"{number}.png", colour, seed=100 * label + number)
    featx.extract_features(folder / "photos", folder / "cache", backbone="stub", image_size=(64, 64), workers=1)
    return folder / "cache"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of 3 classes x 12 training images, 3 to validate and 3 to test, that no head tells apart without mistakes."""
    folder = tmp_path_factory.mktemp("noisy")
    write_noisy(folder / "photos", [("train", 12), ("val", 3), ("test", 3)])
    featx.extract_features(folder / "photos", folder / "cache", backbone="stub", image_size=(64, 64), workers=1)
    return folder / "cache"


DENSE = "--hidden 5,4 --dropout 0.1 --optimizer sgd --momentum 0.5 --weight-decay 0.001 --learning-rate 0.02 --epochs 3"
DENSE += " --batch-size 12 --steps-per-epoch 2 --monitor val_accuracy --patience 2 --min-delta 0.01 --label-smoothing 0.1"
DENSE += " --class-weight balanced --activation sigmoid --loss binary_crossentropy --seed 4"
DENSE_SETTINGS = {
    "hidden": [5, 4],
    "dropout": 0.1,
    "optimizer": "sgd",
    "momentum": 0.5,
    "weight_decay": 0.001,
    "learning_rate": 0.02,
    "epochs": 3,
    "batch_size": 12,
    "steps_per_epoch": 2,
    "monitor": "val_accuracy",
    "patience": 2,
    "min_delta": 0.01,
    "label_smoothing": 0.1,
    "class_weight": "balanced",
    "activation": "sigmoid",
    "loss": "binary_crossentropy",
    "seed": 4,
}
OPTIONS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "dense",
        DENSE,
        "flatten",
        DENSE_SETTINGS,
    ),
    ("dense", "--pooling avgmax --epochs 1", "avgmax", {"epochs": 1, "hidden": [], "seed": 0}),
    (
        "conv",
        "--filters 4 --hidden 6 --epochs 2 --optimizer adamw",
        "flatten",
        {"filters": [4], "hidden": [6], "epochs": 2, "map_shape": [2, 2, 3], "optimizer": "adamw"},
    ),
    ("logreg", "--C 0.5 --scale l2 --class-weight balanced", "avgmax", {"C": 0.5, "scale": "l2", "class_weight": "balanced"}),
    ("svm", "--kernel rbf --C 2 --scale sqrt", "avgmax", {"kernel": "rbf", "C": 2.0, "scale": "sqrt", "class_weight": None}),
    ("svm", "--class-weight balanced", "avgmax", {"kernel": "linear", "C": None, "class_weight": "balanced"}),
    ("ridge", "--alpha 12.5 --pooling max --seed 9", "max", {"alpha": 12.5, "scale": "standard", "seed": 9}),
    ("knn", "--neighbors 3 --scale none --pooling avg", "avg", {"neighbors": 3, "scale": "none"}),
]


@pytest.mark.parametrize(("head", "options", "pooling", "wanted"), OPTIONS, ids=[f"{h} {o}"[:30] for h, o, *_ in OPTIONS])
def test_options_reach_the_head(colours: Path, run: Run, head: str, options: str, pooling: str, wanted: dict[str, Any]) -> None:
    """The fitted model's settings are those typed; everything else stays at the head's default."""
    fitted = as_json(run("fit", colours, "--head", head, *options.split(), "--out", "m.featx", "--json"))
    inspected = as_json(run("inspect", "m.featx", "--json"))
    defaults = json.loads(json.dumps(head_spec(head).make().settings()))
    assert inspected["settings"] == defaults | wanted
    assert (inspected["head"], inspected["pooling"]) == (fitted["head"], fitted["pooling"]) == (head, pooling)
    assert (fitted["train_images"], fitted["val_images"], fitted["classes"], fitted["tuning"]) == (48, 12, 3, [])
    if not head_spec(head).classical:
        assert len(inspected["history"]["val_loss"]) == fitted["epochs"] <= wanted["epochs"]
        assert 1 <= fitted["best_epoch"] <= fitted["epochs"]
        assert featx.load_model("m.featx").best_epoch == fitted["best_epoch"]
        return
    assert (fitted["epochs"], fitted["best_epoch"]) == (0, 0)
    assert fitted["val_accuracy"] == 1.0
    assert as_json(run("evaluate", "m.featx", "--json"))["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("head", "option", "setting"),
    [
        ("logreg", "--epochs 3", "epochs"),
        ("svm", "--alpha 3", "alpha"),
        ("ridge", "--C 3", "C"),
        ("knn", "--class-weight balanced", "class_weight"),
        ("dense", "--filters 3", "filters"),
        ("dense", "--scale l2", "scale"),
        ("conv", "--kernel rbf", "kernel"),
    ],
)
@pytest.mark.parametrize("tune", [False, True], ids=["", "tune"])
def test_an_option_of_another_head_is_answered_with_those_there_are(
    colours: Path, run: Run, head: str, option: str, setting: str, tune: bool
) -> None:
    """Exit 2 at once, with or without a search, and no model."""
    result = run("fit", colours, "--head", head, *option.split(), *(["--tune"] if tune else []), "--out", "m.featx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"head {head}: has no setting '{setting}'. It has: {', '.join(head_spec(head).settings())}." in result.stderr
    assert not Path("m.featx").exists()


@pytest.mark.parametrize(
    ("head", "keyword", "meant"),
    [
        ("logreg", "clas_weight", "class_weight"),
        ("logreg", "c", "C"),
        ("dense", "learnin_rate", "learning_rate"),
        ("knn", "poolin", "pooling"),
        ("ridge", "group_duplicate", "group_duplicates"),
    ],
)
def test_a_misspelt_keyword_is_answered_with_the_one_that_is_meant(
    colours: Path, tmp_path: Path, head: str, keyword: str, meant: str
) -> None:
    """A setting of the head or a keyword of the function, by a fit and by a comparison; before anything is read."""
    given: dict[str, Any] = {keyword: 1}
    with pytest.raises(HeadError, match=rf"head {head}: has no setting '{keyword}'\. Did you mean {meant}\? It has: "):
        featx.fit_head(tmp_path / "no cache", head, out=tmp_path / "m.featx", **given)
    if meant != "pooling":  # compare has poolings
        with pytest.raises(HeadError, match=rf"none of the heads {head} has a setting '{keyword}'\. Did you mean {meant}\?$"):
            featx.compare_heads(tmp_path / "no cache", [head], **given)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--head conv --pooling avg", "head conv: takes flatten features only. Received: pooling 'avg'."),
        ("--head conv --pooling avgmax --tune", "head conv: takes flatten features only"),
        ("--head knn --neighbors 0", "neighbors must be a whole number from 1"),
        ("--head knn --neighbors 0 --tune", "neighbors must be a whole number from 1"),
        ("--head dense --loss binary_crossentropy", "loss must be"),
        ("--head knn --tune --folds 1", "--folds must be from 2 to 100. Received: 1."),
        ("--head knn --tune --layer block9", "keeps no layer 'block9'"),
        ("--head ridge --tune --seed -1", "seed must be a whole number from 0"),
        ("--head ridge --seed -1", "seed must be a whole number from 0"),
        ("--head logrek --tune", "Did you mean logreg"),
    ],
)
def test_what_cannot_be_fitted_is_one_message(colours: Path, run: Run, options: str, said: str) -> None:
    """Exit 2, nothing on stdout, no model."""
    result = run("fit", colours, *options.split(), "--out", "m.featx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not Path("m.featx").exists()


def test_a_pooling_that_there_is_none_of_is_refused(colours: Path, tmp_path: Path) -> None:
    """Through the Python API, where nothing else has looked at it."""
    with pytest.raises(HeadError, match=r"takes flatten, avg, max, avgmax features only\. Received: pooling 'median'"):
        featx.fit_head(colours, "knn", pooling="median", out=tmp_path / "m.featx")


def test_tune_prints_what_was_chosen_and_the_model_keeps_the_table(noisy: Path, run: Run) -> None:
    """The best candidate's pooling and settings are the fitted model's; inspect shows the first of the table."""
    fitted = as_json(run("fit", noisy, "--head", "knn", "--tune", "--folds", "3", "--out", "m.featx", "--json"))
    model = featx.load_model("m.featx")
    best = fitted["tuning"][0]
    assert model.tuning == fitted["tuning"]
    assert len(fitted["tuning"]) == 12 + 4
    assert {name for one in fitted["tuning"] for name in one} == {"pooling", "settings", "accuracy", "log_loss", "seconds"}
    assert model.pooling == fitted["pooling"] == best["pooling"]
    assert model.head.settings() == {"neighbors": 5, "scale": "standard", "seed": 0} | best["settings"]
    assert [one["accuracy"] for one in fitted["tuning"]] == sorted((one["accuracy"] for one in fitted["tuning"]), reverse=True)
    shown = run("fit", noisy, "--head", "knn", "--tune", "--folds", "3", "--out", "m.featx").stdout
    chosen = ", ".join(f"{name} {value}" for name, value in best["settings"].items())
    assert f"16 settings tried by cross-validation; best at {best['accuracy']:.3f}: {best['pooling']}, {chosen}" in shown
    text = run("inspect", "m.featx").stdout
    assert "chosen     by cross-validation from 16 settings, the best:" in text
    assert f"{best['accuracy']:.3f}  {best['pooling']}, {chosen}" in text


def test_tune_keeps_what_is_given_and_fits_the_best_of_the_search(noisy: Path, tmp_path: Path) -> None:
    """The same table as the search gives, and the very model that the best settings give without one."""
    given: dict[str, Any] = {"scale": "sqrt", "class_weight": "balanced"}
    result = featx.fit_head(noisy, "logreg", out=tmp_path / "m.featx", tune=True, folds=3, seed=2, **given)
    images = cut_into_folds(FeatureCache.open(noisy), "cells", 3, 2)
    tried = search_settings(images, "logreg", None, {"seed": 2, **given}).tried
    assert [(one["pooling"], one["settings"], one["accuracy"], one["log_loss"]) for one in result.tuning] == [
        (
            one.candidate.pooling,
            {name: value for name, value in one.candidate.settings.items() if name != "seed"},
            one.accuracy,
            one.log_loss,
        )
        for one in tried
    ]
    assert all(one["settings"].items() >= given.items() for one in result.tuning)
    best = result.tuning[0]
    plain = featx.fit_head(noisy, "logreg", out=tmp_path / "p.featx", pooling=best["pooling"], seed=2, **best["settings"])
    tuned, fixed = featx.load_model(result.model).head, featx.load_model(plain.model).head
    assert tuned.settings() == fixed.settings()
    for name, array in fixed.arrays().items():
        assert tuned.arrays()[name].tobytes() == array.tobytes()


def test_tune_with_nothing_left_to_choose_tries_one(noisy: Path, run: Run) -> None:
    """Its table says how the given settings do."""
    options = ("--pooling", "avg", "--scale", "l2", "--alpha", "10", "--folds", "2")
    fitted = as_json(run("fit", noisy, "--head", "ridge", "--tune", *options, "--out", "m.featx", "--json"))
    ((pooling, settings),) = [(one["pooling"], one["settings"]) for one in fitted["tuning"]]
    assert (pooling, settings) == ("avg", {"scale": "l2", "alpha": 10.0})


@pytest.mark.parametrize(
    ("head", "options", "free"),
    [
        ("dense", "--hidden 3 --learning-rate 0.01", ("dropout", [0.0, 0.5])),
        ("conv", "--filters 2 --dropout 0 --learning-rate 0.01", ("hidden", [[], [256]])),
    ],
)
def test_tune_searches_heads_with_epochs(colours: Path, run: Run, head: str, options: str, free: tuple[str, Any]) -> None:
    """What is not given is tried, on whole maps; the chosen settings are the model's and come back as they were."""
    arguments = ("--head", head, "--tune", "--folds", "2", "--epochs", "2", *options.split(), "--out", "m.featx")
    result = run("fit", colours, *arguments, "--json")
    fitted, model = as_json(result), featx.load_model("m.featx")
    name, values = free
    assert sorted(one["settings"][name] for one in fitted["tuning"]) == values
    assert {one["pooling"] for one in fitted["tuning"]} == {"flatten"}
    assert all("map_shape" not in one["settings"] for one in fitted["tuning"])
    assert model.tuning == fitted["tuning"]
    assert model.head.settings().items() >= model.tuning[0]["settings"].items()
    assert fitted["epochs"] == 2
    assert "chosen     by cross-validation from 2 settings" in run("inspect", "m.featx").stdout


def test_tune_does_not_look_at_val_and_test_images(noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it searches; the validation images are measured after the fit, and the test images never."""
    catalog = FeatureCache.open(noisy).catalog
    asked: list[int] = []
    read = FeatureCache._read

    def recorded(self: FeatureCache, rows: Any, *arguments: Any, **options: Any) -> Any:
        asked.extend(rows.tolist())
        return read(self, rows, *arguments, **options)

    searched: list[int] = []

    def search(*arguments: Any) -> Any:
        found = search_settings(*arguments)
        searched.append(len(asked))
        return found

    monkeypatch.setattr(FeatureCache, "_read", recorded)
    monkeypatch.setattr("featx.verbs.fit.tune.search_settings", search)
    featx.fit_head(noisy, "ridge", out=tmp_path / "m.featx", tune=True, folds=3)
    train, val = catalog.rows("train").tolist(), catalog.rows("val").tolist()
    assert set(asked) == {*train, *val}
    assert searched[0] > 0
    assert set(asked[: searched[0]]) == set(train)


def test_a_class_of_one_image_is_named_by_tune_and_fitted_without(tmp_path: Path) -> None:
    """Cross-validation cannot do with one; a fit can."""
    for name, n_images in (("many", 5), ("lonely", 1)):
        for number in range(n_images):
            write_image(tmp_path / "photos" / "train" / name / f"{number}.png", (90, 9 * n_images, 90), seed=number)
    options: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "val_fraction": 0, "test_fraction": 0}
    featx.extract_features(tmp_path / "photos", tmp_path / "cache", **options)
    with pytest.raises(HeadError, match="1 of 'lonely'"):
        featx.fit_head(tmp_path / "cache", "logreg", tune=True, out=tmp_path / "m.featx")
    assert featx.fit_head(tmp_path / "cache", "logreg", out=tmp_path / "m.featx").classes == 2


def test_the_text_says_views_epochs_and_what_was_chosen() -> None:
    """One line each, and none where there is nothing to say."""
    figures: dict[str, Any] = {"classes": 2, "train_images": 1200, "val_images": 1, "val_accuracy": 0.5, "seconds": 1.25}
    figures |= {"parameters": {"total": 3000, "trainable": 1000, "frozen": 2000}, "notes": ["mind this"]}
    tried = {"pooling": "max", "settings": {"hidden": [], "C": 0.1}, "accuracy": 0.75, "log_loss": 1.0, "seconds": 0.1}
    result = FitResult(Path("m.featx"), "dense", "max", views=3, epochs=9, best_epoch=4, tuning=[tried, tried], **figures)
    assert fit_text(result).splitlines() == [
        "dense head on max features: 1,200 training images in 3 views, 2 classes, 1.2 s",
        "  2 settings tried by cross-validation; best at 0.750: max, hidden none, C 0.1",
        "  9 epochs, the best was 4",
        "  validation accuracy 0.500 on 1 image",
        "  parameters: 3,000 in total, 1,000 trainable, 2,000 frozen",
        "  note: mind this",
        "model m.featx",
    ]
    plain = FitResult(Path("m.featx"), "knn", "avg", views=1, epochs=0, best_epoch=0, tuning=[], **figures)
    assert len(fit_text(plain).splitlines()) == 5


def test_every_head_is_in_these_tests() -> None:
    """A new head must be fitted above."""
    assert {head for head, *_ in OPTIONS} == set(HEADS)


Block = tuple[NDArray[np.int64], NDArray[np.floating]]


@pytest.mark.parametrize("head", ["dense", "conv", "ridge"])
def test_features_larger_than_memory_give_the_same_accuracy(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    """They are never read whole; each pass for training reads every row once, in blocks that mix the classes."""
    settings: dict[str, Any] = {} if head == "ridge" else {"epochs": 12, "learning_rate": 0.02, "hidden": [8]}
    whole = featx.fit_head(colours, head, out=tmp_path / "w.featx", **settings)
    catalog = FeatureCache.open(colours).catalog
    train = catalog.rows("train").tolist()
    passes: list[list[NDArray[np.int64]]] = []

    def small_blocks(self: CachedRows, seed: int | None = None) -> Iterator[Block]:
        if seed is not None:
            passes.append([])
        # A dozen rows: what 64 MB are to a real cache.
        row_bytes = self.shape[1] * self.dtype.itemsize
        options = {**self._options, "views": self._views, "seed": seed, "block_bytes": 12 * row_bytes}
        for positions, X in self._cache.blocks(self._rows, **options):
            assert len(X) <= 12
            if seed is not None:
                passes[-1].append(self._rows[positions])
            yield positions, X

    def read_whole(self: CachedRows, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise AssertionError("all features were read at once")

    monkeypatch.setattr(batches, "MEMORY_BYTES", 100)
    monkeypatch.setattr(CachedRows, "blocks", small_blocks)
    monkeypatch.setattr(CachedRows, "__array__", read_whole)
    blocked = featx.fit_head(colours, head, out=tmp_path / "b.featx", **settings)
    assert blocked.val_accuracy == whole.val_accuracy == 1.0
    monkeypatch.undo()
    for model in (whole.model, blocked.model):
        assert featx.evaluate_model(model).accuracy == 1.0
    if head == "ridge":  # exact whatever the order, so it asks for none
        assert passes == []
        return
    full = [blocks for blocks in passes if len(blocks) == 4]
    assert len(full) == blocked.epochs
    for blocks in full:
        assert sorted(np.concatenate(blocks).tolist()) == train
        for rows in blocks:
            labels = catalog.labels[rows]
            assert len(set(labels.tolist())) >= 2
            assert sorted(labels.tolist()) != labels.tolist()
    orders = {np.concatenate(blocks).tobytes() for blocks in full}
    assert len(orders) == len(full), "each epoch should have an order of its own"


def test_svm_names_the_class_with_too_few_images(run: Run, photos: Path, extract: Callable[..., Any], tmp_path: Path) -> None:
    """The class, not its number, and how many images it has."""
    write_image(photos / "a lone cat" / "1.png", (90, 90, 90), seed=1)
    cache = extract(photos, val_fraction=0.0, test_fraction=0.1).cache
    result = run("fit", cache, "--head", "svm", "--out", tmp_path / "m.featx")
    assert result.exit_code == 1
    assert "svm: needs at least 2 training images in each class" in result.stderr
    assert "Received: 1 of class 'a lone cat'." in result.stderr
