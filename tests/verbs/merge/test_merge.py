"""The verb merge: several caches as one, without copying rows, and nothing taken that does not belong."""

import dataclasses
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featx
import featx.store.join
import featx.store.writer
from featx.errors import CacheDamaged, CacheError, CacheLocked, CacheNotFound, RecipeMismatch
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.verbs.extract.test_extract import features_by_path
from tests.verbs.extract.test_parts import assert_same_cache, assert_same_catalog, settle

Extract = Callable[..., featx.ExtractResult]


@pytest.fixture
def parts(photos: Path, tmp_path: Path, extract: Extract) -> list[Path]:
    """Three caches with a part of ``photos`` each; there is a duplicate in it, and a file that gives no features."""
    shutil.copy(photos / "red" / "0.png", photos / "red" / "twin.png")
    (photos / "green" / "text.jpg").write_text("no image")
    settle(photos)
    return [extract(photos, tmp_path / f"part-{number}", shard=(number, 3)).cache for number in (1, 2, 3)]


def shard_files(cache: Path) -> dict[str, os.stat_result]:
    """Return name and state of each shard."""
    return {path.name: path.stat() for path in (cache / "shards").iterdir()}


def everything(folders: list[Path]) -> dict[Path, bytes]:
    """Return every file below some folders with its content."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_parts_merge_into_what_one_extract_gives(parts: list[Path], photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Same listing in the same order, same splits, same rows; in whatever order the parts are given."""
    serial = extract(photos, tmp_path / "serial")
    before = everything(parts)
    result = featx.merge_caches(parts[::-1], tmp_path / "out")
    assert (result.listed, result.with_features, result.rejected, result.duplicates, result.missing) == (38, 37, 1, 1, 0)
    assert (result.splits, result.images_of_class, result.reasons) == (serial.splits, serial.images_of_class, serial.reasons)
    assert_same_cache(tmp_path / "out", tmp_path / "serial")
    assert featx.verify_cache(tmp_path / "out").sound
    assert everything(parts) == before, "the caches that were joined stay as they are"
    assert extract(photos, tmp_path / "out").extracted == 0


def test_rows_are_not_copied_but_linked(parts: list[Path], tmp_path: Path) -> None:
    """One file on the disk under two names; deleting the part leaves the merged cache whole."""
    result = featx.merge_caches(parts, tmp_path / "out")
    assert (result.linked, result.copied, result.present) == (3, 0, 0)
    ours = shard_files(tmp_path / "out")
    theirs = {name: state for part in parts for name, state in shard_files(part).items()}
    assert {name: state.st_ino for name, state in ours.items()} == {name: state.st_ino for name, state in theirs.items()}
    assert {state.st_nlink for state in ours.values()} == {2}
    for part in parts:
        shutil.rmtree(part)
    assert featx.verify_cache(tmp_path / "out").sound
    assert len(features_by_path(tmp_path / "out")) == 37


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_links_are_refused_files_are_copied(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Another disk, a file system without links: whole files, under the same names."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    result = featx.merge_caches(parts, tmp_path / "out")
    monkeypatch.undo()
    assert (result.linked, result.copied) == (0, 3)
    assert {state.st_nlink for state in shard_files(tmp_path / "out").values()} == {1}
    assert not list((tmp_path / "out").rglob(".tmp-*"))
    linked = featx.merge_caches(parts, tmp_path / "linked")
    assert linked.linked == 3
    assert_same_cache(tmp_path / "out", tmp_path / "linked")


def test_a_merge_that_was_stopped_is_finished_by_the_next(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first file: nothing claims to be finished; again: the rest; once more: nothing to do, the same result."""
    real = os.link
    done: list[Any] = []

    def once(*arguments: Any) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(real(*arguments))

    monkeypatch.setattr(os, "link", once)
    with pytest.raises(KeyboardInterrupt):
        featx.merge_caches(parts, tmp_path / "out")
    monkeypatch.undo()
    with pytest.raises(CacheNotFound, match="was not finished"):
        featx.fit_head(tmp_path / "out", "logreg")
    second, third = (featx.merge_caches(parts, tmp_path / "out") for _ in range(2))
    assert (second.linked, second.present, third.linked, third.present) == (2, 1, 0, 3)
    featx.merge_caches(parts, tmp_path / "whole")
    assert_same_cache(tmp_path / "out", tmp_path / "whole")


def test_parts_in_one_cache_are_finished_in_place_without_the_images(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Where only the cache came home: the listing is made of the parts' alone."""
    settle(photos)
    extract(photos, tmp_path / "serial")
    for number in (1, 2):
        extract(photos, shard=(number, 2))
    photos.rename(tmp_path / "away")
    result = featx.merge_caches([tmp_path / "cache"])
    assert (result.cache, result.linked, result.present) == (tmp_path / "cache", 0, 2)
    assert_same_cache(tmp_path / "cache", tmp_path / "serial")
    assert not (tmp_path / "cache" / "parts").exists()


def test_the_default_is_the_cache_that_an_extract_of_the_images_would_take(
    parts: list[Path], tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``featx merge part-*`` makes ``cache/photos``; caches that are no parts have no such name."""
    monkeypatch.chdir(tmp_path)
    assert featx.merge_caches(parts).cache == Path("cache/photos")
    with pytest.raises(CacheError, match="Give --cache"):
        featx.merge_caches(["cache/photos", featx.merge_caches(parts, "other").cache])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"image_size": (96, 64)}, r"image_size=\[96, 64\].*image_size=\[64, 64\]"),
        ({"resize": "pad"}, "resize='pad'.*resize='stretch'"),
        ({"background": (0, 0, 0)}, r"background=\[0, 0, 0\].*background=\[255, 255, 255\]"),
    ],
)
def test_another_recipe_is_refused_with_the_setting_and_both_values(
    photos: Path, tmp_path: Path, extract: Extract, change: dict[str, Any], named: str
) -> None:
    """As one of the caches, and as the one to merge into; nothing is made."""
    extract(photos, tmp_path / "one", shard="1/2")
    extract(photos, tmp_path / "two", shard="2/2", **change)
    before = everything([tmp_path])
    with pytest.raises(RecipeMismatch, match=f"two: holds features made with {named}"):
        featx.merge_caches([tmp_path / "one", tmp_path / "two"], tmp_path / "out")
    with pytest.raises(RecipeMismatch, match=f"two: holds features made with {named}.* Only features of one recipe"):
        featx.merge_caches([tmp_path / "one"], tmp_path / "two", partial=True)
    assert everything([tmp_path]) == before
    assert not (tmp_path / "out").exists()


def test_missing_parts_are_named(parts: list[Path], tmp_path: Path) -> None:
    """Refused, unless asked for: then the listing is of what is there, and the result says how many are not."""
    with pytest.raises(CacheError, match=r"photos: \d+ of its 38 images are in no part that is here. Missing: 1/3, 3/3\. "):
        featx.merge_caches(parts[1:2], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    result = featx.merge_caches(parts[1:], tmp_path / "out", partial=True)
    assert result.listed + result.missing == 38
    assert result.listed == result.with_features + result.rejected == sum(result.splits.values()) + result.rejected
    assert featx.verify_cache(tmp_path / "out").sound


def test_parts_of_different_numbers_make_up_a_whole(parts: list[Path], photos: Path, tmp_path: Path, extract: Extract) -> None:
    """What counts is that each image is in one: a third that died may be done again as two sixths."""
    shutil.rmtree(parts[1])
    halves = [extract(photos, tmp_path / f"half-{number}", shard=(number, 6)).cache for number in (2, 5)]
    extract(photos, tmp_path / "serial")
    featx.merge_caches([parts[0], *halves, parts[2]], tmp_path / "out")
    assert_same_cache(tmp_path / "out", tmp_path / "serial")


def test_a_folder_that_changed_between_the_parts_is_said(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """An image more, and nobody can say that the parts hold all; extracting the part again is free and mends it."""
    one = extract(photos, tmp_path / "one", shard="1/2").cache
    write_image(photos / "red" / "new.png", COLOURS["red"], seed=4000)
    two = extract(photos, tmp_path / "two", shard="2/2").cache
    with pytest.raises(CacheError, match=r"Missing: 2/2 \(the folder changed in between: 2/2 lists 37 images\)"):
        featx.merge_caches([one, two], tmp_path / "out")
    extract(photos, one, shard="1/2")
    assert featx.merge_caches([one, two], tmp_path / "out").listed == 37


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed=1, but .*part 1/2. with seed=0"),
        ({"val_fraction": 0.3}, "val_fraction=0.3, but .*val_fraction=0.15"),
        ({"views": 2}, "views=2.*views=1"),
    ],
)
def test_parts_that_were_drawn_or_augmented_otherwise_are_refused(
    photos: Path, tmp_path: Path, extract: Extract, change: dict[str, Any], named: str
) -> None:
    """With the setting and both values; extracting one again with the other's is free where no view is missing."""
    one = extract(photos, tmp_path / "one", shard="1/2").cache
    two = extract(photos, tmp_path / "two", shard="2/2", **change).cache
    with pytest.raises(CacheError, match=f"two \\(part 2/2\\): was extracted with .*{named}"):
        featx.merge_caches([one, two], tmp_path / "out")
    assert extract(photos, two, shard="2/2").extracted == 0
    assert featx.merge_caches([one, two], tmp_path / "out").listed == 36


def test_missing_views_are_left_to_an_extract(
    photos: Path, tmp_path: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which images are for training only the whole can tell: the rows are joined, the error says what makes the rest.

    And that extract identifies no file again: what the parts knew of them came along.
    """
    settle(photos)
    options: dict[str, Any] = {"views": 2}
    folders = [extract(photos, tmp_path / f"part-{number}", shard=(number, 4), **options).cache for number in (1, 2, 3, 4)]
    with pytest.raises(CacheError, match=r"out: all images are in it now, but \d+ augmented views are missing.*featx extract"):
        featx.merge_caches(folders, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr("featx.images.listing.identify.digest_image_file", None)
        finished = extract(photos, tmp_path / "out", **options)
    assert finished.extracted == 0
    assert finished.augmented > 0
    extract(photos, tmp_path / "serial", **options)
    assert_same_cache(tmp_path / "out", tmp_path / "serial")
    again = featx.merge_caches([tmp_path / "out", *folders], tmp_path / "again")
    assert again.listed == 36
    assert_same_cache(tmp_path / "again", tmp_path / "serial")


@pytest.mark.parametrize("victim", ["shard", "part", "recipe"])
def test_damage_is_not_handed_on(parts: list[Path], tmp_path: Path, victim: str) -> None:
    """A flipped bit in any file of any cache: named, and nothing is made."""
    path = {
        "shard": next((parts[1] / "shards").iterdir()),
        "part": parts[1] / "parts" / "2-of-3.h5",
        "recipe": parts[1] / "recipe.json",
    }[victim]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(CacheDamaged, match=path.name):
        featx.merge_caches(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_in_the_cache_to_merge_into_is_said(parts: list[Path], tmp_path: Path) -> None:
    """What is there already is read too: a merge never ends with a cache that is not whole."""
    featx.merge_caches(parts, tmp_path / "out")
    victim = next((tmp_path / "out" / "shards").iterdir())
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CacheDamaged, match=victim.name):
        featx.merge_caches(parts, tmp_path / "out")


def test_a_lost_shard_is_said(parts: list[Path], photos: Path, tmp_path: Path, extract: Extract) -> None:
    """The part that lists the rows is named; extracting it again mends it."""
    next((parts[2] / "shards").iterdir()).unlink()
    with pytest.raises(CacheDamaged, match=r"part-3: \d+ rows are missing, that of '.*' among them"):
        featx.merge_caches(parts, tmp_path / "out")
    extract(photos, parts[2], shard="3/3")
    assert featx.merge_caches(parts, tmp_path / "out").with_features == 37


def test_caches_of_different_folders_are_joined_by_class_name(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Each image keeps its class and its split, whatever number the class had; a content in both is one row."""
    other = tmp_path / "more" / "photos"
    for number in range(6):
        write_image(other / "amber" / f"{number}.png", (250, 190, 20), seed=5000 + number)
        write_image(other / "red" / f"{number}.png", COLOURS["red"], seed=6000 + number)
    shutil.copy(photos / "red" / "3.png", other / "red" / "seen.png")
    shutil.copy(photos / "blue" / "3.png", other / "red" / "wrong.png")
    (other / "red" / "text.jpg").write_text("no image")
    one, two = extract(photos, tmp_path / "one").cache, extract(other, tmp_path / "two").cache
    result = featx.merge_caches([one, two], tmp_path / "out")
    assert (result.listed, result.with_features, result.rejected, result.duplicates) == (36 + 15, 36 + 14, 1, 2)
    assert result.images_of_class == {"amber": 6, "blue": 12, "green": 12, "red": 20}
    assert (result.conflicts, result.differing) == (["photos/blue/3.png", "more/photos/red/wrong.png"], [])
    joined = featx.open_cache(str(tmp_path / "out")).catalog
    assert joined.source == str(tmp_path)
    rows = features_by_path(tmp_path / "out")
    for cache, below in ((one, "photos"), (two, "more/photos")):
        catalog = featx.open_cache(str(cache)).catalog
        for row in catalog.rows():
            place = joined.paths.index(f"{below}/{catalog.paths[row]}")
            assert joined.class_names[joined.labels[place]] == catalog.class_names[catalog.labels[row]]
            assert joined.splits[place] == catalog.splits[row]
        for path, values in features_by_path(cache).items():
            np.testing.assert_array_equal(rows[f"{below}/{path}"], values)
    assert featx.verify_cache(tmp_path / "out").sound
    model = featx.fit_head(tmp_path / "out", "logreg", out=tmp_path / "m.featx").model
    assert featx.evaluate_model(model, cache=tmp_path / "out").accuracy > 0.5


def test_caches_with_different_views_are_refused(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A head could not learn from views that half of the images do not have."""
    one = extract(photos, tmp_path / "one", views=2).cache
    shutil.copytree(photos / "red", tmp_path / "more" / "red")
    two = extract(tmp_path / "more", tmp_path / "two", views=2, seed=3, yes=True).cache
    with pytest.raises(CacheError, match=r"two: was extracted with seed=3, but .*one with seed=0"):
        featx.merge_caches([one, two], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_that_two_caches_list_is_listed_once(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Two extracts of one folder, drawn with different seeds, before and after an edit: the first stands, and it is said."""
    one = extract(photos, tmp_path / "one").cache
    write_image(photos / "red" / "0.png", COLOURS["red"], seed=4000)
    write_image(photos / "red" / "new.png", COLOURS["red"], seed=4001)
    (photos / "blue" / "5.png").write_text("spoiled")
    two = extract(photos, tmp_path / "two").cache
    result = featx.merge_caches([one, two], tmp_path / "out")
    assert (result.listed, result.with_features, result.rejected) == (37, 37, 0)
    assert "red/0.png" in result.differing
    rows, first = features_by_path(tmp_path / "out"), features_by_path(one)
    assert set(rows) == {*first, "red/new.png"}
    for path, values in first.items():
        np.testing.assert_array_equal(rows[path], values)
    same = featx.merge_caches([one, tmp_path / "out"], tmp_path / "same")
    assert (same.listed, same.differing) == (37, [])
    np.testing.assert_equal(features_by_path(tmp_path / "same"), rows)


def test_a_listing_is_not_forgotten(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """Merging into a cache that lists other images: refused, unless it is given among the caches to join."""
    other = tmp_path / "other"
    shutil.copytree(photos / "red", other / "red")
    shutil.copytree(photos / "blue", other / "cyan")
    write_image(other / "red" / "more.png", COLOURS["red"], seed=4000)
    one, two = extract(photos, tmp_path / "one").cache, extract(other, tmp_path / "two").cache
    before = featx.open_cache(str(one)).catalog
    with pytest.raises(CacheError, match="one: lists 36 images that none of the caches given lists"):
        featx.merge_caches([two], one)
    assert_same_catalog(featx.open_cache(str(one)).catalog, before)
    assert featx.merge_caches([one, two], one).listed == 36 + 25


def test_a_part_that_was_repeated_after_the_end_says_nothing_new(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A straggler of a job array leaves its listing in the finished cache, which stays finished."""
    cache = extract(photos).cache
    extract(photos, shard="1/2")
    assert (cache / "parts" / "1-of-2.h5").exists()
    result = featx.merge_caches([cache], tmp_path / "out")
    assert (result.listed, result.missing) == (36, 0)
    assert_same_catalog(featx.open_cache(str(tmp_path / "out")).catalog, featx.open_cache(str(cache)).catalog)


def test_parts_that_make_up_a_whole_renew_an_older_listing(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """New images into a finished cache, in parts: the merge lists them, and no longer what is gone."""
    settle(photos)
    cache = extract(photos).cache
    write_image(photos / "red" / "new.png", COLOURS["red"], seed=4000)
    (photos / "blue" / "0.png").unlink()
    settle(photos)
    for number in (1, 2):
        extract(photos, shard=(number, 2), val_fraction=0.3)
    result = featx.merge_caches([cache])
    assert (result.listed, result.splits["val"]) == (36, 11)
    extract(photos, tmp_path / "serial", val_fraction=0.3)
    assert_same_cache(cache, tmp_path / "serial")


def test_shards_that_add_nothing_are_left_out(photos: Path, tmp_path: Path, extract: Extract) -> None:
    """A part that somebody did twice, in two caches and in other batches, is joined once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(featx.store.writer, "SHARD_BYTES", 1)
        twice = extract(photos, tmp_path / "twice", shard="1/2", batch_size=3).cache
    folders = [extract(photos, tmp_path / str(number), shard=(number, 2)).cache for number in (1, 2)]
    result = featx.merge_caches([*folders, twice], tmp_path / "out")
    assert (result.linked, result.rows, featx.verify_cache(tmp_path / "out").repeated) == (2, 36, 0)


def test_a_writer_keeps_a_merge_out(parts: list[Path], tmp_path: Path, photos: Path, extract: Extract) -> None:
    """One at a time; with parts at work too."""
    out = extract(photos, tmp_path / "out", shard="1/3").cache
    with featx.FeatureCache.open(out).writing(as_part=True), pytest.raises(CacheLocked, match="parts of one extract"):
        featx.merge_caches(parts, out)
    assert featx.merge_caches(parts, out).with_features == 37


def test_what_is_no_cache_or_holds_no_listing_is_said(parts: list[Path], photos: Path, tmp_path: Path) -> None:
    """The folder and what to do; somebody's documents are left alone."""
    with pytest.raises(CacheNotFound, match="nowhere: no feature cache there"):
        featx.merge_caches([parts[0], tmp_path / "nowhere"], tmp_path / "out")
    (parts[0] / "parts" / "1-of-3.h5").unlink()
    with pytest.raises(CacheNotFound, match="part-1: its extraction was not finished"):
        featx.merge_caches(parts, tmp_path / "out")
    with pytest.raises(CacheError, match="exists and is not a feature cache"):
        featx.merge_caches(parts[1:], photos, partial=True)
    with pytest.raises(CacheError, match="no cache was given"):
        featx.merge_caches([])


def test_rows_go_through_untouched_to_the_last_bit(parts: list[Path], tmp_path: Path) -> None:
    """The merged cache's files are the parts' files, byte for byte."""
    featx.merge_caches(parts, tmp_path / "out")
    ours = everything([tmp_path / "out" / "shards"])
    theirs = everything([part / "shards" for part in parts])
    assert {path.name: content for path, content in ours.items()} == {path.name: content for path, content in theirs.items()}


def test_the_command_merges_and_says_what_it_did(parts: list[Path], run: Run, tmp_path: Path) -> None:
    """Text and JSON; counts add up; then a session goes on as after any extract."""
    document = as_json(run("merge", *parts, "--json"))
    assert set(document) == {field.name for field in dataclasses.fields(featx.MergeResult)}
    assert (document["cache"], document["listed"], document["linked"]) == ("cache/photos", 38, 3)
    text = run("merge", *parts).stdout
    assert "38 images in 3 classes from 3 caches: 37 with features, 1 rejected" in text
    assert "0 linked, 0 copied, 3 there before" in text
    assert run("merge").exit_code == 2
    assert "Missing: 3/3" in run("merge", *parts[:2], "--cache", "out").stderr
    assert as_json(run("fit", "--head", "logreg", "--json"))["train_images"] == document["splits"]["train"]


def test_parts_of_a_recipe_that_is_to_replace_another_are_not_passed_over(
    photos: Path, tmp_path: Path, extract: Extract
) -> None:
    """Merging would put the old listing in force again and forget them: whoever overwrites finishes with an extract."""
    extract(photos)
    for number in (1, 2):
        extract(photos, shard=(number, 2), overwrite=True, resize="pad")
    with pytest.raises(CacheError, match=r"holds parts of another recipe.*--overwrite, without --part"):
        featx.merge_caches([tmp_path / "cache"])
    assert extract(photos, overwrite=True, resize="pad").extracted == 0
