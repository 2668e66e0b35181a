"""Fonts for names in any script: which of the installed fonts have the letters that Matplotlib's own font lacks."""

import contextlib
import functools
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import font_manager

_OWN = "DejaVu Sans"
"""Comes with Matplotlib: Latin, Greek, Cyrillic, Arabic and signs, but no Chinese, Japanese, Korean or Thai."""

_PLACEHOLDERS = ("Last Resort",)
"""Fonts that have a box for every letter there is."""

_SHAPES_NOTHING = ("Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp")
"""Kinds of characters that are not drawn by themselves: joiners, accents, spaces."""


def fallback_families(texts: Iterable[str], fonts: Sequence[Path] | None = None) -> tuple[list[str], set[str]]:
    """Return the families that texts are to be drawn with, in the order that letters are looked for, and what none of them has.

    Parameters
    ----------
    texts : iterable of str
        What is to be drawn.
    fonts : sequence of Path or None
        Font files to choose from; by default those installed.

    Returns
    -------
    families : list of str
        Matplotlib's own first: a text that it can draw looks as ever.
    missing : set of str
        Letters that no font has; Matplotlib would draw each as a box.
    """
    wanted = {letter for text in texts for letter in text if unicodedata.category(letter) not in _SHAPES_NOTHING}
    families, missing = [_OWN], {letter for letter in wanted if ord(letter) not in _letters_of(_own_file())}
    candidates = [] if not missing else _installed() if fonts is None else [path for path in fonts if _letters_of(path)]
    while missing and candidates:
        best = max(candidates, key=lambda path: sum(ord(letter) in _letters_of(path) for letter in missing))
        had = {letter for letter in missing if ord(letter) in _letters_of(best)}
        if not had:
            break
        families.append(_family_of(best))
        missing -= had
    return families, missing


@functools.cache
def _letters_of(path: Path) -> frozenset[int]:
    """Return the code points that a font has an outline for; none where it cannot be read, or has pictures of one size."""
    with contextlib.suppress(Exception):  # a broken font of the system's is no reason to draw nothing
        font = _font(path)
        if font.scalable and not font.family_name.startswith(_PLACEHOLDERS):
            return frozenset(font.get_charmap())
    return frozenset()


def _font(path: Path) -> Any:
    return font_manager.get_font(str(path))


def _own_file() -> Path:
    return Path(font_manager.findfont(_OWN))


@functools.cache
def _installed() -> list[Path]:
    """Return the files of the installed fonts, upright and regular ones first."""
    found = {*font_manager.findSystemFonts(), *(entry.fname for entry in font_manager.fontManager.ttflist)}
    unusual = ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif")
    return sorted(map(Path, found), key=lambda path: (sum(word in path.name.lower() for word in unusual), path.name))


def _family_of(path: Path) -> str:
    """Return the family of a font, after Matplotlib has been told of it if it did not know the file."""
    known = {entry.fname: entry.name for entry in font_manager.fontManager.ttflist}
    if str(path) not in known:
        font_manager.fontManager.addfont(str(path))
    return str(known.get(str(path), _font(path).family_name))
