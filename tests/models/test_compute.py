"""The one way of files through decode and backbone: progress, limits, listed contents and their twins, and the start."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import featx
import featx.models.compute
from featx.errors import DeviceError
from featx.images import Augmentation, Views
from featx.models import Compute, Engine, Extractor, ListedFiles, decode_files
from featx.store import FeatureCache
from featx.system.files import file_digest
from tests.conftest import write_image

Extract = Callable[..., featx.ExtractResult]
GONE = "cannot be read: No such file or directory"


@pytest.fixture
def twins(photos: Path, extract: Extract) -> FeatureCache:
    """A cache of ``photos`` in which ``red/0.png`` has twins, ``red/a.png`` and ``blue/b.png``."""
    for name in ("red/a.png", "blue/b.png"):
        shutil.copy(photos / "red" / "0.png", photos / name)
    return FeatureCache.open(extract(photos).cache)


def found(store: FeatureCache, paths: list[str], compute: Compute, **options: Any) -> tuple[list[int], dict[int, str]]:
    """Decode listed images; return positions that gave pixels, and reasons. Each stands in one batch, with its own digest."""
    catalog = store.catalog
    rows = np.array([catalog.paths.index(path) for path in paths])
    positions: list[int] = []
    rejected: dict[int, str] = {}
    for batch in decode_files(ListedFiles(catalog, rows), store.recipe, compute, **options):
        assert [catalog.digests[rows[position]].tobytes() for position in batch.positions] == batch.digests
        assert len(batch.images) == len(batch.digests)
        positions += batch.positions
        rejected |= batch.rejected
    assert sorted([*positions, *rejected]) == list(range(len(paths)))
    return sorted(positions), rejected


def test_twin_stands_in_for_a_file_that_is_gone_or_edited(photos: Path, twins: FeatureCache) -> None:
    """The content is what is wanted; with the last file of it the reason is what is the matter with the image's own."""
    wanted = ["green/3.png", "red/0.png", "red/1.png", "red/a.png"]
    (photos / "red" / "0.png").unlink()
    write_image(photos / "red" / "a.png", (0, 0, 0), seed=99)
    assert found(twins, wanted, Compute(2)) == ([0, 1, 2, 3], {})
    (photos / "blue" / "b.png").unlink()
    assert found(twins, wanted, Compute(2)) == ([0, 2], {1: GONE, 3: "changed since it was extracted"})


def test_views_of_a_twin_are_those_of_the_image(photos: Path, twins: FeatureCache) -> None:
    """They are drawn from the content: the same pixels from whichever file, at the same positions."""
    catalog = twins.catalog
    rows = np.array([catalog.paths.index(path) for path in ("red/0.png", "red/1.png")])
    views = Views(Augmentation.parse("flip,rotate=15"), 3, [0, 1, 2, 0, 1, 2])

    def pixels() -> dict[int, NDArray[np.uint8]]:
        files = ListedFiles(catalog, rows).repeated(3)
        batches = list(decode_files(files, twins.recipe, Compute(4), views))
        return {position: image for one in batches for position, image in zip(one.positions, one.images, strict=True)}

    before = pixels()
    assert sorted(before) == [0, 1, 2, 3, 4, 5]
    (photos / "red" / "0.png").unlink()
    for position, image in pixels().items():
        np.testing.assert_array_equal(image, before.pop(position))
    assert before == {}


def test_listed_content_is_not_too_large_but_another_is(photos: Path, twins: FeatureCache) -> None:
    """Whatever limit it was extracted with is no matter now; a file that has another content by now has no such leave."""
    write_image(photos / "red" / "1.png", (250, 10, 10), seed=99, size=(60, 60))
    assert found(twins, ["red/0.png", "red/1.png"], Compute(max_pixels=100)) == ([0], {1: "too large (over 100 pixels)"})
    (batch,) = decode_files([photos / "red" / "0.png"], twins.recipe, Compute(max_pixels=100))
    assert batch.rejected == {0: "too large (over 100 pixels)"}


def test_bomb_that_a_cache_lists_as_extracted_is_rejected(photos: Path, twins: FeatureCache) -> None:
    """A cache comes from anybody, with its folder of images; nobody has decoded 4.9 thousand million pixels of it before."""
    header = struct.pack(">IIBBBBB", 70_000, 70_000, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b""))
    chunks = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)
    bomb = b"".join(chunks)
    (photos / "red" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    row = twins.catalog.paths.index("red/1.png")
    twins.catalog.digests[row] = np.frombuffer(file_digest(photos / "red" / "1.png"), np.uint8)
    assert found(twins, ["red/0.png", "red/1.png"], Compute()) == ([0], {1: f"too large (over {1 << 32} pixels)"})


def test_progress_comes_to_the_total_after_each_batch(photos: Path, twins: FeatureCache) -> None:
    """It starts at nothing, counts a batch when the caller has done with it, and every image once, rejected or not."""
    seen: list[tuple[str, int, int]] = []
    (photos / "red" / "0.png").unlink()
    (photos / "red" / "2.png").unlink()
    options: dict[str, Any] = {"stage": "measure", "progress": lambda *step: seen.append(step)}
    found(twins, ["red/0.png", "red/1.png", "red/2.png", "red/3.png"], Compute(2), **options)
    assert seen[0] == ("measure", 0, 4)
    assert {(stage, total) for stage, _, total in seen} == {("measure", 4)}
    assert sum(done for _, done, _ in seen) == 4
    seen.clear()
    for number, _ in enumerate(
        decode_files([photos / "green" / f"{n}.png" for n in range(5)], twins.recipe, Compute(2), **options)
    ):
        assert [done for _, done, _ in seen] == [0, 2, 2][: number + 1]
    assert [done for _, done, _ in seen] == [0, 2, 2, 1]


def test_backbone_is_loaded_once_and_for_pixels_alone(photos: Path, stub_cache: Path) -> None:
    """Files that are no images give reasons and no maps; what a cache records of the backbone is there once it ran."""
    loaded: list[int] = []

    def load(engine: Engine, batch_size: int, device: str | None, by: str) -> Any:
        loaded.append(batch_size)
        return engine.load(batch_size, device, by)

    recipe = FeatureCache.open(stub_cache).recipe
    extractor = Extractor(Engine(recipe), Compute(8), load=load)
    (photos / "red" / "bad.png").write_text("no image")
    ((batch, maps),) = extractor([photos / "red" / "bad.png"])
    assert (list(batch.rejected), maps, loaded, extractor.network, extractor.device) == ([0], {}, [], {}, "")
    for _ in range(2):
        (_, maps), (rest, others) = extractor(sorted((photos / "blue").iterdir()))
        assert [len(one["cells"]) for one in (maps, others)] == [8, 4] == [8, len(rest.positions)]
    assert loaded == [8]
    assert extractor.network == FeatureCache.open(stub_cache).network
    assert Extractor(Engine(recipe), Compute(8), most_images=3).batch_size == 3
    assert Extractor(Engine(recipe), Compute(8), most_images=0).batch_size == 1


def test_device_is_checked_before_anything_is_decoded(
    photos: Path, stub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever one can be named."""
    model = featx.fit_head(stub_cache, "ridge", out=tmp_path / "m.featx").model
    monkeypatch.setattr(featx.models.compute, "load_batches", lambda *_: pytest.fail("files were decoded"))
    with pytest.raises(DeviceError, match="must be cpu, gpu or tpu"):
        featx.FeatureExtractor("stub", device="nonsense").transform([photos / "red" / "0.png"])
    with pytest.raises(DeviceError, match="must be cpu, gpu or tpu"):
        featx.predict_images(model, [photos], device="nonsense")
