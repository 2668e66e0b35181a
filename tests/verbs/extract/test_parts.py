"""``extract --part I/N``: parts of one listing, on as many machines, add up to what one extract gives."""

import csv
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import featx
from featx.errors import CacheLocked, CacheNotFound, ImageListError, RecipeMismatch
from featx.images import Part
from featx.store import Catalog
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.pages import block
from tests.verbs.extract.test_extract import adds_up, features_by_path

Extract = Callable[..., featx.ExtractResult]
ROOT = Path(featx.__file__).parents[1]

# One line, as docs/howto/parts.md has it: four parts, two at a time, then the whole.
XARGS = block("recipe: xargs")


def settle(folder: Path) -> None:
    """Make every file old enough for its times to be trusted: the mtime at once, the ctime, which nobody can set, in time."""
    long_ago = time.time_ns() - 10**12
    for path in folder.rglob("*"):
        os.utime(path, ns=(long_ago, long_ago))
    time.sleep(2.1)


@pytest.fixture
def album(photos: Path) -> Path:
    """``photos`` with a duplicate in another class, one beside it, and two files that give no features; all of them old."""
    shutil.copy(photos / "red" / "0.png", photos / "blue" / "other-class.png")
    shutil.copy(photos / "red" / "1.png", photos / "red" / "twin.png")
    (photos / "red" / "text.jpg").write_text("no image")
    whole = (photos / "green" / "2.png").read_bytes()
    (photos / "green" / "half.png").write_bytes(whole[: len(whole) // 2])
    settle(photos)
    return photos


def assert_same_catalog(one: Catalog, other: Catalog) -> None:
    """Compare two listings field by field."""
    for field in dataclasses.fields(Catalog):
        np.testing.assert_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def assert_same_cache(one: Path, other: Path) -> None:
    """Compare two caches: the listing, the table of rejected images, and every row in every view."""
    ours, theirs = featx.FeatureCache.open(one), featx.FeatureCache.open(other)
    assert_same_catalog(ours.catalog, theirs.catalog)
    np.testing.assert_equal(features_by_path(one), features_by_path(other))
    rows, views = ours.catalog.learning_rows()
    np.testing.assert_array_equal(ours.features(rows, views=views), theirs.features(rows, views=views))
    assert (one / "rejects.csv").read_text() == (other / "rejects.csv").read_text()


paths = st.lists(st.binary(min_size=1, max_size=12).map(os.fsdecode), unique=True, max_size=60)  # any bytes make a name


@given(paths, st.integers(1, 50))
def test_parts_are_disjoint_and_complete(listing: list[str], of: int) -> None:
    """Every image is in one part and in no other, for any listing and any number of parts."""
    rows = [Part(number, of).rows(listing) for number in range(1, of + 1)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(listing)))
    assert all((np.diff(part) > 0).all() for part in rows)


@given(paths, st.integers(1, 8))
def test_a_path_stays_in_its_part_whatever_comes_or_goes(listing: list[str], of: int) -> None:
    """Parts start hours apart; a file that was added or removed in between moves no other."""
    part = Part(1, of)
    before = {listing[row] for row in part.rows(listing)}
    fewer = listing[1::2][::-1]
    assert {fewer[row] for row in part.rows(fewer)} == before & set(fewer)


def test_the_part_of_a_path_is_the_first_eight_bytes_of_its_sha256_modulo_n() -> None:
    """Written down, as parts of different featx versions have to agree: computed here by hand."""
    for path in ("red/0.png", "caf\udce9/b.jpg"):
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()
        assert Part(int(digest[:16], 16) % 7 + 1, 7).rows([path]).tolist() == [0]


def test_parts_are_of_about_equal_size() -> None:
    """Of 20,000 names each eighth is 2,500 give or take five times the square root of that."""
    listing = [f"class {n % 10}/{n:06}.jpg" for n in range(20_000)]
    assert all(abs(len(Part(number, 8).rows(listing)) - 2_500) < 250 for number in range(1, 9))


@pytest.mark.parametrize("value", ["0/4", "5/4", "1/0", "2", "a/b", "1/2/3", "", (1,), (1, 2, 3), (0, 1), (1.0, 2), (1, 10**7)])
def test_what_is_no_part_is_refused(photos: Path, extract: Extract, value: Any) -> None:
    """From the API with what was wanted; the command line calls it wrong usage."""
    with pytest.raises(ImageListError, match=r"shard \(--part\) must be I/N"):
        extract(photos, shard=value)


def test_the_command_line_refuses_what_is_no_part(photos: Path, run: Run) -> None:
    """Exit 2, as for any wrong option, before anything is looked at."""
    for value in ("0/4", "5/4", "4", "a/b", "-1/2"):
        result = run("extract", "photos", f"--part={value}")
        assert result.exit_code == 2
        assert "give 2/8, say" in result.stderr


def test_parts_and_then_the_whole_equal_one_extract(
    album: Path, tmp_path: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same rows, same listing, to the bit; the whole reads no file's content again and never loads the backbone."""
    serial = extract(album, tmp_path / "serial")
    cache = tmp_path / "cache"
    results = [extract(album, cache, shard=f"{number}/4") for number in (3, 1, 4, 2)]
    assert all(adds_up(result) and result.whole == 40 for result in results)
    assert [result.shard for result in results] == ["3/4", "1/4", "4/4", "2/4"]
    assert sum(result.listed for result in results) == serial.listed == 40
    assert sum(result.rejected for result in results) == serial.rejected == 2
    assert sum(result.extracted for result in results) == serial.extracted == 36
    monkeypatch.setattr("featx.models.compute.load_backbone", None)
    monkeypatch.setattr("featx.images.listing.identify.digest_image_file", None)
    whole = extract(album, cache)
    assert (whole.extracted, whole.reused, whole.shard, whole.whole) == (0, 38, None, 40)
    assert_same_cache(cache, tmp_path / "serial")
    assert featx.verify_cache(cache).sound
    assert not (cache / "parts").exists()


def test_only_the_files_of_a_part_are_read(
    photos: Path, tmp_path: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are neither hashed nor decoded: their rows are not there."""
    from featx.images.listing import identify

    names = [path.relative_to(photos).as_posix() for path in sorted(photos.rglob("*.png"))]
    wanted = {names[row] for row in Part(2, 3).rows(names)}
    assert 0 < len(wanted) < 36
    read: list[str] = []
    real = identify.digest_image_file
    monkeypatch.setattr(
        identify, "digest_image_file", lambda path: read.append(path.relative_to(photos).as_posix()) or real(path)
    )
    result = extract(photos, shard=(2, 3))
    assert set(read) == wanted
    store = featx.FeatureCache.open(result.cache)
    digests = {name: hashlib.sha256((photos / name).read_bytes()).digest() for name in names}
    assert {name for name, there in zip(names, store.has(list(digests.values())), strict=True) if there} == wanted


@pytest.mark.slow
def test_the_recipe_for_xargs_runs_as_it_stands(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Through ``sh``, in processes of their own, two at a time: the same listing and rows as one extract."""
    script = tmp_path / "bin" / "featx"
    script.parent.mkdir()
    script.write_text(
        f'#!/bin/sh\nverb=$1; shift\nexec {sys.executable} {ROOT / "cli.py"} "$verb" --backbone stub --image-size 64 "$@"\n'
    )
    script.chmod(0o755)
    settle(photos)
    environment = os.environ | {"PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", XARGS], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "36 images in 3 classes: 0 extracted, 36 reused" in done.stdout
    extract(photos, tmp_path / "serial")
    assert_same_cache(tmp_path / "cache" / "photos", tmp_path / "serial")


def run_slow_part(photos: Path, cache: Path, shard: str) -> subprocess.Popen[bytes]:
    """Start a part that commits every image as a shard of its own and then pauses a little."""
    script = f"""
import time, featx, featx.models.compute, featx.store.writer as writer
writer.SHARD_BYTES = 1
real = featx.models.compute.load_backbone
class Slow:
    def __init__(self, inner): self.inner, self.network = inner, inner.network
    def __call__(self, images): time.sleep(0.1); return self.inner(images)
featx.models.compute.load_backbone = lambda *a, **k: Slow(real(*a, **k))
featx.extract_features({str(photos)!r}, {str(cache)!r}, backbone="stub", image_size=(64, 64), batch_size=1, shard={shard!r})
"""
    return subprocess.Popen([sys.executable, "-c", script])


def test_a_killed_part_is_done_again_by_itself_or_by_the_whole(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """SIGKILL in the middle, beside another part that goes on; what it did stays and nothing is done twice."""
    settle(photos)
    cache = tmp_path / "cache"
    with run_slow_part(photos, cache, "1/2") as process:
        while len(list(cache.glob("shards/[!.]*.h5"))) < 3:
            assert process.poll() is None, "the part ended before it could be killed"
            time.sleep(0.01)
        other = extract(photos, cache, shard="2/2")
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    kept = len(featx.FeatureCache.open(cache)) - other.extracted
    assert kept >= 3
    assert [path.name for path in (cache / "parts").glob("*.h5")] == ["2-of-2.h5"]
    again = shutil.copytree(cache, tmp_path / "again")
    by_itself, by_the_whole = extract(photos, again, shard="1/2"), extract(photos, cache)
    assert by_itself.extracted == by_the_whole.extracted == 36 - other.extracted - kept
    assert extract(photos, again).extracted == 0
    extract(photos, tmp_path / "serial")
    for finished in (cache, again):
        assert_same_cache(finished, tmp_path / "serial")
        assert not list(finished.rglob(".tmp-*"))


def test_work_done_twice_is_read_once_and_harms_nothing(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A part runs while another one does the same images: rows that stand twice are no damage; --prune drops them."""
    settle(photos)
    cache = tmp_path / "cache"
    inner: list[featx.ExtractResult] = []

    def meanwhile(stage: str, done: int, total: int) -> None:
        if stage == "extract" and not done and not inner:
            inner.append(extract(photos, cache, shard="1/4"))  # half of the images of part 1/2

    outer = extract(photos, cache, shard="1/2", progress=meanwhile)
    assert outer.listed == outer.extracted > inner[0].extracted > 0
    found = featx.verify_cache(cache)
    assert (found.sound, found.repeated, found.rows) == (True, inner[0].extracted, outer.extracted + inner[0].extracted)
    extract(photos, cache)
    extract(photos, tmp_path / "serial")
    assert_same_cache(cache, tmp_path / "serial")
    pruned = featx.verify_cache(cache, prune=True)
    assert (pruned.pruned, pruned.repeated, pruned.rows, pruned.sound) == (inner[0].extracted, 0, 36, True)
    assert_same_cache(cache, tmp_path / "serial")


def test_the_same_part_twice_at_once_is_harmless(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """As where a scheduler starts a job again that it took for dead."""
    settle(photos)
    cache = tmp_path / "cache"
    ran: list[int] = []

    def again(stage: str, done: int, total: int) -> None:
        if stage == "extract" and not done and not ran:
            ran.append(1)
            extract(photos, cache, shard="1/2")

    extract(photos, cache, shard="1/2", progress=again)
    extract(photos, cache, shard="2/2")
    assert extract(photos, cache).extracted == 0
    extract(photos, tmp_path / "serial")
    assert_same_cache(cache, tmp_path / "serial")


def test_parts_share_the_cache_and_keep_all_others_out(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """While a part writes, another part may; a whole extract, a repair and a prune may not, and the other way round."""
    cache = extract(photos, shard="1/2").cache
    store = featx.FeatureCache.open(cache)
    with store.writing(as_part=True):
        with pytest.raises(CacheLocked, match=rf"being written by parts of one extract.*process {os.getpid()} .*--wait"):
            extract(photos)
        with pytest.raises(CacheLocked), store.locked():
            pass
        assert extract(photos, shard="2/2").extracted > 0
    with store.writing(), pytest.raises(CacheLocked, match=rf"process {os.getpid()} "):
        extract(photos, shard="2/2")


def test_a_part_sweeps_no_unfinished_file(photos: Path, extract: Extract) -> None:
    """It may be another part's that is at work; the whole, which is alone, sweeps them."""
    cache = extract(photos, shard="1/2").cache
    leftovers = [folder / ".tmp-1-abcd.h5" for folder in (cache, cache / "shards", cache / "parts")]
    for leftover in leftovers:
        leftover.write_bytes(b"half a file")
    extract(photos, shard="2/2")
    assert all(leftover.exists() for leftover in leftovers)
    assert featx.verify_cache(cache).leftovers == 3
    extract(photos)
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_head_is_not_fitted_on_parts(photos: Path, extract: Extract) -> None:
    """Train, val and test are drawn from all images; the error names the parts that are there and what to do."""
    cache = extract(photos, shard="1/3").cache
    extract(photos, shard="3/3")
    with pytest.raises(CacheNotFound, match=r"parts of an extract \(1/3, 3/3\).*without --part.*featx merge "):
        featx.fit_head(cache, "logreg")
    with pytest.raises(CacheNotFound, match="parts of an extract"):
        featx.inspect_path(cache)


def test_views_of_parts_and_the_whole_equal_one_extract(album: Path, tmp_path: Path, extract: Extract) -> None:
    """A part guesses which images are for training; the whole makes just the views where the guess was wrong."""
    options: dict[str, Any] = {"views": 3, "seed": 5}
    serial = extract(album, tmp_path / "serial", **options)
    cache = tmp_path / "cache"
    made = sum(extract(album, cache, shard=(number, 3), **options).augmented for number in (1, 2, 3))
    whole = extract(album, cache, **options)
    assert whole.extracted == 0
    assert made > whole.augmented
    assert made + whole.augmented >= serial.augmented == 2 * len({*featx.open_cache(str(cache)).catalog.rows("train")}) - 2
    assert_same_cache(cache, tmp_path / "serial")


def test_a_folder_that_changes_between_parts_is_put_right_by_the_whole(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Images that came, went or were edited after their part ran are listed as they are now."""
    cache = tmp_path / "cache"
    extract(photos, cache, shard="1/2")
    write_image(photos / "red" / "new.png", COLOURS["red"], seed=4000)
    write_image(photos / "blue" / "1.png", COLOURS["blue"], seed=4001)
    (photos / "green" / "0.png").unlink()
    extract(photos, cache, shard="2/2")
    extract(photos, cache)
    settle(photos)
    extract(photos, cache)
    extract(photos, tmp_path / "serial")
    assert_same_cache(cache, tmp_path / "serial")


def test_a_dry_run_of_a_part_says_what_the_part_then_does(album: Path, tmp_path: Path, extract: Extract) -> None:
    """Counts agree, and nothing is written."""
    options: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "shard": "2/3"}
    plan = featx.plan_extract(album, tmp_path / "cache", **options)
    assert not (tmp_path / "cache").exists()
    done = extract(album, shard="2/3")
    assert (plan.listed, plan.to_extract, plan.reused, plan.rejected, plan.shard, plan.whole) == (
        *(done.listed, done.extracted, done.reused, done.rejected),
        *("2/3", 40),
    )
    again = featx.plan_extract(album, tmp_path / "cache", **options)
    assert (again.to_extract, again.reused) == (0, done.extracted + done.reused)


def test_a_part_without_any_image_or_with_none_that_can_be_used_is_done(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Of many small parts some are empty; the whole is what counts."""
    names = [path.relative_to(photos).as_posix() for path in sorted(photos.rglob("*.png"))]
    sizes = {number: Part(number, 200).rows(names).tolist() for number in range(1, 201)}
    empty = next(number for number, rows in sizes.items() if not rows)
    lone, rows = next((number, rows) for number, rows in sizes.items() if len(rows) == 1)
    (photos / names[rows[0]]).write_text("no image")
    none = extract(photos, tmp_path / "empty", shard=(empty, 200))
    assert (none.listed, none.extracted, none.rejected, none.images_of_class["red"]) == (0, 0, 0, 0)
    bad = extract(photos, shard=(lone, 200))
    assert (bad.listed, bad.extracted, bad.rejected) == (1, 0, 1)
    with bad.rejects.open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [names[rows[0]]]
    whole = extract(photos)
    assert (whole.extracted, whole.rejected, bad.rejects.exists()) == (35, 1, False)


def test_parts_with_other_settings_wait_for_the_whole_to_replace_the_old_ones(
    photos: Path, tmp_path: Path, extract: Extract
) -> None:
    """With --overwrite the old features stay in use until the whole is complete; without it a part is refused."""
    cache = extract(photos).cache
    with pytest.raises(RecipeMismatch, match="image_size"):
        extract(photos, shard="1/2", image_size=(96, 96))
    for number in (1, 2):
        extract(photos, shard=(number, 2), image_size=(96, 96), overwrite=True)
    assert featx.FeatureCache.open(cache).recipe.image_size == (64, 64)
    assert len(features_by_path(cache)) == 36
    whole = extract(photos, image_size=(96, 96), overwrite=True)
    assert whole.extracted == 0
    assert featx.FeatureCache.open(cache).recipe.image_size == (96, 96)


def test_of_parts_begun_at_once_with_different_settings_one_is_refused(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """The second to write finds another recipe in force and says which setting differs; the first part is whole."""
    ran: list[int] = []

    def meanwhile(stage: str, done: int, total: int) -> None:
        if stage == "extract" and not ran:
            ran.append(1)
            extract(photos, shard="1/2", image_size=(96, 96))

    with pytest.raises(RecipeMismatch, match=r"image_size=\[96, 96\].*image_size=\[64, 64\]"):
        extract(photos, shard="2/2", progress=meanwhile)
    assert extract(photos, image_size=(96, 96)).reused > 0


def test_the_default_cache_is_not_shared_with_parts_of_another_folder(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders of one name: the second is refused while only parts of the first are there, too."""
    monkeypatch.chdir(tmp_path)
    stub: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64)}
    other = shutil.copytree(photos, tmp_path / "site B" / "photos")
    featx.extract_features(photos, shard="1/2", **stub)
    with pytest.raises(featx.errors.CacheError, match=rf"lists the images of {photos}, not of .*site B/photos"):
        featx.extract_features(other, **stub)


def test_a_damaged_listing_of_a_part_is_found_and_costs_no_row(photos: Path, extract: Extract) -> None:
    """Verify names it and sets it aside; the whole then reads those files again and extracts nothing."""
    cache = extract(photos, shard="1/2").cache
    extract(photos, shard="2/2")
    listing = cache / "parts" / "1-of-2.h5"
    listing.write_bytes(listing.read_bytes()[:-200])
    assert [damage.path for damage in featx.verify_cache(cache).damages] == [listing]
    assert featx.verify_cache(cache, repair=True).set_aside == [cache / "damaged" / "1-of-2.h5"]
    assert extract(photos).extracted == 0


def test_lost_rows_of_a_part_show_as_missing(photos: Path, extract: Extract) -> None:
    """Before there is a whole listing, those of the parts say which rows there should be."""
    result = extract(photos, shard="1/2")
    next((result.cache / "shards").iterdir()).unlink()
    assert featx.verify_cache(result.cache).missing == result.extracted


def test_the_command_says_which_part_it_did(photos: Path, run: Run) -> None:
    """As text, and in the JSON that scripts read."""
    stub = ("--backbone", "stub", "--image-size", "64")
    document = as_json(run("extract", "photos", *stub, "--shard", "2/3", "--json"))
    assert (document["shard"], document["whole"], document["splits"]) == ("2/3", 36, {})
    assert "part 1/3 of 36 images" in run("extract", "photos", *stub, "--shard", "1/3").stdout
    assert "splits above are a guess" in run("extract", "photos", *stub, "--shard", "3/3", "--dry-run").stdout
    assert as_json(run("extract", "photos", *stub, "--json"))["shard"] is None
    assert json.loads(run("verify", "cache/photos", "--json").stdout)["repeated"] == 0
