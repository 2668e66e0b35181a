"""Names in any script on the picture of a confusion matrix, with the fonts that there are."""

from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from featx.report.files import fonts
from featx.report.files.fonts import fallback_families
from featx.report.files.plots import _readable_on, plot_confusion


def write_font(path: Path, family: str, letters: str) -> Path:
    """Write a font in which each letter is a black square."""
    names = [".notdef", *(f"u{ord(letter):X}" for letter in letters)]
    pen = TTGlyphPen(None)
    for place in ((100, 0), (100, 900), (900, 900), (900, 0)):
        (pen.moveTo if place == (100, 0) else pen.lineTo)(place)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): name for letter, name in zip(letters, names[1:], strict=True)})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=1000, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def test_letters_that_matplotlibs_font_has_need_no_other(tmp_path: Path) -> None:
    """Latin, Greek, Cyrillic, Arabic; joiners, accents and spaces want no glyph of their own."""
    assert fallback_families(["wombat é", "ελλ", "кот", "قطة", "a\u200d\ufe0f\u3000"], []) == (["DejaVu Sans"], set())


def test_the_fewest_fonts_that_have_the_letters_are_taken(tmp_path: Path) -> None:
    """The font with most of them first; what none has is told, and a broken font passed over."""
    one, both = write_font(tmp_path / "1.ttf", "One Han", "猫"), write_font(tmp_path / "2.ttf", "Two Han", "猫犬")
    (tmp_path / "3.ttf").write_bytes(b"no font")
    choice = [one, both, tmp_path / "3.ttf", tmp_path / "gone.ttf"]
    assert fallback_families(["猫 犬 鸟"], choice) == (["DejaVu Sans", "Two Han"], {"鸟"})
    assert fallback_families(["猫"], choice[2:]) == (["DejaVu Sans"], {"猫"})


def test_a_name_is_drawn_with_the_font_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The square of a font of one letter stands beside the axis; without that font a number does, and words on it below."""
    confusion, names = np.diag([3, 4]), ("猫猫猫", "b")

    def squares_beside(path: Path) -> int:
        with Image.open(path) as image:
            dark = np.asarray(image.convert("L")) < 15  # the darkest shade of a cell is 42
        return int(np.lib.stride_tricks.sliding_window_view(dark, (7, 7)).all(axis=(2, 3)).sum())

    han = write_font(tmp_path / "han.ttf", "Square Han", "猫")
    monkeypatch.setattr(fonts, "_installed", lambda: [han])
    plot_confusion(confusion, names, "m", tmp_path / "with.png")
    monkeypatch.setattr(fonts, "_installed", list)
    plot_confusion(confusion, names, "m", tmp_path / "without.png")
    assert squares_beside(tmp_path / "with.png") >= 3
    assert squares_beside(tmp_path / "without.png") == 0
    with Image.open(tmp_path / "with.png") as one, Image.open(tmp_path / "without.png") as other:
        last_lines = [int((np.asarray(image.convert("L"))[-22:] < 128).any(axis=0).sum()) for image in (one, other)]
    assert last_lines[0] < 100  # columns with ink: "predicted" is short, the sentence is not
    assert last_lines[1] > 200


@pytest.mark.parametrize("share", np.linspace(0, 1, 51))
def test_every_number_of_the_picture_can_be_read(share: float) -> None:
    """Black or white on the shade of its share, by a contrast of 4.5 to 1 at least."""
    import matplotlib

    shade = matplotlib.colormaps["Blues"](share)[:3]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in shade]
    luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
    contrast = 1.05 / (luminance + 0.05) if _readable_on(shade) == "white" else (luminance + 0.05) / 0.05
    assert contrast >= 4.5


def test_fonts_are_looked_for_only_where_a_letter_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report in Latin letters asks no system for its fonts: that takes a second."""
    monkeypatch.setattr(fonts, "_installed", None)
    assert fallback_families(["cat"]) == (["DejaVu Sans"], set())
