"""Batches: every image once, in order, whoever decodes them and however soon the caller stops."""

import dataclasses
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featx.errors import DecoderError, ImageRejected, RecipeError
from featx.images import Augmentation, Views, decoder, load_batches, loader
from featx.images.augment import augmented
from featx.recipe import DECODE_VERSION, Recipe

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


@dataclasses.dataclass(frozen=True)
class Asked:
    """One file that was asked for, and its views."""

    path: Path
    views: list[int]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What has been asked of the decoding processes so far."""
    done: list[Asked] = []
    real = loader.decode_file

    def note(path: Path, **request: Any) -> tuple[bytes, np.ndarray]:
        done.append(Asked(path, request["views"]))
        return real(path, **request)

    monkeypatch.setattr(loader, "decode_file", note)
    return done


@pytest.fixture(scope="module", autouse=True)
def _decoders() -> Iterator[None]:
    """Decoding processes that end with these tests."""
    yield
    decoder.end_idle_decoders()


def loader_threads() -> list[threading.Thread]:
    """Return the threads of this process that wait for decoders."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("featx-decode")]


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
        {5: "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"},
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


def test_at_most_two_batches_are_decoded_ahead(files: Callable[[int], list[Path]], asked: list[Asked]) -> None:
    """After the first of 20 batches, three have been asked for and no more, however long the caller takes."""
    paths = files(100)
    batches = load_batches(paths, RECIPE, 5, workers=4)
    next(batches)
    deadline = time.monotonic() + 10
    while len(asked) < 15 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # long enough for these tiny images to be all decoded, if they were asked for
    assert {file.path for file in asked} == set(paths[:15])
    assert len(asked) == 15
    batches.close()


def test_nothing_is_decoded_before_the_first_batch_is_asked_for(files: Callable[[int], list[Path]], asked: list[Asked]) -> None:
    """Making the iterator starts neither threads nor processes."""
    load_batches(files(3), RECIPE, 2)
    assert asked == []
    assert loader_threads() == []


def test_abandoned_batches_stop_the_workers(files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the iterator drops the images nobody waits for, and leaves no thread behind."""
    started: list[Path] = []
    real = loader.decode_file

    def slow_after_the_first_batch(path: Path, **request: Any) -> tuple[bytes, np.ndarray]:
        started.append(path)
        if len(started) > 10:
            time.sleep(0.05)
        return real(path, **request)

    monkeypatch.setattr(loader, "decode_file", slow_after_the_first_batch)
    batches = load_batches(files(60), RECIPE, 10, workers=1)
    next(batches)
    batches.close()
    assert len(started) < 30
    assert loader_threads() == []
    assert list(batches) == []


def test_error_in_the_callers_loop_stops_the_workers(files: Callable[[int], list[Path]]) -> None:
    """An exception while a batch is used comes through, and the threads end with the iterator."""

    def use() -> None:
        for _ in load_batches(files(60), RECIPE, 10, workers=2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert loader_threads() == []


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), DecoderError("no process"), MemoryError()])
def test_error_that_is_no_rejection_is_not_swallowed(
    files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Only a rejected image may go missing with a reason; a fault of the program must be seen, and leaves no thread."""

    def fail(path: Path, **request: Any) -> tuple[bytes, np.ndarray]:
        raise error

    monkeypatch.setattr(loader, "decode_file", fail)
    with pytest.raises(type(error)) as raised:
        list(load_batches(files(3), RECIPE, 2))
    assert raised.value is error
    assert loader_threads() == []


def test_rejection_of_a_decoder_keeps_its_reason(files: Callable[[int], list[Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason comes out of the thread as it was given."""

    def reject(path: Path, **request: Any) -> tuple[bytes, np.ndarray]:
        raise ImageRejected("because")

    monkeypatch.setattr(loader, "decode_file", reject)
    assert [batch.rejected for batch in load_batches(files(3), RECIPE, 2)] == [{0: "because", 1: "because"}, {2: "because"}]


def test_recipe_of_other_decode_rules_is_refused(files: Callable[[int], list[Path]]) -> None:
    """Pixels made by other rules must not pass for the recipe's; both numbers are said."""
    other = dataclasses.replace(RECIPE, decode_version=DECODE_VERSION + 1)
    with pytest.raises(RecipeError, match=rf"decode rules {DECODE_VERSION + 1}, this featx has rules {DECODE_VERSION}\."):
        next(load_batches(files(1), other, 1))


def test_path_that_stands_twice_is_two_images(files: Callable[[int], list[Path]], asked: list[Asked]) -> None:
    """Without views each position is decoded by itself, so that a file may even change in between."""
    one, other = files(2)
    (batch,) = load_batches([one, one, other, one], RECIPE, 4)
    assert batch.images[:, 0, 0].tolist() == [colour_of(0), colour_of(0), colour_of(1), colour_of(0)]
    assert sorted(str(file.path) for file in asked) == sorted(map(str, [one, one, other, one]))
    assert all(file.views == [0] for file in asked)


AUGMENTATION = Augmentation.parse("flip,rotate=20,shift=0.2,brightness=0.3")


def views_of(path: Path, numbers: list[int], seed: int = 0) -> np.ndarray:
    """Make views here and now, without any other process."""
    with Image.open(path) as image:
        clean = np.asarray(image.convert("RGB"))
    digest = hashlib.sha256(path.read_bytes()).digest()
    return np.stack([augmented(clean, digest, AUGMENTATION, seed, number) for number in numbers])


@pytest.fixture
def noises(tmp_path: Path) -> list[Path]:
    """Three noisy images, already of the recipe's size."""
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for number, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (6, 5, 3), np.uint8)).save(path)
    return paths


@pytest.mark.parametrize("seed", [0, 7])
def test_views_of_a_file_are_made_of_one_decode(noises: list[Path], asked: list[Asked], seed: int) -> None:
    """Three views of each of three files are three decodes; pixels, digests and positions are those of the views."""
    paths = [path for path in noises for _ in range(3)]
    (batch,) = load_batches(paths, RECIPE, 9, views=Views(AUGMENTATION, seed, [0, 1, 2] * 3))
    assert sorted((file.path.name, file.views) for file in asked) == [(f"{name}.png", [0, 1, 2]) for name in "abc"]
    assert batch.positions == list(range(9))
    np.testing.assert_array_equal(batch.images, np.concatenate([views_of(path, [0, 1, 2], seed) for path in noises]))
    assert batch.digests == [hashlib.sha256(path.read_bytes()).digest() for path in paths]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 8, 9])
def test_views_that_straddle_a_border_keep_their_positions(noises: list[Path], asked: list[Asked], batch_size: int) -> None:
    """A file whose views lie in two batches is decoded once for each of them, and nothing moves."""
    paths = [path for path in noises for _ in range(3)]
    batches = list(load_batches(paths, RECIPE, batch_size, views=Views(AUGMENTATION, 0, [0, 1, 2] * 3)))
    starts = range(0, 9, batch_size)
    assert [batch.positions for batch in batches] == [list(range(9))[start : start + batch_size] for start in starts]
    images = np.concatenate([batch.images for batch in batches])
    np.testing.assert_array_equal(images, np.concatenate([views_of(path, [0, 1, 2]) for path in noises]))
    files_a_batch = [len({position // 3 for position in batch.positions}) for batch in batches]
    assert len(asked) == sum(files_a_batch)


def test_views_may_have_any_numbers_in_any_order(noises: list[Path]) -> None:
    """Missing, repeated and unordered views come out as they were listed, and a path may come back later."""
    a, b, _ = noises
    numbers = [5, 0, 5, 1, 2]
    (batch,) = load_batches([a, a, a, b, a], RECIPE, 5, views=Views(AUGMENTATION, 0, np.array(numbers)))
    wanted = [views_of(path, [number])[0] for path, number in zip([a, a, a, b, a], numbers, strict=True)]
    np.testing.assert_array_equal(batch.images, wanted)


def test_rejected_file_is_rejected_in_all_its_views(noises: list[Path]) -> None:
    """Each position of it has the reason, in both batches that it lies in; its neighbours are there."""
    noises[1].write_bytes(b"")
    paths = [path for path in noises for _ in range(3)]
    first, second = load_batches(paths, RECIPE, 5, views=Views(AUGMENTATION, 0, [0, 1, 2] * 3))
    assert (first.positions, first.rejected) == ([0, 1, 2], {3: "empty file", 4: "empty file"})
    assert (second.positions, second.rejected) == ([6, 7, 8], {5: "empty file"})
    np.testing.assert_array_equal(second.images, views_of(noises[2], [0, 1, 2]))


def test_views_that_change_nothing_are_the_clean_image(noises: list[Path]) -> None:
    """An augmentation with every property at zero is one, however little there is to it."""
    (batch,) = load_batches([noises[0]] * 2, RECIPE, 2, views=Views(Augmentation(), 0, [0, 1]))
    np.testing.assert_array_equal(batch.images, views_of(noises[0], [0, 0]))
