"""Near duplicates across splits: named by extract, left out of evaluate's second accuracy, kept beside the catalog."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import featx
from featx.models import leaks
from featx.report import evaluation_text, extract_text, merge_text
from featx.store import kept_alike
from tests.conftest import Run, as_json
from tests.store.test_pictures import make_old
from tests.verbs.audit.test_audit import blobs, images, nearly, save

Extract = Callable[..., featx.ExtractResult]
NEAR = ["test/blue/resized.png", "test/green/brighter.jpg", "test/red/nearly.jpg", "test/red/recompressed.jpg"]

__all__ = ["images"]  # the fixture: 3 classes of 20 training and 6 test images, all different


def plant(images: Path) -> None:
    """Put near duplicates of four training images into test/: resized, brighter, cut and darker, and recompressed."""
    train, test = images / "train", images / "test"

    def picture(name: str) -> Image.Image:
        return Image.open(train / name)

    save(picture("blue/3.png").resize((150, 125), Image.Resampling.BICUBIC), test / "blue" / "resized.png")
    save(ImageEnhance.Brightness(picture("green/4.png")).enhance(1.1), test / "green" / "brighter.jpg", quality=92)
    save(nearly(picture("red/5.png")), test / "red" / "nearly.jpg", quality=85)
    save(picture("red/6.png"), test / "red" / "recompressed.jpg", quality=60)


def test_a_clean_set_has_none(images: Path, extract: Extract) -> None:
    """No image is named, and nothing is printed; within a split copies are no leak."""
    save(nearly(Image.open(images / "train" / "red" / "5.png")), images / "train" / "red" / "copy.jpg")
    result = extract(images, val_fraction=0.0)
    assert result.near_duplicates_across_splits == []
    assert "near duplicate" not in extract_text(result)
    evaluation = featx.evaluate_model(featx.fit_head(result.cache, "logreg", out=images.parent / "m.featx").model)
    assert evaluation.counts["near_duplicates"] == 0
    assert evaluation.accuracy_without_near_duplicates == evaluation.accuracy
    assert not any("near duplicate" in note for note in evaluation.notes)


def test_extract_names_near_duplicates_in_an_earlier_split(images: Path, extract: Extract) -> None:
    """Resized, recompressed, brighter, cut: of training images in test/. Exact ones stay where they were."""
    plant(images)
    shutil.copy(images / "train" / "green" / "7.png", images / "test" / "green" / "exact.png")
    result = extract(images, val_fraction=0.0)
    assert result.near_duplicates_across_splits == NEAR
    assert result.across_splits == ["test/green/exact.png"]
    assert [line for line in extract_text(result).splitlines() if "near duplicate" in line] == [
        "  note: 4 val or test images are near duplicates of an image in an earlier split, which flatters the accuracy there: "
        f"{', '.join(NEAR)}. See featx audit"
    ]


def test_a_near_duplicate_of_a_validation_image_counts_for_test_only(images: Path, extract: Extract) -> None:
    """Of a pair in val and test the test image is named; of a pair in train and val the validation image."""
    (images / "val" / "red").mkdir(parents=True)
    (images / "train" / "red" / "5.png").rename(images / "val" / "red" / "5.png")
    save(nearly(Image.open(images / "val" / "red" / "5.png")), images / "test" / "red" / "of_val.jpg")
    save(nearly(Image.open(images / "train" / "red" / "6.png")), images / "val" / "red" / "of_train.jpg")
    assert extract(images).near_duplicates_across_splits == ["val/red/of_train.jpg", "test/red/of_val.jpg"]


def test_the_accuracy_without_them_is_that_of_the_other_images(images: Path, extract: Extract) -> None:
    """By hand, from the probabilities: the four near duplicates, and the exact one, are left out; the note says so."""
    plant(images)
    shutil.copy(images / "train" / "green" / "7.png", images / "test" / "green" / "exact.png")
    for number in range(20, 23):  # wrong labels, so that the accuracies differ
        (images / "test" / "red" / f"{number}.png").rename(images / "test" / "blue" / f"wrong{number}.png")
    model = featx.fit_head(extract(images, val_fraction=0.0).cache, "logreg", out=images.parent / "m.featx").model
    evaluation = featx.evaluate_model(model)
    left = [path for path in evaluation.paths if path not in (*NEAR, "test/green/exact.png")]
    names = evaluation.model.class_names
    answer = dict(zip(evaluation.paths, evaluation.probabilities.argmax(axis=1), strict=True))
    right = [names[answer[path]] == path.split("/")[1] for path in left]
    assert (len(evaluation.paths), len(left)) == (23, 18)
    assert evaluation.accuracy_without_near_duplicates == sum(right) / 18 < evaluation.accuracy
    assert evaluation.counts == {"duplicates": 0, "seen_in_training": 1, "near_duplicates": 4}
    note = (
        "near duplicates of training images: 4 of 23; accuracy without them and the images seen in training "
        f"{sum(right) / 18:.3f}, n = 18"
    )
    assert note in evaluation.notes
    assert note in evaluation_text(evaluation)


def test_where_every_image_is_a_copy_nothing_is_left(images: Path, extract: Extract) -> None:
    """The accuracy without them is None, not a division by nothing."""
    shutil.rmtree(images / "test")
    for name in ("blue", "green", "red"):
        save(nearly(Image.open(images / "train" / name / "3.png")), images / "test" / name / "copy.png")
    model = featx.fit_head(extract(images, val_fraction=0.0).cache, "logreg", out=images.parent / "m.featx").model
    evaluation = featx.evaluate_model(model)
    assert evaluation.accuracy_without_near_duplicates is None
    assert "near duplicates of training images: 3 of 3; no image is left without them" in evaluation.notes


def test_page_metrics_and_json_have_both_figures(images: Path, run: Run) -> None:
    """What is printed with ``--json``, written to metrics.json and shown on the page is one figure."""
    plant(images)
    options = ("--backbone", "stub", "--image-size", "64", "--val-fraction", "0")
    assert as_json(run("extract", images, *options, "--json"))["near_duplicates_across_splits"] == NEAR
    as_json(run("fit", "--head", "logreg", "--json"))
    result = as_json(run("evaluate", "--json"))
    without = result["accuracy_without_near_duplicates"]
    assert result["counts"]["near_duplicates"] == 4
    metrics = json.loads((Path(result["report"]) / "metrics.json").read_text("utf-8"))
    assert (metrics["accuracy_without_near_duplicates"], metrics["counts"]["near_duplicates"]) == (without, 4)
    page = Path(result["page"]).read_text("utf-8")
    for text in (
        "Accuracy without near duplicates",
        f"{without:.3f}",
        "n\u00a0=\u00a018",
        "near duplicates of training images",
    ):
        assert text in page


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each search for copies was among, while the test runs."""
    counted: list[int] = []
    search = leaks.find_copies

    def count(store: featx.FeatureCache, rows: Any, *others: Any) -> Any:
        counted.append(len(rows))
        return search(store, rows, *others)

    monkeypatch.setattr(leaks, "find_copies", count)
    return counted


def test_what_was_found_is_kept(images: Path, extract: Extract, searches: list[int]) -> None:
    """A second extract and an evaluation search no more; other labels and splits neither; another image does."""
    plant(images)
    first = extract(images, val_fraction=0.0)
    again = extract(images, val_fraction=0.0)
    featx.evaluate_model(featx.fit_head(first.cache, "logreg", out=images.parent / "m.featx").model)
    (images / "test" / "red" / "nearly.jpg").rename(images / "test" / "blue" / "relabelled.jpg")
    relabelled = extract(images, val_fraction=0.0)
    assert (again.near_duplicates_across_splits, searches) == (NEAR, [82])
    assert relabelled.near_duplicates_across_splits == sorted({*NEAR, "test/blue/relabelled.jpg"} - {"test/red/nearly.jpg"})
    save(blobs(777), images / "test" / "red" / "another.png")
    extract(images, val_fraction=0.0)
    assert searches == [82, 83]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"of": OF}', '{"of": OF, "groups": 3}', '{"of": OF, "groups": [["a"]]}', '{"of": OF, "groups": [[]]}',
        '{"of": OF, "groups": [[0, 999]]}', '{"of": OF, "groups": [[0, -1]]}', '{"of": OF, "groups": [[1e400, 0]]}',
        '{"of": OF, "groups": {"a": 1}}', '{"of": OF, "groups": [[[0, 1], [2, 3]]]}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_replaced(text: str, images: Path, extract: Extract, searches: list[int]) -> None:
    """Whatever stands in it: it is found again, and nothing else is said."""
    plant(images)
    kept = extract(images, val_fraction=0.0).cache / "near_duplicates.json"
    before = kept.read_text("utf-8")
    kept.write_text(text.replace("OF", json.dumps(json.loads(before)["of"])), "utf-8")
    assert extract(images, val_fraction=0.0).near_duplicates_across_splits == NEAR
    assert (kept.read_text("utf-8"), searches) == (before, [82, 82])


def test_of_what_was_kept_for_other_settings_nothing_is_taken(tmp_path: Path) -> None:
    """Neither of another recipe, nor of other contents."""
    contents = np.arange(96, dtype=np.uint8).reshape(3, 32)
    leaks.keep_alike(tmp_path, "one", contents, np.array([0, 1, 0]))
    groups = kept_alike(tmp_path, "one", contents)
    assert groups is not None
    assert groups.tolist() == [0, 1, 0]
    assert kept_alike(tmp_path, "two", contents) is None
    assert kept_alike(tmp_path, "one", contents[:2]) is None


def test_among_too_many_images_an_audit_is_named(
    images: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch, searches: list[int]
) -> None:
    """Nothing is searched, the result is None in both verbs, and extract says where to look."""
    plant(images)
    monkeypatch.setattr(leaks, "MOST_COMPARED", 81)
    monkeypatch.setattr("featx.report.text.extract.MOST_COMPARED", 81)
    result = extract(images, val_fraction=0.0)
    assert (result.near_duplicates_across_splits, searches) == (None, [])
    assert "near duplicates across splits are looked for among up to 81 images; featx audit finds them" in extract_text(result)
    evaluation = featx.evaluate_model(featx.fit_head(result.cache, "logreg", out=images.parent / "m.featx").model)
    assert evaluation.accuracy_without_near_duplicates is None
    assert "near_duplicates" not in evaluation.counts


def test_a_cache_of_an_older_featx_does_without(images: Path, extract: Extract) -> None:
    """Nothing was measured: nothing is decoded for it, and nothing is claimed."""
    plant(images)
    cache = extract(images, val_fraction=0.0).cache
    (cache / "near_duplicates.json").unlink()
    make_old(cache)
    assert extract(images, val_fraction=0.0).near_duplicates_across_splits is None
    evaluation = featx.evaluate_model(featx.fit_head(cache, "logreg", out=images.parent / "m.featx").model)
    assert evaluation.accuracy_without_near_duplicates is None


def test_a_part_says_nothing_and_the_whole_does(images: Path, extract: Extract) -> None:
    """The splits of a part are a guess."""
    plant(images)
    for part in ("1/2", "2/2"):
        assert extract(images, val_fraction=0.0, shard=part).near_duplicates_across_splits is None
    assert extract(images, val_fraction=0.0).near_duplicates_across_splits == NEAR


def test_a_cache_that_was_merged_from_parts_says_the_same(images: Path, extract: Extract, tmp_path: Path) -> None:
    """Merge names them as the extract of all images does, keeps them, and evaluate leaves them out of its second accuracy."""
    plant(images)
    parts = [extract(images, tmp_path / part[0], val_fraction=0.0, shard=part).cache for part in ("1/2", "2/2")]
    merged = featx.merge_caches(parts, tmp_path / "merged")
    assert merged.near_duplicates_across_splits == NEAR
    assert "4 val or test images are near duplicates of an image in an earlier split" in merge_text(merged)
    catalog = featx.open_cache(merged.cache).catalog
    contents = np.unique(catalog.digests[catalog.rows()], axis=0)
    assert kept_alike(merged.cache, catalog.fingerprint, contents) is not None
    evaluation = featx.evaluate_model(featx.fit_head(merged.cache, "logreg", out=tmp_path / "m.featx").model)
    assert evaluation.counts["near_duplicates"] == 4


def test_a_warm_extract_loads_nothing_heavy(images: Path, extract: Extract) -> None:
    """Neither TensorFlow nor SciPy, with near duplicates in the cache."""
    plant(images)
    cache = extract(images, val_fraction=0.0).cache
    code = (
        "import sys, featx\n"
        "result = featx.extract_features(sys.argv[1], sys.argv[2], backbone='stub', image_size=(64, 64), val_fraction=0.0)\n"
        "assert len(result.near_duplicates_across_splits) == 4 and not result.extracted\n"
        "print(sorted({'tensorflow', 'keras', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(images), str(cache)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
