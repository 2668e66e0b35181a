"""The page that all others are made from: escaped, readable, and only put in the place of its like."""

import itertools
import re
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
import pytest

from featx.errors import OutputError
from featx.report.page.draw import COLOURS, SHAPES, Frame, marks_of, ticks
from featx.report.page.place import check_page_path
from featx.report.page.render import render_page, save_page
from featx.system.marks import PAGE as BEGINNING
from tests.report.page.pages import Page

STYLE = (resources.files("featx.report.page") / "templates" / "page.css").read_text("utf-8")


def luminance(colour: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb, as WCAG 2 defines it."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def palettes() -> dict[str, dict[str, str]]:
    """Return the colours of light and of dark by name, as they stand in the style sheet."""
    parts = {name: STYLE.split(f"{{%- set {name} %}}")[1].split("{%- endset %}")[0] for name in ("light", "dark")}
    return {name: dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", text)) for name, text in parts.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(theme: str) -> None:
    """A contrast of 4.5 to 1 at least between each colour of text and each paper it stands on (WCAG 2, AA)."""
    palette = palettes()[theme]
    pairs = [(text, paper) for text in ("ink", "soft", "accent") for paper in ("paper", "raised", "faint")]
    for text, paper in [*pairs, ("ink", "warn-paper"), ("bad", "paper"), ("good", "paper")]:
        low, high = sorted((luminance(palette[text]), luminance(palette[paper])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (theme, text, paper)


def test_light_and_dark_name_the_same_colours() -> None:
    """None is left at its light value by mistake."""
    assert set(palettes()["light"]) == set(palettes()["dark"])


# Machado, Oliveira & Fernandes (2009), A physiologically-based model for simulation of color vision deficiency, at severity 1.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}  # fmt: skip


def seen(colour: str, vision: str) -> np.ndarray:
    """Return a colour in CIELAB (D65), as somebody of that vision sees it."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    linear = np.clip(VISION[vision] @ linear, 0, 1)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    xyz = to_xyz @ linear / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_of_a_map_are_apart_for_every_vision(theme: str, vision: str) -> None:
    """Any two by 18 steps of CIELAB (2.3 are just noticed), and each from its paper by a contrast of 3 to 1 (WCAG 2, AA)."""
    palette = palettes()[theme]
    colours = [palette[f"map-{letter}"] for letter in "abcdefgh"]
    assert len(set(colours)) == COLOURS == 8
    apart = {(a, b): float(np.linalg.norm(seen(a, vision) - seen(b, vision))) for a, b in itertools.combinations(colours, 2)}
    assert min(apart.values()) > 18, min(apart, key=lambda pair: apart[pair])
    assert np.linalg.norm(seen(palette["accent"], vision) - seen(palette["bad"], vision)) > 18  # a hit and a mistake
    for colour in colours:
        low, high = sorted((luminance(colour), luminance(palette["raised"])))
        assert (high + 0.05) / (low + 0.05) >= 3


@pytest.mark.parametrize(
    "text", ["</script><script>x", "<!--", "a\u2028b", "caf\udce9", "&amp;", '"\\', "\x00\x1b", "{{ 1 }}", "𝔘"], ids=ascii
)
def test_any_text_comes_out_as_it_went_in(tmp_path: Path, text: str) -> None:
    """In the page, in an attribute and in its data; a byte that is no text as its escape."""
    one = {"path": text, "error": text}
    page = render_page(
        "predictions.html", name=text, lead=text, figures=[], groups=[], unsure=None, min_confidence=0, missing=[], reasons=[],
        rejected=[one], n_rejected=1, temperature=1.0, isotonic=False, explained=None, answered=0, unknown=(), many=False,
        table=None, page_data={"cells": None, "covered": text},
    )  # fmt: skip
    save_page(page, tmp_path / "p.html")
    shown = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\ufffd")
    read = Page(tmp_path / "p.html")
    assert shown.strip() in [found.replace("\x00", "\ufffd").strip() for found in read.texts]
    assert len(read.scripts) == 1


def test_a_value_that_is_missing_is_an_error() -> None:
    """Not an empty place on a page that somebody trusts."""
    with pytest.raises(jinja2.UndefinedError):
        render_page("predictions.html", name="x")


def test_only_a_page_is_replaced(tmp_path: Path) -> None:
    """Any other file is refused, with the option to change."""
    path = tmp_path / "new" / "p.html"
    for text in ("one", "two"):
        save_page(BEGINNING.decode() + text, path)
        assert path.read_text().endswith(text)
    path.write_text("<!doctype html><title>mine</title>")
    with pytest.raises(OutputError, match=r"p\.html: exists and is not a page of featx's\. Give another --to"):
        check_page_path(path, "--to")


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (1, 23, [5, 10, 15, 20]),
        (0, 0.06, [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]),
        (3, 3, [3]),
    ],
)
def test_axes_are_labelled_with_round_numbers(low: float, high: float, wanted: list[float]) -> None:
    """Worked out by hand."""
    assert ticks(low, high) == wanted


def test_a_frame_puts_the_corners_of_a_plot_inside_its_margins() -> None:
    """The y axis points up."""
    frame = Frame(200, 100, (0, 10), (0, 1), left=20, right=10, top=5, bottom=15)
    assert (frame.x(0), frame.x(10), frame.y(0), frame.y(1)) == (20, 190, 85, 5)
    assert frame.line([0, 10], [0, 1]) == "M20 85L190 5"


def test_each_class_of_a_map_has_a_mark_of_its_own() -> None:
    """Of the first eight neither colour nor shape is another's; up to 64 no pair of the two is."""
    marks = marks_of(64)
    assert len(set(marks)) == 64
    assert len({colour for colour, _ in marks[:8]}) == len({shape for _, shape in marks[:8]}) == len(SHAPES) == 8
    assert marks_of(100)[:64] == marks
