"""The page of a look: examples beside their files, counts as bars, sizes as plots; names are text, whatever they hold."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import OutputError
from featx.report import check_look_page, write_look_page
from tests.conftest import COLOURS, Run, write_image
from tests.report.page.pages import Page
from tests.report.page.test_evaluation import assert_loads_nothing

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def images(photos: Path) -> Path:
    """``photos`` with a class of a hostile name, of two wide images, and a file that is none."""
    for number in range(2):
        write_image(photos / HOSTILE / f"{number}.png", COLOURS["red"], seed=500 + number, size=(20, 200))
    (photos / HOSTILE / "broken&.png").write_text("no image")
    (photos / "red" / "copy.png").write_bytes((photos / "red" / "0.png").read_bytes())
    return photos


def test_the_page_shows_each_example_as_its_file_and_as_the_network_sees_it(images: Path, tmp_path: Path) -> None:
    """Original, clean image and views side by side, in that order; nothing is loaded."""
    found = featx.look_at_images(images, image_size=64, examples=2, augment="flip,rotate=20", views=3)
    write_look_page(found, tmp_path / "new" / "p.html")
    page = Page(tmp_path / "new" / "p.html")
    assert_loads_nothing(page)
    alts = page.attributes("alt")
    assert len(alts) == 4 * 2 * 4
    of_class = [f"{name}, {what}" for name in (HOSTILE,) for _ in range(2) for what in WHAT]
    assert alts[:8] == of_class
    sources = [source for source in page.attributes("src") if source.startswith("data:image/webp;base64,")]
    shapes = [np.array(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))).shape for source in sources[:4]]
    assert shapes == [(20, 200, 3), *[(64, 64, 3)] * 3]
    clean = np.array(Image.open(io.BytesIO(base64.b64decode(sources[1].partition(",")[2])))).astype(float)
    assert abs(clean - found.examples[0].views[0]).mean() < 12  # WebP's own error
    assert f"{HOSTILE}/0.png\n20 × 200 px" in page.texts
    assert "flip,rotate=20" in page.text
    assert "in the order blue, green, red" in page.text


@pytest.mark.parametrize("preprocess", ["mean=0.5,0.4,0.3 std=0.2,0.2,0.2 bgr", "mean=0.5 std=0.5"])
def test_any_scaling_of_pixels_is_named(preprocess: str, photos: Path, tmp_path: Path, run: Run) -> None:
    """Means and deviations, too, which are no mode."""
    given = ("--image-size", "64", "--preprocess", preprocess, "--examples", "1", "--out", "p.html")
    assert run("look", photos, *given).exit_code == 0
    named = featx.look_at_images(photos, image_size=64, preprocess=preprocess, examples=0).settings["preprocess"]
    assert f"Behind that, values are scaled by {named}." in Page(tmp_path / "p.html").text


WHAT = ("the file", "as the network sees it", "augmented view 1", "augmented view 2")


def test_counts_are_bars_and_sizes_are_plots(images: Path, tmp_path: Path, run: Run) -> None:
    """The largest class first, its bar the whole width; of each plot every image is in one bar."""
    assert run("look", images, "--image-size", "64", "--out", "p.html").exit_code == 0
    page = Page(tmp_path / "p.html")
    shares = [float(style.partition(":")[2]) for style in page.attributes("style") if style.startswith("--share")]
    assert shares == [1.0, 0.9231, 0.9231, 0.2308]
    start = page.texts.index("Images of each class")
    named = [text for text in page.texts[start:] if text in (*COLOURS, HOSTILE)][:4]
    assert named == ["red", "blue", "green", HOSTILE]
    titles = re.findall(r"<title>([^<]*: \d+ images)</title>", page.source)
    per_plot = [int(title.split(": ")[1].split(" ")[0]) for title in titles]
    assert sum(per_plot) == 2 * 39
    assert "16 to 20.2: 2 images" in titles
    assert "40 × 48" in page.texts
    assert "red/0.png" in page.texts
    assert any(text.endswith("broken&.png") for text in page.texts)
    assert "1 exact duplicate" not in page.text
    assert page.texts[page.texts.index("Exact duplicates") + 1] == "1"


def test_an_odd_set_of_images_has_a_page_too(tmp_path: Path) -> None:
    """One size alone, one pixel, nothing that can be read: there are no plots where there is nothing to draw."""
    write_image(tmp_path / "a" / "x" / "0.png", COLOURS["red"], seed=1, size=(1, 1))
    write_image(tmp_path / "a" / "y" / "0.png", COLOURS["red"], seed=2, size=(1, 1))
    write_look_page(featx.look_at_images(tmp_path / "a", image_size=(32, 500)), tmp_path / "a.html")
    assert "Distribution of width over height" in " ".join(Page(tmp_path / "a.html").attributes("aria-label"))
    for name in "xy":
        (tmp_path / "b" / name).mkdir(parents=True)
        (tmp_path / "b" / name / "0.png").write_text("no image")
    found = featx.look_at_images(tmp_path / "b")
    assert (found.shape, found.examples, found.rejected) == (None, [], 2)
    write_look_page(found, tmp_path / "b.html")
    page = Page(tmp_path / "b.html")
    assert "None was decoded." in page.texts
    assert "svg" not in {name for name, _ in page.elements}


def test_a_page_is_only_put_in_place_of_a_page(images: Path, tmp_path: Path, run: Run) -> None:
    """Somebody's own is refused before the work, and so is a name that is no page's."""
    (tmp_path / "mine.html").write_text("<!doctype html><p>mine")
    done = run("look", images, "--out", "mine.html")
    assert done.exit_code == 1
    assert "mine.html" in done.stderr
    assert (tmp_path / "mine.html").read_text() == "<!doctype html><p>mine"
    assert run("look", images, "--out", "p.txt").exit_code == 2
    with pytest.raises(OutputError, match=r"p\.csv"):
        check_look_page(tmp_path / "p.csv")
    for _ in range(2):
        assert run("look", images, "--image-size", "64", "--out", "p.html").exit_code == 0
