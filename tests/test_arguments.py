"""Arguments of any usual type, and how each function refuses the rest: by the argument's name, in a bounded message."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.errors import FeatxError, ModelError, UnknownHead
from tests.conftest import COLOURS, write_image

Call = Callable[[Any], Any]
IMAGE = "photos/red/0.png"
MODEL, CACHE = "models/photos-logreg.featx", "cache/photos"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos``, ``cache/photos`` (made with a plain side) and ``models/photos-logreg.featx``."""
    root = tmp_path_factory.mktemp("arguments")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(12):
            write_image(root / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        featx.fit_head(featx.extract_features("photos", backbone="stub", image_size=64), "logreg")
    return root


@pytest.fixture(autouse=True)
def _inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


def plan(**options: Any) -> featx.ExtractPlan:
    """Plan an extract with the stub backbone into a cache that is not there."""
    return featx.plan_extract("photos", "cache/none", **({"backbone": "stub", "image_size": 64} | options))


TAKES_A_MODEL: dict[str, Call] = {
    "load_model": featx.load_model,
    "evaluate_model": featx.evaluate_model,
    "predict_images": lambda model: featx.predict_images(model, IMAGE),
    "explain_images": lambda model: featx.explain_images(model, IMAGE),
    "export_model": lambda model: featx.export_model(model, "photos.joblib", overwrite=True),
    "inspect_path": featx.inspect_path,
}
TAKES_A_CACHE: dict[str, Call] = {
    "open_cache": featx.open_cache,
    "inspect_path": featx.inspect_path,
    "verify_cache": featx.verify_cache,
    "audit_cache": featx.audit_cache,
    "fit_head": lambda cache: featx.fit_head(cache, "ridge", out="ridge.featx"),
    "compare_heads": lambda cache: featx.compare_heads(cache, "ridge", folds=3),
    "pack_cache": lambda cache: featx.pack_cache(cache, "packed.h5", overwrite=True),
    "merge_caches": lambda cache: featx.merge_caches(cache, "cache/merged"),
    "evaluate_model": lambda cache: featx.evaluate_model(MODEL, cache=cache),
    "extract_features": lambda cache: featx.extract_features("photos", cache, backbone="stub", image_size=64),
}


@pytest.mark.parametrize("name", TAKES_A_MODEL)
def test_a_model_or_the_result_of_a_fit_stands_for_its_file(name: str) -> None:
    """Wherever the path of a model is wanted."""
    fitted = featx.fit_head(CACHE, "logreg")
    for model in (MODEL, Path(MODEL), fitted, featx.load_model(MODEL)):
        assert TAKES_A_MODEL[name](model) is not None


@pytest.mark.parametrize("name", TAKES_A_CACHE)
def test_a_cache_or_the_result_of_an_extract_stands_for_its_folder(name: str) -> None:
    """Wherever the path of a cache is wanted."""
    extracted = featx.extract_features("photos", backbone="stub", image_size=(64, 64))
    for cache in (CACHE, Path(CACHE), extracted, featx.open_cache(CACHE)):
        assert TAKES_A_CACHE[name](cache) is not None


def test_a_model_that_was_changed_stands_for_no_file() -> None:
    """The file holds other numbers than the object."""
    changed = dataclasses.replace(featx.load_model(MODEL), temperature=2.0)
    with pytest.raises(
        ModelError, match=r"^model: was not read from a file\. Give a model file, or what load_model returns\.$"
    ):
        featx.evaluate_model(changed)


def test_one_file_or_many_of_any_iterable() -> None:
    """A single path is one file and not its letters."""
    files = sorted(Path("photos/red").iterdir())
    assert [one.path for one in featx.predict_images(MODEL, IMAGE)] == [IMAGE]
    for several in (files, tuple(files), iter(files), np.array([str(file) for file in files])):
        assert len(featx.predict_images(MODEL, several)) == 12
    assert [one.path for one in featx.explain_images(MODEL, Path(IMAGE))] == [IMAGE]
    assert featx.predict_images(MODEL, IMAGE, weights=None)[0].label == "red"


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"image_size": np.int64(64)}, {}),
        ({"image_size": [64, 64]}, {}),
        ({"image_size": np.array([64, 64])}, {}),
        ({"layers": "cells"}, {}),
        ({"layers": ["cells"]}, {}),
        ({"background": "white"}, {}),
        ({"background": "#010203"}, {"background": (1, 2, 3)}),
        ({"background": [1, 2, 3]}, {"background": (1, 2, 3)}),
        ({"background": np.array([1, 2, 3])}, {"background": (1, 2, 3)}),
        ({"background": "Grey"}, {"background": (128, 128, 128)}),
    ],
    ids=str,
)
def test_a_setting_in_another_form_makes_the_same_recipe(options: dict[str, Any], same: dict[str, Any]) -> None:
    """The recipe is the cache's identity."""
    made = featx.extract_features("photos", "cache/form", overwrite=True, **({"backbone": "stub", "image_size": 64} | options))
    usual = featx.extract_features("photos", "cache/usual", overwrite=True, backbone="stub", image_size=(64, 64), **same)
    assert featx.open_cache(made).recipe == featx.open_cache(usual).recipe


def test_numbers_of_numpy_are_numbers() -> None:
    """In options of an extract, settings of heads, seeds and folds; the model is that of Python's numbers."""
    i, f = np.int64, np.float64
    assert plan(seed=i(2), views=i(2), val_fraction=np.float32(0.25)).listed == 36
    assert featx.compare_heads(CACHE, "ridge", folds=i(3), seed=i(1)).folds == 3
    assert featx.predict_images(MODEL, IMAGE, batch_size=i(3), sets=f(0.9))[0].set is not None
    assert featx.predict_images(MODEL, IMAGE, sets=np.float32(0.9))[0].set is not None
    assert featx.predict_images(MODEL, IMAGE, unknown=np.float32(0.5))[0].unfamiliar is not None
    assert featx.compare_heads(CACHE, "ridge", folds=3, withhold=np.float32(0.4)).withheld
    assert featx.fit_head(CACHE, "ridge", tune=True, folds=i(2), minutes=np.float32(0.5), out="numbers.featx").tuning
    for head, numpys, plain in (
        ("logreg", {"C": np.float32(0.5), "seed": i(3)}, {"C": 0.5, "seed": 3}),
        ("knn", {"neighbors": i(3)}, {"neighbors": 3}),
        ("dense", {"epochs": i(1), "hidden": [i(4)], "dropout": np.float32(0.5)}, {"epochs": 1, "hidden": [4], "dropout": 0.5}),
    ):
        settings = [
            featx.load_model(featx.fit_head(CACHE, head, out="numbers.featx", **given)).head.settings()
            for given in (numpys, plain)
        ]
        assert settings[0] == settings[1]


# Every argument that takes a path, one or several names, a number or a colour; of a message what stands before "Received".
REFUSALS: dict[str, tuple[Call, str]] = {
    "load_model": (featx.load_model, "path must be a model file's path, a Model, or the result of a fit."),
    "evaluate_model": (featx.evaluate_model, "model must be a model file's path, a Model, or the result of a fit."),
    "evaluate_model images": (lambda v: featx.evaluate_model(MODEL, images=v), "images must be a path."),
    "evaluate_model cache": (
        lambda v: featx.evaluate_model(MODEL, cache=v),
        "cache must be a cache's path, a FeatureCache, or the result of an extract.",
    ),
    "evaluate_model split": (
        lambda v: featx.evaluate_model(MODEL, split=v),
        "split must be one of train, val, test, all, or None.",
    ),
    "evaluate_model unknown_images": (
        lambda v: featx.evaluate_model(MODEL, unknown_images=v),
        "unknown_images must be a path, or None.",
    ),
    "predict_images unknown": (
        lambda v: featx.predict_images(MODEL, IMAGE, unknown=v),
        "unknown must be a number above 0 and below 1, such as 0.05.",
    ),
    "predict_images set_method": (
        lambda v: featx.predict_images(MODEL, IMAGE, set_method=v),
        "set_method must be lac, aps or None.",
    ),
    "evaluate_model set_method": (lambda v: featx.evaluate_model(MODEL, set_method=v), "set_method must be lac, aps or None."),
    "compare_heads withhold": (
        lambda v: featx.compare_heads(CACHE, "ridge", withhold=v),
        "withhold must be a share of the classes above 0 and below 1, such as 0.25.",
    ),
    "fit_head minutes": (lambda v: featx.fit_head(CACHE, "ridge", minutes=v), "minutes must be a number above 0, such as 0.5."),
    "Model.using weights": (
        lambda v: featx.load_model(MODEL).using(weights=v),
        "weights must be a path, or imagenet, random or random:SEED.",
    ),
    "plan_extract calibration": (
        lambda v: plan(calibration=v, precision="int8"),
        "calibration must be a cache's or a model's path, either itself, or None.",
    ),
    "predict_images": (
        lambda v: featx.predict_images(v, IMAGE),
        "model must be a model file's path, a Model, or the result of a fit.",
    ),
    "predict_images paths": (lambda v: featx.predict_images(MODEL, v), "paths must be a path, or several."),
    "predict_images weights": (
        lambda v: featx.predict_images(MODEL, IMAGE, weights=v),
        "weights must be a path, or imagenet, random or random:SEED.",
    ),
    "predict_images device": (
        lambda v: featx.predict_images(MODEL, IMAGE, device=v),
        "device must be a text such as cpu or gpu:1, or None.",
    ),
    "predict_images batch_size": (
        lambda v: featx.predict_images(MODEL, IMAGE, batch_size=v),
        "batch_size must be a whole number from 1, or None.",
    ),
    "explain_images": (
        lambda v: featx.explain_images(v, IMAGE),
        "model must be a model file's path, a Model, or the result of a fit.",
    ),
    "explain_images images": (lambda v: featx.explain_images(MODEL, v), "images must be a path, or several."),
    "explain_images label": (
        lambda v: featx.explain_images(MODEL, IMAGE, label=v),
        "label must be the name of a class, or None.",
    ),
    "export_model": (
        lambda v: featx.export_model(v, "x.joblib"),
        "model must be a model file's path, a Model, or the result of a fit.",
    ),
    "export_model out": (lambda v: featx.export_model(MODEL, v), "out must be a path."),
    "inspect_path": (featx.inspect_path, "path must be a cache's folder or a model file."),
    "look_at_images": (featx.look_at_images, "images must be the path of a folder or a manifest."),
    "look_at_images examples": (
        lambda v: featx.look_at_images("photos", examples=v),
        "examples must be a whole number from 0.",
    ),
    "look_at_images image_size": (
        lambda v: featx.look_at_images("photos", image_size=v),
        "image_size must be (height, width), or the side of a square [px], or None.",
    ),
    "predict_images top": (
        lambda v: featx.predict_images(MODEL, IMAGE, top=v),
        "top must be a whole number from 1, or None.",
    ),
    "extract_features": (featx.extract_features, "images must be the path of a folder or a manifest."),
    "extract_features cache": (
        lambda v: featx.extract_features("photos", v, backbone="stub"),
        "cache must be a cache's path, a FeatureCache, or the result of an extract.",
    ),
    "plan_extract image_size": (
        lambda v: plan(image_size=v),
        "image_size must be (height, width), or the side of a square [px], or None.",
    ),
    "plan_extract background": (
        lambda v: plan(background=v),
        "background must be (red, green, blue), or white, grey, black, #rrggbb or RED,GREEN,BLUE from 0 to 255.",
    ),
    "plan_extract backbone": (lambda v: plan(backbone=v), "backbone must be a text or a path."),
    "plan_extract views": (lambda v: plan(views=v), "views must be a whole number, or None."),
    "plan_extract augment": (lambda v: plan(augment=v), "augment must be a text, or None."),
    "open_cache": (featx.open_cache, "folder must be a cache's path, a FeatureCache, or the result of an extract."),
    "fit_head": (featx.fit_head, "cache must be a cache's path, a FeatureCache, or the result of an extract."),
    "fit_head out": (lambda v: featx.fit_head(CACHE, "ridge", out=v), "out must be a path, or None."),
    "fit_head layer": (lambda v: featx.fit_head(CACHE, "ridge", layer=v), "layer must be the name of a layer, or None."),
    "fit_head pooling": (
        lambda v: featx.fit_head(CACHE, "ridge", pooling=v),
        "pooling must be the name of a pooling, or None.",
    ),
    "fit_head seed": (
        lambda v: featx.fit_head(CACHE, "ridge", seed=v),
        "seed must be a whole number from 0 to 2147483648.",
    ),
    "fine_tune": (featx.fine_tune, "cache must be a cache's path, a FeatureCache, or the result of an extract."),
    "fine_tune model": (
        lambda v: featx.fine_tune(CACHE, model=v),
        "model must be a model file's path, a Model, or the result of a fit.",
    ),
    "compare_heads": (
        lambda v: featx.compare_heads(v, "ridge"),
        "cache must be a cache's path, a FeatureCache, or the result of an extract.",
    ),
    "compare_heads heads": (lambda v: featx.compare_heads(CACHE, v), "heads must be the name of a head, or several."),
    "compare_heads poolings": (
        lambda v: featx.compare_heads(CACHE, "ridge", v),
        "poolings must be the name of a pooling, or several.",
    ),
    "audit_cache": (featx.audit_cache, "cache must be a cache's path, a FeatureCache, or the result of an extract."),
    "verify_cache": (featx.verify_cache, "cache must be a cache's path, a FeatureCache, or the result of an extract."),
    "pack_cache": (
        lambda v: featx.pack_cache(v, "p.h5"),
        "cache must be a cache's path, a FeatureCache, or the result of an extract.",
    ),
    "pack_cache out": (lambda v: featx.pack_cache(CACHE, v), "out must be a path."),
    "merge_caches": (featx.merge_caches, "caches must be a path, or several."),
    "write_report evaluation": (lambda v: featx.write_report(v, "r"), "evaluation must be what evaluate_model returns."),
    "write_look_page look": (lambda v: featx.write_look_page(v, "l.html"), "look must be what look_at_images returns."),
    "write_clean_manifest audit": (lambda v: featx.write_clean_manifest(v, "c.csv"), "audit must be what audit_cache returns."),
    "write_report": (lambda v: featx.write_report(featx.evaluate_model(MODEL), v), "folder must be a path."),
    "write_clean_manifest": (
        lambda v: featx.write_clean_manifest(featx.audit_cache(CACHE), v),
        "path must be a path.",
    ),
    "write_clean_manifest drop": (
        lambda v: featx.write_clean_manifest(featx.audit_cache(CACHE), "clean.csv", v),
        "drop must be some of duplicates, labels, outliers, quality.",
    ),
    "unpack_sample": (featx.unpack_sample, "folder must be a path."),
}
WRONG: list[tuple[object, str]] = [
    (b"GIF8" * 750_000, f"{b'GIF8' * 5!r}… (3,000,000 bytes)"),
    (-3.5, "-3.5"),
    ({"a": 1}, "{'a': 1}"),
]


@pytest.mark.parametrize(("value", "shown"), WRONG, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("argument", REFUSALS)
def test_what_is_no_such_thing_is_refused_by_the_arguments_name(argument: str, value: object, shown: str) -> None:
    """With the rule and the value, of which a large one shows its beginning."""
    call, rule = REFUSALS[argument]
    with pytest.raises(FeatxError) as caught:
        call(value)
    message = str(caught.value)
    assert message.startswith(f"{rule} Received: {shown}.")
    assert len(message) < 400
    assert caught.value.wrong_value


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (None, "None"),
        (np.zeros((3, 3)), "an array of float64 and shape (3, 3)"),
        (["a"], "['a']"),
        (("a",), "('a',)"),
        (list(range(1000)), "a list of 1,000"),
        (type("Odd", (), {"__repr__": lambda self: "x" * 10**6})(), "a value of type Odd"),
        (range(3), "range(0, 3)"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_a_value_is_shown_in_few_characters(value: object, received: str) -> None:
    """Of any kind."""
    with pytest.raises(ModelError) as caught:
        featx.load_model(value)  # type: ignore[arg-type] # that is the point
    assert str(caught.value) == f"path must be a model file's path, a Model, or the result of a fit. Received: {received}."


def test_no_message_is_longer_than_a_reader_bears() -> None:
    """Whatever stands in it, the middle is left out and what to do stays; a long text of the user's is none of ours."""
    message = str(FeatxError("beginning " + "x" * 10**6 + " what to do."))
    assert len(message) < 5100
    assert (message[:10], message[-11:]) == ("beginning ", "what to do.")
    with pytest.raises(FeatxError) as caught:
        featx.predict_images(MODEL, "a" * 3_000_000)
    assert len(str(caught.value)) < 5100


def test_images_in_memory_are_led_to_the_model() -> None:
    """``predict_images`` names files; what holds none goes elsewhere."""
    with pytest.raises(FeatxError) as caught:
        featx.predict_images(MODEL, [np.zeros((8, 8, 3), np.uint8)])
    assert str(caught.value) == (
        "paths[0] must be a path. Received: an array of uint8 and shape (8, 8, 3). "
        "Images in memory are for Model.predict: featx.load_model(FILE).predict(images)."
    )


def test_a_misspelt_keyword_is_refused_with_the_one_that_it_looks_like() -> None:
    """By every function that has a ``**``."""
    calls: list[Call] = [
        lambda name: featx.evaluate_model(MODEL, **{name: "val"}),
        lambda name: featx.extract_features("photos", **{name: "val"}),
        lambda name: featx.plan_extract("photos", **{name: "val"}),
        lambda name: featx.look_at_images("photos", **{name: "val"}),
        lambda name: featx.fit_head(CACHE, "ridge", **{name: "val"}),
        lambda name: featx.compare_heads(CACHE, "ridge", **{name: "val"}),
        lambda name: featx.fine_tune(CACHE, **{name: "val"}),
    ]
    for call in calls:
        with pytest.raises(FeatxError, match=r"'progres'.*Did you mean progress\?") as caught:
            call("progres")
        assert caught.value.wrong_value


@pytest.mark.parametrize(
    "call",
    [
        featx.load_model,
        featx.open_cache,
        featx.look_at_images,
        lambda path: plan() and featx.plan_extract(path),
        lambda path: featx.predict_images(MODEL, path),
        lambda path: featx.predict_images(MODEL, [IMAGE, path]),
        lambda path: featx.evaluate_model(MODEL, images=path),
        lambda path: featx.write_report(featx.evaluate_model(MODEL), path),
        featx.unpack_sample,
    ],
)
def test_an_empty_path_is_not_the_current_folder(call: Call) -> None:
    """It is a variable that was never filled in."""
    before = sorted(Path().iterdir())
    with pytest.raises(FeatxError, match=r"Received: ''\.") as caught:
        call("")
    assert caught.value.wrong_value
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("path", ["n" * 300, "猫" * 90, "a/" * 3000, "x" * 10**6, "a\0b", "\ud800"])
@pytest.mark.parametrize(
    "name",
    [
        "load_model",
        "open_cache",
        "evaluate_model images",
        "predict_images weights",
        "look_at_images",
        "fit_head out",
        "export_model out",
    ],
)
def test_a_path_that_no_system_takes_is_refused_by_the_arguments_name(name: str, path: str) -> None:
    """By an error of featx's, of bounded length."""
    with pytest.raises(
        FeatxError,
        match=r": (File name too long, .*\. Give another [A-Z_]+|holds (a NUL, which|characters that) no path can)\.$",
    ) as caught:
        REFUSALS[name][0](path)
    # What is too long here may not be so on another file system.
    assert caught.value.wrong_value == ("too long" not in str(caught.value))
    assert len(str(caught.value)) < 200


def test_arrays_without_dimensions_are_their_value() -> None:
    """As NumPy's indexing gives them."""
    assert len(featx.predict_images(MODEL, np.array(IMAGE))) == 1
    assert featx.compare_heads(CACHE, np.array("ridge"), folds=3).best.head == "ridge"  # type: ignore[arg-type] # that is the point
    with pytest.raises(FeatxError, match=r"^paths must be a path, or several\. Received: 3\."):
        featx.predict_images(MODEL, np.array(3))  # type: ignore[arg-type] # that is the point


@pytest.mark.parametrize("head", [[], {}, ["ridge"], np.array(["ridge"]), None, 5])
def test_what_is_no_name_of_a_head_is_refused(head: Any) -> None:
    """Whether it can be looked up or not."""
    with pytest.raises(UnknownHead, match=r"^head .*: unknown\."):
        featx.fit_head(CACHE, head)
