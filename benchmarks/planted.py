"""Images whose class is one small patch, at a known place: what an explanation has to find."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("checks", "dots", "rings", "stripes")
DISTRACTORS = ("cross", "plain", "slope", "waves")
"""Textures that stand in images of every class alike."""

MOST_DISTRACTORS = 3

Pixels = NDArray[np.float64]


def texture(name: str, side: int, rng: np.random.Generator) -> Pixels:
    """Return a patch (side, side, 3) in [0, 255]: a pattern of two random colours, bright on dark."""
    y, x = np.mgrid[:side, :side]
    period = side / rng.uniform(3.5, 4.5)
    distance = np.hypot(y - side / 2, x - side / 2)
    high = {
        "checks": (y // (period / 2) + x // (period / 2)) % 2 == 0,
        "dots": np.hypot(y % period - period / 2, x % period - period / 2) < 0.32 * period,
        "rings": distance % period < period / 2,
        "stripes": (x + y) % period < period / 2,
        "cross": (np.abs(y - side / 2) < side / 9) | (np.abs(x - side / 2) < side / 9),
        "plain": np.ones((side, side), np.bool_),
        "slope": rng.random((side, side)) < x / side,
        "waves": (y + side / 9 * np.sin(2 * np.pi * x / side)) % side < side / 2,
    }[name]
    dark, bright = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    return np.where(high[..., None], bright, dark)


def background(side: int, rng: np.random.Generator) -> Pixels:
    """Return noise (side, side, 3) whose spectrum falls as that of photographs does."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * side
    amplitude = 1 / np.maximum(frequency, 1) ** 1.1
    shared = np.exp(2j * np.pi * rng.random(amplitude.shape))
    channels = []
    for _ in range(3):
        own = np.exp(2j * np.pi * rng.random(amplitude.shape))
        values = np.fft.irfft2(amplitude * (0.8 * shared + 0.2 * own), s=(side, side))
        channels.append(rng.uniform(90, 160) + 40 * values / values.std())
    return np.clip(np.stack(channels, axis=-1), 0, 255)


def planted_image(label: int, rng: np.random.Generator, side: int, patch: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return pixels (side, side, 3), and top and left of the patch that is the class [px]; patches never overlap."""
    pixels = background(side, rng)
    names = [CLASSES[label], *rng.choice(DISTRACTORS, rng.integers(1, MOST_DISTRACTORS + 1), replace=False)]
    places: list[tuple[int, int]] = []
    for name in names:
        while True:
            top, left = (int(value) for value in rng.integers(0, side - patch + 1, 2))
            if all(max(abs(top - y), abs(left - x)) >= patch for y, x in places):
                break
        places.append((top, left))
        pixels[top : top + patch, left : left + patch] = texture(name, patch, rng)
    return pixels.astype(np.uint8), places[0]


def make_planted(
    folder: Path, counts: dict[str, int], *, side: int = 224, patch: int = 48, seed: int = 0
) -> dict[str, tuple[int, int]]:
    """Write ``folder/<split>/<class>/<number>.png``, the classes in turn; return the place of the patch by path from there."""
    places = {}
    for split, count in counts.items():
        for number in range(count):
            label = number % len(CLASSES)
            rng = np.random.default_rng([seed, len(split), number])
            pixels, place = planted_image(label, rng, side, patch)
            path = folder / split / CLASSES[label] / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, compress_level=1)
            places[path.relative_to(folder).as_posix()] = place
    return places


def overlapping(place: tuple[int, int], patch: int, side: int, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which cells of a grid over the image overlap the patch by a pixel or more."""
    hits = []
    for start, cells in zip(place, grid, strict=True):
        edges = np.arange(cells + 1) * side / cells
        hits.append((edges[:-1] < start + patch) & (edges[1:] > start))
    return np.logical_and.outer(*hits)
