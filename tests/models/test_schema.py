"""Documents that somebody has edited by hand: each field in each way gives the sound model or one error that names it."""

import contextlib
import copy
import dataclasses
import json
import lzma
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import featx
from featx.errors import CacheError, FeatxError, ModelDamaged
from featx.heads import HEADS
from featx.models import load_model
from featx.report.text.inspect import model_text
from featx.system.digests import json_digest
from featx.verbs.inspect import ModelSummary, inspect_path

OLD = Path(__file__).parents[1] / "data" / "before"
Place = tuple[Any, ...]

REMOVED = object()
HUGE = 10**400


def places_in(document: Any, *above: Any) -> Iterator[Place]:
    """Yield the way to every value of a document, objects and lists with what is in them."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places_in(value, *above, key)


def values_instead_of(value: Any) -> list[Any]:
    """Return what somebody, or a careless tool, could put in a value's place."""
    found: list[Any] = [REMOVED, None, -1, HUGE, 0.5, math.nan, math.inf, not value]
    found += ["", "x", "9" * 400, "é\ud800", str(value), [], [None], [value], {}, {"a": 1}]
    return [one for one in found if one != value or type(one) is not type(value)]


def names_at(document: Any, place: Place) -> list[str]:
    """Return the keys on the way to a value, and those in it."""
    for key in place:
        document = document[key]
    return [str(key) for key in (*place, *(document if isinstance(document, dict) else ())) if isinstance(key, str)]


def edited(document: Any, place: Place, value: Any) -> Any:
    """Return a copy of a document with one value replaced or removed."""
    result = copy.deepcopy(document)
    inner = result
    for key in place[:-1]:
        inner = inner[key]
    if value is REMOVED:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return result


def edits_of(document: Any) -> Iterator[tuple[Place, Any, Any]]:
    """Yield (place, new value, edited document) for every value of a document and every way to edit it."""
    for place in places_in(document):
        value = document
        for key in place:
            value = value[key]
        for one in values_instead_of(value):
            yield place, one, edited(document, place, one)


class Edited:
    """A model file whose document can be replaced."""

    def __init__(self, source: Path, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(source) as archive:
            self._members = {name: archive.read(name) for name in archive.namelist()}
        self.document = json.loads(self._members["model.json"])

    def write(self, document: Any, *, sealed: bool = False) -> None:
        """Write the file with another document, and with digests that fit it, as somebody could make up."""
        if sealed and isinstance(document, dict):
            document = document | {"sealed": {k: json_digest(v) for k, v in document.items() if k != "sealed"}}
        with zipfile.ZipFile(self.path, "w") as archive:
            for name, data in (self._members | {"model.json": json.dumps(document).encode()}).items():
                archive.writestr(name, data)


@pytest.fixture
def features(stub_cache: Path) -> Callable[[Any], np.ndarray]:
    """The features of all images as a model takes them."""
    store = featx.open_cache(stub_cache)
    return lambda model: store.features(store.catalog.rows(), layer=model.layer, pooling=model.pooling)


# Two in every run; the edits of the others take as long again each.
@pytest.mark.parametrize(
    "head", [name if name in ("logreg", "ridge") else pytest.param(name, marks=pytest.mark.slow) for name in HEADS]
)
def test_each_edit_of_a_model_gives_the_sound_model_or_one_error_that_names_it(
    head: str, stub_cache: Path, tmp_path: Path, features: Callable[[Any], np.ndarray]
) -> None:
    """Some 2,000 of each head: never a traceback, and what opens is the sound model."""
    settings = {"epochs": 2} if not HEADS[head].classical else {"scale": "l2"}
    fitted = featx.fit_head(stub_cache, head, out=tmp_path / "sound.featx", calibrate=True, **settings).model
    sound = load_model(fitted)
    wanted, found = sound.predict_proba(features(sound)).tobytes(), inspect_path(fitted)
    assert isinstance(found, ModelSummary)
    file = Edited(fitted, tmp_path / "edited.featx")
    refused = 0
    for place, value, document in edits_of(file.document):
        file.write(document)
        told = f"{place} = {value!r:.50}"
        try:
            model = load_model(file.path)
        except ModelDamaged as error:
            text = str(error)
            assert "edited.featx" in text, told
            assert any(name in text for name in names_at(file.document, place)), f"{told}: {text}"
            refused += 1
            continue
        # The same in another way, such as 1.0 for 1.
        assert model.predict_proba(features(model)).tobytes() == wanted, told
        summary = inspect_path(file.path)
        assert isinstance(summary, ModelSummary)
        assert model_text(dataclasses.replace(summary, path=found.path)) == model_text(found), told
    assert refused > 500


@pytest.mark.slow
@pytest.mark.parametrize("head", ["dense", "logreg"])
def test_each_edit_of_a_model_with_digests_that_fit_opens_or_gives_one_error_that_names_it(
    head: str, stub_cache: Path, tmp_path: Path, features: Callable[[Any], np.ndarray]
) -> None:
    """It may be another model then, but never a traceback; what opens can be shown and measured."""
    settings = {"epochs": 2} if not HEADS[head].classical else {"scale": "l2"}
    fitted = featx.fit_head(stub_cache, head, out=tmp_path / "sound.featx", calibrate=True, **settings).model
    file = Edited(fitted, tmp_path / "edited.featx")
    opened = 0
    for place, value, document in edits_of(file.document):
        file.write(document, sealed=True)
        told = f"{place} = {value!r:.50}"
        try:
            model = load_model(file.path)
        except ModelDamaged as error:
            text = str(error)
            assert "edited.featx" in text, told
            assert any(name in text for name in names_at(file.document, place)), f"{told}: {text}"
            continue
        with contextlib.suppress(FeatxError):  # another layer, say, which the cache has not
            assert np.isfinite(model.predict_proba(features(model))).all(), told
        summary = inspect_path(file.path)
        assert isinstance(summary, ModelSummary)
        assert model_text(summary), told
        assert model.best_epoch >= 0, told
        opened += 1
    assert opened > 50  # of what only tells where and when the model was made


def test_what_opens_can_be_measured_and_shown(stub_cache: Path, tmp_path: Path) -> None:
    """A figure that is gone is left out of a report, or the model is refused; no traceback comes of it."""
    fitted = featx.fit_head(stub_cache, "dense", out=tmp_path / "sound.featx", epochs=2).model
    file = Edited(fitted, tmp_path / "edited.featx")
    shown = 0
    for place, value, document in edits_of(file.document):
        if value is REMOVED and place in (
            ("metrics", "train_images"),
            ("metrics", "notes"),
            ("history", "loss"),
            ("source", "images"),
        ):
            file.write(document, sealed=True)
            with contextlib.suppress(ModelDamaged):
                load_model(file.path)
                measured = featx.evaluate_model(file.path, cache=stub_cache, split="test")
                featx.write_report(measured, tmp_path / "report")
                shown += 1
    assert shown == 4


def test_each_edit_of_a_model_of_the_version_before_opens_or_gives_one_error(tmp_path: Path) -> None:
    """It has no digests of its fields: what opens may be another model, but whatever is no model is refused by name."""
    store = featx.open_cache(OLD / "cache")
    file = Edited(OLD / "dense.featx", tmp_path / "edited.featx")
    for place, value, document in edits_of(file.document):
        file.write(document)
        try:
            model = load_model(file.path)
            X = store.features(store.catalog.rows(), layer=model.layer, pooling=model.pooling)
            assert np.isfinite(model.predict_proba(X)).all()
            inspect_path(file.path)
        except FeatxError as error:
            text = str(error)
            assert "edited.featx" in text or place == ("pooling",), f"{place} = {value!r:.50}: {text}"


def test_each_edit_of_a_recipe_gives_the_sound_cache_or_one_error_that_names_it(stub_cache: Path) -> None:
    """Never other features, never a traceback; with the settings and their fingerprint nothing can be changed alone."""
    store = featx.open_cache(stub_cache)
    wanted = store.features(store.catalog.rows()).tobytes()
    path = stub_cache / "recipe.json"
    sound = json.loads(path.read_text())
    refused = 0
    for place, value, document in edits_of(sound):
        path.write_text(json.dumps(document))
        told = f"{place} = {value!r:.50}"
        try:
            found = featx.open_cache(stub_cache)
            assert found.features(found.catalog.rows()).tobytes() == wanted, told
        except CacheError as error:
            text = str(error)
            assert "recipe.json" in text, told
            assert any(name in text for name in (*names_at(sound, place), "fingerprint")), f"{told}: {text}"
            refused += 1
    assert refused > 200


def test_a_cache_of_the_version_before_opens_and_is_sound(tmp_path: Path) -> None:
    """Features are those that it gave, to the bit; an extract of the same images finds all of them."""
    shutil.copytree(OLD, tmp_path / "before")
    cache = tmp_path / "before" / "cache"
    store = featx.open_cache(cache)
    rows = store.catalog.rows()
    assert list(store.catalog.paths) == json.loads((OLD / "predicted.json").read_text())["paths"]
    np.testing.assert_array_equal(store.features(rows), np.load(OLD / "features.npy"))
    np.testing.assert_array_equal(store.features(rows, pooling="avg"), np.load(OLD / "averages.npy"))
    assert featx.verify_cache(cache).sound
    again = featx.extract_features(tmp_path / "before" / "photos", cache, backbone="stub", image_size=(64, 64))
    assert (again.extracted, again.reused, again.rejected) == (0, 16, 0)


@pytest.mark.parametrize("head", ["logreg", "dense", "tuned"])
def test_a_model_of_the_version_before_predicts_the_same(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its cache's features and of the images themselves: the probabilities of then. The dense one is calibrated."""
    monkeypatch.chdir(OLD)
    then = json.loads(Path("predicted.json").read_text())[head]
    store, model = featx.open_cache("cache"), featx.load_model(f"{head}.featx")
    X = store.features(store.catalog.rows(), layer=model.layer, pooling=model.pooling)
    np.testing.assert_allclose(model.predict_proba(X), then["from features"], rtol=1e-6)
    found = featx.predict_images(f"{head}.featx", sorted(Path("photos").rglob("*.png")))
    assert {one.path: one.label for one in found} == then["labels"]
    assert {one.path: one.confidence for one in found} == pytest.approx(then["from images"], rel=1e-6)
    assert model.temperature == then.get("temperature", 1.0)
    assert model.tuning == then.get("tuning", [])


def test_a_fine_tuned_model_of_the_version_before_predicts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG16 with zeros, a diagonal and little more in its last convolution, so that the file is small when compressed."""
    monkeypatch.chdir(OLD)
    then = json.loads(Path("predicted.json").read_text())["finetuned"]
    path = tmp_path / "finetuned.featx"
    path.write_bytes(lzma.decompress(Path("finetuned.featx.xz").read_bytes()))
    tail = featx.load_model(path).tail
    assert tail is not None
    assert (tail.start, sorted(tail.arrays)) == ("block5_conv3", ["block5_conv3/bias", "block5_conv3/kernel"])
    found = featx.predict_images(path, sorted(Path("photos").rglob("*.png")))
    assert {one.path: one.label for one in found} == then["labels"]
    assert {one.path: one.confidence for one in found} == pytest.approx(then["from images"], abs=1e-4)


def test_a_packed_file_is_what_the_version_before_made_of_the_cache(tmp_path: Path) -> None:
    """The same arrays of the same types and values under the same names, for whoever reads them."""

    def content(path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with h5py.File(path) as file:
            for place, node in [("/", file), *((name, file[name]) for name in items_of(file))]:
                found |= {f"{place}@{name}": np.array(value) for name, value in node.attrs.items()}
                if isinstance(node, h5py.Dataset):
                    found[place] = node[()]
        return found

    shutil.copytree(OLD / "cache", tmp_path / "cache")
    featx.pack_cache(tmp_path / "cache", tmp_path / "packed.h5")
    then, now = content(OLD / "packed.h5"), content(tmp_path / "packed.h5")
    assert list(now) == list(then)
    assert {"features", "labels", "paths", "class_names", "/@recipe"} < set(then)
    for name, value in then.items():
        assert np.asarray(now[name]).dtype == np.asarray(value).dtype, name
        np.testing.assert_array_equal(now[name], value, err_msg=name)


def items_of(file: h5py.File) -> list[str]:
    """Return the names of everything in a file."""
    names: list[str] = []
    file.visit(names.append)
    return names
