"""``extract --dry-run``: what it says is what an extract then does, and it touches nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.errors import RecipeMismatch
from tests.conftest import COLOURS, write_image

Extract = Callable[..., featx.ExtractResult]
OPTIONS: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "batch_size": 8}


@pytest.fixture
def mixed(photos: Path) -> Path:
    """Split folders with damaged files, a duplicate within train, one across splits, and a class in test alone."""
    root = photos.parent / "mixed"
    shutil.copytree(photos, root / "train")
    for name, colour in COLOURS.items():
        for number in range(3):
            write_image(root / "test" / name / f"{number}.png", colour, seed=7000 + number)
    write_image(root / "test" / "pink" / "0.png", (250, 150, 190), seed=8000)
    shutil.copy(root / "train" / "red" / "1.png", root / "train" / "red" / "twin.png")
    shutil.copy(root / "train" / "blue" / "1.png", root / "test" / "blue" / "seen.png")
    (root / "train" / "red" / "text.jpg").write_text("no image")
    whole = (root / "train" / "green" / "2.png").read_bytes()
    (root / "train" / "green" / "half.png").write_bytes(whole[: len(whole) // 2])
    return root


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return every path below with its inode, modification time and content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def test_a_dry_run_touches_nothing(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is made, changed or deleted, neither where the cache would be nor in the current folder."""
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path)
    featx.plan_extract(mixed, **OPTIONS)
    assert snapshot(tmp_path) == before


def test_a_dry_run_over_a_finished_cache_touches_nothing(photos: Path, stub_cache: Path, tmp_path: Path) -> None:
    """All would be reused, nothing decoded; with other settings it is refused as the extract would be."""
    before = snapshot(tmp_path)
    plan = featx.plan_extract(photos, stub_cache, **OPTIONS)
    assert (plan.to_extract, plan.reused, plan.rejected) == (0, 36, 0)
    assert plan.bytes == featx.inspect_path(stub_cache).bytes
    with pytest.raises(RecipeMismatch):
        featx.plan_extract(photos, stub_cache, **(OPTIONS | {"image_size": (96, 96)}))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("options", [{}, {"augment": "flip,rotate=10", "views": 3}], ids=["clean", "views"])
def test_what_it_says_is_what_the_extract_does(mixed: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    """Counts, names, reasons, splits, repeats and views, to the last one; bytes about."""
    plan = featx.plan_extract(mixed, tmp_path / "cache", **OPTIONS, **options)
    done = featx.extract_features(mixed, tmp_path / "cache", **OPTIONS, **options)
    assert (plan.listed, plan.to_extract, plan.reused, plan.rejected) == (
        done.listed,
        done.extracted,
        done.reused,
        done.rejected,
    )
    assert plan.listed == plan.to_extract + plan.reused + plan.rejected == 50
    assert (plan.reasons, plan.splits, plan.skipped) == (done.reasons, done.splits, done.skipped)
    assert (plan.duplicates, plan.conflicts, plan.across_splits) == (done.duplicates, done.conflicts, done.across_splits)
    assert (plan.views, plan.to_augment, plan.unlearnable) == (done.views, done.augmented, done.unlearnable)
    lines = (tmp_path / "cache" / "rejects.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == set(plan.rejects)
    assert plan.rejects == {"train/green/half.png": "truncated PNG", "train/red/text.jpg": plan.rejects["train/red/text.jpg"]}
    assert plan.across_splits == ["test/blue/seen.png"]
    assert (plan.duplicates, plan.unlearnable) == (2, ["pink"])
    counts = featx.inspect_path(tmp_path / "cache").counts
    assert plan.counts == counts
    assert plan.bytes == pytest.approx(done.bytes, rel=0.2)  # HDF5's own index, which weighs most in so small a cache
    assert plan.seconds > 0
    assert plan.images_per_second > 0


def test_it_says_what_a_second_extract_would_add(photos: Path, stub_cache: Path) -> None:
    """Two new images and one moved: two to extract, the others reused, for some bytes more."""
    write_image(photos / "red" / "new.png", COLOURS["red"], seed=901)
    write_image(photos / "blue" / "new.png", COLOURS["blue"], seed=902)
    (photos / "red" / "3.png").rename(photos / "red" / "moved.png")
    plan = featx.plan_extract(photos, stub_cache, **OPTIONS)
    assert (plan.listed, plan.to_extract, plan.reused) == (38, 2, 36)
    assert plan.bytes > featx.inspect_path(stub_cache).bytes


def test_the_command_prints_the_plan(mixed: Path, tmp_path: Path) -> None:
    """As text with every reject by name, as JSON with one object; exit 0, or 3 past ``--max-rejects``."""
    arguments = ["extract", str(mixed), "--cache", str(tmp_path / "c"), "--backbone", "stub", "--image-size", "64", "--dry-run"]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    for text in (
        "50 images in 4 classes",
        "46 to extract",
        "train/red/text.jpg",
        "test/blue/seen.png",
        "pink",
        "nothing was written",
    ):
        assert text in shown.stdout
    document = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert (document["dry_run"], document["to_extract"], document["rejected"]) == (True, 46, 2)
    assert CliRunner().invoke(main, [*arguments, "--max-rejects", "0.01"]).exit_code == 3
    assert not (tmp_path / "c").exists()
