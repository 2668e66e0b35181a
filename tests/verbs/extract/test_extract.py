"""The verb extract: counts that add up, rows that stay with their images, nothing done twice."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import (
    CacheError,
    CacheLocked,
    ImageListError,
    ImageRejected,
    ImageSizeError,
    Interrupted,
    RecipeMismatch,
    WeightsError,
)
from tests.conftest import COLOURS, write_image

Extract = Callable[..., featx.ExtractResult]


def adds_up(result: featx.ExtractResult) -> bool:
    """Tell whether every listed image has a row or a reason."""
    return result.listed == result.extracted + result.reused + result.rejected


def features_by_path(cache: Path) -> dict[str, np.ndarray]:
    """Read every row of a cache, keyed by path."""
    store = featx.FeatureCache.open(cache)
    rows = store.catalog.rows()
    return dict(zip((store.catalog.paths[row] for row in rows), store.features(rows), strict=True))


def rejects(cache: Path) -> list[dict[str, str]]:
    """Read rejects.csv."""
    with (cache / "rejects.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_paths_and_labels_stay_together(photos: Path, extract: Extract) -> None:
    """Each row is the mean colour of its own file, whatever the order, and its label is its folder."""
    cache = extract(photos, batch_size=5).cache
    catalog = featx.FeatureCache.open(cache).catalog
    for path, row in features_by_path(cache).items():
        with Image.open(photos / path) as image:
            resized = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR), np.float64)
        cells = resized.reshape(2, 32, 2, 32, 3).mean(axis=(1, 3)).reshape(-1)
        np.testing.assert_allclose(row, cells, rtol=2e-3)  # float16 in the cache
    assert [catalog.class_names[label] for label in catalog.labels] == [Path(path).parts[0] for path in catalog.paths]


def test_first_extract_counts_every_image(photos: Path, extract: Extract) -> None:
    """Three classes of twelve images: all extracted, split in stratified shares."""
    result = extract(photos)
    assert (result.listed, result.extracted, result.reused, result.rejected, result.duplicates) == (36, 36, 0, 0, 0)
    assert result.splits == {"train": 24, "val": 6, "test": 6}


def test_second_extract_extracts_nothing(photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete cache is left as it is, to the byte, and the backbone is not even loaded."""
    cache = extract(photos).cache
    shards = {path.name: path.stat().st_mtime_ns for path in (cache / "shards").iterdir()}
    monkeypatch.setattr("featx.models.compute.load_backbone", None)
    result = extract(photos)
    assert (result.extracted, result.reused, result.rejected) == (0, 36, 0)
    assert {path.name: path.stat().st_mtime_ns for path in (cache / "shards").iterdir()} == shards


def test_unchanged_files_are_not_read_again(photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same size and times spare hashing; a file touched since is read."""
    long_ago = time.time_ns() - 10**10
    for path in photos.rglob("*.png"):
        os.utime(path, ns=(long_ago, long_ago))
    time.sleep(2.1)  # the ctime is trusted no sooner than the mtime
    extract(photos)
    read: list[Path] = []
    from featx.images.listing import identify

    real = identify.digest_image_file
    monkeypatch.setattr(identify, "digest_image_file", lambda path: read.append(path) or real(path))
    extract(photos)
    assert read == []
    os.utime(photos / "red" / "3.png")
    extract(photos)
    assert read == [photos / "red" / "3.png"]


def test_an_image_that_memory_was_short_for_is_tried_again(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is that of one run alone: the next one, with memory, extracts the image."""
    from featx.images import decoder, loader

    def short_of_memory(path: Path, **request: Any) -> Any:
        if path.name == "3.png":
            raise ImageRejected(decoder.OUT_OF_MEMORY)
        return decoder.decode_file(path, **request)

    with monkeypatch.context() as patch:
        patch.setattr(loader, "decode_file", short_of_memory)
        result = extract(photos)
    assert result.reasons == {decoder.OUT_OF_MEMORY: result.rejected}
    assert result.rejected == 3
    again = extract(photos)
    assert (again.extracted, again.rejected, again.reasons) == (3, 0, {})


def test_freshly_written_files_are_read_again(photos: Path, extract: Extract) -> None:
    """An edit of equal size within the clock's grain is not missed: a file's mtime is trusted only once it is old."""
    bmp = photos / "red" / "flat.bmp"
    Image.new("RGB", (40, 40), (10, 20, 30)).save(bmp)
    extract(photos)
    before = bmp.stat()
    Image.new("RGB", (40, 40), (200, 100, 50)).save(bmp)
    os.utime(bmp, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert bmp.stat().st_size == before.st_size
    result = extract(photos)
    assert result.extracted == 1
    np.testing.assert_array_equal(features_by_path(result.cache)["red/flat.bmp"], np.tile([200, 100, 50], 4))


def test_renamed_moved_and_copied_images_reuse_their_row(photos: Path, extract: Extract) -> None:
    """Content is the key: none of these costs a forward pass, and labels follow the folders."""
    before = features_by_path(extract(photos).cache)
    (photos / "red" / "0.png").rename(photos / "red" / "renamed.png")
    (photos / "red" / "1.png").rename(photos / "blue" / "moved.png")
    shutil.copy(photos / "red" / "2.png", photos / "green" / "copied.png")
    result = extract(photos)
    after = features_by_path(result.cache)
    assert (result.extracted, result.reused, result.duplicates) == (0, 37, 1)
    for new, old in (("red/renamed", "red/0"), ("blue/moved", "red/1"), ("green/copied", "red/2")):
        np.testing.assert_array_equal(after[f"{new}.png"], before[f"{old}.png"])


def test_an_edited_image_is_extracted_again(photos: Path, extract: Extract) -> None:
    """The row follows what the file holds now."""
    cache = extract(photos).cache
    before = features_by_path(cache)["red/0.png"]
    write_image(photos / "red" / "0.png", (0, 0, 0), seed=1)
    result = extract(photos)
    assert (result.extracted, result.reused) == (1, 35)
    assert features_by_path(cache)["red/0.png"].mean() < 20 < before.mean()


def test_an_image_edited_during_the_run_is_stored_as_what_was_decoded(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between hashing and decoding a file may change; its row is keyed by the bytes that made the pixels."""
    import featx.models.compute

    real = featx.models.compute.load_batches

    def edit_then_load(*arguments: Any, **options: Any) -> Iterator[Any]:
        write_image(photos / "red" / "0.png", (1, 1, 1), seed=5)
        return real(*arguments, **options)

    monkeypatch.setattr(featx.models.compute, "load_batches", edit_then_load)
    result = extract(photos)
    assert adds_up(result)
    assert result.rejected == 0
    row = features_by_path(result.cache)["red/0.png"]
    monkeypatch.undo()
    assert extract(photos).extracted == 0
    np.testing.assert_array_equal(features_by_path(result.cache)["red/0.png"], row)
    assert row.mean() < 15


def test_removed_images_leave_the_catalog(photos: Path, extract: Extract) -> None:
    """Their rows stay in the shards, for when they come back."""
    cache = extract(photos).cache
    hidden = photos.parent / "0.png"
    (photos / "red" / "0.png").rename(hidden)
    assert extract(photos).listed == 35
    assert "red/0.png" not in features_by_path(cache)
    hidden.rename(photos / "red" / "0.png")
    assert extract(photos).extracted == 0


def test_unreadable_images_are_rejected_with_their_reason_and_the_run_goes_on(photos: Path, extract: Extract) -> None:
    """One text file, one truncated and one empty image cost three rows, nothing else."""
    (photos / "red" / "text.jpg").write_text("not an image")
    whole = (photos / "red" / "5.png").read_bytes()
    (photos / "blue" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "blue" / "empty.png").write_bytes(b"")
    result = extract(photos)
    assert (result.listed, result.extracted, result.rejected) == (39, 36, 3)
    assert {row["path"]: (row["class"], row["reason"]) for row in rejects(result.cache)} == {
        "blue/cut.png": ("blue", "truncated PNG"),
        "blue/empty.png": ("blue", "empty file"),
        "red/text.jpg": ("red", "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"),
    }
    assert set(features_by_path(result.cache)).isdisjoint({"blue/cut.png", "blue/empty.png", "red/text.jpg"})


def test_a_mended_image_is_no_longer_rejected(photos: Path, extract: Extract) -> None:
    """Rejects are looked at again every time, and rejects.csv shows the last run alone."""
    bad = photos / "red" / "bad.png"
    bad.write_text("not yet an image")
    assert extract(photos).rejected == 1
    write_image(bad, COLOURS["red"], seed=77)
    result = extract(photos)
    assert (result.extracted, result.rejected, rejects(result.cache)) == (1, 0, [])


def test_all_images_rejected_is_an_error_that_names_the_reason(tmp_path: Path, extract: Extract) -> None:
    """There is nothing to learn from, so the run must not look like a success."""
    (tmp_path / "p" / "a").mkdir(parents=True)
    (tmp_path / "p" / "a" / "x.jpg").write_text("no")
    with pytest.raises(ImageListError, match=r"none of its 1 images could be used.*not an image"):
        extract(tmp_path / "p")


def test_exact_duplicates_are_stored_once_and_split_alike(photos: Path, extract: Extract) -> None:
    """Twelve copies of twelve images: twelve more listed, none more extracted, each pair on one side."""
    for path in list((photos / "red").iterdir()):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    result = extract(photos)
    assert (result.listed, result.extracted, result.reused, result.duplicates) == (48, 36, 12, 12)
    catalog = featx.FeatureCache.open(result.cache).catalog
    split_of = dict(zip(catalog.paths, catalog.splits.tolist(), strict=True))
    assert all(split_of[f"red/copy-{n}.png"] == split_of[f"red/{n}.png"] for n in range(12))


def test_folders_with_splits_are_kept_and_val_is_drawn_from_train(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """With train/ and test/ the test images stay exactly those; validation comes out of train/."""
    root = tmp_path / "split"
    shutil.copytree(photos, root / "train")
    for label, name in enumerate(COLOURS):
        write_image(root / "test" / name / "t.png", COLOURS[name], seed=900 + label)
    result = extract(root)
    catalog = featx.FeatureCache.open(result.cache).catalog
    assert {catalog.paths[row] for row in catalog.rows("test")} == {f"test/{name}/t.png" for name in COLOURS}
    assert result.splits == {"train": 30, "val": 6, "test": 3}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"image_size": (96, 64)}, r"image_size=\[64, 64\].*image_size=\[96, 64\]"),
        ({"resize": "crop"}, "resize='stretch'.*resize='crop'"),
        ({"backbone": "vgg16"}, "backbone='stub'.*backbone='vgg16'"),
    ],
)
def test_changed_settings_are_refused_with_both_values(
    photos: Path, extract: Extract, change: dict[str, Any], named: str
) -> None:
    """The message says which setting, what the cache holds, what was asked, and what to do; the cache stays as it was."""
    cache = extract(photos).cache
    before = features_by_path(cache)
    with pytest.raises(RecipeMismatch, match=named + r".*Give another --cache, or --overwrite"):
        extract(photos, **change)
    np.testing.assert_equal(features_by_path(cache), before)


def test_overwrite_takes_the_new_settings(photos: Path, extract: Extract) -> None:
    """After it the cache holds the new features alone."""
    extract(photos)
    result = extract(photos, image_size=(96, 64), overwrite=True)
    assert result.extracted == 36
    assert {row.shape for row in features_by_path(result.cache).values()} == {(3 * 2 * 3,)}
    assert len(list((result.cache / "shards").glob("*.h5"))) == 1


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (1, 1)])
def test_an_image_size_under_32_is_refused_before_anything_is_written(
    photos: Path, tmp_path: Path, extract: Extract, size: tuple[int, int]
) -> None:
    """VGG16 halves five times; less than 32 px would leave nothing."""
    with pytest.raises(ImageSizeError, match="at least 32 px"):
        extract(photos, backbone="vgg16", image_size=size)
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_is_no_cache_is_left_alone(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """``--cache`` pointed at somebody's documents touches nothing."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "thesis.txt").write_text("years of work")
    with pytest.raises(CacheError, match="exists and is not a feature cache"):
        extract(photos, documents)
    assert [path.name for path in documents.iterdir()] == ["thesis.txt"]


def test_no_user_file_is_changed(photos: Path, extract: Extract) -> None:
    """Extracting writes nothing below the images' folder and changes no byte and no mtime."""
    (photos / "red" / "bad.png").write_text("no image")

    def state() -> dict[str, tuple[bytes, int]]:
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in photos.rglob("*") if p.is_file()}

    before = state()
    extract(photos)
    assert state() == before


def test_rows_do_not_depend_on_batch_size_or_workers(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """They are no part of the recipe, so they must not matter."""
    (photos / "red" / "bad.png").write_text("no image")
    one = extract(photos, tmp_path / "one", batch_size=1, workers=1).cache
    many = extract(photos, tmp_path / "many", batch_size=16, workers=4).cache
    np.testing.assert_equal(features_by_path(one), features_by_path(many))


def test_a_second_writer_is_told_who_holds_the_cache(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Two extracts at once do not mix; the second names the process that writes."""
    cache = extract(photos).cache
    store = featx.FeatureCache.open(cache)
    with store.writing(), pytest.raises(CacheLocked, match=rf"process {os.getpid()} .*--wait"):
        extract(photos)


def run_slow_extract(photos: Path, cache: Path) -> subprocess.Popen[bytes]:
    """Start an extract that commits every image as a shard of its own and then pauses a little."""
    script = f"""
import time, featx.models.compute, featx.store.writer as writer
from featx.backbones import load_backbone
from featx.errors import Interrupted
writer.SHARD_BYTES = 1
real = load_backbone
class Slow:
    def __init__(self, inner): self.inner, self.network = inner, inner.network
    def __call__(self, images): time.sleep(0.05); return self.inner(images)
featx.models.compute.load_backbone = lambda *a, **k: Slow(real(*a, **k))
try:
    featx.extract_features({str(photos)!r}, {str(cache)!r}, backbone="stub", image_size=(64, 64), batch_size=1)
except Interrupted as error:
    print(error); raise SystemExit(130)
"""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_extract_resumes_to_the_same_rows(photos: Path, tmp_path: Path, extract: Extract, stop: int) -> None:
    """Kill -9 and Ctrl-C lose at most the shard in progress; the next run does the rest and the rows are bit-identical."""
    whole = features_by_path(extract(photos, tmp_path / "whole").cache)
    cache = tmp_path / "stopped"
    with run_slow_extract(photos, cache) as process:
        while len(list(cache.glob("shards/[!.]*.h5"))) < 4:
            assert process.poll() is None, "the extract ended before it could be stopped"
            time.sleep(0.01)
        process.send_signal(stop)
        out, _ = process.communicate()
    assert process.returncode == (-signal.SIGKILL if stop == signal.SIGKILL else 130)
    if stop == signal.SIGINT:
        assert b"features are kept" in out
    kept = len(list(cache.glob("shards/[!.]*.h5")))
    result = extract(photos, cache)
    assert adds_up(result)
    assert result.extracted == 36 - kept
    assert not list(cache.rglob(".tmp-*"))
    np.testing.assert_equal(features_by_path(cache), whole)


def test_interrupting_says_what_was_kept(photos: Path, extract: Extract) -> None:
    """Ctrl-C is answered by one sentence, not a traceback, and the finished images stay."""

    def press_ctrl_c(stage: str, done: int, total: int) -> None:
        if stage == "extract" and done:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="stopped after 8 of 36 images"):
        extract(photos, progress=press_ctrl_c)
    assert extract(photos).extracted == 28


def test_progress_reports_every_image_once(photos: Path, extract: Extract) -> None:
    """All stages count up to their totals, rejects included; near duplicates are looked for in three steps."""
    (photos / "red" / "bad.png").write_text("no image")
    seen: dict[str, list[int]] = {}

    def step(stage: str, done: int, total: int) -> None:
        seen.setdefault(stage, [0, total])[0] += done

    extract(photos, progress=step)
    assert seen == {"index": [37, 37], "extract": [37, 37], "duplicates": [108, 108]}


@pytest.mark.parametrize("fractions", [(-0.1, 0.1), (0.5, 0.5), (0.1, 2.0)])
def test_impossible_fractions_are_refused(photos: Path, extract: Extract, fractions: tuple[float, float]) -> None:
    """Something must be left to learn from."""
    with pytest.raises(ImageListError, match="together below 1"):
        extract(photos, val_fraction=fractions[0], test_fraction=fractions[1])


def test_the_split_depends_on_the_seed_alone(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A copy of the folder elsewhere is split alike; another seed splits otherwise."""
    elsewhere = shutil.copytree(photos, tmp_path / "elsewhere")

    def test_images(images: Path, name: str, seed: int) -> set[str]:
        catalog = featx.FeatureCache.open(extract(images, tmp_path / name, seed=seed).cache).catalog
        return {catalog.paths[row] for row in catalog.rows("test")}

    assert test_images(photos, "a", 0) == test_images(elsewhere, "b", 0) != test_images(photos, "c", 1)


def test_a_run_that_fails_before_its_first_row_pins_no_settings(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A wrong weights file is an error; the next run into the same cache may use others."""
    (tmp_path / "wrong.h5").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"wrong\.h5: does not hold weights of vgg16"):
        extract(photos, backbone="vgg16", weights=str(tmp_path / "wrong.h5"))
    assert extract(photos).extracted == 36


def test_a_weights_file_of_ones_own_is_found_again_and_checked(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Extract with FILE, fit, predict: the model knows where the file was, and refuses another in its place."""
    import keras

    path = tmp_path / "own.weights.h5"
    network = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.save_weights(path)
    for image in list(photos.glob("*/*.png"))[:-9]:
        image.unlink()
    write_image(photos / "extra" / "0.png", (1, 2, 3), seed=1)
    cache = extract(photos, backbone="vgg16", weights=str(path), image_size=(32, 32), test_fraction=0, val_fraction=0).cache
    model = featx.fit_head(cache, "logreg", out=tmp_path / "m.featx").model
    (found,) = featx.predict_images(model, [photos / "extra" / "0.png"])
    assert found.label == "extra"
    network.layers[1].bias.assign(network.layers[1].bias + 1)
    network.save_weights(path)
    with pytest.raises(WeightsError, match=r"own\.weights\.h5: has digest sha256:.*was wanted"):
        featx.predict_images(model, [photos / "extra" / "0.png"])
    path.unlink()
    with pytest.raises(WeightsError, match="Give --weights FILE"):
        featx.predict_images(model, [photos / "extra" / "0.png"])


def test_files_that_swapped_names_keep_their_own_rows(photos: Path, extract: Extract) -> None:
    """Two bitmaps of one size and one mtime, as after unpacking an archive: a swap is noticed all the same."""
    long_ago = time.time_ns() - 10**12
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        Image.new("RGB", (40, 40), colour).save(photos / name / "flat.bmp")
        os.utime(photos / name / "flat.bmp", ns=(long_ago, long_ago))
    extract(photos)
    (photos / "red" / "flat.bmp").rename(photos / "aside.bmp")
    (photos / "blue" / "flat.bmp").rename(photos / "red" / "flat.bmp")
    (photos / "aside.bmp").rename(photos / "blue" / "flat.bmp")
    rows = features_by_path(extract(photos).cache)
    np.testing.assert_array_equal(rows["red/flat.bmp"], np.tile([0, 0, 200], 4))
    np.testing.assert_array_equal(rows["blue/flat.bmp"], np.tile([200, 0, 0], 4))


def test_a_duplicate_stands_in_for_a_file_that_vanished_during_the_run(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intact copy is not rejected for what happened to the other."""
    shutil.copy(photos / "blue" / "0.png", photos / "red" / "copy.png")
    import featx.models.compute

    real = featx.models.compute.load_batches

    def vanish_then_load(*arguments: Any, **options: Any) -> Iterator[Any]:
        (photos / "blue" / "0.png").unlink(missing_ok=True)
        return real(*arguments, **options)

    monkeypatch.setattr(featx.models.compute, "load_batches", vanish_then_load)
    result = extract(photos)
    assert (result.listed, result.extracted, result.rejected) == (37, 36, 1)
    assert [row["path"] for row in rejects(result.cache)] == ["blue/0.png"]
    assert "red/copy.png" in features_by_path(result.cache)


def test_the_last_of_several_duplicates_stands_in_for_the_others(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many vanish, one after the other, each just before it is read."""
    import featx.models.compute

    names = [photos / name for name in ("blue/0.png", "green/a.png", "red/a.png")]
    for name in names[1:]:
        shutil.copy(names[0], name)
    real, left = featx.models.compute.load_batches, names[:2]

    def vanish_then_load(*arguments: Any, **options: Any) -> Iterator[Any]:
        if left:
            left.pop(0).unlink()
        return real(*arguments, **options)

    monkeypatch.setattr(featx.models.compute, "load_batches", vanish_then_load)
    result = extract(photos)
    assert (result.listed, result.extracted, result.rejected) == (38, 36, 2)
    assert [row["path"] for row in rejects(result.cache)] == ["blue/0.png", "green/a.png"]
    assert "red/a.png" in features_by_path(result.cache)


def test_ctrl_c_in_the_middle_of_writing_keeps_every_row(photos: Path, extract: Extract) -> None:
    """A signal between two datasets of one batch must not spoil the shard: it waits until the batch is in."""
    import featx.store.shards.shard_writer

    real = featx.store.shards.shard_writer.ShardWriter._extend

    def extend_under_fire(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(featx.store.shards.shard_writer.ShardWriter, "_extend", extend_under_fire)
        with pytest.raises(Interrupted, match="stopped after 8 of 36 images; their features are kept"):
            extract(photos)
    assert extract(photos).extracted == 28
    assert featx.verify_cache(extract(photos).cache).sound


def test_what_a_killed_extract_did_is_not_pruned(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Its rows are in no listing yet; they are work, not rubbish."""
    cache = extract(photos).cache
    for number in range(20):
        write_image(photos / "red" / f"more{number}.png", COLOURS["red"], seed=3000 + number)
    with run_slow_extract(photos, cache) as process:
        while len(list(cache.glob("shards/[!.]*.h5"))) < 6:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    found = featx.verify_cache(cache)
    assert found.unfinished
    assert found.unlisted >= 5
    with pytest.raises(CacheError, match=r"was not finished.*Run featx extract again first"):
        featx.verify_cache(cache, prune=True)
    assert extract(photos).extracted == 20 - found.unlisted
    assert not featx.verify_cache(cache, prune=True).unfinished


def test_a_day_without_the_share_costs_nothing(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Every image unreadable: an error, and neither the listing nor any row is given up, pruned or not."""
    cache = extract(photos).cache
    away = tmp_path / "away"
    away.mkdir()
    moved = {path: away / f"{path.parent.name}-{path.name}" for path in photos.glob("*/*.png")}
    for path, target in moved.items():
        path.rename(target)
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ImageListError, match="none of its 36 images could be used"):
        extract(photos)
    assert featx.verify_cache(cache, prune=True).rows == 36
    for path, target in moved.items():
        path.unlink()
        target.rename(path)
    assert extract(photos).extracted == 0


def test_two_folders_of_one_name_do_not_share_the_default_cache(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extract: Extract
) -> None:
    """The second is refused, naming the first, unless the cache is given; a folder that merely moved is welcome."""
    monkeypatch.chdir(tmp_path)
    stub = {"backbone": "stub", "image_size": (64, 64)}
    other = shutil.copytree(photos, tmp_path / "site B" / "photos")
    featx.extract_features(photos, **stub)
    with pytest.raises(CacheError, match=rf"lists the images of {photos}, not of .*site B/photos"):
        featx.extract_features(other, **stub)
    assert featx.extract_features(other, "cache/photos", **stub).extracted == 0
    shutil.rmtree(other)
    assert featx.extract_features(photos, **stub).extracted == 0


def test_images_in_two_classes_are_named(photos: Path, extract: Extract) -> None:
    """The same content under two labels: one of them is wrong, and the user wants to know."""
    assert extract(photos).conflicts == []
    shutil.copy(photos / "red" / "0.png", photos / "blue" / "copy.png")
    result = extract(photos)
    assert result.conflicts == ["blue/copy.png", "red/0.png"]
    assert result.images_of_class == {"blue": 13, "green": 12, "red": 12}


def test_overwriting_keeps_the_old_network_description_until_it_is_done(
    photos: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model fitted on the old features while the new ones are made must not describe itself by the new."""
    cache = extract(photos).cache

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "extract" and done:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        extract(photos, image_size=(128, 128), overwrite=True, progress=stop)
    assert featx.FeatureCache.open(cache).network["layers"][0]["output_shape"] == [2, 2, 3]
    extract(photos, image_size=(128, 128), overwrite=True)
    assert featx.FeatureCache.open(cache).network["layers"][0]["output_shape"] == [4, 4, 3]
