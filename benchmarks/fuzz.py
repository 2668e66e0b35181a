"""Every change of every file of a cache, one at a time, and whether each verb answers or gives one typed error.

``python -m benchmarks.fuzz`` prints the changes that a verb answered with a traceback; the tests take a sample of them.
``--examples N`` gives each reader of foreign files that many made-up files instead; the tests give a few.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

import featx
from featx.errors import FeatxError
from featx.report.text.inspect import cache_text
from featx.verbs.inspect import CacheSummary, inspect_path

Mutation = tuple[str, Callable[[Path], None]]


def replaced(name: str, values: Any, **options: Any) -> Callable[[h5py.File], None]:
    """Return what puts other values in a dataset's place."""

    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=values, **options)

    return change


def removed(name: str) -> Callable[[h5py.File], None]:
    """Return what takes a dataset or a group away."""

    def change(file: h5py.File) -> None:
        del file[name]

    return change


def with_attribute(name: str, value: object) -> Callable[[h5py.File], None]:
    """Return what gives the file an attribute, or takes it away."""

    def change(file: h5py.File) -> None:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return change


def renamed(name: str, other: str) -> Callable[[h5py.File], None]:
    """Return what calls a dataset something else."""
    return lambda file: file.move(name, other)


def changes_of(file: h5py.File) -> Iterator[tuple[str, Callable[[h5py.File], None]]]:
    """Yield every change of a file's structure, with a name for it."""
    names: list[str] = []
    file.visit(names.append)
    for name in names:
        yield f"{name} removed", removed(name)
        yield f"{name} renamed", renamed(name, f"{name} of old")
        yield f"{name} a group", lambda file, name=name: (removed(name)(file), file.create_group(name), None)[2]
        if not isinstance(file[name], h5py.Dataset):
            yield f"{name} a dataset", replaced(name, np.zeros(3))
            yield f"{name} with more in it", lambda file, name=name: file[name].create_dataset("more", data=np.zeros((2, 3)))
            continue
        values = file[name][()]
        for kind in ("f2", "f8", "i1", "u8", ">i4", "c8", "S3", "?", "M8[s]"):
            with np.errstate(all="ignore"), contextlib.suppress(TypeError, ValueError):
                yield f"{name} as {kind}", replaced(name, values.astype(kind))
        shapes = {
            "a number": values.ravel()[0] if values.size else 0,
            "empty": values[:0],
            "one less": values[:-1],
            "one more": np.concatenate([values, values[:1]]),
            "one rank more": values[..., None],
            "two ranks more": values[None, None],
            "flat": values.ravel(),
            "turned": values.T,
            "half as wide": values[:, : values.shape[1] // 2] if values.ndim > 1 else values[::2],
        }
        for what, other in shapes.items():
            yield f"{name} {what}", replaced(name, other)
        if values.dtype.kind in "iu":
            info = np.iinfo(values.dtype)
            for number in (0, 1, info.min, info.max):
                yield f"{name} all {number}", replaced(name, np.full_like(values, number))
        else:
            for number in (np.nan, np.inf, -np.inf):
                yield f"{name} all {number}", replaced(name, np.full_like(values, number))
        yield f"{name} not in chunks", replaced(name, values)
        if values.ndim:
            yield f"{name} in one chunk", replaced(name, values, chunks=values.shape or None, compression="gzip")
    for attribute in file.attrs:
        for value in (None, "text", 7, np.bytes_(b"\xff"), np.bytes_(b"other"), np.arange(3), np.zeros(9000)):
            yield f"attribute {attribute} {value!r:.20}", with_attribute(attribute, value)


def edits_of(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield every edit of a document's values, two levels deep, with a name for it."""
    for key in list(document):
        for value in (None, -1, 1.5, 10**400, float("nan"), "x", "a\0b", "\ud800", [], [None], {}, {"a": 1}, True):
            yield f"{key} = {value!r:.12}", document | {key: value}
        yield f"{key} removed", {name: value for name, value in document.items() if name != key}
        if isinstance(document[key], dict):
            for what, inner in edits_of(document[key]):
                yield f"{key}.{what}", document | {key: inner}
        if isinstance(document[key], list) and document[key] and isinstance(document[key][0], dict):
            for what, inner in edits_of(document[key][0]):
                yield f"{key}[0].{what}", document | {key: [inner, *document[key][1:]]}


def mutations_of(cache: Path) -> Iterator[Mutation]:
    """Yield each change of each file of a cache: its name, and what makes it in a copy."""
    for path in sorted(cache.rglob("*")):
        place = path.relative_to(cache)
        if path.suffix == ".h5":
            with h5py.File(path, "r") as file:
                for what, change in list(changes_of(file)):
                    yield f"{place.name[-12:]}: {what}", lambda copy, place=place, change=change: _edit(copy / place, change)
        if path.name == "catalog.h5":
            with h5py.File(path, "r") as file:
                head = json.loads(file["head"][()].tobytes())
            for what, edited in edits_of(head | {"views": {"augment": "flip", "seed": 0, "keys": [1]}}):
                text = np.frombuffer(json.dumps(edited).encode(), np.uint8)
                change = replaced("head", text)
                yield f"head: {what}", lambda copy, place=place, change=change: _edit(copy / place, change)
        if path.suffix == ".json":
            for what, edited in edits_of(json.loads(path.read_text())):
                text = json.dumps(edited)
                yield f"{place}: {what}", lambda copy, place=place, text=text: (copy / place).write_text(text) and None
        if path.suffix == ".json":
            for text in ("", "[]", "null", "{", "[" * 100_000, '"\\ud800"'):
                yield f"{place}: {text:.8}", lambda copy, place=place, text=text: (copy / place).write_text(text) and None
        if path.is_file() and path.name != ".lock":
            yield f"{place} gone", lambda copy, place=place: (copy / place).unlink()


def _edit(path: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        change(file)


def ask(cache: Path, folder: Path) -> list[str]:
    """Ask each verb about a cache; return what is wrong: errors that have no type of featx's own."""
    store: list[featx.FeatureCache] = []

    def features() -> None:
        one = store[0]
        for layer in one.recipe.layers:
            for pooling in ("flatten", "avg", "avgmax"):
                one.features(one.catalog.rows(), pooling=pooling, layer=layer)

    def inspect() -> None:
        summary = inspect_path(cache)
        assert isinstance(summary, CacheSummary)
        cache_text(summary)

    def merge() -> None:
        shutil.rmtree(folder / "merged", ignore_errors=True)
        featx.merge_caches([cache, cache], folder / "merged")

    asked: dict[str, Callable[[], object]] = {
        "open": lambda: store.append(featx.open_cache(cache)),
        "features": lambda: features() if store else None,
        "inspect": inspect,
        "verify": lambda: featx.verify_cache(cache),
        "fit": lambda: featx.fit_head(cache, "ridge", out=folder / "m.featx"),
        "pack": lambda: featx.pack_cache(cache, folder / "p.h5", overwrite=True),
        "merge": merge,
    }
    wrong = []
    for verb, how in asked.items():
        try:
            how()
        except FeatxError as error:
            if not str(error) or "Traceback" in str(error):
                wrong.append(f"{verb}: {error}")
        except Exception as error:
            wrong.append(f"{verb}: {type(error).__name__}: {error}")
    return wrong


def made_cache(folder: Path) -> Path:
    """Extract a dozen images of three classes with the stub backbone."""
    rng = np.random.default_rng(0)
    for label in range(3):
        for number in range(4):
            path = folder / "photos" / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (40, 48, 3), np.uint8)).save(path)
    options: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "val_fraction": 0.25, "test_fraction": 0.25}
    return Path(featx.extract_features(folder / "photos", folder / "cache", **options).cache)


def wrong_answers(cache: Path, folder: Path, mutations: Iterable[Mutation]) -> tuple[int, dict[str, list[str]]]:
    """Apply each change to a copy of a cache and ask; return how many could be applied, and what was wrong after which."""
    wrong: dict[str, list[str]] = {}
    n = 0
    for name, change in mutations:
        copy = folder / "copy"
        shutil.copytree(cache, copy)
        with contextlib.suppress(ValueError, OSError, TypeError, KeyError):  # HDF5 has no such change
            change(copy)
            n += 1
            if found := ask(copy, folder):
                wrong[name] = found
        shutil.rmtree(copy)
    return n, wrong


def main() -> None:
    """Apply every change, or read made-up files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, metavar="N", help="made-up files for each reader")
    chosen = parser.parse_args()
    if chosen.examples:
        tests = Path(__file__).parents[1] / "tests" / "test_hypothesis.py"
        environment = os.environ | {"FEATX_FUZZ_EXAMPLES": str(chosen.examples)}
        sys.exit(subprocess.run([sys.executable, "-m", "pytest", "-q", str(tests)], env=environment).returncode)
    with tempfile.TemporaryDirectory() as name:
        cache = made_cache(Path(name))
        n, wrong = wrong_answers(cache, Path(name), mutations_of(cache))
    sys.stdout.write("".join(f"{name}: {found}\n" for name, found in wrong.items()) + f"{len(wrong)} of {n} changes\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
