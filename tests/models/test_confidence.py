"""The curve and the scores of a model, in its file."""

import copy
import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
from featx.errors import HeadError, ModelDamaged, ModelError
from featx.heads import Isotonic
from featx.models import Model, SetMaker, load_model, save_model

OLD = Path(__file__).parents[1] / "data" / "before"
CURVE = Isotonic(np.array([0.1, 0.4, 0.9]), np.array([0.0, 0.3, 1.0]))


@pytest.fixture
def path(stub_cache: Path, tmp_path: Path) -> Path:
    """A fitted model."""
    return featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model


def rewritten(path: Path, change: Callable[[dict[str, Any]], None], *, sealed: bool = False) -> Path:
    """Change a model's document, and leave its seal as it is or take it away."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members["model.json"])
    change(document)
    if not sealed:
        document.pop("sealed", None)
    members["model.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_both_survive_the_file_to_the_last_bit(path: Path, tmp_path: Path) -> None:
    """What was fitted and what is loaded give the same probabilities and sets."""
    model = dataclasses.replace(load_model(path), isotonic=CURVE)
    save_model(model, tmp_path / "again.featx")
    again = load_model(tmp_path / "again.featx")
    assert model.conformal is not None
    assert again.conformal is not None
    assert again.isotonic is not None
    np.testing.assert_array_equal(again.conformal.lac, model.conformal.lac)
    np.testing.assert_array_equal(again.conformal.aps, model.conformal.aps)
    np.testing.assert_array_equal(again.isotonic.x, CURVE.x)
    np.testing.assert_array_equal(again.isotonic.y, CURVE.y)
    assert (again.conformal.images, again.conformal.chose) == (6, "")
    assert again.calibration.kind == "isotonic"


def test_the_scores_are_of_the_validation_images(path: Path, stub_cache: Path) -> None:
    """1 minus the probability of the right class, counted apart."""
    cache, model = featx.open_cache(stub_cache), load_model(path)
    rows = cache.catalog.rows("val")
    p = model.predict_proba(cache.features(rows, pooling=model.pooling))
    assert model.conformal is not None
    own = p[np.arange(len(rows)), cache.catalog.labels[rows]]
    np.testing.assert_allclose(model.conformal.lac, np.sort(1 - own), atol=1e-12)


def test_only_a_curve_needs_the_newest_schema(path: Path, tmp_path: Path) -> None:
    """An older featx gives the same without the scores; without the curve it would give other probabilities."""

    def schema_of(model: Model) -> int:
        save_model(model, tmp_path / "s.featx")
        with zipfile.ZipFile(tmp_path / "s.featx") as archive:
            return int(json.loads(archive.read("model.json"))["schema"])

    model = load_model(path)
    assert model.conformal is not None
    assert schema_of(model) == 3  # for what tells strangers
    plain = dataclasses.replace(model, familiarity=None)
    assert schema_of(plain) == 1
    assert schema_of(dataclasses.replace(plain, temperature=2.0)) == 2
    assert schema_of(dataclasses.replace(plain, isotonic=CURVE)) == schema_of(dataclasses.replace(model, isotonic=CURVE)) == 4


def test_an_epoch_that_the_images_chose_is_on_record(stub_cache: Path, tmp_path: Path) -> None:
    """And the notes of the sets name it."""
    path = featx.fit_head(stub_cache, "dense", epochs=2, out=tmp_path / "d.featx").model
    model = load_model(path)
    assert model.conformal is not None
    assert model.conformal.chose == "epoch"
    (note,) = SetMaker.of(model, path, 0.5).notes
    assert "which chose the epoch too" in note
    (note,) = SetMaker.of(model, path, 0.9).notes
    assert "6 validation images are too few for sets at 0.9, which take 9: each set has all classes" in note


def test_models_of_before_predict_and_say_why_they_make_no_sets(tmp_path: Path) -> None:
    """With the way out."""
    path = tmp_path / "old.featx"
    shutil.copy(next(OLD.glob("logreg*.featx")), path)
    model = load_model(path)
    assert (model.conformal, model.isotonic) == (None, None)
    with pytest.raises(ModelError, match=r"old\.featx: has no scores of validation images.*Fit it again.*or leave --sets out"):
        SetMaker.of(model, path, 0.9)


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, float("nan"), "0.9", True, None])
def test_a_level_that_is_none_is_refused(path: Path, level: Any) -> None:
    """By name, whoever asks."""
    with pytest.raises(HeadError, match="must be a number between 0 and 1"):
        SetMaker.of(load_model(path), path, level)


SPOILT = {
    "lac": [
        [],
        [0.5],
        ["x"] * 6,
        [-0.1] * 6,
        [1.1] * 6,
        [0.5, 0.4, 0.6, 0.7, 0.8, 0.9],
        [float("nan")] * 6,
        None,
        3,
        [0.1] * 7,
    ],
    "images": [0, 5, 7, -1, "6", None, 10**400],
    "chose": ["temperature", None, 1, ["epoch"]],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in SPOILT.items() for value in values])
def test_scores_that_no_fit_gives_are_refused(path: Path, field: str, value: Any) -> None:
    """Also where no seal is broken."""
    with pytest.raises(ModelDamaged):
        load_model(rewritten(path, lambda document: document["conformal"].update({field: value})))


@pytest.mark.parametrize(
    "curve",
    [
        {"x": [], "y": []},
        {"x": [0.1], "y": [0.1, 0.2]},
        {"x": [0.4, 0.1], "y": [0.1, 0.2]},
        {"x": [0.1, 0.1], "y": [0.1, 0.2]},
        {"x": [0.1, 0.4], "y": [0.3, 0.2]},
        {"x": [0.1, 1.4], "y": [0.1, 0.2]},
        {"x": [0.1, 0.4]},
        {"x": [0.1, float("nan")], "y": [0.1, 0.2]},
        None,
        [],
    ],
)
def test_a_curve_that_no_fit_gives_is_refused(path: Path, curve: Any) -> None:
    """One that falls would change the answers."""
    save_model(dataclasses.replace(load_model(path), isotonic=CURVE), path)
    sound = copy.copy(path)
    with pytest.raises(ModelDamaged):
        load_model(rewritten(sound, lambda document: document.update(isotonic=curve)))


def test_an_edited_score_or_curve_breaks_the_seal(path: Path) -> None:
    """Whatever else is sound; and a curve that is gone is missed."""
    save_model(dataclasses.replace(load_model(path), isotonic=CURVE), path)
    held = path.read_bytes()
    for change in (
        lambda document: document["conformal"].update(lac=[0.5] * 6),
        lambda document: document["isotonic"].update(y=[0.0, 0.2, 1.0]),
        lambda document: document.pop("conformal"),
    ):
        path.write_bytes(held)
        with pytest.raises(ModelDamaged, match="not what was written"):
            load_model(rewritten(path, change, sealed=True))
    path.write_bytes(held)
    with pytest.raises(ModelDamaged, match=r"isotonic.*missing"):
        load_model(rewritten(path, lambda document: document.pop("isotonic")))
