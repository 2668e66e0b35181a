"""The catalog keeps the listing exactly, and refuses one that does not fit together."""

import dataclasses
import errno
import gc
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featx.store.listing.catalog
from featx.errors import CacheDamaged, CacheWriteError
from featx.store import EXTRACTED, REJECTED, Catalog
from featx.store.shards.shard_writer import ShardWriter
from featx.task import Task

FINGERPRINT = "7" * 64
NOT_UTF8 = b"caf\xe9/\xff\xfe.png".decode("utf-8", "surrogateescape")


def made_catalog(paths: list[str], reasons: list[str] | None = None, class_names: tuple[str, ...] = ("cat", "dog")) -> Catalog:
    """Return a catalog whose rows all differ; rows with a reason are rejected."""
    n = len(paths)
    reasons = reasons if reasons is not None else [""] * n
    return Catalog(
        source="/photos/été",
        fingerprint=FINGERPRINT,
        class_names=class_names,
        paths=paths,
        labels=np.array([number % 3 - 1 for number in range(n)], np.int32),
        splits=np.array([number % 3 for number in range(n)], np.int8),
        digests=np.random.default_rng(0).integers(0, 256, (n, 32), np.uint8),
        sizes=np.arange(n, dtype=np.int64) * 2**33,
        mtimes=np.arange(n, dtype=np.int64) * 10**18 - 1,
        ctimes=np.arange(n, dtype=np.int64) * 10**17,
        status=np.array([REJECTED if reason else EXTRACTED for reason in reasons], np.uint8),
        reasons=reasons,
    )


def assert_same(found: Catalog, wanted: Catalog) -> None:
    """Compare every field, arrays with their types."""
    for field in dataclasses.fields(Catalog):
        mine, theirs = getattr(found, field.name), getattr(wanted, field.name)
        if isinstance(theirs, np.ndarray):
            assert mine.dtype == theirs.dtype, field.name
            np.testing.assert_array_equal(mine, theirs, field.name)
        else:
            assert mine == theirs, field.name


@pytest.fixture
def catalog() -> Catalog:
    """Six images, one of them rejected."""
    return made_catalog([f"cat/{number}.png" for number in range(6)], ["", "", "truncated", "", "", ""])


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["one.png"],
        ["a/b.png", "Ünïcödé/日本語 🐱.jpg", "e\u0301.png", "\u00e9.png", "with\nnewline.png", " .png", "..png", "a..b/c.png"],
        [NOT_UTF8, "b.png"],
        [f"class/{number}.png" for number in range(3000)],
    ],
    ids=["empty", "one", "unicode", "not UTF-8", "many"],
)
def test_a_catalog_comes_back_as_it_was_written(tmp_path: Path, paths: list[str]) -> None:
    """Every column, type and path, whatever the file names hold."""
    written = made_catalog(paths)
    written.write(tmp_path / "catalog.h5")
    assert_same(Catalog.read(tmp_path / "catalog.h5"), written)


NAMES = st.text(
    st.characters(exclude_characters="\0/", codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
)


@settings(max_examples=40, deadline=None)
@given(names=st.lists(NAMES.filter(lambda name: name != ".."), max_size=8), class_name=NAMES)
def test_any_file_name_comes_back(tmp_path_factory: pytest.TempPathFactory, names: list[str], class_name: str) -> None:
    """Names are bytes to the kernel: any of them, as Python decodes it, survives."""
    path = tmp_path_factory.mktemp("catalog") / "catalog.h5"
    # As os.fsdecode gives them: only bytes that are no UTF-8 become surrogates.
    decoded = [name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") for name in names]
    written = made_catalog(decoded, [f"reason {name}" for name in decoded], (class_name, "dog"))
    written.write(path)
    assert_same(Catalog.read(path), written)


def test_every_column_is_checksummed_and_the_file_replaced_whole(tmp_path: Path, catalog: Catalog) -> None:
    """All datasets carry a Fletcher checksum; writing over a catalog leaves the new one and no temporary."""
    path = tmp_path / "catalog.h5"
    catalog.write(path)
    shorter = made_catalog(["only.png"])
    shorter.write(path)
    assert_same(Catalog.read(path), shorter)
    assert list(tmp_path.iterdir()) == [path]
    with h5py.File(path, "r") as file:
        assert all(file[name].fletcher32 for name in file)


def test_a_full_disk_keeps_the_catalog_that_was_there(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused write is typed and changes nothing."""

    def disk_full(path: Path, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "catalog.h5"
    catalog.write(path)
    monkeypatch.setattr(featx.store.listing.catalog.Path, "write_bytes", disk_full)
    with pytest.raises(CacheWriteError, match="No space left"):
        made_catalog(["only.png"]).write(path)
    assert_same(Catalog.read(path), catalog)
    assert list(tmp_path.iterdir()) == [path]


def test_no_view_of_the_bytes_stays_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 prints a BufferError for memory that goes while the traceback of an error keeps a view of it."""

    def disk_full(path: Path, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type] # as pathlib does
        raise OSError(errno.ENOSPC, f"No space left on device for {len(view)} bytes")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    catalog = made_catalog(["only.png"])
    writer = ShardWriter(tmp_path, catalog.fingerprint, np.dtype(np.float16))
    for write in (lambda: catalog.write(tmp_path / "catalog.h5"), writer.commit):
        with pytest.raises(CacheWriteError) as refused:
            write()
        assert refused.value.__cause__
        objects = {type(view.obj).__name__ for view in gc.get_objects() if isinstance(view, memoryview)}
        assert "bytes" in objects  # the view above is there still
        assert "_BytesIOBuffer" not in objects


@pytest.mark.parametrize(("split", "wanted"), [(None, [0, 1, 3, 4, 5]), ("train", [0, 3]), ("val", [1, 4]), ("test", [5])])
def test_rows_leave_out_the_rejected(catalog: Catalog, split: str | None, wanted: list[int]) -> None:
    """Row 2 is a test image without features: it is in no answer."""
    assert catalog.rows(split).tolist() == wanted
    assert len(catalog) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.zeros(5, np.int32)},
        {"splits": np.zeros(7, np.int8)},
        {"sizes": np.zeros(0, np.int64)},
        {"mtimes": np.zeros((6, 1), np.int64)},
        {"status": np.zeros(5, np.uint8)},
        {"digests": np.zeros((6, 31), np.uint8)},
        {"digests": np.zeros((5, 32), np.uint8)},
        {"reasons": [""] * 5},
        {"paths": ["a.png"] * 7},
        {"labels": np.full(6, 2, np.int32)},
        {"labels": np.full(6, -2, np.int32)},
        {"splits": np.full(6, 3, np.int8)},
        {"splits": np.full(6, -1, np.int8)},
        {"status": np.full(6, 2, np.uint8)},
    ],
    ids=lambda change: "-".join(f"{name} {np.shape(values)} {np.ravel(values)[:1]}" for name, values in change.items()),
)
def test_columns_that_do_not_fit_together_are_refused(tmp_path: Path, catalog: Catalog, change: dict[str, Any]) -> None:
    """Lengths, widths, and numbers that point at no class, split or status."""
    path = tmp_path / "catalog.h5"
    dataclasses.replace(catalog, **change).write(path)
    with pytest.raises(CacheDamaged, match="do not fit together"):
        Catalog.read(path)


@pytest.mark.parametrize("evil", ["/etc/passwd", "../secret.png", "cat/../../secret.png", "cat/..", ".."])
def test_paths_that_lead_outside_are_refused(tmp_path: Path, catalog: Catalog, evil: str) -> None:
    """A foreign catalog cannot make featx read outside the image folder."""
    path = tmp_path / "catalog.h5"
    dataclasses.replace(catalog, paths=[*catalog.paths[:5], evil]).write(path)
    with pytest.raises(CacheDamaged):
        Catalog.read(path)


def test_a_flipped_bit_never_gives_another_listing(tmp_path: Path, catalog: Catalog) -> None:
    """Reading raises, or the listing is the one written."""
    path = tmp_path / "catalog.h5"
    catalog.write(path)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(3)
    raised = 0
    for byte, bit in zip(rng.integers(0, len(data), 100), rng.integers(0, 8, 100), strict=True):
        data[byte] ^= 1 << int(bit)
        path.write_bytes(data)
        data[byte] ^= 1 << int(bit)
        try:
            assert_same(Catalog.read(path), catalog)
        except CacheDamaged:
            raised += 1
    assert raised > 50


@pytest.mark.parametrize("head", [b"{", b"[]", b'{"source": "x"}', b"\xff", b""])
def test_a_broken_head_is_refused(tmp_path: Path, catalog: Catalog, head: bytes) -> None:
    """The part of the catalog that is JSON may be anything in a foreign file."""
    path = tmp_path / "catalog.h5"
    catalog.write(path)
    with h5py.File(path, "r+") as file:
        del file["head"]
        file["head"] = np.frombuffer(head, np.uint8)
    with pytest.raises(CacheDamaged):
        Catalog.read(path)


def test_no_catalog_is_a_typed_error(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(CacheDamaged, match=r"catalog\.h5"):
        Catalog.read(tmp_path / "catalog.h5")


def with_task(catalog: Catalog, task: Task, targets: list[list[float]] | None = None) -> Catalog:
    """Return the catalog with another task."""
    return dataclasses.replace(
        catalog,
        class_names=task.names if task.has_classes else (),
        labels=catalog.labels if task.has_classes else np.full(len(catalog), -1, np.int32),
        task=task,
        targets=None if targets is None else np.array(targets, np.float64),
    )


NAN = float("nan")
LABELS = Task("labels", ("cat", "indoor"))
KNOWN = [[1.0, 0.0], [NAN, 1.0], [0.0, 0.0], [NAN, NAN], [1.0, 1.0], [0.0, NAN]]


@pytest.mark.parametrize(
    ("task", "targets"),
    [(LABELS, KNOWN), (Task("numbers", ("score",)), [[2.5], [-1e9], [NAN], [0], [1], [3]]), (Task("grades", ("2", "1")), None)],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_tasks_and_targets_come_back(tmp_path: Path, catalog: Catalog, task: Task, targets: list[list[float]] | None) -> None:
    """What is not known stays not known."""
    wanted = with_task(catalog, task, targets)
    wanted.write(tmp_path / "catalog.h5")
    assert_same(Catalog.read(tmp_path / "catalog.h5"), wanted)


def test_images_of_which_nothing_is_known_are_not_learned_from(catalog: Catalog) -> None:
    """They have their rows of features all the same."""
    found = dataclasses.replace(with_task(catalog, LABELS, KNOWN), splits=np.zeros(6, np.int8))
    assert found.rows("train").tolist() == [0, 1, 3, 4, 5]
    assert found.learned_from().tolist() == found.known_rows("train").tolist() == [0, 1, 4, 5]


def test_a_catalog_of_another_task_has_no_class_names_for_an_older_featx(tmp_path: Path, catalog: Catalog) -> None:
    """That refuses the file, instead of learning from labels that are all -1."""
    with_task(catalog, LABELS, KNOWN).write(tmp_path / "catalog.h5")
    with h5py.File(tmp_path / "catalog.h5") as file:
        assert set(json.loads(file["head"][()].tobytes())) == {"source", "fingerprint", "task"}
    catalog.write(tmp_path / "catalog.h5")
    with h5py.File(tmp_path / "catalog.h5") as file:
        assert set(json.loads(file["head"][()].tobytes())) == {"source", "fingerprint", "class_names"}


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        (LABELS, [[0.5, 0.0]] * 6),
        (LABELS, [[1.0]] * 6),
        (LABELS, None),
        (Task("numbers", ("score",)), [[float("inf")]] * 6),
        (Task(), [[1.0]] * 6),
    ],
)
def test_targets_that_do_not_fit_the_task_are_damage(
    tmp_path: Path, catalog: Catalog, task: Task, targets: list[list[float]] | None
) -> None:
    """Labels are 0, 1 or not known; numbers are finite; a column for each name."""
    wrong = with_task(catalog, task, targets)
    with pytest.raises(CacheDamaged):
        wrong._check(tmp_path)


def test_a_task_that_is_none_is_damage(tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign file says anything."""
    monkeypatch.setattr(Task, "to_dict", lambda task: {"kind": "tasks", "names": ["a"]})
    with_task(catalog, LABELS, KNOWN).write(tmp_path / "catalog.h5")
    with pytest.raises(CacheDamaged, match="kind must be one of"):
        Catalog.read(tmp_path / "catalog.h5")
