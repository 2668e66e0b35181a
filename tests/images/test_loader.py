"""Batches: every image once, in order, whoever decodes them and however soon the caller stops."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featx.errors import ImageRejected
from featx.images import load_batches, loader
from featx.recipe import Recipe

RECIPE = Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(6, 5), preprocess="none")


def colour_of(number: int) -> list[int]:
    """Return a colour that tells the number."""
    return [number, 255 - number, 7]


@pytest.fixture
def files(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Write images that show their position, under names whose order says nothing."""

    def write(count: int) -> list[Path]:
        paths = [tmp_path / f"{hashlib.md5(str(number).encode()).hexdigest()}.png" for number in range(count)]
        for number, path in enumerate(paths):
            Image.new("RGB", (8, 9), tuple(colour_of(number))).save(path)
        return paths

    return write


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Count decoded images: one entry each, the time it was begun."""
    done: list[float] = []
    real = loader.decode_image

    def count(*arguments: Any) -> np.ndarray:
        done.append(time.monotonic())
        return real(*arguments)

    monkeypatch.setattr(loader, "decode_image", count)
    return done


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 20, 21, 100])
def test_every_position_comes_once_and_in_order(files: Callable[[int], list[Path]], batch_size: int, workers: int) -> None:
    """Position, pixels and digest belong together for any batch size and number of workers."""
    paths = files(21)
    batches = list(load_batches(paths, RECIPE, batch_size, workers))
    assert [position for batch in batches for position in batch.positions] == list(range(21))
    images = np.concatenate([batch.images for batch in batches])
    assert images.shape == (21, 6, 5, 3)
    np.testing.assert_array_equal(images, np.array([[[colour_of(n)] * 5] * 6 for n in range(21)], np.uint8))
    wanted = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
    assert [digest for batch in batches for digest in batch.digests] == wanted


@pytest.mark.parametrize(("count", "batch_size", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3]), (0, 4, [])])
def test_batches_have_the_size_asked_for(
    files: Callable[[int], list[Path]], count: int, batch_size: int, sizes: list[int]
) -> None:
    """Full batches, then the rest; no images give no batch."""
    assert [len(batch.images) for batch in load_batches(files(count), RECIPE, batch_size)] == sizes


def test_rejects_are_reported_at_their_position(files: Callable[[int], list[Path]]) -> None:
    """An image that gives no pixels leaves a gap with a reason; its neighbours stay where they are."""
    paths = files(10)
    paths[1].write_bytes(b"")
    paths[5].write_text("no image, just words")
    paths[9].unlink()
    batches = list(load_batches(paths, RECIPE, 4, workers=2))
    assert [batch.positions for batch in batches] == [[0, 2, 3], [4, 6, 7], [8]]
    assert [batch.rejected for batch in batches] == [
        {1: "empty file"},
        {5: "not an image (JPEG, PNG, WebP, BMP, GIF or TIFF)"},
        {9: "cannot be read: No such file or directory"},
    ]
    assert [batch.images[:, 0, 0].tolist() for batch in batches] == [
        [colour_of(0), colour_of(2), colour_of(3)],
        [colour_of(4), colour_of(6), colour_of(7)],
        [colour_of(8)],
    ]


def test_batch_of_rejects_alone_has_no_images(tmp_path: Path) -> None:
    """Its array is empty but has the recipe's height and width, so that it can be used like any other."""
    (batch,) = load_batches([tmp_path / "a.png", tmp_path / "b.png"], RECIPE, 4)
    assert (batch.positions, batch.digests, sorted(batch.rejected)) == ([], [], [0, 1])
    assert (batch.images.shape, batch.images.dtype) == ((0, 6, 5, 3), np.uint8)


def test_pixel_limit_reaches_the_decoder(files: Callable[[int], list[Path]]) -> None:
    """The images have 72 pixels."""
    (batch,) = load_batches(files(2), RECIPE, 4, max_pixels=71)
    assert batch.rejected == {0: "too large (over 71 pixels)", 1: "too large (over 71 pixels)"}


def test_digest_is_of_the_bytes_that_were_decoded(files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes between two reads cannot give one version's digest and the other one's pixels."""
    old, new = (path.read_bytes() for path in files(2))
    versions = iter([old, new, new])
    monkeypatch.setattr(loader, "read_image_file", lambda path: next(versions))
    (batch,) = load_batches([Path("changing.png")], RECIPE, 1)
    assert batch.digests == [hashlib.sha256(old).digest()]
    assert batch.images[0, 0, 0].tolist() == colour_of(0)


def test_at_most_two_batches_are_decoded_ahead(files: Callable[[int], list[Path]], decoded: list[float]) -> None:
    """After the first of 20 batches, three have been decoded and no more, however long the caller takes."""
    batches = load_batches(files(100), RECIPE, 5, workers=4)
    next(batches)
    deadline = time.monotonic() + 10
    while len(decoded) < 15 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # long enough for these tiny images to be all decoded, if they were asked for
    assert len(decoded) == 15
    batches.close()


def test_abandoned_batches_stop_the_workers(files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the iterator drops the images nobody waits for, and leaves no thread behind."""
    started: list[int] = []
    real = loader.decode_image

    def slow_after_the_first_batch(*arguments: Any) -> np.ndarray:
        started.append(1)
        if len(started) > 10:
            time.sleep(0.05)
        return real(*arguments)

    monkeypatch.setattr(loader, "decode_image", slow_after_the_first_batch)
    batches = load_batches(files(60), RECIPE, 10, workers=1)
    next(batches)
    batches.close()
    assert len(started) < 30
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("featx-decode")]
    assert list(batches) == []


def test_error_in_the_callers_loop_stops_the_workers(files: Callable[[int], list[Path]]) -> None:
    """An exception while a batch is used comes through, and the threads end with the iterator."""

    def use() -> None:
        for _ in load_batches(files(60), RECIPE, 10, workers=2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("featx-decode")]


def test_error_that_is_no_rejection_is_not_swallowed(
    files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a rejected image may go missing with a reason; a fault of the program must be seen."""

    def fail(*arguments: Any) -> np.ndarray:
        raise ZeroDivisionError

    monkeypatch.setattr(loader, "decode_image", fail)
    with pytest.raises(ZeroDivisionError):
        list(load_batches(files(3), RECIPE, 2))


def test_rejection_inside_a_worker_keeps_its_reason(
    files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason comes out of the thread as it was given."""

    def reject(*arguments: Any) -> np.ndarray:
        raise ImageRejected("because")

    monkeypatch.setattr(loader, "decode_image", reject)
    assert [batch.rejected for batch in load_batches(files(3), RECIPE, 2)] == [{0: "because", 1: "because"}, {2: "because"}]
