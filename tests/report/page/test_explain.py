"""The page of explanations, and the cells that a report shows: one scale, escaped names, pictures as the network saw them."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import OutputError
from featx.report import check_explanation_page, write_explanation_page
from featx.report.page.cells import STEPS, Scale
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.report.page.pages import Page
from tests.report.page.test_evaluation import assert_loads_nothing


@pytest.fixture
def model(stub_cache: Path, tmp_path: Path) -> Path:
    """A head that tells three colours apart, on 2 x 2 cells."""
    return featx.fit_head(stub_cache, "logreg", out=tmp_path / "m.featx", C=100.0).model


def test_steps_are_of_one_scale_and_keep_the_sign() -> None:
    """The strongest is the last step, nothing the middle one; a single cell far out does not make the others pale."""
    cells = np.zeros((20, 20))
    cells[0, :5] = 1.0, -1.0, 0.6, -0.6, 0.05
    cells[1:] = np.linspace(-1, 1, 380).reshape(19, 20)
    cells[5, 5] = 40.0
    scale = Scale.of([cells])
    assert scale.step == pytest.approx(1 / STEPS, rel=0.05)
    assert scale.levels(cells)[0, :6].tolist() == [5, -5, 3, -3, 0, 0]
    assert scale.levels(cells)[5, 5] == STEPS
    assert scale.letters(np.array([[scale.step * 5, 0.0], [-scale.step, -99.0]])) == "kfea"
    assert Scale.of([np.zeros((2, 2))]).letters(np.zeros((2, 2))) == "ffff"


def test_a_drawing_has_a_square_for_each_cell_that_counts() -> None:
    """In row and column order of the map, with a plus or a minus where it is strong."""
    drawn = Scale(1.0).drawing(np.array([[0.2, 1.0, -3.0], [5.0, 0.0, 1.2]]))
    assert drawn["squares"] == [
        {"name": "against l3", "path": "M2 0h1v1h-1z"},
        {"name": "for l1", "path": "M1 0h1v1h-1zM2 1h1v1h-1z"},
        {"name": "for l5", "path": "M0 1h1v1h-1z"},
    ]
    assert drawn["signs"] == "M2.35 0.5h.3M0.35 1.5h.3M0.5 1.35v.3"


def test_the_page_shows_each_image_as_the_network_saw_it(model: Path, tmp_path: Path, run: Run) -> None:
    """Names are text, whatever they hold; what was rejected is named; nothing is loaded and no home folder named."""
    for number in range(3):
        write_image(tmp_path / "new" / f"{number}.png", COLOURS["red"], seed=number, size=(40, 80))
    write_image(tmp_path / "new" / "<b>.png", COLOURS["green"], seed=8)
    (tmp_path / "new" / "bad&.jpg").write_text("no image")
    found = as_json(run("explain", model, "new", "--out", "why/p.html", "--json"))
    assert (found["explained"], found["rejected"], found["out"]) == (4, 1, "why/p.html")
    page = Page(tmp_path / "why" / "p.html")
    assert_loads_nothing(page)
    assert any(text.endswith("<b>.png") for text in page.texts)
    assert any(path.endswith("bad&.jpg") for path in page.texts)
    for sentence in found["limits"]:
        assert sentence in page.texts
    pictures = [attributes["href"] for name, attributes in page.elements if name == "image"]
    assert len(pictures) == 4
    for picture in pictures:
        data = base64.b64decode(picture.removeprefix("data:image/webp;base64,"))
        assert Image.open(io.BytesIO(data)).size == (64, 64)
    drawings = [attributes for name, attributes in page.elements if name == "svg" and attributes["class"] == "cells"]
    assert len(drawings) == 1 + 2 * 4
    first = found["explanations"][0]
    assert f"margin {first['margin']:+.2f}" in page.text
    assert [a["class"] for n, a in page.elements if n == "path" and a.get("class", "").startswith("for")]


def test_a_page_is_only_put_in_place_of_a_page(model: Path, tmp_path: Path, run: Run) -> None:
    """A user's own HTML is refused before the work, an earlier page replaced; other suffixes are not HTML."""
    (tmp_path / "mine.html").write_text("<!doctype html><p>mine")
    write_image(tmp_path / "a.png", COLOURS["red"], seed=1)
    refused = run("explain", model, "a.png", "--out", "mine.html")
    assert refused.exit_code == 1
    assert "mine.html: exists and is not a page of featx's. Give another --out, or delete it." in refused.stderr
    assert (tmp_path / "mine.html").read_text() == "<!doctype html><p>mine"
    for _ in range(2):
        assert run("explain", model, "a.png", "--out", "new/p.html").exit_code == 0
    with pytest.raises(OutputError, match=r"p\.csv: a page is written as HTML"):
        check_explanation_page(tmp_path / "p.csv")


def test_a_file_that_changed_or_is_gone_has_cells_and_no_picture(model: Path, tmp_path: Path) -> None:
    """Its cells would be drawn over another picture; the page says why."""
    for name in ("changed", "gone"):
        write_image(tmp_path / f"{name}.png", COLOURS["blue"], seed=1)
    found = featx.explain_images(model, [tmp_path / "changed.png", tmp_path / "gone.png"])
    write_image(tmp_path / "changed.png", COLOURS["red"], seed=2)
    (tmp_path / "gone.png").unlink()
    write_explanation_page(found, tmp_path / "p.html", model)
    page = Page(tmp_path / "p.html")
    assert "changed since it was explained" in page.texts
    assert "No such file or directory" in page.text
    assert not [name for name, _ in page.elements if name == "image"]
    assert len([name for name, _ in page.elements if name == "rect"]) >= 2


def test_of_very_many_images_the_first_are_shown(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how many are not; a page of rejected images alone is written too."""
    monkeypatch.setattr("featx.report.page.explain._MOST_SHOWN", 2)
    for number in range(5):
        write_image(tmp_path / "new" / f"{number}.png", COLOURS["red"], seed=number)
    write_explanation_page(featx.explain_images(model, tmp_path / "new"), tmp_path / "p.html", model)
    page = Page(tmp_path / "p.html")
    assert len([name for name, _ in page.elements if name == "image"]) == 2
    assert "and 3 more images" in page.text
    (tmp_path / "bad.png").write_text("no image")
    write_explanation_page(featx.explain_images(model, tmp_path / "bad.png"), tmp_path / "q.html", model)
    assert "Rejected" in Page(tmp_path / "q.html").text


def test_the_report_holds_the_cells_of_the_images_it_shows(photos: Path, model: Path, tmp_path: Path) -> None:
    """A letter a cell, of the predicted class against the runner-up, as ``explain`` gives them."""
    evaluation = featx.evaluate_model(model, split="all")
    page = Page(featx.write_report(evaluation, tmp_path / "r", map="none").page or Path())
    data = page.data("evaluation")
    cells = data["cells"]
    assert (cells["rows"], cells["columns"], cells["height"], cells["width"], cells["resize"]) == (2, 2, 64, 64, "stretch")
    assert len(cells["letters"]) == len(cells["others"]) == 36
    found = {one.path: one for one in featx.explain_images(model, photos)}
    scale = Scale.of([one.cells for one in found.values() if one.cells is not None])
    agreeing = 0
    for place, letters in cells["letters"].items():
        one = found[str(photos / data["paths"][int(place)])]
        assert data["classes"][cells["others"][place]] == one.other
        assert one.cells is not None
        agreeing += letters == scale.letters(one.cells)
    assert agreeing >= 24  # the others by the rounding of the cached maps
    buttons = [a for n, a in page.elements if n == "button" and a.get("class") == "open"]
    assert buttons
    for button in buttons:
        assert cells["letters"][button["data-place"]]


@pytest.mark.parametrize("what", ["hidden layers", "knn", "other images", "a cache that is gone"])
def test_a_report_without_cells_is_written_all_the_same(what: str, photos: Path, stub_cache: Path, tmp_path: Path) -> None:
    """Where they would take a forward pass, or more than the cache holds."""
    head, settings = {"hidden layers": ("dense", {"hidden": [3], "epochs": 1}), "knn": ("knn", {})}.get(what, ("logreg", {}))
    model = featx.fit_head(stub_cache, head, out=tmp_path / "m.featx", **settings).model  # type: ignore[arg-type]
    evaluation = featx.evaluate_model(model, **({"images": photos} if what == "other images" else {}))  # type: ignore[arg-type]
    if what == "a cache that is gone":
        stub_cache.rename(tmp_path / "moved")
    page = Page(featx.write_report(evaluation, tmp_path / "r", map="none").page or Path())
    assert page.data("evaluation")["cells"] is None
    assert "How the cells are computed" not in page.text
