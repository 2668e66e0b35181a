"""What extract, its dry run, fit and evaluate say of pictures that are not what their owner thinks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

import featx
from featx.cli import main
from featx.report import extract_text, plan_text

STUB: dict[str, Any] = {"backbone": "stub", "image_size": (32, 32)}
CLASSES = ("a", "b")


def write(folder: Path, make: Callable[[np.random.Generator, int], np.ndarray], n_images: int = 20) -> Path:
    """Write PNGs of two classes, each with a test split of its own."""
    for number, name in enumerate(CLASSES):
        for split in ("train", "test"):
            (folder / split / name).mkdir(parents=True)
            for place in range(n_images // 4):
                rng = np.random.default_rng([number, place, split == "test"])
                assert cv2.imwrite(str(folder / split / name / f"{place}.png"), make(rng, number))
    return folder


def twelve_bits(rng: np.random.Generator, number: int) -> np.ndarray:
    """Grey of 16 bits that reaches to 4,095 at most."""
    values = rng.integers(0, 2048 * (number + 1), (32, 32)).astype(np.uint16)
    values[0, 0] = 4095
    return values


def drawing(rng: np.random.Generator, number: int) -> np.ndarray:
    """A white drawing on transparency: BGRA."""
    alpha = np.zeros((32, 32), np.uint8)
    at = int(rng.integers(2, 28))
    alpha[at : at + 3] = 255 if number else 0
    alpha[:, at : at + 3] |= 0 if number else 255
    hidden = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    return np.dstack([np.where(alpha[..., None] > 0, 255, hidden).astype(np.uint8), alpha])


def test_files_of_16_bits_that_hold_12_are_said_with_what_to_do(tmp_path: Path) -> None:
    """By the extract and by its dry run; with --depth 12 there is nothing to say, and the levels are those of 12 bits."""
    folder = write(tmp_path / "images", twelve_bits, 40)
    said = "  note: 40 images have 16 bits but no value above 4,095: 16 of 256 levels are left. Give --depth 12"
    plan = featx.plan_extract(folder, tmp_path / "cache", **STUB)
    result = featx.extract_features(folder, tmp_path / "cache", **STUB)
    assert said in plan_text(plan).splitlines()
    assert said in extract_text(result).splitlines()
    assert (plan.noticed.bits, result.noticed.bits, result.noticed.decoded) == ({"12": 40}, {"12": 40}, 40)
    right = featx.extract_features(folder, tmp_path / "twelve", depth="12", **STUB)
    assert "levels" not in extract_text(right)
    assert featx.open_cache(tmp_path / "twelve").recipe.depth == "12"
    narrow = featx.extract_features(folder, tmp_path / "ten", depth="10", **STUB)
    said = "  note: 40 images have values above 1,023, which --depth 10 makes white. Give --depth auto or a larger one"
    assert said in extract_text(narrow).splitlines()
    again = featx.extract_features(folder, tmp_path / "cache", **STUB)
    assert (again.noticed.decoded, again.noticed.bits) == (0, {})


@pytest.mark.parametrize(
    ("largest", "said"), [(255, "1 of 256 levels is left. Give --depth 8"), (1023, "4 of 256 levels are left")]
)
def test_levels_that_are_left_are_counted(tmp_path: Path, largest: int, said: str) -> None:
    """Of 8 bits read as 16 one level, of 10 four."""

    def make(rng: np.random.Generator, number: int) -> np.ndarray:
        values = rng.integers(0, largest + 1, (32, 32)).astype(np.uint16)
        values[0, number] = largest
        return values

    folder = write(tmp_path / "images", make)
    assert said in extract_text(featx.extract_features(folder, tmp_path / "cache", **STUB))


def test_depth_and_profile_are_options_of_the_command_and_settings_of_the_recipe(tmp_path: Path) -> None:
    """An unknown one is a usage error; a cache of another depth is another recipe."""
    folder = write(tmp_path / "images", twelve_bits)
    command = ["extract", str(folder), "--backbone", "stub", "--image-size", "32", "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(main, [*command, "--depth", "auto", "--color-profile", "srgb", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["noticed"]["bits"] == {"12": 20}
    recipe = json.loads((tmp_path / "cache" / "recipe.json").read_text())["recipe"]
    assert (recipe["depth"], recipe["color_profile"]) == ("auto", "srgb")
    assert CliRunner().invoke(main, [*command, "--depth", "14"]).exit_code == 2
    other = CliRunner().invoke(main, [*command, "--depth", "12"])
    assert other.exit_code == 1
    assert "depth" in str(other.exception) + other.output


def test_model_decodes_as_its_cache_did(tmp_path: Path) -> None:
    """Files that go through the backbone again, for evaluate or predict, give the cached probabilities."""
    folder = write(tmp_path / "images", twelve_bits)
    featx.extract_features(folder, tmp_path / "cache", depth="12", **STUB)
    model = featx.fit_head(tmp_path / "cache", "logreg", out=tmp_path / "model.featx").model
    cached = featx.evaluate_model(model)
    fresh = featx.evaluate_model(model, images=folder)
    np.testing.assert_allclose(fresh.probabilities, cached.probabilities, atol=1e-6)
    extractor = featx.FeatureExtractor(depth="12", pooling="flatten", **STUB)
    rows = featx.open_cache(tmp_path / "cache").catalog.rows("test")
    paths = [folder / featx.open_cache(tmp_path / "cache").catalog.paths[row] for row in rows]
    np.testing.assert_allclose(
        extractor.transform(paths), featx.open_cache(tmp_path / "cache").features(rows, pooling="flatten"), rtol=1e-3, atol=1e-3
    )


def test_files_of_several_frames_are_said(tmp_path: Path) -> None:
    """One of five, then two of up to five: the first frame is the one that is used."""
    folder = write(tmp_path / "images", lambda rng, _: rng.integers(0, 256, (32, 32, 3), np.uint8))
    stack = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    tifffile.imwrite(folder / "train" / "a" / "stack.tif", stack, photometric="rgb")
    first = featx.extract_features(folder, tmp_path / "cache", **STUB)
    assert "  note: 1 file has 5 frames: the first is used" in extract_text(first).splitlines()
    frames = [Image.fromarray(frame) for frame in stack[:2]]
    for name, options in (("film.gif", {}), ("film.webp", {"lossless": True})):
        frames[0].save(folder / "train" / "b" / name, save_all=True, append_images=frames[1:], **options)
    second = featx.extract_features(folder, tmp_path / "again", **STUB)
    assert "  note: 3 files have up to 5 frames: the first of each is used" in extract_text(second).splitlines()
    assert (second.noticed.stacks, second.noticed.most_frames) == (3, 5)


def test_white_drawings_on_transparency_are_said_by_every_command(tmp_path: Path) -> None:
    """Extract, dry run, fit and evaluate, from the cache and from files; on black they are drawings, and nothing is said."""
    folder = write(tmp_path / "images", drawing)
    said = "pictures are of one colour: there is nothing in them to tell a class by."
    plan = featx.plan_extract(folder, tmp_path / "cache", **STUB)
    result = featx.extract_features(folder, tmp_path / "cache", **STUB)
    assert f"20 of 20 decoded {said}" in plan_text(plan)
    assert f"20 of 20 decoded {said}" in extract_text(result)
    fitted = featx.fit_head(tmp_path / "cache", "logreg", out=tmp_path / "model.featx")
    assert any(note.startswith(f"{fitted.train_images} of {fitted.train_images} training {said}") for note in fitted.notes)
    for source in ({}, {"images": folder}):
        notes = featx.evaluate_model(fitted.model, **source).notes
        assert any(note.startswith(f"10 of 10 measured {said}") for note in notes), source
    black = featx.extract_features(folder, tmp_path / "black", background=(0, 0, 0), **STUB)
    assert black.noticed.blank == 0
    fitted = featx.fit_head(tmp_path / "black", "logreg", out=tmp_path / "black.featx")
    assert not any("one colour" in note for note in [*fitted.notes, *featx.evaluate_model(fitted.model).notes])


def test_one_blank_picture_is_nothing_to_be_told_of(tmp_path: Path) -> None:
    """A single blank picture is the audit's matter; two of twenty are many."""

    def make(rng: np.random.Generator, number: int) -> np.ndarray:
        return rng.integers(0, 256, (32, 32, 3), np.uint8)

    folder = write(tmp_path / "images", make)
    assert cv2.imwrite(str(folder / "train" / "a" / "0.png"), np.full((32, 32, 3), 90, np.uint8))
    assert "one colour" not in extract_text(featx.extract_features(folder, tmp_path / "cache", **STUB))
    assert cv2.imwrite(str(folder / "train" / "a" / "1.png"), np.full((32, 32, 3), 91, np.uint8))
    assert "2 of 20 decoded pictures" in extract_text(featx.extract_features(folder, tmp_path / "again", **STUB))
