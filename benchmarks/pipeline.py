"""What stands around the network: ``python -m benchmarks.pipeline [--files 1024] [--batch 64]``; about two minutes.

An extract is to reach 0.9 of the smaller of decoding and the network. Where there is no GPU, a pretended network shows what the
rest of featx allows: it sleeps, which takes none of the processor, as long as a device of so many images/s would compute, and
gives maps that are 91 % zeros as VGG16's are. JPEGs of 640 x 480 at 224 px.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import featx.models.compute
from benchmarks.gpu import Turn, decoding, sparse_maps, writing
from benchmarks.made import photos
from benchmarks.sections import ROUNDS, Section, Target, ratio, run, spread
from benchmarks.speed import extraction

SPEEDS = (100, 300, 0)
"""Images/s of the pretended networks; 0 is one that takes no time."""


class Pretended:
    """A backbone that sleeps.

    Parameters
    ----------
    speed : int
        Images/s; 0 for no sleep at all.
    maps : ndarray of shape (n, h, w, n_channels), float32
        What it gives for a batch.
    """

    device = "pretended"
    network: dict[str, Any] = {"parameters": 0, "layers": []}  # noqa: RUF012 - never changed

    def __init__(self, speed: int, maps: NDArray[np.float32]) -> None:
        self._speed = speed
        self._maps = maps

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Return as many maps as there are images."""
        time.sleep(len(images) / self._speed if self._speed else 0)
        return {"block5_pool": self._maps[: len(images)].copy()}


def pretending(images: str, side: int, batch: int, speed: int) -> Turn:
    """Get ready to extract a folder with a pretended network."""
    maps = sparse_maps(side, batch)
    extract = extraction(images, side, "float32", batch)

    def turn() -> dict[str, Any]:
        real = featx.models.compute.load_backbone
        featx.models.compute.load_backbone = lambda *_, **__: Pretended(speed, maps)
        try:
            return extract()
        finally:
            featx.models.compute.load_backbone = real

    return turn


def measure(quick: bool, work: Path, side: int = 224, batch: int = 64, files: int = 1024, rounds: int = ROUNDS) -> Section:
    """Run all in turn, in this process."""
    if quick:
        side, batch, files, rounds = 64, 8, 48, 2
    folder = work / "pipeline"
    paths = photos(folder, files, (640, 480), classes=2)
    turns = {"decoding alone": decoding(paths, side, batch), "writing alone": writing(side, batch, files)}
    names = {speed: f"extract, a network of {speed} images/s" if speed else "extract, a network of no time" for speed in SPEEDS}
    turns |= {name: pretending(str(folder), side, batch, speed) for speed, name in names.items()}
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn()["rate"])
    rows = [[name, spread(found[name], ".0f"), "", ""] for name in ("decoding alone", "writing alone")]
    targets = []
    for speed, name in names.items():
        decoded = found["decoding alone"]
        smaller = [min(rate, speed or rate) for rate in decoded]
        share = ratio(found[name], smaller)
        limit = "decoding" if not speed or statistics.median(decoded) < speed else "the network"
        rows.append([name, spread(found[name], ".0f"), f"{share:.2f}", limit])
        targets.append(Target(f"{name}: of the smaller of that and decoding", 0.9, share))
    notes = [
        f"Images/s, batches of {batch}, {files:,} files, median of {rounds} rounds (smallest to largest). Not a GPU: the "
        "network is pretended, and moving arrays to a device and back is not in it. Where decoding is the limit, it shares the "
        "cores with compressing the maps: 0.9 of decoding alone would need all else to take a ninth of its time."
    ]
    columns = ("", "images/s", "share of the smaller of decoding and the network", "the smaller one")
    figures = {"side": side, "batch": batch, "files": files, "rates": found}
    title = "Around the network: a pretended one"
    return Section("pipeline", title, "python -m benchmarks.pipeline", columns, rows, targets, notes, figures)


if __name__ == "__main__":
    run(measure, __doc__, side=224, batch=64, files=1024, rounds=ROUNDS)
