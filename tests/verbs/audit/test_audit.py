"""The verb audit: what is planted is found and named, and nothing of the user's is changed."""

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import CacheNotFound, OutputError
from featx.verbs.audit.cleaned import write_clean_manifest
from featx.verbs.audit.findings import Audit, flags_of
from tests.conftest import COLOURS, Run, as_json
from tests.store.test_pictures import make_old

Extract = Callable[..., featx.ExtractResult]


def blobs(seed: int, colour: Sequence[int] = (128, 128, 128), size: tuple[int, int] = (96, 80)) -> Image.Image:
    """Return a picture of smooth random blobs around a colour."""
    rng = np.random.default_rng(seed)
    coarse = np.clip(rng.integers(-90, 91, (7, 6, 1)) + np.array(colour), 0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path, **options: Any) -> Path:
    """Save a picture, and return where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def nearly(image: Image.Image) -> Image.Image:
    """Return a picture less a border of two pixels on two sides, a little darker."""
    cut = image.resize(image.size, Image.Resampling.BICUBIC, box=(0, 0, image.width - 2, image.height - 2))
    return cut.point(lambda level: level * 0.93)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three classes of 20 training and 6 test images, all different: ``images/train/<colour>/<n>.png``."""
    root = tmp_path / "images"
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(26):
            split = "train" if number < 20 else "test"
            save(blobs(100 * label + number, colour), root / split / name / f"{number}.png")
    return root


def audited(images: Path, extract: Extract) -> Audit:
    """Extract with all images of train/ for training, and audit."""
    return featx.audit_cache(extract(images, val_fraction=0.0, yes=True).cache)  # one class is enough to be audited


def paths(entries: Sequence[Any]) -> list[str]:
    """Return the paths of entries that are about one image each."""
    return [entry.image.path for entry in entries]


def test_sound_images_are_left_alone(images: Path, extract: Extract) -> None:
    """Nothing is found in images that differ, bear the right labels and are sharp enough."""
    audit = audited(images, extract)
    assert (audit.images, audit.classes, audit.measured) == (78, 3, 78)
    assert (audit.duplicates, audit.label_errors, audit.small_classes, audit.alike_classes, audit.notes) == ([], [], {}, [], [])


def test_duplicates_across_splits_and_with_conflicting_labels_come_first(images: Path, extract: Extract) -> None:
    """Exact and near ones; both at once first; the first of a group is the test image, or else the largest."""
    train, test = images / "train", images / "test"
    shutil.copy(train / "red" / "1.png", train / "red" / "exact.png")
    save(nearly(blobs(202, COLOURS["red"], (192, 160))), train / "red" / "larger.png")
    save(nearly(Image.open(train / "blue" / "3.png")), test / "blue" / "near.jpg", quality=85)
    shutil.copy(train / "green" / "4.png", test / "red" / "other.png")
    audit = audited(images, extract)
    found = [
        ([image.path for image in group.images], group.exact, group.across_splits, group.conflicting_labels)
        for group in audit.duplicates
    ]
    assert found == [
        (["test/red/other.png", "train/green/4.png"], True, True, True),
        (["test/blue/near.jpg", "train/blue/3.png"], False, True, False),
        (["train/red/1.png", "train/red/exact.png"], True, False, False),
        (["train/red/larger.png", "train/red/2.png"], False, False, False),
    ]


def test_a_wrong_label_is_named_with_the_right_one(images: Path, extract: Extract) -> None:
    """Whichever split it stands in; the odds fall down the list."""
    (images / "train" / "red" / "5.png").rename(images / "train" / "blue" / "wrong.png")
    (images / "test" / "green" / "21.png").rename(images / "test" / "red" / "wrong.png")
    audit = audited(images, extract)
    assert {(error.image.path, error.image.label, error.suggested) for error in audit.label_errors} == {
        ("train/blue/wrong.png", "blue", "red"),
        ("test/red/wrong.png", "red", "green"),
    }
    odds = [error.odds for error in audit.label_errors]
    assert odds == sorted(odds, reverse=True)


def test_a_copy_does_not_vouch_for_its_twins_wrong_label(images: Path, extract: Extract) -> None:
    """Four copies of a wrongly labelled image are one image to the fit, which doubts it as if it stood alone."""
    wrong = images / "train" / "blue" / "wrong.png"
    (images / "train" / "red" / "5.png").rename(wrong)
    for number in range(4):
        shutil.copy(wrong, wrong.with_name(f"copy{number}.png"))
    audit = audited(images, extract)
    assert len(audit.label_errors) == 1
    assert audit.label_errors[0].suggested == "red"


def test_bad_pictures_are_named_by_their_problem(images: Path, extract: Extract) -> None:
    """Black but for a corner, white but for a corner, of one level, without fine grain, and of six pixels."""
    folder = images / "train" / "red"
    dark, bright = (np.full((80, 96, 3), level, np.uint8) for level in (0, 255))
    dark[:10, :10], bright[:10, :10] = 200, 20
    save(Image.fromarray(dark), folder / "dark.png")
    save(Image.fromarray(bright), folder / "bright.png")
    save(Image.new("RGB", (96, 80), (90, 90, 90)), folder / "blank.png")
    rng = np.random.default_rng(0)
    for path in images.rglob("[0-9]*.png"):  # all others have fine grain
        pixels = np.asarray(Image.open(path)) + rng.integers(-40, 41, (80, 96, 1))
        save(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), path)
    save(blobs(7), folder / "blurred.png")
    save(blobs(8, size=(96, 6)), folder / "tiny.png")
    found = {entry.image.path.split("/")[-1]: (entry.problem, entry.measure) for entry in audited(images, extract).quality}
    assert found == {
        "dark.png": ("dark", "black"),
        "bright.png": ("bright", "white"),
        "blank.png": ("blank", "contrast"),
        "blurred.png": ("blurred", "sharpness"),
        "tiny.png": ("tiny", "height"),
    }


def test_what_most_pictures_are_is_said_once(images: Path, extract: Extract) -> None:
    """Where all are enlarged eight times, each is not named for it."""
    audit = featx.audit_cache(extract(images, image_size=(512, 512)).cache)
    assert [entry.problem for entry in audit.quality if entry.problem == "tiny"] == []
    assert audit.notes == ["78 of 78 pictures are tiny: enlarged more than 4 times for the backbone"]


def test_small_classes_and_alike_classes_are_named(images: Path, extract: Extract) -> None:
    """A class of three, copies not counted; and two classes of the same colour."""
    for number in range(3):
        save(blobs(900 + number, (90, 90, 90)), images / "train" / "small" / f"{number}.png")
    shutil.copy(images / "train" / "small" / "0.png", images / "train" / "small" / "copy.png")
    for number in range(26):
        save(blobs(2000 + number, COLOURS["red"]), images / "train" / "crimson" / f"{number}.png")
    audit = audited(images, extract)
    assert audit.small_classes == {"small": 3}
    assert {audit.alike_classes[0].first, audit.alike_classes[0].second} == {"crimson", "red"}


def test_an_old_cache_is_audited_without_pictures_and_with_measure_as_a_new_one(images: Path, extract: Extract) -> None:
    """The note says how many were not measured and what to do; --measure reads the files, and stores nothing."""
    save(nearly(Image.open(images / "train" / "blue" / "3.png")), images / "test" / "blue" / "near.png")
    cache = extract(images, val_fraction=0.0).cache
    wanted = featx.audit_cache(cache)
    assert len(wanted.duplicates) == 1
    make_old(cache)
    old = featx.audit_cache(cache)
    assert (old.measured, old.duplicates, old.quality) == (0, [], [])
    assert old.notes == [
        "79 of 79 pictures were not measured: near duplicates and quality leave them out; they were extracted by an older "
        "featx. --measure reads their files"
    ]
    again = featx.audit_cache(cache, measure=True)
    assert (again.duplicates, again.quality, again.notes) == (wanted.duplicates, wanted.quality, wanted.notes)
    assert featx.audit_cache(cache).measured == 0


def test_no_cache_is_a_typed_error(tmp_path: Path) -> None:
    """As for every verb."""
    with pytest.raises(CacheNotFound):
        featx.audit_cache(tmp_path / "none")


def test_one_class_is_audited_but_for_its_labels(tmp_path: Path, extract: Extract) -> None:
    """Duplicates and pictures need no second class."""
    for number in range(12):
        save(blobs(number), tmp_path / "images" / "only" / f"{number}.png")
    audit = audited(tmp_path / "images", extract)
    assert audit.notes == ["only one class has images: labels cannot be judged"]


# The manifest.


@pytest.fixture
def flawed(images: Path) -> Path:
    """``images`` with a near duplicate across splits, an exact one, a conflict, and a wrong label."""
    save(nearly(Image.open(images / "train" / "blue" / "3.png")), images / "test" / "blue" / "near.png")
    shutil.copy(images / "train" / "red" / "1.png", images / "train" / "red" / "exact.png")
    shutil.copy(images / "train" / "green" / "4.png", images / "train" / "red" / "conflict.png")
    (images / "train" / "red" / "5.png").rename(images / "train" / "blue" / "wrong.png")
    return images


DUPLICATES = {"train/blue/3.png", "train/red/exact.png", "train/green/4.png", "train/red/conflict.png"}


def listed(cache: Path) -> dict[str, tuple[str, str]]:
    """Return path to class and split of all images with features."""
    store = featx.open_cache(str(cache))
    catalog = store.catalog
    names = ("train", "val", "test")
    return {
        str(Path(catalog.source) / catalog.paths[row]): (catalog.class_names[catalog.labels[row]], names[catalog.splits[row]])
        for row in catalog.rows()
    }


@pytest.mark.parametrize("place", ["images/clean.csv", "lists/clean.csv", "clean.csv"])
def test_the_next_extract_reuses_everything_and_leaves_just_the_flagged_out(
    flawed: Path, extract: Extract, tmp_path: Path, place: str
) -> None:
    """Wherever it lies; splits stay as they were. Of a pair across splits the test image stays, of a conflict none."""
    cache = extract(flawed, val_fraction=0.2).cache
    before = listed(cache)
    counts = write_clean_manifest(featx.audit_cache(cache), tmp_path / place)
    assert counts == {"kept": len(before) - 4, "left_out": 4, "duplicates": 4}
    result = extract(tmp_path / place)
    assert (result.extracted, result.rejected, result.reused) == (0, 0, len(before) - 4)
    gone = {str(flawed / path) for path in DUPLICATES}
    assert listed(cache) == {path: value for path, value in before.items() if path not in gone}
    assert featx.audit_cache(cache).duplicates == []


@pytest.mark.parametrize("labels", [("red", "dark"), ("group", "weight")])
def test_groups_and_weights_go_on_into_the_next_extract(
    images: Path, extract: Extract, tmp_path: Path, labels: tuple[str, str]
) -> None:
    """Whatever the labels are called, and though a spreadsheet would take a group for a formula."""
    names = [path.relative_to(images).as_posix() for path in sorted((images / "train" / "red").iterdir())]
    with (images / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *labels, "animal", "counts"])
        for number, name in enumerate(names):
            animal = "" if number > 16 else f"=cat {number // 4}"
            writer.writerow([name, number % 2, int(number % 3 == 0), animal, 0.5 + number])
    options: dict[str, Any] = {"label_columns": list(labels), "yes": True}
    given = extract(images / "list.csv", group_column="animal", weight_column="counts", **options)
    write_clean_manifest(featx.audit_cache(given.cache), tmp_path / "clean.csv")
    before, after = (featx.open_cache(str(one.cache)).catalog for one in (given, extract(tmp_path / "clean.csv", **options)))
    assert after.groups == before.groups
    assert sorted(set(after.groups)) == ["", *(f"=cat {number}" for number in range(5))]
    weights = [catalog.weights_of(catalog.rows()) for catalog in (before, after)]
    assert weights[0] is not None
    assert np.array_equal(*weights)  # type: ignore[arg-type]
    assert np.array_equal(before.targets, after.targets)  # type: ignore[arg-type]


def test_drop_says_what_leaves_an_image_out(flawed: Path, extract: Extract, tmp_path: Path) -> None:
    """Suspicions only where asked for; what is left in though flagged has it in its row."""
    audit = audited(flawed, extract)
    assert flags_of(audit)["train/blue/wrong.png"] == ["labels"]
    write_clean_manifest(audit, tmp_path / "a.csv")
    rows = {Path(row["path"]).name: row for row in csv.DictReader((tmp_path / "a.csv").read_text().splitlines())}
    assert (rows["wrong.png"]["label"], rows["wrong.png"]["audit_flags"]) == ("blue", "labels")
    counts = write_clean_manifest(audit, tmp_path / "a.csv", ("duplicates", "labels"))
    assert (counts["labels"], counts["left_out"]) == (1, 5)
    with pytest.raises(OutputError, match="no flag 'label'"):
        write_clean_manifest(audit, tmp_path / "b.csv", ("label",))


@pytest.mark.parametrize("content", ["path,label,split\na.png,cat,train\n", "notes", ""])
def test_a_manifest_of_the_users_is_never_replaced(
    images: Path, extract: Extract, tmp_path: Path, run: Run, content: str
) -> None:
    """Also one with the usual header; the command says so before the work."""
    cache = extract(images).cache
    (tmp_path / "mine.csv").write_text(content)
    done = run("audit", cache, "--write-manifest", "mine.csv")
    assert done.exit_code == 1
    assert "was not written by featx audit" in done.stderr
    assert (tmp_path / "mine.csv").read_text() == content
    assert not (tmp_path / "reports").exists()


def test_a_name_that_is_no_text_cannot_stand_in_a_manifest(tmp_path: Path, extract: Extract) -> None:
    """It is refused by name, and nothing is written."""
    for number in range(12):
        save(blobs(number), tmp_path / "images" / "only" / f"{number}.png")
    (tmp_path / "images" / "only" / "0.png").rename(tmp_path / "images" / "only" / "caf\udce9.png")
    audit = audited(tmp_path / "images", extract)
    with pytest.raises(OutputError, match="whose name is not UTF-8"):
        write_clean_manifest(audit, tmp_path / "clean.csv")
    assert not (tmp_path / "clean.csv").exists()


# The command.


def test_command_shows_writes_and_changes_nothing_else(flawed: Path, extract: Extract, tmp_path: Path, run: Run) -> None:
    """The summary names the findings; images and cache keep every byte; the table and the page lie where it says."""
    cache = extract(flawed).cache

    def state() -> dict[Path, tuple[bytes, int]]:
        files = [path for folder in (flawed, cache) for path in folder.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = state()
    done = run("audit", cache, "--out", "found", "--write-manifest", "clean.csv")
    assert done.exit_code == 0, done.stderr
    assert state() == before
    assert "duplicates: 3 groups, 2 exact, 1 across splits, 1 with conflicting labels" in done.stdout
    assert "train/blue/wrong.png (blue, " in done.stdout
    assert "manifest clean.csv: 77 images kept, 4 left out (duplicates 4)" in done.stdout
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [".featx-report", "audit.csv", "audit.html"]
    rows = list(csv.DictReader((tmp_path / "found" / "audit.csv").read_text().splitlines()))
    assert {row["path"] for row in rows if row["finding"] == "duplicates"} > DUPLICATES
    assert run("audit", cache, "--out", "found", "--no-page").exit_code == 0
    assert not (tmp_path / "found" / "audit.html").exists()


def test_json_is_the_audit(flawed: Path, extract: Extract, run: Run) -> None:
    """All that Python gives, and where things were written."""
    cache = extract(flawed).cache
    document = as_json(run("audit", cache, "--json"))
    audit = featx.audit_cache(cache)
    assert [[image["path"] for image in group["images"]] for group in document["duplicates"]] == [
        [image.path for image in group.images] for group in audit.duplicates
    ]
    assert [error["image"]["path"] for error in document["label_errors"]] == paths(audit.label_errors)
    assert document["images"] == audit.images
    assert document["table"] == "reports/cache-audit/audit.csv"


def test_a_foreign_file_in_the_folder_is_left_alone(images: Path, extract: Extract, tmp_path: Path, run: Run) -> None:
    """A folder without featx's mark may hold an audit.csv of somebody else's."""
    cache = extract(images).cache
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "audit.csv").write_text("mine")
    done = run("audit", cache, "--out", "found")
    assert done.exit_code == 1
    assert "is not from featx audit" in done.stderr
    assert (tmp_path / "found" / "audit.csv").read_text() == "mine"


def test_an_audit_that_cannot_be_finished_leaves_the_earlier_one_whole(
    flawed: Path, extract: Extract, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of the new one does not stand beside the page of the earlier one."""
    assert run("audit", extract(flawed).cache, "--out", "found").exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "found").iterdir()}
    (flawed / "test" / "blue" / "near.png").unlink()
    cache = extract(flawed).cache

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("featx.report.page.audit.render_page", full)
    done = run("audit", cache, "--out", "found")
    assert (done.exit_code, "No space left on device" in done.stderr) == (1, True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "found").iterdir()} == before


def test_hostile_names_do_no_harm_in_page_and_table(tmp_path: Path, extract: Extract, run: Run) -> None:
    """Markup, quotes, commas, a newline, bytes that are no text: shown as they are, running nothing, one row each."""
    names = ["<script>alert(1)</script>", "a\nb", 'q"uo,te', "caf\udce9", "=1+1", "'onerror='x"]
    for number, name in enumerate(names):
        folder = tmp_path / "images" / ("<b>bold</b>" if number % 2 else "plain")
        save(blobs(number), folder / f"{name.replace('/', '|')}.png")
        shutil.copy(folder / f"{name.replace('/', '|')}.png", folder / f"{name.replace('/', '|')} copy.png")
    for number in range(10):
        save(blobs(50 + number), tmp_path / "images" / ("<b>bold</b>" if number % 2 else "plain") / f"{number}.png")
    done = run("audit", extract(tmp_path / "images").cache, "--out", "found")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "found" / "audit.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    assert "caf\\udce9" in page
    text = (tmp_path / "found" / "audit.csv").read_text("utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row["finding"] == "duplicates"]
    assert len(rows) == 12
    assert {Path(row["path"]).name for row in rows} >= {"a\nb.png", 'q"uo,te.png', "caf\\udce9.png", "=1+1.png"}


def test_page_shows_both_of_a_pair_and_loads_nothing(flawed: Path, extract: Extract, tmp_path: Path, run: Run) -> None:
    """Thumbnails stand in the page; a file that is gone by then is named without one."""
    cache = extract(flawed).cache
    (flawed / "train" / "red" / "exact.png").unlink()
    run("audit", cache, "--out", "found")
    page = (tmp_path / "found" / "audit.html").read_text("utf-8")
    assert page.count('src="data:image/webp;base64,') >= 6
    assert page.count('class="absent"') == 1
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


# Near duplicates in one fold.


def test_fit_says_how_many_images_are_near_duplicates_of_training_images(
    flawed: Path, extract: Extract, run: Run, tmp_path: Path
) -> None:
    """Only where asked for; exact duplicates, of which fit speaks anyway, are not counted again."""
    cache = extract(flawed, val_fraction=0.0).cache
    shutil.copy(flawed / "train" / "red" / "1.png", flawed / "test" / "red" / "exact.png")
    extract(flawed, val_fraction=0.0)
    done = run("fit", cache, "--head", "ridge", "--group-duplicates", "--out", "m.featx")
    assert "0 of 0 validation and 1 of 20 test images are near duplicates of training images: they flatter" in done.stdout
    assert "near duplicates" not in run("fit", cache, "--head", "ridge", "--out", "m.featx").stdout


def test_duplicates_are_counted_among_the_images_that_are_judged(
    images: Path, extract: Extract, run: Run, tmp_path: Path
) -> None:
    """Validation and test images of a class without training images are in no figure: their copies flatter nothing.

    Three near and one exact copy of red training images stand in a class of val/ that cannot be learned, two near ones in
    one of test/.
    """
    for number, colour in enumerate(COLOURS):
        (images / "val" / colour).mkdir(parents=True)
        (images / "test" / colour / "25.png").rename(images / "val" / colour / "25.png")
        save(nearly(Image.open(images / "train" / "red" / f"{number}.png")), images / "val" / "grey" / f"{number}.png")
    for number in (4, 5):
        save(nearly(Image.open(images / "train" / "red" / f"{number}.png")), images / "test" / "brown" / f"{number}.png")
    shutil.copy(images / "train" / "red" / "9.png", images / "val" / "grey" / "9.png")
    cache = extract(images).cache
    fitted = as_json(run("fit", cache, "--head", "ridge", "--group-duplicates", "--out", "m.featx", "--json"))
    assert fitted["val_images"] == 3
    assert [note for note in fitted["notes"] if "duplicates" in note] == [
        "0 of 3 validation and 0 of 15 test images are near duplicates of training images"
    ]
    save(nearly(Image.open(images / "train" / "red" / "7.png")), images / "val" / "red" / "7.png")
    shutil.copy(images / "train" / "red" / "8.png", images / "val" / "red" / "8.png")
    extract(images)
    fitted = as_json(run("fit", cache, "--head", "ridge", "--group-duplicates", "--out", "m.featx", "--json"))
    assert "1 of 5 validation images are exact duplicates of training images: they flatter the head" in fitted["notes"]
    assert any(note.startswith("1 of 5 validation and 0 of 15 test images are near duplicates") for note in fitted["notes"])


def test_near_duplicates_share_a_fold(tmp_path: Path, extract: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of compare and of --tune alike; without the option they need not."""
    import featx.verbs.compare.compare
    import featx.verbs.fit.tune

    for label, colour in enumerate(COLOURS.values()):
        for number in range(8):
            image = blobs(100 * label + number, colour)
            folder = tmp_path / "images" / sorted(COLOURS)[label]
            save(image, folder / f"{number}.png")
            save(nearly(image), folder / f"near{number}.png")
    cache = extract(tmp_path / "images", val_fraction=0.0, test_fraction=0.0).cache
    seen = []
    for module in (featx.verbs.compare.compare, featx.verbs.fit.tune):
        real = module.cut_into_folds
        monkeypatch.setattr(module, "cut_into_folds", lambda *a, real=real: seen.append(real(*a)) or seen[-1])
    featx.compare_heads(cache, ("ridge",), group_duplicates=True)
    featx.fit_head(cache, "ridge", tune=True, group_duplicates=True, out=tmp_path / "m.featx")
    featx.compare_heads(cache, ("ridge",))
    together = []
    for images in seen:
        catalog = images.store.catalog
        fold_of = {catalog.paths[row]: fold for row, fold in zip(images.rows, images.fold_of, strict=True)}
        pairs = [(path, path.replace("/", "/near")) for path in fold_of if "near" not in path]
        together.append(sum(fold_of[one] == fold_of[other] for one, other in pairs))
    assert together[:2] == [24, 24]
    assert together[2] < 24


def test_noise_is_not_taken_for_duplicates(stub_cache: Path) -> None:
    """36 images of three colours and nothing but noise on them: fine grain is all that differs, and it is enough."""
    assert featx.audit_cache(stub_cache).duplicates == []
