"""The page of predictions: unlabelled images under the class that was found, the surest first."""

import os
from pathlib import Path

import pytest

import featx
from featx.errors import OutputError
from featx.report import check_prediction_page, write_prediction_page
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.report.page.pages import Page
from tests.report.page.test_evaluation import assert_loads_nothing


@pytest.fixture
def model(stub_cache: Path, tmp_path: Path) -> Path:
    """A head that tells three colours apart."""
    return featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx", C=100.0).model


def test_images_stand_under_their_class_and_the_unsure_apart(model: Path, tmp_path: Path, run: Run) -> None:
    """By confidence within each; a file that is no image is named with its reason."""
    for number in range(4):
        write_image(tmp_path / "new" / f"{number}.png", COLOURS["red"], seed=number)
    write_image(tmp_path / "new" / "between.png", (120, 30, 110), seed=7)
    write_image(tmp_path / "new" / "<b>.png", COLOURS["green"], seed=8)
    (tmp_path / "new" / "bad&.jpg").write_text("no image")
    found = featx.predict_images(model, [tmp_path / "new"])
    confidence = {Path(one.path).name: one.confidence or 0 for one in found}
    assert confidence["between.png"] < 0.9 < confidence["<b>.png"], confidence
    shown = as_json(run("predict", model, "new", "--report", "p.html", "--min-confidence", "0.9", "--json"))
    assert (shown["predicted"], shown["rejected"], shown["report"]) == (6, 1, "p.html")
    page = Page(tmp_path / "p.html")
    assert_loads_nothing(page)
    captions = [text.split("\n") for text in page.texts if text.startswith(("0.", "1.", "blue 0", "red 0"))]
    names = [Path(caption[1]).name for caption in captions]
    reds = sorted((name for name in confidence if name[0].isdigit()), key=lambda name: -confidence[name])
    assert names == [*reds, "<b>.png", "between.png"]
    assert page.texts.index("Unsure") > page.texts.index("green")
    assert any(path.endswith("bad&.jpg") for path in page.texts)
    assert len([src for src in page.attributes("src") if src.startswith("data:image/webp;base64,")]) == 6


def test_a_page_is_only_put_in_place_of_a_page(model: Path, tmp_path: Path, run: Run) -> None:
    """A user's own HTML is refused before the work, an earlier page replaced; other suffixes are not HTML."""
    (tmp_path / "mine.html").write_text("<!doctype html><p>mine")
    write_image(tmp_path / "a.png", COLOURS["red"], seed=1)
    refused = run("predict", model, "a.png", "--report", "mine.html")
    assert refused.exit_code == 1
    assert "mine.html: exists and is not a page of featx's. Give another --report, or delete it." in refused.stderr
    assert (tmp_path / "mine.html").read_text() == "<!doctype html><p>mine"
    for _ in range(2):
        assert run("predict", model, "a.png", "--report", "new/p.html").exit_code == 0
    with pytest.raises(OutputError, match=r"p\.csv: a page is written as HTML"):
        check_prediction_page(tmp_path / "p.csv")
    with pytest.raises(OutputError, match="cannot be written"):
        check_prediction_page(Path("/proc/featx/p.html"))


def test_a_least_confidence_without_a_page_is_wrong_usage(model: Path, run: Run) -> None:
    """It changes nothing else, so it would be taken for something it is not."""
    done = run("predict", model, "m.featx", "--min-confidence", "0.5")
    assert done.exit_code == 2
    assert "give --report too" in done.stderr


def test_a_name_that_is_no_text_and_a_file_that_is_gone(model: Path, tmp_path: Path) -> None:
    """The page is written; the name is shown as its bytes' escapes, the image as not to be shown."""
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    write_image(path, COLOURS["blue"], seed=1)
    found = featx.predict_images(model, [path])
    path.unlink()
    write_prediction_page(found, tmp_path / "p.html", model)
    page = Page(tmp_path / "p.html")
    assert any(text.endswith("caf\\udce9.png") for text in page.texts)
    assert "no preview" in page.texts
    assert "No such file or directory: 1" in page.text


def test_the_dialog_knows_what_the_cells_of_each_image_spoke_for(model: Path, tmp_path: Path, run: Run) -> None:
    """From the maps of the same forward pass, as ``featx explain`` finds it; in steps of one scale."""
    for number, (name, colour) in enumerate(COLOURS.items()):
        write_image(tmp_path / "new" / f"{name}.png", colour, seed=number)
    (tmp_path / "new" / "a-broken.png").write_text("no image")
    found = featx.predict_images(model, tmp_path / "new", explain=True)
    assert found.cells is not None
    assert found.explained is not None
    apart = featx.explain_images(model, tmp_path / "new")
    assert found.explained.tolist() == [1, 2, 3]
    for place, cells, other in zip(found.explained, found.cells.cells, found.cells.others, strict=True):
        assert featx.load_model(model).class_names[other] == apart[place].other
        assert apart[place].cells is not None
        assert cells == pytest.approx(apart[place].cells, rel=2e-3, abs=2e-3)  # the page's are of maps in float16
    assert featx.predict_images(model, tmp_path / "new").cells is None
    assert run("predict", model, "new", "--report", "p.html").exit_code == 0
    data = Page(tmp_path / "p.html").data("predictions")
    assert data["covered"] == {str(n): f"cells: {apart[n].label} against {apart[n].other}" for n in (1, 2, 3)}
    height, width = found.cells.cells.shape[1:]
    assert {place: len(letters) for place, letters in data["cells"]["letters"].items()} == dict.fromkeys("123", height * width)
    strongest = found.cells.cells.reshape(3, -1)
    for row, place in zip(strongest, "123", strict=True):
        letters = data["cells"]["letters"][place]
        assert letters[row.argmax()] == max(letters)


@pytest.mark.parametrize("head", ["knn", "svm"])
def test_without_cells_for_nothing_the_page_is_as_it_was(head: str, stub_cache: Path, tmp_path: Path, run: Run) -> None:
    """Of neighbours, and of distances to training images."""
    settings = {"kernel": "rbf"} if head == "svm" else {}
    featx.fit_head(stub_cache, head, out=tmp_path / "other.featx", **settings)
    write_image(tmp_path / "a.png", COLOURS["red"], seed=1)
    assert run("predict", "other.featx", "a.png", "--report", "p.html").exit_code == 0
    assert Page(tmp_path / "p.html").data("predictions") == {"cells": None, "covered": {}}
