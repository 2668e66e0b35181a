"""A foreign HDF5 file can neither reach outside itself nor blow up: each trick, made with h5py itself, is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from featx.errors import CacheDamaged
from featx.store.guard import open_guarded
from featx.store.shards.shard import Shard

SECRET = np.arange(4, dtype=np.float32)


def external_link(file: h5py.File, folder: Path) -> None:
    """Link to a dataset of another file."""
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["values"] = SECRET
    file["maps/cells"] = h5py.ExternalLink("secret.h5", "/values")


def soft_link(file: h5py.File, folder: Path) -> None:
    """Link by name inside the file."""
    file["maps/cells"] = h5py.SoftLink("/digest")


def dangling_soft_link(file: h5py.File, folder: Path) -> None:
    """Link by name to nothing."""
    file["maps/cells"] = h5py.SoftLink("/nowhere")


def external_storage(file: h5py.File, folder: Path) -> None:
    """Take the values from a raw file: it could be any file of the reader's."""
    (folder / "secret.bin").write_bytes(SECRET.tobytes())
    file.create_dataset("maps/cells", (4,), np.float32, external=[(str(folder / "secret.bin"), 0, 16)])
    np.testing.assert_array_equal(file["maps/cells"][()], SECRET)


def virtual_dataset(file: h5py.File, folder: Path) -> None:
    """Map another file's dataset into this one."""
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["values"] = SECRET
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "values", (4,))
    file.create_virtual_dataset("maps/cells", layout)


def object_values(file: h5py.File, folder: Path) -> None:
    """Store strings of any length, Python objects once read."""
    file.create_dataset("maps/cells", data=["text"], dtype=h5py.string_dtype())


def reference_values(file: h5py.File, folder: Path) -> None:
    """Store references to other objects."""
    file.create_dataset("maps/cells", data=np.array([file["digest"].ref], h5py.ref_dtype))


def compound_values(file: h5py.File, folder: Path) -> None:
    """Store records."""
    file["maps/cells"] = np.zeros(3, [("a", np.float32), ("b", np.int8)])


def lzf_filter(file: h5py.File, folder: Path) -> None:
    """Compress by another filter than deflate."""
    file.create_dataset("maps/cells", data=SECRET, compression="lzf")


def shuffle_filter(file: h5py.File, folder: Path) -> None:
    """Shuffle before compressing."""
    file.create_dataset("maps/cells", data=SECRET, compression="gzip", shuffle=True)


def scale_offset_filter(file: h5py.File, folder: Path) -> None:
    """Store fewer bits than the values have."""
    file.create_dataset("maps/cells", data=SECRET, scaleoffset=2)


def huge_shape(file: h5py.File, folder: Path) -> None:
    """Declare a terabyte and store nothing."""
    file.create_dataset("maps/cells", (10**6, 10**6), np.uint8, chunks=(1024, 1024), compression="gzip", fletcher32=True)


def absurd_shape(file: h5py.File, folder: Path) -> None:
    """Declare a shape whose size wraps around to zero in 64 bits."""
    file.create_dataset("maps/cells", (2**32, 2**32), np.uint8, chunks=(1, 1024))


def deep_nesting(file: h5py.File, folder: Path) -> None:
    """Put groups into groups into groups."""
    file["/".join(["maps"] * 50)] = SECRET


def group_in_itself(file: h5py.File, folder: Path) -> None:
    """Make a group its own member: a walk without a limit never ends."""
    group = file.create_group("maps")
    group["maps"] = group


def named_type(file: h5py.File, folder: Path) -> None:
    """Hold something that is neither group nor dataset."""
    file["maps/cells"] = np.dtype(np.float32)


def no_values(file: h5py.File, folder: Path) -> None:
    """Hold a dataset without a shape."""
    file["maps/cells"] = h5py.Empty(np.float32)


@pytest.mark.parametrize(
    ("trick", "found"),
    [
        (external_link, "a link that leaves its group"),
        (soft_link, "a link that leaves its group"),
        (dangling_soft_link, "a link that leaves its group"),
        (external_storage, "values stored in another file"),
        (virtual_dataset, "a virtual dataset"),
        (object_values, "values of type"),
        (reference_values, "values of type"),
        (compound_values, "values of type"),
        (lzf_filter, "filters"),
        (shuffle_filter, "filters"),
        (scale_offset_filter, "filters"),
        (huge_shape, "declared bytes"),
        (absurd_shape, "declared bytes"),
        (deep_nesting, "groups nested deeper"),
        (group_in_itself, "groups nested deeper"),
        (named_type, "neither group nor dataset"),
        (no_values, "damaged"),
    ],
)
def test_what_featx_never_writes_is_refused(tmp_path: Path, trick: Callable[[h5py.File, Path], None], found: str) -> None:
    """The error names the file and what was found in it; without the trick the same file is fine."""
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["fingerprint"] = np.bytes_(b"f" * 64)
        file.create_dataset("digest", data=np.zeros((4, 32), np.uint8))
        file.create_dataset("view", data=np.zeros(4, np.int64))
    assert len(Shard(path)) == 4
    with h5py.File(path, "r+", libver="latest") as file:
        trick(file, tmp_path)
    with pytest.raises(CacheDamaged, match=found) as caught:
        open_guarded(path)
    assert str(path) in str(caught.value)
    with pytest.raises(CacheDamaged):
        Shard(path)


@pytest.mark.parametrize(
    ("libver", "found"),
    [(None, "older or newer format .superblock 0"), (("v108", "v108"), "older or newer format .superblock 2")],
)
def test_formats_that_featx_never_writes_are_refused(tmp_path: Path, libver: Any, found: str) -> None:
    """Their metadata has no checksums: what is changed in it can crash HDF5 itself."""
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("maps/cells", data=SECRET, chunks=(1,), maxshape=(None,))
    with pytest.raises(CacheDamaged, match=found):
        open_guarded(path)


def test_a_file_of_an_older_format_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its first bytes are read, by Python."""
    path = tmp_path / "foreign.h5"
    h5py.File(path, "w").close()
    monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(CacheDamaged, match="superblock 0"):
        open_guarded(path)


def test_a_crowd_of_objects_is_refused(tmp_path: Path) -> None:
    """Ten thousand groups are no cache."""
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(10_001):
            file.create_group(str(number))
    with pytest.raises(CacheDamaged, match="objects"):
        open_guarded(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 4096, b"PK\3\4 a zip", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 8],
    ids=["empty", "zeros", "zip", "signature", "signature and noise"],
)
def test_what_is_no_hdf5_is_refused(tmp_path: Path, data: bytes) -> None:
    """Any other file, under a shard's name."""
    path = tmp_path / "foreign.h5"
    path.write_bytes(data)
    with pytest.raises(CacheDamaged, match=r"foreign\.h5"):
        open_guarded(path)


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    """What cannot be opened at all is the same typed error."""
    (tmp_path / "folder.h5").mkdir()
    for name in ("folder.h5", "nothing.h5"):
        with pytest.raises(CacheDamaged, match=name):
            open_guarded(tmp_path / name)


@pytest.mark.parametrize("value", ["text of any length", 7, np.arange(4), np.bytes_(b"\xff\xfe")], ids=str)
def test_a_fingerprint_that_is_no_short_text_is_refused(tmp_path: Path, value: object) -> None:
    """Attributes may be anything in a foreign file."""
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["fingerprint"] = value
        file.create_dataset("digest", data=np.zeros((4, 32), np.uint8))
        file.create_dataset("view", data=np.zeros(4, np.int64))
    with pytest.raises(CacheDamaged):
        Shard(path)
