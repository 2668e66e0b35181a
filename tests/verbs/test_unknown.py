"""Images of none of the classes: predict, evaluate, compare, fine-tune and export, from the command line on."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import HeadError, ModelError, RecipeError
from featx.models import load_model, save_model
from featx.verbs.export.facts import facts_of
from featx.verbs.export.table import FORMATS
from tests.conftest import Run, as_json, write_image


@pytest.fixture
def fitted(stub_cache: Path, tmp_path: Path) -> Path:
    """A model of ``photos``, whose 24 training images make its scale."""
    return featx.fit_head(stub_cache, "logreg", out=tmp_path / "sound.featx").model


@pytest.fixture
def old(fitted: Path, tmp_path: Path) -> Path:
    """The same as an earlier version would have written it."""
    save_model(dataclasses.replace(load_model(fitted), familiarity=None), tmp_path / "old.featx")
    return tmp_path / "old.featx"


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """Pictures of a colour that no class has, and a file that is none."""
    for number in range(6):
        write_image(tmp_path / "strangers" / f"{number}.png", (250, 250, 250), seed=900 + number)
    (tmp_path / "strangers" / "broken.png").write_text("no image")
    return tmp_path / "strangers"


def rows_of(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def test_strange_images_are_called_unknown_and_genuine_ones_are_not(
    run: Run, fitted: Path, photos: Path, strangers: Path
) -> None:
    """The column has a share for each image that was read, small for a strange one; the confidence stays the class's."""
    found = rows_of(run("predict", fitted, strangers, photos, "--unknown", "0.05").stdout)
    for row in found:
        is_stranger = "strangers" in row["path"]
        if "broken" in row["path"]:
            assert (row["unfamiliar"], row["label"]) == ("", "")
            continue
        assert 0 < float(row["unfamiliar"]) <= 1
        assert (row["label"] == "unknown") == (float(row["unfamiliar"]) <= 0.05), row
        if is_stranger:
            assert row["unfamiliar"] == f"{1 / 25:.6f}", row
            assert float(row["confidence"]) > 0.3
    named = [row["label"] for row in found if "photos" in row["path"]]
    assert named.count("unknown") <= 5
    plain = rows_of(run("predict", fitted, strangers, photos).stdout)
    assert "unknown" not in {row["label"] for row in plain}
    assert [row["unfamiliar"] for row in plain] == [row["unfamiliar"] for row in found]


def test_a_new_image_is_as_strange_as_its_cached_twin(fitted: Path, stub_cache: Path, photos: Path) -> None:
    """The way of a file through the backbone gives what the cache gives."""
    model, store = load_model(fitted), featx.open_cache(stub_cache)
    assert model.familiarity is not None
    rows = store.catalog.rows()
    averages, X = store.features(rows, pooling="avg"), store.features(rows, pooling=model.pooling)
    expected = model.familiarity.shares(model.familiarity.strangeness(averages, model.predict_proba(X)))
    predictions = featx.predict_images(fitted, [photos / store.catalog.paths[row] for row in rows])
    assert [prediction.unfamiliar for prediction in predictions] == expected.tolist()
    assert len(set(expected.tolist())) > 5


def test_an_old_model_predicts_and_says_that_it_knows_no_strangers(run: Run, old: Path, fitted: Path, strangers: Path) -> None:
    """The column is empty, with one note on stderr and in JSON; --unknown and --unknown-images are refused with advice."""
    done = run("predict", old, strangers)
    assert {row["unfamiliar"] for row in rows_of(done.stdout)} == {""}
    assert done.stderr.count("knows no strangers") == 1
    notes = as_json(run("predict", old, strangers, "--json"))["notes"]
    assert len(notes) == 1
    assert as_json(run("predict", fitted, strangers, "--json"))["notes"] == []
    for arguments in (("predict", old, strangers, "--unknown", "0.1"), ("evaluate", old, "--unknown-images", strangers)):
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert "fitted by an earlier featx" in refused.stderr
        assert "Fit it again" in refused.stderr
    assert featx.evaluate_model(old).unfamiliar is None


@pytest.mark.parametrize("share", [0, 1, -0.1, 2, float("nan"), "0.1", True])
def test_a_share_must_be_between_0_and_1(fitted: Path, strangers: Path, share: object) -> None:
    """A number, and neither end."""
    with pytest.raises(RecipeError, match="unknown must be a number above 0 and below 1"):
        featx.predict_images(fitted, [strangers], unknown=share)  # type: ignore[arg-type]


def test_a_share_that_the_scale_is_too_short_for_is_refused(fitted: Path, strangers: Path) -> None:
    """24 images cannot tell one in a hundred: it would never answer unknown."""
    with pytest.raises(ModelError, match=r"24 images made its scale, too few .* 0\.01 .*Give --unknown 0\.04 or more"):
        featx.predict_images(fitted, [strangers], unknown=0.01)
    assert featx.predict_images(fitted, [strangers], unknown=0.04)[1].label == "unknown"


def test_a_class_called_unknown_is_not_confused_with_strangers(fitted: Path, tmp_path: Path, strangers: Path) -> None:
    """Its model predicts as ever; --unknown is refused."""
    save_model(dataclasses.replace(load_model(fitted), class_names=("blue", "green", "unknown")), tmp_path / "own.featx")
    assert featx.predict_images(tmp_path / "own.featx", [strangers])[1].unfamiliar == 1 / 25
    with pytest.raises(ModelError, match="has a class 'unknown' of its own"):
        featx.predict_images(tmp_path / "own.featx", [strangers], unknown=0.1)


def test_evaluate_tells_how_well_strangers_are_told(run: Run, fitted: Path, strangers: Path, tmp_path: Path) -> None:
    """As text, JSON, in metrics.json and on the page, which shows the strangest test images whatever was asked for."""
    done = run("evaluate", fitted, "--unknown-images", strangers, "--out", "r")
    assert "unknown images of strangers: 6 images (1 image rejected)" in done.stdout
    assert "AUROC 1.000" in done.stdout
    assert "1.000 (0.610 to 1.000) of them called unknown" in done.stdout
    found = as_json(run("evaluate", fitted, "--unknown-images", strangers, "--out", "r", "--json"))["strangers"]
    assert (found["images"], found["rejected"]) == (6, 1)
    assert found["separation"]["caught"] == 1.0
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["strangers"]["separation"] == found["separation"]
    page = (tmp_path / "r" / "report.html").read_text()
    assert 'id="strangest"' in page
    assert "AUROC of 6 unknown images" in page
    without = as_json(run("evaluate", fitted, "--out", "s", "--json"))
    assert without["strangers"] is None
    assert 'id="strangest"' in (tmp_path / "s" / "report.html").read_text()


def test_the_page_of_an_old_model_has_no_strangest_images(old: Path, tmp_path: Path) -> None:
    """And is written all the same."""
    featx.write_report(featx.evaluate_model(old), tmp_path / "r")
    assert "strangest" not in (tmp_path / "r" / "report.html").read_text()


def test_views_do_not_change_how_strange_an_image_is(photos: Path, extract: object, tmp_path: Path) -> None:
    """With --tta too it is the clean image's: the scale is of clean images."""
    cache = extract(photos, views=3).cache  # type: ignore[operator]
    model = featx.fit_head(cache, "logreg", out=tmp_path / "views.featx").model
    plain, averaged = (featx.predict_images(model, [photos], tta=tta) for tta in (False, True))
    assert [one.unfamiliar for one in plain] == [one.unfamiliar for one in averaged]
    assert [one.confidence for one in plain] != [one.confidence for one in averaged]


@pytest.mark.parametrize("head", ["ridge", "knn"])
def test_compare_withholds_classes(run: Run, stub_cache: Path, head: str) -> None:
    """Each draw's images of the withheld colour are strange; the table is printed and in JSON; without, it is empty."""
    document = as_json(run("compare", stub_cache, "--heads", head, "--folds", "3", "--withhold", "0.3", "--json"))
    (found,) = document["withheld"]
    assert found["head"] == head
    assert found["auroc"] > 0.9
    assert found["low"] <= found["auroc"] <= found["high"]
    assert 0 <= found["false_alarms"] <= found["caught"] <= 1
    again = as_json(run("compare", stub_cache, "--heads", head, "--folds", "3", "--withhold", "0.3", "--json"))
    assert again["withheld"] == document["withheld"]
    assert "images of withheld classes" in run("compare", stub_cache, "--heads", head, "--withhold", "0.3").stdout
    assert as_json(run("compare", stub_cache, "--heads", head, "--json"))["withheld"] == []


def test_withholding_needs_three_classes_and_a_share(photos: Path, extract: object, tmp_path: Path) -> None:
    """Refused with the reason."""
    for image in (photos / "red").iterdir():
        image.unlink()
    (photos / "red").rmdir()
    cache = extract(photos).cache  # type: ignore[operator]
    with pytest.raises(HeadError, match="has 2 classes, and withholding one leaves fewer than two"):
        featx.compare_heads(cache, "ridge", withhold=0.5)
    with pytest.raises(HeadError, match="withhold must be a share"):
        featx.compare_heads(cache, "ridge", withhold=1.0)


def test_equal_files_count_once(photos: Path, extract: object, tmp_path: Path) -> None:
    """Each of twelve copies would make the scale narrow; validation images that were learned from make none of it."""
    for number in range(12):
        (photos / "red" / f"copy {number}.png").write_bytes((photos / "red" / "0.png").read_bytes())
    cache = extract(photos, val_fraction=0.5).cache  # type: ignore[operator]
    familiarity = load_model(featx.fit_head(cache, "ridge", out=tmp_path / "m.featx").model).familiarity
    assert familiarity is not None
    assert len(np.unique(familiarity.scale)) == len(familiarity.scale)


@pytest.mark.parametrize("name", FORMATS)
def test_each_export_says_that_it_does_not_tell_strangers(fitted: Path, name: str) -> None:
    """In the file of facts beside it."""
    assert any("unfamiliar" in note for note in facts_of(load_model(fitted), FORMATS[name])["notes"])


def test_a_picture_of_one_colour_is_classified_with_a_share(fitted: Path, tmp_path: Path) -> None:
    """Zeros have no length."""
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    (prediction,) = featx.predict_images(fitted, [tmp_path / "black.png"])
    assert prediction.unfamiliar is not None
    assert 0 < prediction.unfamiliar <= 1
