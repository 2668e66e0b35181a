"""What headers say: held against the pixels of a table of odd files, and against files that are written here."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.errors import ImageRejected
from featx.images import find_copies, read_headers
from featx.images.header import Header, read_header
from featx.images.raster import MAX_PIXELS
from tests.images.test_odd_images import ODD, TOO_LARGE

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")


def test_the_header_of_every_odd_file_has_the_size_of_its_pixels(tmp_path: Path) -> None:
    """Upright; and of a file that gives none it has a size, or a reason: never anything else."""
    sizes = 0
    for number, odd in enumerate(ODD):
        if odd.name == "PNG orientation behind the pixels":
            continue  # where a header ends
        path = tmp_path / str(number)
        path.write_bytes(odd.data)
        if isinstance(odd.wanted, str):
            with contextlib.suppress(ImageRejected):
                read_header(path, MAX_PIXELS)
            continue
        header = read_header(path, MAX_PIXELS)
        sizes += 1
        assert (header.height, header.width, header.size) == (*odd.wanted.shape[:2], len(odd.data)), odd.name
    assert sizes > 100


SHAPES = {
    "L": ("8-bit grey", (".png", ".jpg", ".tif", ".bmp", ".pgm")),
    "RGB": ("8-bit RGB", (".png", ".jpg", ".tif", ".bmp", ".ppm", ".webp")),
    "RGBA": ("8-bit RGB + alpha", (".png", ".tif", ".webp")),
    "CMYK": ("8-bit CMYK", (".jpg", ".tif")),
    "I;16": ("16-bit grey", (".png", ".tif")),
    "1": ("1-bit black and white", (".tif", ".pbm")),
    "P": ("8-bit palette", (".png", ".gif", ".tif", ".bmp")),
}


def test_depths_are_those_that_were_written(tmp_path: Path) -> None:
    """Of each format that can hold them; and a size that is no square."""
    for mode, (depth, suffixes) in SHAPES.items():
        pixels = np.random.default_rng(0).integers(0, 255, (30, 50)).astype(np.uint16 if mode == "I;16" else np.uint8)
        image = Image.fromarray(pixels) if mode == "I;16" else Image.fromarray(pixels).convert("RGB").convert(mode)
        if mode == "RGBA":
            image.putalpha(100)  # of an opaque picture WebP keeps no alpha
        for suffix in suffixes:
            path = tmp_path / f"a{suffix}"
            image.save(path)
            header = read_header(path, MAX_PIXELS)
            assert (header.height, header.width, header.depth) == (30, 50, depth), path.name


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_picture_on_its_side_is_measured_upright(tmp_path: Path, suffix: str) -> None:
    """As the EXIF orientation says, which is where decoding turns it to."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        Image.new("RGB", (50, 30)).save(tmp_path / f"a{suffix}", exif=exif)
        header = read_header(tmp_path / f"a{suffix}", MAX_PIXELS)
        assert (header.height, header.width) == ((50, 30) if orientation > 4 else (30, 50)), orientation


def test_headers_come_in_the_order_of_the_files_with_their_reasons(tmp_path: Path) -> None:
    """From other processes; what is no image, empty, gone or too large has its reason."""
    paths = []
    for number in range(120):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (number + 1, 3)).save(paths[-1])
    paths[3].write_bytes(b"")
    paths[4].write_text("no image at all")
    paths[5].unlink()
    done: list[int] = []
    headers = read_headers(paths, workers=2, max_pixels=3 * 110, progress=done.append)
    assert sum(done) == 120
    assert [one.width if isinstance(one, Header) else 0 for one in headers] == [
        0 if number in (3, 4, 5) or number >= 110 else number + 1 for number in range(120)
    ]
    assert headers[3] == "empty file"
    assert str(headers[4]).startswith("not an image")
    assert headers[5] == "cannot be read: No such file or directory"
    assert headers[119] == TOO_LARGE.replace("178956970", "330")


def test_copies_are_files_of_one_content(tmp_path: Path) -> None:
    """Not of one size, nor of one length; and nothing is said where it would take more reading than allowed."""
    paths = [tmp_path / f"{number}.bmp" for number in range(5)]
    for path, level in zip(paths, (10, 20, 10, 30, 10), strict=True):
        Image.new("RGB", (20, 10), (level,) * 3).save(path)
    headers = read_headers(paths)
    length = paths[0].stat().st_size
    assert find_copies(paths, headers, 5 * length) == [[0, 2, 4]]
    assert find_copies(paths, headers, 5 * length - 1) is None
    paths[4].unlink()
    assert find_copies(paths, headers, 5 * length) == [[0, 2]]
