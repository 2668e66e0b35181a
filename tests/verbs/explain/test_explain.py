"""What cells of a map speak for: against the head's own probabilities, NumPy by hand, and images whose class is one patch."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featx
from featx.errors import ClassMismatch, HeadError
from featx.heads import make_head
from featx.verbs.explain import cells_in_cache, limits_of
from featx.verbs.explain.cells import Explainer
from tests.conftest import COLOURS, Run, as_json, write_image

LINEAR: list[tuple[str, dict[str, Any]]] = [
    ("logreg", {}),
    ("logreg", {"scale": "l2"}),
    ("logreg", {"scale": "sqrt"}),
    ("svm", {}),
    ("ridge", {}),
    ("dense", {"epochs": 3}),
    ("dense", {"epochs": 3, "activation": "sigmoid"}),
]
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("dense", {"hidden": [4], "epochs": 3}),
    ("conv", {"epochs": 3, "filters": [4]}),
    ("svm", {"kernel": "rbf"}),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos``, of 3 colours x 12 whose left half is darker, and ``cache``: stub features, 2 x 3 cells."""
    root = tmp_path_factory.mktemp("explain")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(12):
            path = root / "photos" / name / f"{number}.png"
            write_image(path, colour, seed=100 * label + number, size=(64, 96))
            pixels = np.array(Image.open(path))
            pixels[:, :48] //= 2 + number % 2
            Image.fromarray(pixels).save(path)
    featx.extract_features(root / "photos", root / "cache", backbone="stub", image_size=(64, 96))
    return root


@pytest.fixture(scope="module")
def logreg(home: Path) -> Path:
    """A head on averages and maxima."""
    return featx.fit_head(home / "cache", "logreg", out=home / "logreg.featx", C=1.0).model


@pytest.mark.parametrize("pooling", ["flatten", "avg", "max", "avgmax"])
@pytest.mark.parametrize(("head", "settings"), LINEAR, ids=str)
def test_cells_and_bias_add_up_to_the_margin_that_the_head_has(
    head: str, settings: dict[str, Any], pooling: str, home: Path, tmp_path: Path
) -> None:
    """To 1e-5; the margin is the head's own, as its probabilities show."""
    model = featx.fit_head(home / "cache", head, out=tmp_path / "m.featx", pooling=pooling, **settings).model
    found = featx.explain_images(model, [home / "photos"])
    predicted = featx.predict_images(model, [home / "photos"])
    assert len(found) == len(predicted) == 36
    for one, prediction in zip(found, predicted, strict=True):
        assert (one.path, one.label, one.method, one.error) == (prediction.path, prediction.label, "exact", "")
        assert one.confidence == pytest.approx(prediction.confidence, abs=1e-12)
        assert one.cells is not None
        assert one.cells.shape == (2, 3)
        assert one.cells.sum() + one.bias == pytest.approx(one.margin, abs=1e-5)
        assert one.speaking_for + one.speaking_against + one.bias == pytest.approx(one.margin, abs=1e-5)
        if one.quantity == "logit":
            assert one.margin == pytest.approx(np.log(one.confidence / one.other_confidence), abs=1e-4)
    assert {one.quantity for one in found} == {"log-odds" if head in ("svm", "ridge") or "activation" in settings else "logit"}


def test_log_odds_are_those_of_each_class_own_sigmoid(home: Path, tmp_path: Path) -> None:
    """Of three classes that are each held against each: the margins fit together, and so do the probabilities."""
    model = featx.fit_head(home / "cache", "ridge", out=tmp_path / "m.featx", pooling="avg").model
    image = home / "photos/red/3.png"
    head = featx.load_model(model).head
    (one,) = featx.explain_images(model, image, label="red", against="blue")
    row = rows_and_probabilities(home, "red/3.png", 2, 0)[0]
    average = featx.open_cache(home / "cache").features(row, pooling="avg").astype(np.float64)
    rows = (average - head.arrays()["mean"]) / head.arrays()["scale"]
    decisions = rows @ head.arrays()["coef"].T + head.arrays()["intercept"]
    log_odds = -(decisions * head.arrays()["slope"] + head.arrays()["offset"])[0]
    assert one.quantity == "log-odds"
    assert one.margin == pytest.approx(log_odds[2] - log_odds[0], abs=1e-5)
    shares = 1 / (1 + np.exp(-log_odds))
    assert one.confidence == pytest.approx(shares[2] / shares.sum(), abs=1e-6)


def stub_maps(home: Path, paths: list[str]) -> NDArray[np.float64]:
    """Return the cached maps of some images in float64."""
    store = featx.open_cache(home / "cache")
    listed = [store.catalog.paths[row] for row in store.catalog.rows()]
    return store.maps(store.catalog.rows()[[listed.index(path) for path in paths]]).astype(np.float64)


def test_the_cells_are_those_of_a_computation_by_hand(home: Path, logreg: Path) -> None:
    """From the cached maps and the arrays of the model, cell by cell and channel by channel."""
    arrays = featx.load_model(logreg).head.arrays()
    weights = (arrays["coef"][2] - arrays["coef"][1]) / arrays["scale"]
    (maps,) = stub_maps(home, ["red/4.png"])
    by_hand = np.zeros((2, 3))
    for channel in range(3):
        largest = maps[:, :, channel].max()
        for row, column in np.ndindex(2, 3):
            value = maps[row, column, channel]
            by_hand[row, column] += weights[channel] * value / 6
            by_hand[row, column] += weights[3 + channel] * value * (value == largest)
    (one,) = featx.explain_images(logreg, home / "photos/red/4.png", label="red", against="green")
    assert one.cells is not None
    np.testing.assert_allclose(one.cells, by_hand, rtol=2e-3, atol=2e-3)  # float16 maps against the stub's own
    cached = cells_in_cache(featx.load_model(logreg), home / "cache", *rows_and_probabilities(home, "red/4.png", 2, 1))
    assert cached is not None
    np.testing.assert_allclose(cached.cells[0], by_hand, rtol=1e-9, atol=1e-9)


def rows_and_probabilities(home: Path, path: str, label: int, other: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return an image's catalog row, and probabilities that make one class the first and another the second."""
    catalog = featx.open_cache(home / "cache").catalog
    probabilities = np.zeros((1, 3))
    probabilities[0, [label, other]] = 0.7, 0.3
    return np.array([row for row in catalog.rows() if catalog.paths[row] == path]), probabilities


def test_another_class_gives_another_map(home: Path, logreg: Path) -> None:
    """And the two classes the other way round the same with the other sign."""
    image = home / "photos/red/2.png"
    pairs = {
        pair: featx.explain_images(logreg, image, label=pair[0], against=pair[1])[0]
        for pair in (("red", "blue"), ("red", "green"), ("blue", "red"))
    }
    cells = {pair: one.cells for pair, one in pairs.items()}
    assert all(one is not None for one in cells.values())
    assert np.abs(cells["red", "blue"] - cells["red", "green"]).max() > 0.05  # type: ignore[operator]
    np.testing.assert_allclose(cells["red", "blue"], -cells["blue", "red"], atol=1e-12)  # type: ignore[operator]
    assert pairs["red", "blue"].label == "red"
    assert pairs["blue", "red"].confidence == pairs["red", "blue"].other_confidence


def test_by_default_the_first_class_is_held_against_the_second(home: Path, logreg: Path) -> None:
    """Where one of them is given, the other is the most probable of the rest."""
    image = home / "photos/green/1.png"
    (one,) = featx.explain_images(logreg, image)
    order = [one.label, one.other, ({"blue", "green", "red"} - {one.label, one.other}).pop()]
    assert one.label == "green"
    (against_it,) = featx.explain_images(logreg, image, against="green")
    assert (against_it.label, against_it.other) == (order[1], "green")
    (last,) = featx.explain_images(logreg, image, label=order[2])
    assert (last.label, last.other) == (order[2], "green")
    assert last.margin is not None
    assert last.margin < 0


@pytest.mark.parametrize(("head", "settings"), OTHERS, ids=str)
def test_other_heads_lose_what_a_cell_gives(head: str, settings: dict[str, Any], home: Path, tmp_path: Path) -> None:
    """By hand: the cell becomes the mean of the other cells, and the two probabilities are asked for again."""
    pooling = "flatten" if head == "conv" else "avgmax"
    model = featx.fit_head(home / "cache", head, out=tmp_path / "m.featx", pooling=pooling, **settings).model
    loaded = featx.load_model(model)
    (one,) = featx.explain_images(model, home / "photos/red/1.png", label="red", against="blue")
    assert (one.method, one.quantity, one.bias) == ("occlusion", "log-probability", None)
    assert one.cells is not None
    (maps,) = stub_maps(home, ["red/1.png"])

    def margin(changed: NDArray[np.float64]) -> float:
        pooled = np.concatenate([changed.mean(axis=(0, 1)), changed.max(axis=(0, 1))])
        row = changed.ravel() if pooling == "flatten" else pooled
        (shares,) = loaded.head.predict_proba(row[None].astype(np.float32))
        return float(np.log(shares[2]) - np.log(shares[0]))

    by_hand = np.empty((2, 3))
    for row, column in np.ndindex(2, 3):
        changed = maps.copy()
        changed[row, column] = (maps.sum(axis=(0, 1)) - maps[row, column]) / 5
        by_hand[row, column] = margin(maps) - margin(changed)
    assert one.margin == pytest.approx(margin(maps), abs=5e-3)
    np.testing.assert_allclose(one.cells, by_hand, rtol=0, atol=0.01 * max(1.0, np.abs(by_hand).max()))
    assert limits_of(loaded, one.method, one.quantity, one.cells.shape)[0].startswith("By occlusion: ")


def test_knn_is_refused_with_the_reason(home: Path, tmp_path: Path, run: Run) -> None:
    """Before any image is read; the page of its evaluation has no cells."""
    model = featx.fit_head(home / "cache", "knn", out=tmp_path / "knn.featx").model
    with pytest.raises(HeadError, match="knn: cannot be explained: it counts the nearest training images"):
        featx.explain_images(model, home / "photos")
    done = run("explain", model, home / "photos", "--json")
    assert done.exit_code == 1
    loaded = featx.load_model(model)
    assert cells_in_cache(loaded, home / "cache", np.array([0]), np.full((1, 3), 1 / 3)) is None


def test_what_cannot_be_read_is_named_and_everything_else_explained(home: Path, logreg: Path, tmp_path: Path, run: Run) -> None:
    """In the order of the files; where nothing can be read, the exit code is 3."""
    write_image(tmp_path / "new/a.png", COLOURS["red"], seed=1, size=(64, 96))
    (tmp_path / "new/b.jpg").write_text("no image")
    write_image(tmp_path / "new/c.png", COLOURS["blue"], seed=2, size=(64, 96))
    found = as_json(run("explain", logreg, "new", "--json"))
    assert (found["explained"], found["rejected"], found["out"]) == (2, 1, None)
    labels = [(Path(one["path"]).name, one["label"]) for one in found["explanations"]]
    assert labels == [("a.png", "red"), ("b.jpg", ""), ("c.png", "blue")]
    first, bad, _ = found["explanations"]
    assert np.array(first["cells"]).sum() + first["bias"] == pytest.approx(first["margin"], abs=1e-5)
    assert (bad["cells"], bad["margin"], bool(bad["error"])) == (None, None, True)
    none = run("explain", logreg, "new/b.jpg")
    assert none.exit_code == 3
    assert "all 1 images were rejected" in none.stderr
    text = run("explain", logreg, "new")
    assert "a.png: red 0." in text.stdout
    assert "strongest of 2 x 3 cells (row, column): (" in text.stdout
    assert "rejected new/b.jpg: " in text.stdout
    assert "note: Exact: the cells and the bias add up to the margin" in text.stderr


def test_classes_that_the_model_does_not_know_are_wrong_usage(home: Path, logreg: Path, run: Run) -> None:
    """With the one that is meant; and a class is not held against itself."""
    image = home / "photos/red/1.png"
    with pytest.raises(ClassMismatch, match=r"label 'rad': the model has no such class\. Did you mean red\?"):
        featx.explain_images(logreg, image, label="rad")
    for options in (["--against", "pink"], ["--label", "red", "--against", "red"], ["--out", "why.txt"]):
        assert run("explain", logreg, image, *options).exit_code == 2


def test_the_limits_say_how_a_head_was_divided_and_how_fine(home: Path, logreg: Path) -> None:
    """Scalings and maxima that a reader must know of; the pixels that a cell of VGG16 is computed from."""
    model = featx.load_model(logreg)
    made, tells, fine = limits_of(model, "exact", "logit", (2, 3))
    assert "difference between the two classes' logits" in made
    assert "What a maximum adds is its cell's alone." in made
    assert "does not tell whether that evidence is the object itself" in tells
    assert fine == "The map has 2 x 3 cells of 32 x 32 px of the 64 x 96 px that the network saw. A cell has seen nothing else."
    roots = dataclasses.replace(model, head=make_head("svm", scale="sqrt"))
    made = limits_of(roots, "exact", "log-odds", (2, 3))[0]
    assert "log-odds of the two classes' own sigmoids" in made
    assert "The length that the image's features are divided by is taken as given." in made
    assert "What the root of an average adds is divided as the cells divide the average." in made
    network = {"layers": [{"name": f"block{b}_{k}", "type": "Conv2D" if "conv" in k else "MaxPooling2D"} for b, k in VGG16]}
    recipe = dataclasses.replace(model.recipe, backbone="vgg16", image_size=(224, 224))
    for layer, side in (("block5_pool", 212), ("block4_pool", 100), ("block5_conv3", 196)):
        deep = dataclasses.replace(model, recipe=recipe, layer=layer, network=network)
        assert f"more than its own square: {side} x {side} px around it" in limits_of(deep, "exact", "logit", (7, 7))[2]
    unknown = dataclasses.replace(model, recipe=dataclasses.replace(recipe, backbone="resnet50"), network=network)
    assert "that may be the whole image" in limits_of(unknown, "exact", "logit", (7, 7))[2]


VGG16 = [
    (block, kind)
    for block, convolutions in enumerate((2, 2, 3, 3, 3), 1)
    for kind in (*(f"conv{number + 1}" for number in range(convolutions)), "pool")
]


@pytest.mark.parametrize("pooling", ["avg", "avgmax", "flatten"])
def test_cells_from_a_cache_are_those_from_the_files(pooling: str, home: Path, tmp_path: Path) -> None:
    """To the rounding of float16, which can make two cells share a maximum; none of a cache that is gone."""
    logreg = featx.fit_head(home / "cache", "logreg", out=tmp_path / "m.featx", pooling=pooling).model
    evaluation = featx.evaluate_model(logreg, split="all", cache=home / "cache")
    assert evaluation.cache == home / "cache"
    cached = cells_in_cache(evaluation.model, home / "cache", evaluation.rows, evaluation.probabilities)
    assert cached is not None
    found = {one.path: one for one in featx.explain_images(logreg, home / "photos")}
    assert len(cached.cells) == 36
    for place, path in enumerate(evaluation.paths):
        one = found[str(home / "photos" / path)]
        assert one.cells is not None
        assert evaluation.model.class_names[cached.others[place]] == one.other
        rounding = 1e-3 * np.abs(one.cells).sum()
        assert cached.cells[place].sum() == pytest.approx(one.cells.sum(), abs=rounding)
        if pooling != "avgmax":
            np.testing.assert_allclose(cached.cells[place], one.cells, rtol=0, atol=rounding)
    assert cells_in_cache(evaluation.model, home / "gone", evaluation.rows, evaluation.probabilities) is None


def test_of_very_many_images_the_first_alone_are_divided(home: Path, logreg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a page stays small, whatever the size of the maps."""
    monkeypatch.setattr("featx.verbs.explain.cached.MOST_CELLS", 60)
    evaluation = featx.evaluate_model(logreg, split="all", cache=home / "cache")
    cached = cells_in_cache(evaluation.model, home / "cache", evaluation.rows, evaluation.probabilities)
    assert cached is not None
    assert cached.cells.shape == (10, 2, 3)


def explained_maps(logreg: Path, maps: NDArray[np.float32], y: NDArray[np.int64], shown: NDArray[np.float32]) -> Any:
    """Return cells of 3 classes, each against the next, for maps (n, h, w, c), by a head fitted on the averages of others."""
    head = make_head("logreg", C=1.0).fit(maps.mean(axis=(1, 2)), y)
    explainer = Explainer(dataclasses.replace(featx.load_model(logreg), head=head, pooling="avg"))
    labels = np.arange(len(shown)) % 3
    return explainer(shown, shown.mean(axis=(1, 2)), labels, (labels + 1) % 3).cells


def test_a_head_that_has_learned_nothing_gives_other_maps(logreg: Path) -> None:
    """Fitted on the same maps with labels drawn anew; the real head, fitted on other images, gives the same maps again."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1.5, (3, 256))

    def make(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        own = np.random.default_rng(seed)
        y = np.arange(n) % 3
        maps = own.normal(0, 1, (n, 7, 7, 256))
        for image, label in zip(maps, y, strict=True):
            row, column = own.integers(0, 6, 2)
            image[row : row + 2, column : column + 2] += centres[label]
        return np.maximum(maps, 0).astype(np.float32), y

    (maps, y), (again, y_again), (shown, _) = make(150, 1), make(150, 2), make(30, 3)
    real = explained_maps(logreg, maps, y, shown).reshape(30, -1)
    other = explained_maps(logreg, again, y_again, shown).reshape(30, -1)
    random = explained_maps(logreg, maps, rng.permutation(y), shown).reshape(30, -1)
    alike = [np.corrcoef(one, two)[0, 1] for one, two in zip(real, other, strict=True)]
    unlike = [abs(np.corrcoef(one, two)[0, 1]) for one, two in zip(real, random, strict=True)]
    assert min(alike) > 0.8, alike
    assert np.median(unlike) < 0.35, unlike
    assert max(unlike) < min(alike)


@pytest.mark.parametrize("pooling", ["avg", "avgmax"])
def test_a_planted_patch_is_found(pooling: str, tmp_path: Path) -> None:
    """The class is the colour of one small patch; grey patches stand in every image too. Its cells are the strongest."""
    places = {}
    for split, count in (("train", 90), ("val", 30), ("test", 100)):
        for number in range(count):
            rng = np.random.default_rng([len(split), number])
            pixels = np.repeat(rng.integers(60, 190, (224, 224, 1)), 3, axis=2)
            for grey in rng.integers(0, 256, 3):
                y, x = rng.integers(0, 224 - 48, 2)
                pixels[y : y + 48, x : x + 48] = grey
            top, left = rng.integers(0, 224 - 48, 2)
            name, colour = list(COLOURS.items())[number % 3]
            pixels[top : top + 48, left : left + 48] = colour
            path = tmp_path / "planted" / split / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path, compress_level=1)
            places[str(path)] = top, left
    featx.extract_features(tmp_path / "planted", tmp_path / "cache", backbone="stub", image_size=(224, 224))
    model = featx.fit_head(tmp_path / "cache", "logreg", out=tmp_path / "m.featx", pooling=pooling, C=100.0).model
    found = featx.explain_images(model, tmp_path / "planted/test")
    assert np.mean([one.label == Path(one.path).parent.name for one in found]) >= 0.97
    hits = []
    for one in found:
        (row, column, value), *_ = one.strongest(1)
        top, left = places[one.path]
        hits.append(value > 0 and 32 * row + 32 > top > 32 * row - 48 and 32 * column + 32 > left > 32 * column - 48)
    assert len(hits) == 100
    assert np.mean(hits) >= 0.95
