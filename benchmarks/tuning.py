"""How long ``fit --tune`` takes on wide maps: ``python -m benchmarks.tuning``; about six minutes on two quiet cores.

1,770 images of Fashion-MNIST with the maps of VGG16's fourth block at 224 px: 100,352 features an image. ``featx fit --tune
--head svm`` as a command of its own, start-up included; then the exhaustive search in its place, every pooling with every scale
and every C and no limit of time, whose choice the first is compared with; ``--every 0`` leaves that out.
"""

import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import featx
from benchmarks.made import fashion, featx_command
from benchmarks.sections import Section, Target, run, spread
from featx.heads import head_spec
from featx.store import FeatureCache
from featx.verbs.compare.candidates import Candidate, rank_of
from featx.verbs.compare.folds import cut_into_folds
from featx.verbs.compare.limit import Limit
from featx.verbs.compare.validate import CrossValidation

HEAD, LAYER, FOLDS = "svm", "block4_pool", 5


def exhaustive(cache: Path) -> tuple[float, list[dict[str, Any]]]:
    """Try every combination; return seconds and what each came to, the best first."""
    started, spec, store = time.monotonic(), head_spec(HEAD), FeatureCache.open(cache)
    values = itertools.product(spec.searched, *spec.grid.values())
    every = [Candidate(HEAD, pooling, {**dict(zip(spec.grid, rest, strict=True)), "seed": 0}) for pooling, *rest in values]
    validation = CrossValidation(cut_into_folds(store, LAYER, FOLDS, 0), searches=True)
    found = sorted((one for one in validation.run(every, Limit(None)) if one), key=rank_of)
    table = [
        {"pooling": one.candidate.pooling, **one.candidate.settings, "accuracy": one.accuracy, "log_loss": one.log_loss}
        for one in found
    ]
    return time.monotonic() - started, table


def measure(quick: bool, work: Path, rounds: int = 3, every: int = 1) -> Section:
    """Search, and search everything."""
    side, counts = (64, {"train": 100, "val": 10, "test": 10}) if quick else (224, {"train": 1770, "val": 10, "test": 10})
    images, cache = fashion(work / "tuning", counts), work / "tuning-cache"
    featx.extract_features(images, cache, layers=LAYER, image_size=side)
    width = int(np.prod(FeatureCache.open(cache).row_shape(LAYER, "flatten")))
    searched = []
    for _ in range(1 if quick else rounds):
        out = work / "tuned.featx"
        searched.append(featx_command("fit", cache, "--head", HEAD, "--tune", "--folds", FOLDS, "--out", out))
    seconds, answer = [each[0] for each in searched], searched[-1][1]
    model = featx.load_model(work / "tuned.featx")
    best = model.tuning[0]
    took, table = exhaustive(cache) if every else (0.0, [])
    same = {"pooling": best["pooling"], **best["settings"]}
    place = next((n for n, one in enumerate(table) if {name: one[name] for name in same} == same), len(table))
    rows = [
        [
            f"`fit --tune --head {HEAD}`",
            f"{spread(seconds)} s",
            str(len(model.tuning)),
            _words(same),
            f"{best['accuracy']:.4f}",
        ],
    ]
    notes = [
        f"{counts['train']:,} images of {width:,} numbers, the layer {LAYER} at {side} px; {FOLDS} folds. First the "
        f"whole command, with start-up and the fit of what was chosen, median of {len(seconds)} (smallest to largest); "
        f"{len(answer['untried'])} settings were left out for want of time.",
    ]
    targets = [Target("fit --tune --head svm, seconds", 30, statistics.median(seconds), at_least=False, unit=" s")]
    if table:
        chosen = {name: table[0][name] for name in same}
        rows.append(["every combination", f"{took:.1f} s", str(len(table)), _words(chosen), f"{table[0]['accuracy']:.4f}"])
        notes.append(
            "Then the search alone, once. What the search chose is number "
            f"{place + 1} of {len(table)} in the exhaustive search."
        )
        away = 100 * (table[0]["accuracy"] - best["accuracy"])
        what = "points between its choice and the best of all, by cross-validation"
        targets.append(Target(what, 0, away, at_least=False, unit=""))
    figures = {
        "seconds": seconds,
        "tried": model.tuning,
        "untried": answer["untried"],
        "exhaustive": table,
        "exhaustive_seconds": took,
    }
    columns = ("", "seconds", "settings tried", "chosen", "accuracy by cross-validation")
    return Section(
        "tuning", "Choosing settings on wide maps", "python -m benchmarks.tuning", columns, rows, targets, notes, figures
    )


def _words(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


if __name__ == "__main__":
    run(measure, __doc__, rounds=3, every=1)
