"""JPEG: pixels to the bit as Pillow's, and no picture of which libjpeg made up a part."""

import io
import itertools
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from featx.errors import ImageRejected
from featx.images.decode import decode_image
from featx.recipe import Recipe

PHOTOGRAPH = Image.fromarray(load_sample_image("china.jpg"))
WIDTH, HEIGHT = PHOTOGRAPH.size


def recipe(height: int = HEIGHT, width: int = WIDTH, **options: Any) -> Recipe:
    """Make a recipe of which only the decoding matters; by default of the photograph's own size."""
    return Recipe("stub", "none", ("cells",), (height, width), "none", **options)


def encode(image: Image.Image = PHOTOGRAPH, **options: Any) -> bytes:
    """Return the file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 85} | options)
    return file.getvalue()


def pillows(data: bytes) -> NDArray[np.uint8]:
    """Decode with Pillow alone."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def reason_of(data: bytes, **options: Any) -> str:
    """Return why a file is rejected."""
    with pytest.raises(ImageRejected) as rejected:
        decode_image(data, recipe(**options))
    return rejected.value.reason


KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 5},
    "optimised": {"optimize": True},
}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_pixels_are_pillows_to_the_bit_at_every_scale_and_subsampling(kind: str, mode: str) -> None:
    """Whichever library unpacks them: caches made by Pillow's pixels go on."""
    for (width, height), subsampling in itertools.product(((640, 427), (333, 77), (17, 9), (5, 6)), (0, 1, 2)):
        image = PHOTOGRAPH.resize((width, height)).convert(mode)
        data = encode(image, subsampling=subsampling, **KINDS[kind])
        np.testing.assert_array_equal(decode_image(data, recipe(height, width)), pillows(data))
        for side in (1, 2, 4, 9, 13, 26, 53, 106):
            np.testing.assert_array_equal(decode_image(data, recipe(side, side)), pillows_reduced(data, side))


def pillows_reduced(data: bytes, side: int) -> NDArray[np.uint8]:
    """Decode with Pillow alone to at least twice a side, then shrink."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (2 * side, 2 * side))
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))


def with_hole(data: bytes, start: float = 0.35, stop: float = 0.85) -> bytes:
    """Overwrite a part by zeros; the length stays, so does the end marker."""
    first, last = int(len(data) * start), int(len(data) * stop)
    return data[:first] + bytes(last - first) + data[last:]


@kinds
def test_hole_in_the_middle_is_corrupt(kind: str) -> None:
    """Though Pillow reads it without a word, and half of the picture is another one."""
    sound = encode(**KINDS[kind])
    broken = with_hole(sound)
    assert np.abs(pillows(broken).astype(int) - pillows(sound)).mean() > 5
    assert reason_of(broken) == "corrupt JPEG"
    assert reason_of(broken, allow_truncated=True) == "corrupt JPEG"


@kinds
def test_picture_that_lacks_a_piece_is_corrupt(kind: str) -> None:
    """Nothing wrong stands in the file; 3,000 bytes of the middle are gone."""
    data = encode(**KINDS[kind])
    middle = len(data) // 2
    assert reason_of(data[:middle] + data[middle + 3000 :]) == "corrupt JPEG"


@kinds
def test_reduced_decode_notices_a_hole_too(kind: str) -> None:
    """At an eighth of the size the same bits are read."""
    with pytest.raises(ImageRejected, match=r"^corrupt JPEG$"):
        decode_image(with_hole(encode(**KINDS[kind])), recipe(20, 20))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_hole_in_grey_and_in_ink_is_corrupt(mode: str) -> None:
    """Of whatever colours."""
    assert reason_of(with_hole(encode(PHOTOGRAPH.convert(mode)))) == "corrupt JPEG"


@kinds
@pytest.mark.parametrize("lost", [1, 2])
def test_file_without_its_two_end_bytes_is_read_if_the_pixels_are_there(kind: str, lost: int) -> None:
    """It gives what the whole file gives."""
    data = encode(**KINDS[kind])
    np.testing.assert_array_equal(decode_image(data[:-lost], recipe()), pillows(data))


@kinds
@pytest.mark.parametrize("lost", [3, 10, 500, 20_000])
def test_file_without_its_last_pixels_is_truncated(kind: str, lost: int) -> None:
    """With an end marker behind what is left it is corrupt: nothing is missing at its end."""
    data = encode(**KINDS[kind])
    assert reason_of(data[:-lost]) == "truncated JPEG"
    assert reason_of(data[:-lost] + b"\xff\xd9") == "corrupt JPEG"
    assert decode_image(data[:-lost], recipe(allow_truncated=True)).shape == (HEIGHT, WIDTH, 3)


def test_progressive_file_that_ends_between_two_scans_is_truncated() -> None:
    """To libjpeg the coarse picture is all there is."""
    data = encode(progressive=True)
    scans = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    tables = data.rfind(b"\xff\xc4", 0, scans[-1])
    assert len(scans) > 5
    assert reason_of(data[:tables]) == "truncated JPEG"


@kinds
def test_zeros_between_the_pixels_and_the_end_are_no_damage(kind: str) -> None:
    """Some cameras fill up a sector; libjpeg warns of these bytes as it does of a hole."""
    data = encode(**KINDS[kind])
    for count in (1, 7, 9, 226, 5000):
        np.testing.assert_array_equal(decode_image(data[:-2] + bytes(count) + data[-2:], recipe()), pillows(data))


@kinds
def test_zeros_in_place_of_the_last_half_are_damage(kind: str) -> None:
    """Pixels were made of the first of them."""
    data = encode(**KINDS[kind])
    half = len(data) // 2
    assert reason_of(data[:half] + bytes(len(data) - half - 2) + data[-2:]) == "corrupt JPEG"
    assert reason_of(data[:half] + bytes(len(data) - half)) in ("corrupt JPEG", "truncated JPEG")


def test_what_libjpeg_warns_of_beside_the_pixels_is_no_damage_and_hides_none() -> None:
    """Bytes between two segments, a JFIF of another time: read; with a hole besides, corrupt."""
    data = encode()
    version = data.index(b"JFIF") + 5
    for odd in (data[:20] + b"abc" + data[20:], data[:version] + b"\3" + data[version + 1 :]):
        np.testing.assert_array_equal(decode_image(odd, recipe()), pillows(data))
        assert reason_of(with_hole(odd)) == "corrupt JPEG"


def test_twelve_bits_a_sample_are_unsupported_and_not_corrupt() -> None:
    """Such as medical devices write (ITU T.81, B.2.2: the frame header's precision)."""
    data = encode()
    frame = data.index(b"\xff\xc0")
    assert reason_of(data[: frame + 1] + b"\xc1\0\x11\x0c" + data[frame + 5 :]) == "unsupported JPEG (12 bits a sample)"


def test_picture_inside_of_the_metadata_is_not_looked_at() -> None:
    """A damaged preview in an EXIF segment is no damage of the picture."""
    data, preview = encode(), with_hole(encode(PHOTOGRAPH.resize((160, 107))))
    marker = b"Exif\0\0" + preview
    odd = data[:2] + b"\xff\xe1" + (len(marker) + 2).to_bytes(2, "big") + marker + data[2:]
    np.testing.assert_array_equal(decode_image(odd, recipe()), pillows(data))
