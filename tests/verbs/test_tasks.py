"""Labels, numbers and grades through listing, cache, folds, pack, merge, look and audit."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import featx
from featx.errors import CacheError, HeadError, ImageListError, TaskError
from featx.images import deal_folds, strata_of
from featx.store import FeatureCache
from featx.task import Task
from featx.verbs.compare import cut_into_folds
from tests.conftest import Run, as_json, write_image

Extract = Callable[..., Any]

GIVEN: dict[str, dict[str, Any]] = {
    "labels": {"label_columns": ["red", "bright"]},
    "numbers": {"target": ["score"]},
    "grades": {"label_column": "grade", "ordinal": ["0", "1", "2"]},
}


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A table of 72 images that its columns describe; of every seventh ``bright`` is not known, of the first nothing."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for number in range(72):
        red, bright, level = rng.random() < 0.5, rng.random() < 0.3, int(rng.integers(0, 3))
        colour = (60 + 130 * red, 40 + 60 * level, 60 + 130 * bright)
        write_image(tmp_path / "img" / f"{number}.png", colour, seed=number, size=(24, 24))
        known = number % 7 != 0
        row = {"path": f"img/{number}.png", "red": int(red), "bright": int(bright) if known else "", "grade": level}
        rows.append(row | {"score": level * 2.5, "tags": "|".join(["red"] * red + ["bright"] * bright) or "|"})
    rows[0] |= {"red": "", "bright": "", "score": "", "tags": ""}
    with (tmp_path / "sheet.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "sheet.csv"


@pytest.fixture
def cached(sheet: Path, extract: Extract, tmp_path: Path) -> Callable[[str], FeatureCache]:
    """Extract the sheet for a kind of task."""

    def make(kind: str) -> FeatureCache:
        return FeatureCache.open(extract(sheet, tmp_path / kind, **GIVEN[kind]).cache)

    return make


def rewrite(sheet: Path, change: Callable[[int, dict[str, str]], object]) -> None:
    """Change the rows of a table."""
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        change(number, row)
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_a_sheet_of_labels_becomes_a_cache(sheet: Path, extract: Extract, run: Run) -> None:
    """Every image has features; one of which nothing is known is not learned from."""
    result = extract(sheet, label_columns=["red", "bright"])
    catalog = featx.open_cache(result.cache).catalog
    assert (result.task, result.classes, result.rejected) == (Task("labels", ("red", "bright")), 2, 0)
    assert catalog.targets is not None
    assert result.images_of_class == {name: int(np.nansum(catalog.targets[:, at])) for at, name in enumerate(("red", "bright"))}
    assert catalog.paths[0] == "img/0.png"
    assert 0 in catalog.rows()
    assert 0 not in catalog.known_rows()
    assert len(catalog.known_rows()) == 71
    shown = as_json(run("inspect", result.cache, "--json"))
    assert shown["task"] == {"kind": "labels", "names": ["red", "bright"]}
    assert set(shown["counts"]) == {"red", "bright"}
    assert "label   train  val  test" in run("inspect", result.cache).stdout


def test_another_task_is_a_warm_extract(sheet: Path, extract: Extract) -> None:
    """Features do not depend on what is learned."""
    assert extract(sheet, label_columns=["red"]).extracted == 72
    for options in (*GIVEN.values(), {"label_column": "tags", "label_separator": "|"}):
        assert extract(sheet, **options).extracted == 0


def test_separated_cells_are_as_good_as_columns(sheet: Path, extract: Extract, tmp_path: Path) -> None:
    """Where all is known."""
    columns = featx.open_cache(extract(sheet, tmp_path / "a", label_columns=["bright", "red"])).catalog
    cells = featx.open_cache(extract(sheet, tmp_path / "b", label_column="tags", label_separator="|")).catalog
    assert columns.task == cells.task
    assert columns.targets is not None
    assert cells.targets is not None
    known = ~np.isnan(columns.targets)
    np.testing.assert_array_equal(columns.targets[known], cells.targets[known])


def test_options_of_tasks_are_those_of_the_command_line(sheet: Path, run: Run, tmp_path: Path) -> None:
    """With commas or given again; the text names what there is of each."""
    for options, said in (
        (["--label-columns", "red,bright"], "72 images with 2 labels"),
        (["--label-columns", "red", "--label-columns", "bright"], "72 images with 2 labels"),
        (["--target", "score"], "72 images with 1 target"),
        (["--label-column", "grade", "--ordinal", "0,1,2"], "72 images in 3 grades"),
    ):
        done = run("extract", sheet, "--cache", tmp_path / "c", "--backbone", "stub", "--image-size", 64, *options)
        assert (done.exit_code, said in done.stdout) == (0, True), done.output


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--target", "tags"], 1, "line 3: target 'tags'"),
        (["--target", "nope"], 2, "no column 'nope'"),
        (["--label-column", "tags", "--label-separator", ";"], 1, "occurs in no cell"),
        (["--target", "score", "--label-columns", "red"], 2, "give one of them"),
        (["--label-column", "grade", "--ordinal", "0,1"], 2, "none of --ordinal 0,1: '2'"),
    ],
)
def test_a_slip_ends_the_extract_before_it_begins(
    sheet: Path, run: Run, tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    """No cache is made."""
    done = run("extract", sheet, "--cache", tmp_path / "c", "--backbone", "stub", "--image-size", 64, *options)
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "c").exists()


def test_parts_are_put_together_with_their_targets(sheet: Path, extract: Extract, tmp_path: Path) -> None:
    """The whole is what one extract would have made of it, splits too."""
    whole = featx.open_cache(extract(sheet, tmp_path / "whole", **GIVEN["labels"])).catalog
    for part in (1, 2):
        extract(sheet, tmp_path / "parts", shard=(part, 2), **GIVEN["labels"])
    featx.merge_caches([tmp_path / "parts"])
    found = featx.open_cache(tmp_path / "parts").catalog
    assert (found.task, found.paths, found.splits.tolist()) == (whole.task, whole.paths, whole.splits.tolist())
    np.testing.assert_array_equal(found.targets, whole.targets)  # type: ignore[arg-type]


def test_merged_listings_know_their_own_labels_alone(sheet: Path, extract: Extract, tmp_path: Path) -> None:
    """A label that one sheet has no column for is not known of its images; other kinds of task are refused."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(12):
            write_image(tmp_path / name / f"{number}.png", (90, 90, 90), seed=ord(name) * 100 + number, size=(24, 24))
        rows = "".join(f"{number}.png,{number % 2}\n" for number in range(12))
        (tmp_path / name / "list.csv").write_text(f"path,{name}\n{rows}")
        extract(tmp_path / name / "list.csv", tmp_path / f"c{name}", label_columns=[name])
    result = featx.merge_caches([tmp_path / "ca", tmp_path / "cb"], tmp_path / "both")
    catalog = featx.open_cache(tmp_path / "both").catalog
    assert (result.task, catalog.task) == (Task("labels", ("a", "b")),) * 2
    assert catalog.targets is not None
    of_a = np.array([path.startswith("a/") for path in catalog.paths])
    assert np.isnan(catalog.targets[of_a, 1]).all()
    assert not np.isnan(catalog.targets[of_a, 0]).any()
    extract(sheet, tmp_path / "n", **GIVEN["numbers"])
    with pytest.raises(CacheError, match=r"is of a number: score, but .* of 1 label: a"):
        featx.merge_caches([tmp_path / "ca", tmp_path / "n"], tmp_path / "no")


@pytest.mark.parametrize("kind", GIVEN)
def test_a_pack_holds_what_is_to_be_learned(cached: Callable[[str], FeatureCache], tmp_path: Path, kind: str) -> None:
    """Targets with their names, or the grades in their order."""
    store = cached(kind)
    featx.pack_cache(store, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["task"] == kind
        if kind == "grades":
            assert [name.decode() for name in file["class_names"]] == ["0", "1", "2"]
            return
        np.testing.assert_array_equal(file["targets"][()], store.catalog.targets)
        assert tuple(name.decode() for name in file["target_names"]) == store.catalog.task.names
        assert "labels" not in file


def folds_of(targets: NDArray[np.float64], members: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal rows that have labels."""
    task = Task("labels", tuple("abcd")[: targets.shape[1]])
    return deal_folds(strata_of(task, np.full(len(targets), -1, np.int32), targets), members, n_folds, seed)


def test_folds_are_alike_in_each_label_and_keep_groups_together() -> None:
    """In each fold as many images with a label as in another, to two; another seed deals otherwise."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        targets = (rng.random((200, 3)) < (0.5, 0.2, 0.06)).astype(np.float64)
        alone = folds_of(targets, np.arange(200), 5, seed)
        counts = np.array([targets[alone == fold].sum(axis=0) for fold in range(5)])
        assert (np.ptp(counts, axis=0) <= 3).all(), counts
        assert (alone != folds_of(targets, np.arange(200), 5, seed + 100)).any()
        groups = rng.integers(0, 60, 200)
        together = folds_of(targets, groups, 5, seed)
        assert all(len(set(together[groups == group])) == 1 for group in set(groups.tolist()))


@pytest.mark.parametrize("kind", GIVEN)
def test_training_images_are_cut_by_task(cached: Callable[[str], FeatureCache], kind: str) -> None:
    """Every image of which something is known is left out once; targets stand beside the rows."""
    store = cached(kind)
    images = cut_into_folds(store, "cells", 3, 0)
    catalog = store.catalog
    assert images.rows.tolist() == catalog.learned_from().tolist()
    assert set(images.fold_of.tolist()) == {0, 1, 2}
    if kind == "grades":
        assert (images.task, images.targets) == (catalog.task, None)
        return
    assert images.task == catalog.task
    np.testing.assert_array_equal(images.targets, catalog.targets[images.rows])  # type: ignore[index, arg-type]


def test_a_label_of_one_image_cannot_be_cross_validated(sheet: Path, extract: Extract) -> None:
    """Left out, nothing is left to learn it from; it is named."""
    rewrite(sheet, lambda number, row: row.update(red=str(int(number == 5))))
    store = featx.open_cache(extract(sheet, label_columns=["red", "bright"], val_fraction=0, test_fraction=0))
    with pytest.raises(HeadError, match=r"with and without label .red.\. Received: 1"):
        cut_into_folds(store, "cells", 3, 0)


def test_a_look_counts_labels_and_numbers(sheet: Path) -> None:
    """Examples of each label; nothing is decoded but these."""
    found = featx.look_at_images(sheet, label_columns=["red", "bright"], image_size=64, examples=2)
    assert (found.task.kind, found.classes, found.unlabelled) == ("labels", 2, 1)
    assert [one.label for one in found.examples] == ["red", "red", "bright", "bright"]
    assert featx.look_at_images(sheet, target="score", image_size=64, examples=0).images_of_class == {"score": 71}
    json.dumps(found.as_json()["task"])


def test_an_audit_doubts_single_labels(sheet: Path, extract: Extract, tmp_path: Path) -> None:
    """A label that was turned round is found; the clean manifest is read again as it was."""
    wrong: list[str] = []

    def turn(_: int, row: dict[str, str]) -> None:
        if row["red"] == "1" and not wrong:
            wrong.append(row["path"])
            row["red"] = "0"

    rewrite(sheet, turn)
    cache = extract(sheet, label_columns=["red", "bright"]).cache
    audit = featx.audit_cache(cache)
    assert audit.judged
    assert (audit.label_errors[0].image.path, audit.label_errors[0].suggested) == (wrong[0], "red")
    featx.write_clean_manifest(audit, tmp_path / "clean.csv", drop=["labels"])
    again = featx.open_cache(extract(tmp_path / "clean.csv", tmp_path / "again", label_columns=["red", "bright"])).catalog
    before = featx.open_cache(cache).catalog
    kept = [before.paths.index(path) for path in again.paths]
    assert before.paths.index(wrong[0]) not in kept
    np.testing.assert_array_equal(again.targets, before.targets[kept])  # type: ignore[index, arg-type]


def test_an_audit_of_numbers_says_what_it_leaves_out(cached: Callable[[str], FeatureCache], run: Run) -> None:
    """Duplicates, outliers and bad pictures are found all the same."""
    store = cached("numbers")
    audit = featx.audit_cache(store)
    assert (audit.judged, audit.small_classes, audit.label_errors) == (False, {}, [])
    assert any("are numbers" in note for note in audit.notes)
    assert "72 images with 1 target" in run("audit", store.folder, "--no-page").stdout


def test_a_constant_target_is_refused_and_can_be_forced(sheet: Path, extract: Extract) -> None:
    """As other lists that no head can use."""
    sheet.write_text("path,score\n" + "".join(f"img/{number}.png,2\n" for number in range(20)))
    with pytest.raises(ImageListError, match="the same number for every image: 'score' \\(2\\)"):
        extract(sheet, target="score")
    assert extract(sheet, target="score", yes=True).extracted == 20


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_verbs_that_do_not_do_a_task_refuse_it_by_name(
    cached: Callable[[str], FeatureCache], tmp_path: Path, kind: str
) -> None:
    """Cells speak for one class against another, and the layers are trained for classes."""
    store = cached(kind)
    with pytest.raises(
        TaskError, match=rf"finetune works with classes and grades, and this is of .*{store.catalog.task.names[0]}"
    ):
        featx.fine_tune(store, out=tmp_path / "m.featx")
    model = featx.fit_head(store, "ridge", out=tmp_path / "m.featx")
    with pytest.raises(TaskError, match="explain works with classes and grades"):
        featx.explain_images(model, [tmp_path / "img" / "1.png"])


@pytest.mark.parametrize("kind", ["labels", "numbers", "grades"])
def test_a_manifest_without_the_flagged_images_says_all_that_is_known(
    sheet: Path, extract: Extract, tmp_path: Path, kind: str
) -> None:
    """Groups and weights too, and names that a spreadsheet would take for formulas or that columns of another meaning have."""
    names = {"red": "=red()", "bright": "group", "score": "weight"} if kind != "grades" else {}
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(names.get(name, name) for name in rows[0]), "tree", "trust"])
        writer.writerows([*row.values(), f"={number // 3}", number % 4 / 2] for number, row in enumerate(rows))
    given: dict[str, Any] = {
        "labels": {"label_columns": ["=red()", "group"]},
        "numbers": {"target": ["weight"]},
        "grades": GIVEN["grades"],
    }[kind]
    beside = {"group_column": "tree", "weight_column": "trust"}
    before = featx.open_cache(extract(sheet, tmp_path / "before", **given, **beside).cache)
    featx.write_clean_manifest(featx.audit_cache(before), tmp_path / "clean.csv", drop=[])
    again = {name: value for name, value in given.items() if name != "label_column"}
    result = extract(tmp_path / "clean.csv", tmp_path / "after", **again)
    after = featx.open_cache(result.cache).catalog
    assert (after.task, after.paths) == (before.catalog.task, before.catalog.paths)
    assert after.groups == before.catalog.groups
    for name in ("labels", "targets", "weights", "splits"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before.catalog, name))


def test_names_that_a_mac_writes_otherwise_are_the_same(sheet: Path, extract: Extract, tmp_path: Path) -> None:
    """Columns and grades are found in either way of writing an accent, as classes are."""
    text = sheet.read_text().replace("bright", "gru\u0308n").replace("grade", "gu\u0308te")
    sheet.write_text(text, "utf-8")
    found = [extract(sheet, tmp_path / "c", label_columns=[name]).task.names for name in ("gr\u00fcn", "gru\u0308n")]
    assert found == [("gr\u00fcn",)] * 2
    rewrite(sheet, lambda number, row: row.update({"gu\u0308te": "sch\u00f6n" if number % 2 else "u\u0308bel"}))
    result = extract(sheet, tmp_path / "g", label_column="g\u00fcte", ordinal=["\u00fcbel", "scho\u0308n"])
    assert result.task == Task("grades", ("\u00fcbel", "sch\u00f6n"))


def test_a_label_that_is_called_as_a_column_of_groups_is_a_label(sheet: Path, extract: Extract) -> None:
    """The groups are those of the next column that is known for them, and no note tells of a column that is not used."""
    sheet.write_text(sheet.read_text().replace("bright", "group", 1).replace("score", "animal_id", 1))
    result = extract(sheet, label_columns=["red", "group"])
    assert not [note for note in result.notes if "not used" in note]
    assert set(featx.open_cache(result.cache).catalog.groups) == {"", "0.0", "2.5", "5.0"}
