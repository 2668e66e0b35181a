"""The digest behind a listing: damage is found before HDF5 opens the file."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from featx.errors import CacheDamaged
from featx.store.listing.catalog import Catalog
from featx.store.seal import SEALED, check_seal, seal

READ = "import sys; from pathlib import Path; from featx.store.listing.catalog import Catalog; Catalog.read(Path(sys.argv[1]))"


@pytest.fixture
def listing(photos: Path, extract: Callable[..., Any]) -> Path:
    """The listing of a part, whose twelve columns stand in a heap of HDF5's."""
    extract(photos, shard="1/2")
    return photos.parent / "cache" / "parts" / "1-of-2.h5"


def test_the_seal_is_the_digest_of_what_stands_before_it(listing: Path) -> None:
    """Computed apart; HDF5 reads the file as if there were none."""
    content = listing.read_bytes()
    assert content[-32:] == hashlib.sha256(content[: -32 - len(b"featx listing ")]).digest()
    with h5py.File(listing) as file:
        assert file.attrs[SEALED] == 1
        assert len(file["label"]) == 18


def test_pages_of_zeros_anywhere_are_damage_and_end_no_process(listing: Path) -> None:
    """In processes of their own; of many such pages one ended HDF5 in a signal."""
    content = listing.read_bytes()
    damaged = listing.with_name("damaged.h5")
    for start in range(0, len(content), len(content) // 12):
        damaged.write_bytes(content[:start] + bytes(min(2700, len(content) - start)) + content[start + 2700 :])
        done = subprocess.run([sys.executable, "-c", READ, str(damaged)], capture_output=True, text=True, check=False)
        assert done.returncode == 1, (start, done.returncode)
        assert "featx.errors.CacheDamaged" in done.stderr, (start, done.stderr)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content[:-40],
        lambda content: content[:-60],
        lambda content: content + b"\0",
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
        lambda content: content[:-5] + b"12345",
    ],
    ids=["byte less", "half the seal", "no seal", "byte more", "bit", "seal changed"],
)
def test_every_change_is_damage(listing: Path, change: Callable[[bytes], bytes]) -> None:
    """Also one of the seal alone."""
    listing.write_bytes(change(listing.read_bytes()))
    with pytest.raises(CacheDamaged, match="its bytes are not those that its digest is of"):
        Catalog.read(listing)


def test_a_listing_of_an_older_featx_has_none(listing: Path) -> None:
    """It is read as before."""
    whole = Catalog.read(listing)
    with h5py.File(listing) as file:
        columns = {name: np.array(file[name]) for name in file}
    old = listing.with_name("2-of-2.h5")
    with h5py.File(old, "w", libver=("v110", "v110")) as file:
        for name, values in columns.items():
            file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True)
    assert Catalog.read(old).paths == whole.paths


def test_the_seal_of_a_long_file_is_found_in_pieces(tmp_path: Path) -> None:
    """The name of the attribute may stand where two pieces meet."""
    for place in (0, (1 << 20) - 5, (1 << 20) + 1, 2 << 20):
        content = bytearray(os.urandom(3 << 20))
        content[place : place + len(SEALED)] = SEALED.encode()
        path = tmp_path / "long.h5"
        path.write_bytes(bytes(content) + seal(bytes(content)))
        with path.open("rb") as file:
            check_seal(path, file.fileno())
        content[99] ^= 1
        path.write_bytes(bytes(content) + path.read_bytes()[-46:])
        with path.open("rb") as file, pytest.raises(CacheDamaged):
            check_seal(path, file.fileno())
