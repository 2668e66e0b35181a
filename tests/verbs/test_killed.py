"""A killed command can be run again by the same command line, wherever it was killed."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featx
from featx.errors import OutputError
from featx.system.files import temporary_sibling
from featx.verbs.export.outputs import check_place, put_in_place, workshop
from featx.verbs.pack import pack_cache
from tests.killed import changes_until_killed

N_IMAGES = 800


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("last", [*range(8), 100, 101, 102, 1200])
def test_a_killed_sample_can_be_unpacked_again(tmp_path: Path, last: int) -> None:
    """Killed before any of its first changes, and of some later ones: the rest is written and nothing else is left."""
    folder = tmp_path / "sample"
    assert changes_until_killed(lambda: featx.unpack_sample(folder), tmp_path, last) == last
    assert len(contents(folder)) < N_IMAGES
    assert featx.unpack_sample(folder).images == N_IMAGES
    found = contents(folder)
    assert len(found) == N_IMAGES
    assert all(found.values())


def test_what_a_killed_sample_left_half_written_is_written_anew(tmp_path: Path) -> None:
    """Half a temporary file, and half a file under its final name, as a machine leaves it that went down."""
    folder = tmp_path / "sample"
    featx.unpack_sample(folder)
    whole = contents(folder)
    first, second = sorted(folder.rglob("*.png"))[:2]
    temporary_sibling(first).write_bytes(first.read_bytes()[:100])
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    featx.unpack_sample(folder)
    assert contents(folder) == whole


@pytest.mark.parametrize("name", [".tmp-mine.png", ".tmp-12-3456789.png", "mine.png"])
def test_hidden_files_of_others_are_still_refused(tmp_path: Path, name: str) -> None:
    """And left as they are: only names that featx gives its unfinished files are passed over, and beside the images alone."""
    featx.unpack_sample(tmp_path / "sample")
    place = next((tmp_path / "sample").rglob("*.png")).parent / name
    place.write_bytes(b"mine")
    with pytest.raises(OutputError, match="which is not of the sample"):
        featx.unpack_sample(tmp_path / "sample")
    assert place.read_bytes() == b"mine"
    place.unlink()
    outside = temporary_sibling(tmp_path / "sample" / "it.png")
    outside.write_bytes(b"mine")
    with pytest.raises(OutputError, match="which is not of the sample"):
        featx.unpack_sample(tmp_path / "sample")
    assert outside.read_bytes() == b"mine"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cache of stub features of some of the sample's images, and two models."""
    folder = tmp_path_factory.mktemp("killed")
    featx.unpack_sample(folder / "all")
    for split in ("train", "test"):
        for place in sorted((folder / "all" / split).iterdir())[:3]:
            for file in sorted(place.iterdir())[:8]:
                target = folder / "images" / split / place.name / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
    featx.extract_features(folder / "images", folder / "cache", backbone="stub", image_size=(64, 64))
    for head in ("logreg", "ridge"):
        featx.fit_head(folder / "cache", head, out=folder / f"{head}.featx")
    return folder


def check_every_kill(run: Callable[[Path], Any], prepare: Callable[[Path], Any], root: Path) -> None:
    """Kill a run before each of its changes in turn; each time the second run gives what an undisturbed one gives."""
    undisturbed = root / "undisturbed"
    undisturbed.mkdir()
    prepare(undisturbed)
    run(undisturbed)
    wanted = contents(undisturbed).keys()
    last = finished = 0
    while True:
        place = root / str(last)
        place.mkdir()
        prepare(place)
        made = changes_until_killed(lambda here=place: run(here), place, last)
        if made < last:
            break
        try:
            run(place)
        except OutputError as error:
            if "--overwrite" not in str(error):
                raise
            finished += 1  # the result was whole before the end: it is there, and the second run says so
        # What stands hidden beside it is unfinished and no result.
        assert {name for name in contents(place) if "/.tmp-" not in f"/{name}"} == wanted, last
        last += 1
    assert last - finished >= 2, "it must have been killed now and then"


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "overwrite"])
@pytest.mark.parametrize("names", [("it.xml", "it.bin"), ("it",)], ids=["two files", "folder"])
def test_a_killed_export_can_be_run_again(tmp_path: Path, names: tuple[str, ...], earlier: bool) -> None:
    """Two files and a folder, the first of their name and in place of others: also where some are old and some are new."""

    def export(place: Path, text: str, overwrite: bool) -> None:
        path = place / names[0]
        check_place(path, names, overwrite)
        with workshop(path) as folder:
            files = [folder / "it" / "a", folder / "it" / "b"] if names == ("it",) else [folder / name for name in names]
            for file in files:
                file.parent.mkdir(exist_ok=True)
                file.write_text(f"{text} {file.name}")
            put_in_place(folder, path, names, {"head": text})

    def run(place: Path) -> None:
        export(place, "new", earlier)
        found = {name: data for name, data in contents(place).items() if not name.startswith(".tmp-")}
        sidecar = json.loads(found.pop(f"{names[0]}.json"))
        assert sidecar["head"] == "new"
        assert sidecar["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
        assert all(data.startswith(b"new ") for data in found.values())

    check_every_kill(run, lambda place: export(place, "old", False) if earlier else None, tmp_path)
    with pytest.raises(OutputError, match=r"exists\. Give --overwrite"):
        export(tmp_path / "undisturbed", "new", False)


def test_a_killed_pack_can_be_run_again(workplace: Path, tmp_path: Path) -> None:
    """The file is there whole or not at all."""
    check_every_kill(lambda place: pack_cache(workplace / "cache", place / "it.h5"), lambda place: None, tmp_path)


def test_a_killed_report_can_be_written_again(workplace: Path, tmp_path: Path) -> None:
    """Its folder is known by the marker that is written first."""
    evaluation = featx.evaluate_model(workplace / "logreg.featx", split="test")
    check_every_kill(lambda place: featx.write_report(evaluation, place / "report", page=False), lambda place: None, tmp_path)


def test_a_killed_merge_can_be_run_again(workplace: Path, tmp_path: Path) -> None:
    """The shards that were copied are kept."""
    check_every_kill(lambda place: featx.merge_caches([workplace / "cache"], place / "merged"), lambda place: None, tmp_path)


def test_a_killed_fit_can_be_run_again(workplace: Path, tmp_path: Path) -> None:
    """The model file is there whole or not at all, and the same command replaces an earlier one."""
    check_every_kill(
        lambda place: featx.fit_head(workplace / "cache", "ridge", out=place / "it.featx"), lambda place: None, tmp_path
    )


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_export_that_is_killed_while_it_replaces_another_leaves_something_at_every_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    """Files at every instant; the next export, of whatever name, sweeps what was left, and puts back what is nowhere else."""
    import featx.system.durable

    if not can_exchange:
        monkeypatch.setattr(featx.system.durable, "_exchanged", lambda one, other: False)

    def export(place: Path, text: str) -> None:
        names = ("it.xml", "it.bin")
        check_place(place / "it.xml", names, True)
        with workshop(place / "it.xml") as folder:
            for name in names:
                (folder / name).write_text(f"{text} {name}")
            put_in_place(folder, place / "it.xml", names, {"head": text})

    last, killed = 0, True
    while killed:
        place = tmp_path / str(last)
        place.mkdir()
        export(place, "old")
        killed = changes_until_killed(lambda here=place: export(here, "new"), place, last) == last  # type: ignore[misc]
        assert {"it.xml", "it.bin", "it.xml.json"} <= contents(place).keys(), last
        check_place(place / "other.xml", ("other.xml",), False)
        check_place(place / "it.xml", ("it.xml", "it.bin"), True)
        left = [name for name in contents(place) if name.startswith(".tmp-export")]
        assert not left, (last, left)
        last += 1
    assert last > 8


def test_two_exports_to_one_name_are_kept_apart(tmp_path: Path) -> None:
    """The second would delete what the first is making."""
    with workshop(tmp_path / "it.onnx") as folder:
        (folder / "it.onnx").write_text("half")
        with pytest.raises(OutputError, match="another process"), workshop(tmp_path / "it.onnx"):
            pass
        assert (folder / "it.onnx").read_text() == "half"
    assert contents(tmp_path) == {}
