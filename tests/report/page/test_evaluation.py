"""The page of an evaluation: one file that says what the plain files say, whatever the images are called."""

import base64
import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import DecoderError
from featx.system.files import file_digest
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.report.page.pages import Page

Extract = Callable[..., featx.ExtractResult]

NAMES = ("<script>alert(1)<", 'a"onload="alert(2)', "caf\udce9 & <b>", "{{ 7 * 7 }}")
FILES = ("<img src=x onerror=alert(3)>.png", "'\".png", "x\udcff\u202e.png", "]]>.png")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Four classes of 12 images whose folders and files are called what could break a page."""
    root = tmp_path / "hostile"
    for label, name in enumerate(NAMES):
        for number in range(12):
            stem = FILES[number] if number < len(FILES) else f"{number}.png"
            write_image(root / "test" / name / stem, (60 * label, 120, 200 - 60 * label), seed=label * 50 + number)
            write_image(root / "train" / name / stem, (60 * label, 120, 200 - 60 * label), seed=label * 70 + number + 900)
    return root


@pytest.fixture
def noisy_cache(tmp_path: Path, extract: Extract) -> Path:
    """A cache of greys close enough together that some images are mistaken."""
    for label, shift in enumerate((0, 3, 6, 9)):
        for number in range(30):
            level = 100 + shift + int(np.random.default_rng(label * 100 + number).integers(-4, 5))
            write_image(tmp_path / "noisy" / f"c{label}" / f"{number}.png", (level,) * 3, seed=label * 100 + number)
    cache: Path = extract(tmp_path / "noisy", tmp_path / "noisy-cache").cache
    return cache


def page_of(model: Path, folder: Path, **options: Any) -> tuple[Page, featx.Evaluation]:
    """Evaluate, write the report and read its page."""
    evaluation = featx.evaluate_model(model, **options)
    page = featx.write_report(evaluation, folder).page
    assert page is not None
    return Page(page), evaluation


def assert_loads_nothing(page: Page) -> None:
    """No element and no style names anything outside the page, and the policy would not let it from another host.

    A link leads to a file beside the page, or to one that a relative address reaches: nothing is loaded before it is followed.
    """
    for name in ("src", "href", "action", "poster", "srcset", "data", "background", "xlink:href", "formaction"):
        outside = [(tag, a[name]) for tag, a in page.elements if name in a and not a[name].startswith(("data:", "#"))]
        linked = [address for tag, address in outside if tag == "a" and name == "href"]
        assert len(linked) == len(outside)
        assert [address for address in linked if ":" in address or address.startswith(("/", "\\"))] == []
    assert [name for name, _ in page.elements if name in ("iframe", "object", "embed", "base", "form", "frame")] == []
    assert not re.search(r"url\(|@import", "".join(page.styles) + "".join(page.attributes("style")))
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert re.match(r"default-src 'none'; img-src data:( 'self' file:)?; style-src ", policy)
    assert len(re.findall(r"'sha256-[^']+'", policy)) == len(page.scripts)
    assert "unsafe" not in policy.split("script-src")[1]


def test_what_the_page_holds_is_what_the_tables_hold(noisy_cache: Path, tmp_path: Path) -> None:
    """Its data equal predictions.csv row by row, its figures metrics.json, its tables the other files."""
    model = featx.fit_head(noisy_cache, "dense", out=tmp_path / "m.featx", epochs=4).model
    page, evaluation = page_of(model, tmp_path / "r", split="all")
    data = page.data("evaluation")
    with (tmp_path / "r" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == data["paths"]
    assert [row["label"] for row in rows] == [data["classes"][label] for label in data["truth"]]
    assert [row["predicted"] for row in rows] == [data["classes"][label] for label in data["predicted"]]
    assert [float(row["confidence"]) for row in rows] == data["confidence"]
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "top3_accuracy"):
        assert f"{metrics[name]:.3f}" in page.texts, name
    low, high = metrics["intervals"]["accuracy"]
    assert f"{low:.3f} to {high:.3f} with 95 % confidence, n = 120" in page.text.replace("\u00a0", " ")
    assert f"calibration error {metrics['calibration']['ece']:.3f}" in page.text
    with (tmp_path / "r" / "confusion_matrix.csv").open(newline="") as file:
        header, *counts = list(csv.reader(file))
    assert header[1:] == data["classes"]
    np.testing.assert_array_equal(np.array([row[1:] for row in counts], int), evaluation.confusion)
    cells = {(int(a["data-true"]), int(a["data-predicted"])) for _, a in page.elements if "cell" in a.get("class", "").split()}
    assert cells == set(map(tuple, np.argwhere(evaluation.confusion).tolist()))
    with (tmp_path / "r" / "classification_report.csv").open(newline="") as file:
        per_class = list(csv.DictReader(file))
    assert [(row["class"], float(row["recall"])) for row in per_class] == [
        (one.class_name, one.recall) for one in evaluation.per_class
    ]
    assert_loads_nothing(page)


def test_thumbnails_are_of_their_images(noisy_cache: Path, tmp_path: Path) -> None:
    """Each shows the mean grey of its own file; the gallery of mistakes begins with the most confident."""
    model = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx").model
    page, evaluation = page_of(model, tmp_path / "r", split="all")
    data = page.data("evaluation")
    assert sorted(map(int, data["thumbnails"])) == list(range(120))
    for place in range(0, 120, 7):
        with Image.open(io.BytesIO(base64.b64decode(data["thumbnails"][str(place)]))) as small:
            shown = np.asarray(small.convert("RGB")).mean()
        with Image.open(tmp_path / "noisy" / data["paths"][place]) as file:
            assert shown == pytest.approx(np.asarray(file).mean(), abs=1.5)
    wrong = np.flatnonzero(evaluation.probabilities.argmax(axis=1) != evaluation.y)
    worst = wrong[evaluation.probabilities[wrong].max(axis=1).argmax()]
    first = page.texts[page.texts.index("Most confident mistakes") + 2]
    assert first.endswith(evaluation.paths[worst])
    assert f"is {evaluation.model.class_names[evaluation.y[worst]]}" in first


def test_hostile_names_stay_text(hostile: Path, tmp_path: Path, extract: Extract) -> None:
    """Folders and files called like markup: the page's elements are those of a harmless one, its texts the names."""
    model = featx.fit_head(extract(hostile).cache, "logreg", out=tmp_path / "m.featx").model
    page, evaluation = page_of(model, tmp_path / "r")
    assert len(evaluation.y) == 48
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in evaluation.model.class_names]
    assert set(shown) <= set(page.texts)
    assert page.data("evaluation")["classes"] == shown
    assert len(page.scripts) == 3
    assert_loads_nothing(page)
    assert sorted({path.split("/")[-1] for path in page.data("evaluation")["paths"]} & {"]]>.png", "'\".png"}) == [
        "'\".png",
        "]]>.png",
    ]
    assert len(page.data("evaluation")["thumbnails"]) == 48


def test_a_class_that_ends_a_script_stays_text(hostile: Path, tmp_path: Path, extract: Extract) -> None:
    """Such a name comes from a manifest, where a slash may stand in it; reasons of rejections are escaped too."""
    images = sorted((hostile / "train").rglob("[0-9]*.png"))
    for image in images:
        image.rename(tmp_path / "hostile" / f"{os.fsencode(image.parent.name).hex()}-{image.name}")
    shutil.rmtree(hostile / "train")
    shutil.rmtree(hostile / "test")
    names = dict(
        zip(
            sorted({p.name.split("-")[0] for p in hostile.iterdir()}),
            ("</script><script>alert(4)//", "<!--", "\u2028", "x"),
            strict=True,
        )
    )
    with (hostile / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        for number, path in enumerate(sorted(hostile.glob("*.png"))):
            rows.writerow((path.name, names[path.name.split("-")[0]], "train" if number % 2 else "test"))
        rows.writerow(("<i>gone</i>.png", "x", "test"))
    model = featx.fit_head(extract(hostile / "list.csv").cache, "logreg", out=tmp_path / "m.featx").model
    page, evaluation = page_of(model, tmp_path / "r", images=hostile / "list.csv")
    assert page.data("evaluation")["classes"] == list(evaluation.model.class_names)
    assert "</script><script>alert(4)//" in page.texts
    assert len(page.scripts) == 3
    assert "<i>gone</i>.png" in page.texts


def test_a_head_without_epochs_has_no_training_section(stub_cache: Path, tmp_path: Path) -> None:
    """One with epochs has, and says that the validation images chose the epoch."""
    pages = {}
    for head in ("logreg", "dense"):
        model = featx.fit_head(stub_cache, head, out=tmp_path / f"{head}.featx").model
        pages[head], _ = page_of(model, tmp_path / head)
    assert "Training" not in pages["logreg"].texts
    assert "chosen by the validation images" in pages["dense"].text


def test_without_validation_images_the_last_epoch_is_shown(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """The curves have one line, and nothing is said of a choice."""
    cache = extract(photos, val_fraction=0).cache
    model = featx.fit_head(cache, "dense", out=tmp_path / "m.featx", epochs=3).model
    page, _ = page_of(model, tmp_path / "r")
    assert "Epoch 3 of 3 was kept." in page.texts
    assert [a for _, a in page.elements if a.get("class") == "epochs val"] == []


def test_an_absent_class_has_no_figures_and_small_classes_are_warned_of(stub_cache: Path, tmp_path: Path) -> None:
    """A dash in the table, not a zero; both warnings are on the page."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    for name in ("green", "red"):
        write_image(tmp_path / "two" / name / "x.png", COLOURS[name], seed=970)
    page, _ = page_of(model, tmp_path / "r", images=tmp_path / "two")
    assert "No images of 'blue' were measured." in page.texts
    # One of the two images is its class's whole recall, and half of the balanced accuracy and of the accuracy.
    few = "Each of the 2 classes measured has fewer than 30 images (1): one of them moves the recall of its class by 1"
    assert f"{few}, the balanced accuracy by 0.5 and the accuracy by 0.5." in page.texts
    assert "measured on 2 images of 2 of its 3 classes." in page.text
    assert page.attributes("data-value").count("") == 4
    assert "0.342 to 1.000 with 95 % confidence, n\u00a0=\u00a02, none\u00a0wrong" in page.texts  # 2 / (2 + 1.96 ** 2)


def test_one_image_is_a_report(stub_cache: Path, tmp_path: Path) -> None:
    """No map, and no error."""
    model = featx.fit_head(stub_cache, "knn", out=tmp_path / "m.featx").model
    write_image(tmp_path / "one" / "red" / "x.png", COLOURS["green"], seed=1)
    page, evaluation = page_of(model, tmp_path / "r", images=tmp_path / "one")
    assert (len(evaluation.y), evaluation.accuracy) == (1, 0.0)
    assert page.data("evaluation")["map"] is None
    assert "Map of the features" not in page.texts


def test_rejected_and_doubled_images_are_in_short_on_it(stub_cache: Path, tmp_path: Path) -> None:
    """Path and reason of the one, the number of the other; images seen in training are warned of."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    store = featx.FeatureCache.open(stub_cache)
    learned = Path(store.catalog.source) / store.catalog.paths[store.catalog.rows("train")[0]]
    for name in COLOURS:
        write_image(tmp_path / "new" / name / "x.png", COLOURS[name], seed=980)
    shutil.copy(tmp_path / "new" / "red" / "x.png", tmp_path / "new" / "red" / "copy.png")
    shutil.copy(learned, tmp_path / "new" / learned.parent.name / "learned.png")
    (tmp_path / "new" / "red" / "<b>bad.png").write_text("no image")
    page, evaluation = page_of(model, tmp_path / "r", images=tmp_path / "new")
    assert evaluation.counts == {"duplicates": 1, "seen_in_training": 1}
    assert "red/<b>bad.png" in page.texts
    assert "1 image is an exact copy of another" in page.text
    assert "1 of 5 images was in the training set: on it the model only repeats what it saw" in page.text


def test_images_that_are_gone_or_changed_leave_a_report_without_them(photos: Path, stub_cache: Path, tmp_path: Path) -> None:
    """The figures come from the cache; the page says how many images it could not show, and why."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model
    evaluation = featx.evaluate_model(model, split="all")
    (photos / evaluation.paths[0]).unlink()
    digest = file_digest(photos / evaluation.paths[1])
    write_image(photos / evaluation.paths[1], (9, 9, 9), seed=5)
    assert file_digest(photos / evaluation.paths[1]) != digest
    page, _ = page_of(model, tmp_path / "r", split="all")
    said = next(text for text in page.texts if "could not be shown" in text)
    assert said.startswith("2 images could not be shown: ")
    assert "changed since it was measured (1)" in said
    assert "No such file or directory (1)" in said
    assert len(page.data("evaluation")["thumbnails"]) == 34
    shutil.rmtree(photos)
    page, _ = page_of(model, tmp_path / "r", split="all")
    assert page.data("evaluation")["thumbnails"] == {}
    assert "no preview" in page.texts


def test_without_a_process_to_decode_the_report_is_written_all_the_same(
    stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are there, and the page says why the images are not."""
    model = featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx").model

    def none(*_: object, **__: object) -> None:
        raise DecoderError("python: no process to decode images can be started: too many.")

    monkeypatch.setattr("featx.images.thumbnail.decode_file", none)
    page, evaluation = page_of(model, tmp_path / "r")
    assert page.data("evaluation")["thumbnails"] == {}
    count = len(evaluation.y)
    assert (
        f"{count} images could not be shown: python: no process to decode images can be started: too many ({count})."
        in page.texts
    )


def test_the_map_has_every_image_from_the_cache_and_from_files(noisy_cache: Path, tmp_path: Path) -> None:
    """Both ways give the same features, so the same points; a rejected image has none."""
    model = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx").model
    (tmp_path / "noisy" / "c0" / "bad.png").write_text("no image")
    found = featx.evaluate_model(model, images=tmp_path / "noisy")
    cached = featx.evaluate_model(model, split="all")
    assert found.pooled is not None
    assert cached.pooled is not None
    by_path = dict(zip(cached.paths, cached.pooled, strict=True))
    assert found.pooled_rows.tolist() == list(range(120))
    np.testing.assert_allclose(found.pooled, [by_path[path] for path in found.paths], atol=1e-5)
    data = Page(featx.write_report(found, tmp_path / "r", map="pca").page or Path()).data("evaluation")["map"]
    assert data["rows"] == list(range(120))
    assert all(0 <= value <= 1 for value in data["x"] + data["y"])


def test_of_very_many_images_the_page_holds_the_most_telling(
    noisy_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mistakes before hits, and those on the map; each thumbnail is still that of its own image."""
    monkeypatch.setattr("featx.report.page.exhibits.MOST_LISTED", 70)
    monkeypatch.setattr("featx.report.page.exhibits.MOST_THUMBNAILS", 25)
    monkeypatch.setattr("featx.verbs.evaluate.featuremap.MOST_MAPPED", 20)
    model = featx.fit_head(noisy_cache, "logreg", out=tmp_path / "m.featx").model
    page, evaluation = page_of(model, tmp_path / "r", split="all")
    data = page.data("evaluation")
    wrong = evaluation.probabilities.argmax(axis=1) != evaluation.y
    assert 10 < wrong.sum() < 70, "some mistakes, all to be listed"
    assert {path for path, mistaken in zip(evaluation.paths, wrong, strict=True) if mistaken} <= set(data["paths"])
    mapped = [evaluation.paths[place] for place in evaluation.pooled_rows]
    assert [data["paths"][number] for number in data["map"]["rows"]] == mapped
    assert len(mapped) == 20
    assert 70 <= len(data["paths"]) <= 90
    assert len(data["thumbnails"]) == 25
    for number, thumbnail in data["thumbnails"].items():
        with Image.open(io.BytesIO(base64.b64decode(thumbnail))) as small:
            shown = np.asarray(small.convert("RGB")).mean()
        with Image.open(tmp_path / "noisy" / data["paths"][int(number)]) as file:
            assert shown == pytest.approx(np.asarray(file).mean(), abs=1.5)
    assert "95 further images have no preview" in page.text
    assert f"of those measured, {len(data['paths'])} are in this file" in page.text


def test_the_page_can_be_left_out_and_an_earlier_one_goes(stub_cache: Path, tmp_path: Path, run: Run) -> None:
    """--no-page writes the plain files alone; a page of other figures must not stay beside them."""
    featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx")
    shown = as_json(run("evaluate", "m.featx", "--out", "r", "--map", "none", "--json"))
    assert shown["page"] == "r/report.html"
    assert Page(tmp_path / "r" / "report.html").data("evaluation")["map"] is None
    shown = as_json(run("evaluate", "m.featx", "--out", "r", "--no-page", "--json"))
    assert shown["page"] is None
    assert not (tmp_path / "r" / "report.html").exists()
    assert (tmp_path / "r" / "metrics.json").exists()


def test_many_classes_have_a_list_in_place_of_the_matrix(tmp_path: Path, extract: Extract) -> None:
    """Sixty classes of one grey each: the largest confusions, as buttons that open their images."""
    for label in range(60):
        for number in range(4):
            level = 60 + label + int(np.random.default_rng(label * 10 + number).integers(-3, 4))
            write_image(
                tmp_path / "many" / f"k{label}" / f"{number}.png", (level,) * 3, seed=label * 10 + number, size=(16, 16)
            )
    model = featx.fit_head(extract(tmp_path / "many").cache, "logreg", out=tmp_path / "m.featx").model
    page, evaluation = page_of(model, tmp_path / "r", split="all")
    assert [a for name, a in page.elements if a.get("class") == "matrix"] == []
    wrong = evaluation.confusion - np.diag(np.diag(evaluation.confusion))
    assert wrong.max() > 1
    first = next(a for _, a in page.elements if "taken for" in a.get("aria-label", ""))
    assert wrong[int(first["data-true"]), int(first["data-predicted"])] == wrong.max()
