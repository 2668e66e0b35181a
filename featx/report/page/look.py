"""A look at a folder of images as a page: some of each class, as their files hold them and as the network sees them."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import FeatxError, OutputError
from featx.images import THUMBNAIL_TYPE, PassedOver, as_webp
from featx.report.page.draw import Frame
from featx.report.page.place import check_page_place
from featx.report.text.look import decoded_text, size_lines
from featx.system.counts import plural_of
from featx.system.kinds import check_kind
from featx.system.paths import StrPath, as_path
from featx.verbs.look import Example, Look

_MOST_REJECTED = 500
_MOST_COPIES = 100
_MOST_CLASSES = 2000

_SIDE = 224
"""Longer side of a picture on the page [px]."""

# Steps of a scale on which each doubling is as long.
_SIDES_AN_OCTAVE, _ASPECTS_AN_OCTAVE = 3, 6
_MOST_BARS = 40
_ASPECTS = {0.25: "1:4", 0.5: "1:2", 2 / 3: "2:3", 1.0: "1:1", 1.5: "3:2", 2.0: "2:1", 4.0: "4:1", 8.0: "8:1", 0.125: "1:8"}


def check_look_page(path: Path) -> None:
    """Make sure that a page can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If its name does not end in ``.html``, it cannot be written, or a file stands there that is no page of featx's.
    """
    check_page_place(path, "--out")


def write_look_page(look: Look, path: StrPath) -> None:
    """Write one page that shows a look at a folder of images: examples, counts by class, sizes, and what cannot be used.

    Parameters
    ----------
    look : Look
        What ``look_at_images`` found.
    path : Path or str
        The page, such as ``look.html``.

    Raises
    ------
    OutputError
        If its name does not end in ``.html``, it cannot be written, or a file stands there that is no page of featx's.
    FeatxError
        If ``look`` is none.

    Examples
    --------
    >>> look = featx.look_at_images("photos", image_size=64, examples=2)
    >>> featx.write_look_page(look, "reports/photos.html")
    """
    from featx.report.page.render import render_page, save_page

    check_kind("look", look, Look, "what look_at_images returns", FeatxError)
    path = as_path("path", path, OutputError)
    check_look_page(path)
    unlisted = str(PassedOver(look.skipped, look.passed_over, look.hidden))
    counts = sorted(look.images_of_class.items(), key=lambda pair: -pair[1])
    save_page(
        render_page(
            "look.html",
            name=look.name,
            look=look,
            nouns=plural_of(look.task.noun),
            figures=_figures(look),
            lines=[f"{line.strip()[:1].upper()}{line.strip()[1:]}." for line in size_lines(look)],
            groups=[
                {"name": name, "count": look.images_of_class[name], "rows": [_row(one, look) for one in some]}
                for name, some in itertools.groupby(look.examples, key=lambda one: one.label)
            ],
            counts=counts[:_MOST_CLASSES],
            most=max(look.images_of_class.values(), default=1) or 1,
            more_classes=len(counts) - len(counts[:_MOST_CLASSES]),
            plots=_plots(look),
            rejected=[{"path": name, "error": reason} for name, reason in list(look.rejects.items())[:_MOST_REJECTED]],
            n_rejected=look.rejected,
            reasons=[f"{reason}: {count:,}" for reason, count in list(look.reasons.items())[:10]],
            copies=(look.copies or [])[:_MOST_COPIES],
            decoded=decoded_text(look),
            unlisted=unlisted,
            scaled=_scaled(look.settings["preprocess"]),
        ),
        path,
    )


_SCALED = {
    "caffe": "the mean of ImageNet is taken off each channel, in the order blue, green, red",
    "torch": "the mean of ImageNet is taken off each channel, which is divided by its standard deviation",
    "tf": "values are brought to between -1 and 1",
    "rescale": "values are divided by 255",
    "none": "nothing is done to their values",
}


def _scaled(preprocess: str) -> str:
    """Say what becomes of the pixels' values: a recipe holds a mode, or means and deviations."""
    return _SCALED.get(preprocess) or f"values are scaled by {preprocess}"


def _figures(look: Look) -> list[dict[str, str]]:
    height, width = look.settings["image_size"]
    counts = look.images_of_class
    fewest = min(counts, key=lambda name: counts[name])
    rows = [
        ("Images", f"{look.listed:,}", ", ".join(f"{split} {count:,}" for split, count in look.splits.items())),
        (plural_of(look.task.noun).capitalize(), f"{look.classes:,}", f"smallest: {fewest} {counts[fewest]:,}"),
        ("The network sees", f"{height} × {width}", f"px, {look.settings['resize']}"),
        ("Rejected", f"{look.rejected:,}", f"{look.decoded:,} were decoded"),
        ("Exact duplicates", *(("–", "not looked for") if look.duplicates is None else (f"{look.duplicates:,}", ""))),
    ]
    return [{"label": label, "value": value, "note": note} for label, value, note in rows]


def _row(example: Example, look: Look) -> list[dict[str, str]]:
    """Return the original, the clean image and the augmented views of one image."""
    height, width = look.settings["image_size"]
    captions = [f"{example.path}\n{example.height:,} × {example.width:,} px"]
    captions += [f"{height} × {width} px" if not number else f"augmented {number}" for number in range(len(example.views))]
    names = ["the file", "as the network sees it", *(f"augmented view {number}" for number in range(1, len(example.views)))]
    return [
        {"source": _source(pixels), "caption": caption, "alt": f"{example.label}, {name}"}
        for pixels, caption, name in zip((example.original, *example.views), captions, names, strict=True)
    ]


def _source(pixels: NDArray[np.uint8]) -> str:
    from featx.report.page.render import data_uri

    return data_uri(as_webp(pixels, _SIDE), THUMBNAIL_TYPE)


def _plots(look: Look) -> list[dict[str, Any]]:
    """Return the distributions of sides and shapes, drawn so that each doubling is as long."""
    if not len(look.heights):
        return []
    height, width = look.settings["image_size"]
    shorter = np.minimum(look.heights, look.widths)
    powers = {float(2**power): f"{2**power:,}" for power in range(24)}
    return [
        _histogram("shorter side [px]", shorter.astype(np.float64), _SIDES_AN_OCTAVE, powers, float(min(height, width))),
        _histogram("width over height", look.widths / look.heights, _ASPECTS_AN_OCTAVE, _ASPECTS, width / height),
    ]


def _histogram(name: str, values: NDArray[np.float64], an_octave: int, labels: dict[float, str], seen: float) -> dict[str, Any]:
    """Return bars and axes of a distribution, and where on it what the network sees stands."""
    places = np.log2(np.maximum(values, 1e-3))
    low, high = (
        math.floor(min(places.min(), math.log2(seen)) * an_octave) / an_octave,
        math.ceil((max(places.max(), math.log2(seen)) + 1e-9) * an_octave) / an_octave,
    )
    n_bars = min(max(1, round((high - low) * an_octave)), _MOST_BARS)
    counts, edges = np.histogram(places, n_bars, (low, high))
    frame = Frame(400, 200, (low, high), (0.0, float(max(counts.max(), 1))))
    bars: list[dict[str, Any]] = [
        {
            "x": frame.x(start) + 0.5,
            "y": frame.y(count),
            "width": max(frame.x(end) - frame.x(start) - 1, 0.5),
            "height": frame.y(0) - frame.y(count),
            "title": f"{2**start:.3g} to {2**end:.3g}: {count:,} images",
        }
        for count, start, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if count
    ]
    shown = {math.log2(value): label for value, label in labels.items() if low <= math.log2(value) <= high}
    every = max(1, math.ceil(len(shown) / 8))
    ticks = [{"x": frame.x(place), "label": shown[place]} for place in sorted(shown)[::every]]
    label = f"Distribution of {name}: " + "; ".join(bar["title"] for bar in bars)
    return {"name": name, "frame": frame, "bars": bars, "ticks": ticks, "label": label, "seen": frame.x(math.log2(seen))}
