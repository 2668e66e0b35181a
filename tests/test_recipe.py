"""The recipe: what is in it, how it is told from another, and which values no featx could have written."""

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
import pytest

from featx.errors import RecipeError
from featx.recipe import Recipe, read_scaling

RECIPE = Recipe(
    backbone="vgg16",
    weights="sha256:00ff",
    layers=("block5_pool", "block4_pool"),
    image_size=(224, 200),
    preprocess="caffe",
    resize="stretch",
    background=(255, 255, 255),
    exact_decode=False,
    precision="float32",
    stored_dtype="float16",
    decode_version=1,
    format_version=1,
)

# Caches on disk carry this fingerprint. Whoever must change it makes all of them unusable.
FINGERPRINT = "f2ce3a006411937e027aab341770c658728265fbd66a96a2c4ea2c45ce805314"
CANONICAL = (
    '{"backbone":"vgg16","background":[255,255,255],"decode_version":1,"exact_decode":false,"format_version":1,'
    '"image_size":[224,200],"layers":["block5_pool","block4_pool"],"precision":"float32","preprocess":"caffe",'
    '"resize":"stretch","stored_dtype":"float16","weights":"sha256:00ff"}'
)

OTHER_VALUES = {
    "backbone": "stub",
    "weights": "random:0",
    "layers": ("block4_pool", "block5_pool"),
    "image_size": (200, 224),
    "preprocess": "torch",
    "resize": "crop",
    "background": (255, 255, 254),
    "exact_decode": True,
    "allow_truncated": True,
    "depth": "12",
    "color_profile": "srgb",
    "tail": "block5_conv1:00",
    "precision": "float16",
    "quantized": "sha256:22",
    "stored_dtype": "float32",
    "decode_version": 2,
    "format_version": 2,
}


def base_of(name: str) -> Recipe:
    """Return a recipe that may have another value of a setting: only int8 has a quantized network."""
    return dataclasses.replace(RECIPE, precision="int8") if name == "quantized" else RECIPE


def test_recipe_survives_json() -> None:
    """Written as JSON and read back, it is equal, hashable, and of the same fingerprint."""
    back = Recipe.from_dict(json.loads(json.dumps(RECIPE.to_dict())))
    assert back == RECIPE
    assert hash(back) == hash(RECIPE)
    assert back.fingerprint == RECIPE.fingerprint


def test_fingerprint_is_the_digest_of_the_canonical_json() -> None:
    """Pinned: the same recipe must have the same fingerprint in every later version and on every machine."""
    assert json.loads(CANONICAL) == RECIPE.to_dict()
    assert RECIPE.fingerprint == hashlib.sha256(CANONICAL.encode()).hexdigest() == FINGERPRINT


@pytest.mark.parametrize(("name", "value"), OTHER_VALUES.items())
def test_every_setting_changes_the_fingerprint(name: str, value: Any) -> None:
    """And is told as the one difference, with both values as JSON types."""
    recipe = base_of(name)
    other = dataclasses.replace(recipe, **{name: value})
    assert other.fingerprint != recipe.fingerprint
    mine, theirs = (list(v) if isinstance(v, tuple) else v for v in (getattr(recipe, name), value))
    assert recipe.differences(other) == {name: (mine, theirs)}
    assert other.differences(recipe) == {name: (theirs, mine)}


def test_all_settings_are_tried_above() -> None:
    """A setting added to the recipe must be added to these tests."""
    assert set(OTHER_VALUES) == {field.name for field in dataclasses.fields(Recipe)}
    others = [dataclasses.replace(base_of(name), **{name: value}).fingerprint for name, value in OTHER_VALUES.items()]
    assert len(set(others)) == len(OTHER_VALUES)


def test_equal_recipes_have_no_differences() -> None:
    """Two made alike are one."""
    twin = dataclasses.replace(RECIPE)
    assert (RECIPE.differences(twin), twin.fingerprint) == ({}, RECIPE.fingerprint)


def test_recipe_cannot_be_changed() -> None:
    """Features made with it would no longer be those it tells of."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPE.resize = "crop"


ABSURD = [
    *[(name, value) for name in ("backbone", "weights") for value in ("", None, 3, b"vgg16", ["vgg16"], "x" * 201)],
    ("layers", ()),
    ("layers", "block5_pool"),
    ("layers", ["block5_pool"]),
    ("layers", ("a", "a")),
    ("layers", ("",)),
    ("layers", (1,)),
    ("layers", (None,)),
    ("layers", (["a"],)),
    ("layers", ({},)),
    ("layers", ("../../escape",)),
    ("layers", ("a/b",)),
    ("layers", ("..",)),
    ("layers", tuple(f"layer{number}" for number in range(101))),
    ("image_size", 224),
    ("image_size", (224,)),
    ("image_size", (224, 224, 3)),
    ("image_size", [224, 224]),
    ("image_size", (0, 224)),
    ("image_size", (224, -1)),
    ("image_size", (8193, 224)),
    ("image_size", (10**9, 10**9)),
    ("image_size", (224.0, 224)),
    ("image_size", (float("nan"), 224)),
    ("image_size", ("224", "224")),
    ("image_size", (True, True)),
    ("image_size", (None, None)),
    ("preprocess", "Caffe"),
    ("preprocess", ""),
    ("preprocess", None),
    ("resize", "squash"),
    ("resize", ["stretch"]),
    ("resize", None),
    ("background", (255, 255)),
    ("background", (255, 255, 256)),
    ("background", (-1, 0, 0)),
    ("background", (0.5, 0, 0)),
    ("background", "white"),
    ("background", None),
    ("exact_decode", 1),
    ("exact_decode", "false"),
    ("exact_decode", None),
    ("allow_truncated", 1),
    ("precision", "float64"),
    ("precision", 32),
    ("quantized", None),
    ("quantized", "sha256:ab"),  # of a recipe that is not int8
    ("stored_dtype", "int8"),
    ("stored_dtype", "object"),
    ("stored_dtype", np.float16),
    *[(name, value) for name in ("decode_version", "format_version") for value in (0, -1, 1.0, "1", True, None, 10**7)],
]


@pytest.mark.parametrize(("name", "value"), ABSURD)
def test_absurd_value_is_refused_by_name(name: str, value: Any) -> None:
    """The error names the setting and shows the value, however odd it is."""
    with pytest.raises(RecipeError, match=f"recipe: {name} must be") as error:
        dataclasses.replace(RECIPE, **{name: value})
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", [["a"]]),
        ("layers", [{}]),
        ("layers", {}),
        ("image_size", [[224], 224]),
        ("background", [None, 1, 2]),
        ("resize", {}),
        ("weights", []),
    ],
)
def test_absurd_json_is_refused_by_name(name: str, value: Any) -> None:
    """A recipe read from a file may hold any JSON: the error is still featx's own."""
    with pytest.raises(RecipeError, match=f"recipe: {name} must be"):
        Recipe.from_dict(RECIPE.to_dict() | {name: value})


@pytest.mark.parametrize("settings", [None, [], "vgg16", 3, {}, {"backbone": "vgg16"}])
def test_what_is_no_recipe_is_refused(settings: Any) -> None:
    """The error lists the settings that a recipe has."""
    with pytest.raises(RecipeError, match=r"must have exactly the settings \[.*'backbone', .*'weights'\]\. Received"):
        Recipe.from_dict(settings)


@pytest.mark.parametrize("name", sorted(set(OTHER_VALUES) - {"allow_truncated", "depth", "color_profile", "quantized", "tail"}))
def test_missing_setting_is_refused(name: str) -> None:
    """None is guessed: not even those with a default."""
    settings = RECIPE.to_dict()
    del settings[name]
    with pytest.raises(RecipeError, match="must have exactly the settings"):
        Recipe.from_dict(settings)


def test_setting_that_came_later_is_at_its_default_where_it_is_missing() -> None:
    """Recipes written before it existed are those without it, and keep their fingerprint."""
    assert "allow_truncated" not in RECIPE.to_dict()
    assert Recipe.from_dict(RECIPE.to_dict()).allow_truncated is False
    other = dataclasses.replace(RECIPE, allow_truncated=True)
    assert other.to_dict()["allow_truncated"] is True
    assert Recipe.from_dict(other.to_dict()) == other


def test_unknown_setting_is_refused() -> None:
    """A newer featx may have written it, and its features may differ by it."""
    with pytest.raises(RecipeError, match="must have exactly the settings"):
        Recipe.from_dict(RECIPE.to_dict() | {"colour_space": "linear"})


def test_defaults_are_those_written_down() -> None:
    """What is not said is part of the fingerprint all the same."""
    short = Recipe("vgg16", "sha256:00ff", ("block5_pool", "block4_pool"), (224, 200), "caffe")
    names = ("resize", "background", "exact_decode", "precision", "stored_dtype")
    assert [getattr(short, name) for name in names] == ["stretch", (255, 255, 255), False, "float32", "float16"]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("torch", "torch"),
        ("mean=0.485,0.456,0.406 std=0.229,0.224,0.225", "mean=0.485,0.456,0.406 std=0.229,0.224,0.225"),
        ("std=.5/MEAN=0.50", "mean=0.5,0.5,0.5 std=0.5,0.5,0.5"),
        ("mean=127.5 std=127.5 bgr", "mean=127.5,127.5,127.5 std=127.5,127.5,127.5 bgr"),
        ("nhwc none", "none nhwc"),
    ],
)
def test_a_scaling_has_one_spelling(typed: str, kept: str) -> None:
    """Whatever was typed, so that one scaling makes one recipe; a recipe takes that spelling alone, and reads it back."""
    assert str(read_scaling(typed)) == kept
    assert str(read_scaling(kept)) == kept
    assert Recipe("stub", "none", ("cells",), (64, 64), kept).to_dict()["preprocess"] == kept
    if typed != kept:
        with pytest.raises(RecipeError, match="preprocess must be one of"):
            Recipe("stub", "none", ("cells",), (64, 64), typed)


@pytest.mark.parametrize(
    "text",
    [
        *("", "imagenet", "torch tf", "torch mean=0.5", "mean=", "mean=1,2", "mean=1,2,3,4", "mean=nan", "std=inf", "std=0"),
        *(
            "mean=0.5 std=-1",
            "mean=0.5 mean=0.4",
            "torch bgr bgr",
            "caffe bgr",
            "torch nchw nhwc",
            "mean=1e9",
            "bgr",
            "mean=0.5 x",
        ),
    ],
)
def test_what_is_no_scaling_is_refused(text: str) -> None:
    """Unknown words, words twice, numbers that cannot be divided by."""
    assert read_scaling(text) is None
    with pytest.raises(RecipeError, match="preprocess must be one of"):
        Recipe("stub", "none", ("cells",), (64, 64), text)


def test_units_of_means_and_deviations_are_told_by_their_size() -> None:
    """Of pixels from 0 to 1; of 0 to 255 where one of the six numbers is above 1."""
    for text, scale, offset in (
        ("mean=0.5,0.25,0 std=0.5,1,0.25", (2 / 255, 1 / 255, 4 / 255), (-1, -0.25, 0)),
        ("mean=0,51,102 std=51", (1 / 51,) * 3, (0, -1, -2)),
        ("std=255", (1 / 255,) * 3, (0, 0, 0)),
    ):
        scaling = read_scaling(text)
        assert scaling is not None
        assert scaling.factors[0] == pytest.approx(scale)
        assert scaling.factors[1] == pytest.approx(offset)
