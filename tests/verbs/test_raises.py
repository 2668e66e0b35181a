"""A wrong value gives an error that the docstring names under Raises."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest

import featx
import featx.errors
from featx.errors import FeatxError, HeadError, RecipeError
from featx.recipe import COLOR_PROFILES, DEPTHS, PRECISIONS, RESIZE_MODES
from featx.verbs.extract.keywords import ExtractKeywords
from featx.verbs.extract.options import ExtractOptions
from tests.conftest import COLOURS, write_image


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Photos, a cache of them and a dense model of it, by the names that stand for them below."""
    folder = tmp_path_factory.mktemp("made")
    for name, colour in COLOURS.items():
        for number in range(10):
            write_image(folder / "photos" / name / f"{number}.png", colour, seed=number)
    cache, model = folder / "cache", folder / "m.featx"
    featx.extract_features(folder / "photos", cache, backbone="stub", image_size=(64, 64), workers=1)
    featx.fit_head(cache, "dense", epochs=1, out=model)
    return {"CACHE": cache, "MODEL": model, "PHOTOS": folder / "photos"}


def documented(function: Callable[..., Any]) -> tuple[type[FeatxError], ...]:
    """Return the errors that a docstring names under Raises."""
    section = re.split(r"\n\n    \w+\n    -+\n", str(function.__doc__).split("Raises\n")[1])[0]
    names = re.findall(r"^    ([A-Z]\w+(?:, [A-Z]\w+)*)$", section, re.MULTILINE)
    return tuple(getattr(featx.errors, name) for line in names for name in line.split(", "))


FIT: dict[str, Any] = {
    "head": "none",
    "layer": "block9",
    "pooling": "x",
    "seed": -1,
    "scale": "x",
    "C": -1.0,
    "class_weight": "x",
    "epochs": 3,
    "no_such": 3,
    "log": "log.csv",
}
TRAIN: dict[str, Any] = {
    "layer": 5,
    "hidden": (0,),
    "dropout": 1.0,
    "activation": "x",
    "loss": "x",
    "optimizer": "x",
    "learning_rate": 0.0,
    "momentum": 1.0,
    "epochs": 0,
    "batch_size": 0,
    "monitor": "x",
    "patience": 0,
}
COMPARE: dict[str, Any] = {
    "heads": ["none"],
    "poolings": ["x"],
    "folds": 1,
    "layer": "block9",
    "seed": -1,
    "scale": "x",
    "neighbors": 0,
    "no_such": 3,
}
FINETUNE: dict[str, Any] = {
    "start": "block9_conv1",
    "epochs": 0,
    "learning_rate": 0.0,
    "schedule": "x",
    "optimizer": "x",
    "momentum": 1.0,
    "batch_size": 0,
    "patience": 0,
    "monitor": "x",
    "seed": -1,
    "epoch": 3,
    "model": "none.featx",
    "device": "x",
    "weights": "none.h5",
    "extract_batch_size": 0,
    "dropout": 1.0,
    "weight_decay": -1.0,
    "flip": "x",
    "averaging": 2.0,
    "depth_decay": 0.0,
}
EXTRACT: dict[str, Any] = {
    "images": "none",
    "backbone": "x",
    "layers": ("block9",),
    "preprocess": "x",
    "image_size": (0, 0),
    "resize": "x",
    "background": (300, 0, 0),
    "precision": "x",
    "calibration": "none",
    "augment": "x=1",
    "views": 0,
    "val_fraction": 1.5,
    "shard": "3/2",
    "device": "x",
}


def cases(function: Callable[..., Any], usual: dict[str, Any], wrong: dict[str, Any]) -> list[Any]:
    """Return one case for each wrong value, the others as usual."""
    return [pytest.param(function, usual, {name: value}, id=f"{function.__name__}-{name}") for name, value in wrong.items()]


@pytest.mark.parametrize(
    ("function", "usual", "wrong"),
    [
        *cases(featx.fit_head, {"cache": "CACHE", "head": "logreg"}, FIT),
        *cases(featx.fit_head, {"cache": "CACHE", "head": "dense"}, TRAIN),
        *cases(
            featx.fit_head, {"cache": "CACHE", "head": "ridge", "tune": True}, {"folds": 1, "layer": "block9", "scale": "x"}
        ),
        *cases(featx.fit_head, {"head": "ridge"}, {"cache": "none"}),
        *cases(featx.compare_heads, {"cache": "CACHE", "heads": ["knn"]}, COMPARE),
        *cases(featx.compare_heads, {"heads": ["knn"]}, {"cache": "none"}),
        *cases(featx.fine_tune, {"cache": "CACHE"}, FINETUNE),
        *cases(featx.fine_tune, {}, {"cache": "none"}),
        *cases(featx.evaluate_model, {"model": "MODEL"}, {"split": "x", "images": "none", "cache": "none"}),
        *cases(featx.evaluate_model, {"model": "MODEL", "images": "PHOTOS"}, {"split": "x", "device": "x"}),
        *cases(featx.evaluate_model, {}, {"model": "none"}),
        *cases(featx.predict_images, {"model": "MODEL", "paths": ["PHOTOS"]}, {"paths": ["none"], "device": "x"}),
        *cases(featx.extract_features, {"images": "PHOTOS", "cache": "new", "backbone": "stub"}, EXTRACT),
        *cases(featx.plan_extract, {"images": "PHOTOS", "cache": "new", "backbone": "stub"}, EXTRACT),
        *cases(featx.audit_cache, {}, {"cache": "none"}),
        *cases(featx.audit_cache, {"cache": "CACHE"}, {"layer": "block9"}),
        *cases(featx.pack_cache, {"cache": "CACHE", "out": "o.h5"}, {"cache": "none", "layer": "block9"}),
        *cases(featx.merge_caches, {}, {"caches": ["none"]}),
        *cases(featx.merge_caches, {"cache": "new"}, {"caches": []}),
        *cases(featx.verify_cache, {}, {"cache": "none"}),
        *cases(featx.inspect_path, {}, {"path": "none"}),
    ],
)
def test_a_wrong_value_gives_a_documented_error(
    function: Callable[..., Any],
    usual: dict[str, Any],
    wrong: dict[str, Any],
    made: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever argument it is of: the error is of a type that a caller was told to expect."""
    monkeypatch.chdir(tmp_path)
    given = {name: made.get(value, value) if isinstance(value, str) else value for name, value in (usual | wrong).items()}
    if "paths" in given:
        given["paths"] = [made.get(one, one) for one in given["paths"]]
    with pytest.raises(FeatxError) as caught:
        function(**given)
    assert isinstance(caught.value, documented(function)), f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    "function",
    [
        *(featx.extract_features, featx.plan_extract),
        *(featx.fit_head, featx.compare_heads, featx.fine_tune, featx.audit_cache, featx.verify_cache, featx.inspect_path),
        *(featx.merge_caches, featx.evaluate_model, featx.load_model, featx.open_cache),
        lambda path: featx.pack_cache(path, path.with_name("o.h5")),
        lambda path: featx.export_model(path, path.with_name("o.onnx")),
        lambda path: featx.predict_images(path, path),
    ],
)
def test_a_path_that_does_not_exist_is_said_not_to(function: Callable[..., Any], tmp_path: Path) -> None:
    """And not to hold nothing: whoever mistyped a path looks for another fault then."""
    path = tmp_path / "nowhere"
    with pytest.raises(FeatxError, match=rf"^{re.escape(str(path))}: .*no such") as caught:
        function(path)
    assert "no images in it" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


NO_COUNT = (0, -1, "x", True, 1.5, [])
NO_TEXT = (5, True, 1.5, b"x", [])
COMPUTING: dict[str, Any] = {"batch_size": NO_COUNT, "workers": NO_COUNT, "max_pixels": (*NO_COUNT, None), "device": NO_TEXT}
LISTING: dict[str, Any] = dict.fromkeys(
    ("root", "path_column", "label_column", "split_column", "group_column", "weight_column", "ext"), NO_TEXT
)
EXTRACTING: dict[str, Any] = {
    **dict.fromkeys(("backbone", "weights", "preprocess", "resize", "depth", "color_profile", "precision"), (None, *NO_TEXT)),
    "layers": (5, True, 1.5, b"x", {}),
    "image_size": (True, 0, "64x64", (64,), (64, "64"), (64.0, 64.0), []),
    "background": (5, None, "mauve", "#12", (0, 0), (0.5, 0, 0)),
    "exact_decode": ("x", None),
    "allow_truncated": ("x", None),
    "calibration": (5, True, b"x", []),
    "augment": NO_TEXT,
    "views": ("x", True, 1.5, [], -1),
    "val_fraction": ("a", None, True, [], float("nan")),
    "test_fraction": ("a", None, True, [], float("nan")),
    "seed": ("x", None, True, 1.5, []),
    "shard": (5, 0, True, 1.5, b"1/2", (1, 2, 3), ("1", "2")),
}


def each(function: Callable[..., Any], usual: dict[str, Any], wrong: dict[str, Any]) -> list[Any]:
    """Return one case for each keyword, with all its wrong values."""
    return [pytest.param(function, usual, name, values, id=f"{function.__name__}-{name}") for name, values in wrong.items()]


@pytest.mark.parametrize(
    ("function", "usual", "name", "values"),
    [
        *each(featx.extract_features, {"images": "PHOTOS", "cache": "new", "backbone": "stub"}, COMPUTING),
        *each(featx.extract_features, {"images": "PHOTOS", "cache": "new", "backbone": "stub"}, EXTRACTING | LISTING),
        *each(featx.plan_extract, {"images": "PHOTOS", "cache": "new", "backbone": "stub"}, COMPUTING | EXTRACTING),
        *each(featx.evaluate_model, {"model": "MODEL"}, COMPUTING),
        *each(featx.evaluate_model, {"model": "MODEL", "images": "PHOTOS"}, COMPUTING | LISTING),
        *each(featx.predict_images, {"model": "MODEL", "paths": ["PHOTOS"]}, COMPUTING),
        *each(featx.fine_tune, {"cache": "CACHE"}, {"workers": NO_COUNT, "extract_batch_size": NO_COUNT, "device": NO_TEXT}),
        *each(featx.audit_cache, {"cache": "CACHE"}, {"workers": NO_COUNT}),
        *each(featx.audit_cache, {"cache": "CACHE", "measure": True}, {"workers": NO_COUNT}),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_name(
    function: Callable[..., Any],
    usual: dict[str, Any],
    name: str,
    values: tuple[Any, ...],
    made: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No traceback from inside: the error is a documented one that says which keyword, and nothing has been made."""
    monkeypatch.chdir(tmp_path)
    given = {key: made.get(value, value) if isinstance(value, str) else value for key, value in usual.items()}
    if "paths" in given:
        given["paths"] = [made[one] for one in given["paths"]]
    for value in values:
        with pytest.raises(FeatxError) as caught:
            function(**given | {name: value})
        assert isinstance(caught.value, documented(function)), f"{value!r}: {caught.value}"
        named = str(caught.value).replace("val and test fractions", "val_fraction test_fraction").replace("-", "_")
        assert name in named, f"{value!r}: {caught.value}"
        assert list(tmp_path.iterdir()) == [], repr(value)


def test_a_single_name_is_a_list_of_one(made: dict[str, Path], tmp_path: Path) -> None:
    """Wherever several may be given, and not its letters."""
    compared = featx.compare_heads(made["CACHE"], "ridge", "avg", folds=2)
    assert [(one.head, one.pooling) for one in compared.heads] == [("ridge", "avg")]
    with pytest.raises(HeadError, match=r"^head 'rigde': unknown"):
        featx.compare_heads(made["CACHE"], "rigde")
    image = made["PHOTOS"] / "red" / "0.png"
    assert [one.path for one in featx.predict_images(made["MODEL"], image)] == [str(image)]
    assert [one.path for one in featx.predict_images(made["MODEL"], str(image))] == [str(image)]
    featx.extract_features(made["PHOTOS"], tmp_path / "c", backbone="stub", image_size=(64, 64), layers="cells")
    assert featx.open_cache(tmp_path / "c").recipe.layers == ("cells",)
    assert featx.merge_caches(tmp_path / "c", tmp_path / "joined").listed == 30


def test_numbers_of_numpy_are_numbers(made: dict[str, Path], tmp_path: Path) -> None:
    """A program that counts with NumPy need not convert them."""
    computing: dict[str, Any] = {"batch_size": np.int64(4), "workers": np.uint8(1), "max_pixels": np.int32(10**6)}
    choosing: dict[str, Any] = {
        "image_size": (np.int64(64), np.int64(64)),
        "val_fraction": np.float32(0.25),
        "views": np.int64(2),
        "seed": np.int64(1),
    }
    result = featx.extract_features(made["PHOTOS"], tmp_path / "c", backbone="stub", **computing, **choosing)
    plain: dict[str, Any] = {"image_size": (64, 64), "val_fraction": 0.25, "views": 2, "seed": 1}
    wanted = featx.extract_features(made["PHOTOS"], tmp_path / "d", backbone="stub", **plain)
    assert result.extracted == wanted.extracted == 30
    assert featx.open_cache(tmp_path / "c").recipe == featx.open_cache(tmp_path / "d").recipe
    assert len(featx.predict_images(made["MODEL"], [made["PHOTOS"]], **computing)) == 30


def test_a_misspelt_setting_of_fine_tuning_is_answered_with_the_one_that_is_meant(tmp_path: Path) -> None:
    """One of the settings, or a keyword of the function itself; before the cache is looked at."""
    for keyword, meant in (("learning_rte", "learning_rate"), ("worker", "workers")):
        given: dict[str, Any] = {keyword: 1}
        with pytest.raises(HeadError, match=rf"^fine-tuning: has no setting '{keyword}'\. Did you mean {meant}\? It has: "):
            featx.fine_tune(tmp_path / "none", **given)


@pytest.mark.parametrize("function", [featx.extract_features, featx.plan_extract])
@pytest.mark.parametrize(
    ("keyword", "meant"), [("backbon", "backbone"), ("batchsize", "batch_size"), ("val_fractoin", "val_fraction")]
)
def test_a_misspelt_option_of_an_extract_is_answered_with_the_one_that_is_meant(
    function: Callable[..., Any], keyword: str, meant: str, tmp_path: Path
) -> None:
    """One of the options, or a keyword of the function itself; before the images are looked at."""
    with pytest.raises(RecipeError, match=rf"^extract: has no option '{keyword}'\. Did you mean {meant}\? It has: backbone, "):
        function(tmp_path / "none", **{keyword: 1})


def test_the_typed_keywords_of_an_extract_are_its_options() -> None:
    """Each with the type that ``ExtractOptions`` gives it; of a text that is one of a few, those."""
    fields = {field.name: field.type for field in dataclasses.fields(ExtractOptions)}
    words = {name: get_args(kind) for name, kind in ExtractKeywords.__annotations__.items() if get_origin(kind) is Literal}
    assert {name: str if name in words else kind for name, kind in ExtractKeywords.__annotations__.items()} == fields
    of_recipe = {"resize": RESIZE_MODES, "precision": PRECISIONS, "color_profile": COLOR_PROFILES, "depth": DEPTHS}
    assert words.keys() == of_recipe.keys()
    assert {name: set(some) for name, some in words.items()} == {name: set(some) for name, some in of_recipe.items()}
    assert not ExtractKeywords.__required_keys__
