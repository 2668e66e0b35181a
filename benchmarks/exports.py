"""What exports differ by, weigh and take: ``python -m benchmarks.exports [--image-size 224] [--cache FOLDER] [--heads …]``.

Fits each head on the bundled sample with the bundled VGG16 weights, exports it to every format whose libraries are installed,
and prints, as Markdown, the largest difference of any probability from featx's own on 20 sample images; then what a file of
each format weighs and takes to make.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import featx
from featx.errors import ExportError
from featx.verbs.export.export import FORMATS

HEADS: dict[str, dict[str, Any]] = {
    "dense": {},
    "dense, hidden 64": {"head": "dense", "hidden": [64]},
    "dense, sigmoid": {"head": "dense", "activation": "sigmoid"},
    "conv": {"epochs": 10},
    "logreg": {},
    "logreg, flatten, sqrt": {"head": "logreg", "pooling": "flatten", "scale": "sqrt"},
    "svm": {},
    "ridge": {},
    "svm, rbf": {"head": "svm", "kernel": "rbf"},
    "knn": {},
}


def export_all(cache: Path, work: Path, heads: list[str]) -> dict[tuple[str, str], featx.ExportResult | None]:
    """Export each head to each format; None where featx refuses."""
    results: dict[tuple[str, str], featx.ExportResult | None] = {}
    for head in heads:
        model = work / f"{head}.featx"
        featx.fit_head(cache, **({"head": head} | HEADS[head]), out=model)
        for form in FORMATS.values():
            out = work / f"it{form.suffixes[-1]}"
            try:
                results[head, form.name] = featx.export_model(model, out, overwrite=True)
            except ExportError as error:
                results[head, form.name] = None
                print(f"{head}, {form.name}: {error}", flush=True)
    return results


def tables(results: dict[tuple[str, str], featx.ExportResult | None]) -> str:
    """Return differences by head and format, then size and seconds by format."""
    heads, forms = (list(dict.fromkeys(key[place] for key in results)) for place in (0, 1))
    lines = [f"| head | {' | '.join(forms)} |", "|---" * (len(forms) + 1) + "|"]
    for head in heads:
        found = (results[head, form] for form in forms)
        cells = (f"{one.largest_difference:.0e}" if one else "–" for one in found)
        lines.append(f"| {head} | {' | '.join(cells)} |")
    lines += ["", "| format | size | time |", "|---|---|---|"]
    for form in forms:
        made = [one for one in (results[head, form] for head in heads) if one]
        if made:
            sizes, times = sorted(one.bytes / 1e6 for one in made), sorted(one.seconds for one in made)
            lines.append(f"| {form} | {sizes[0]:.1f} to {sizes[-1]:.1f} MB | {times[0]:.0f} to {times[-1]:.0f} s |")
    return "\n".join(lines)


def main() -> None:
    """Export everything once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--cache", type=Path, help="features of the sample that are there already")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cache = chosen.cache
        if cache is None:
            featx.unpack_sample(work / "sample")
            size = (chosen.image_size, chosen.image_size)
            cache = featx.extract_features(work / "sample", work / "cache", image_size=size).cache
        print(tables(export_all(cache, work, chosen.heads)))


if __name__ == "__main__":
    main()
