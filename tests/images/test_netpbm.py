"""PBM, PGM and PPM: values by hand and by OpenCV; what states how far its values reach is read so."""

from typing import Any

import cv2
import numpy as np
import pytest

from featx.errors import ImageRejected
from featx.images.decode import decode_image
from featx.recipe import Recipe


def decode(data: bytes, height: int, width: int, **options: Any) -> np.ndarray:
    """Decode to the given size."""
    return decode_image(data, Recipe("stub", "none", ("cells",), (height, width), "none", **options))


def reason_of(data: bytes, **options: Any) -> str:
    """Return why a file is rejected."""
    with pytest.raises(ImageRejected) as rejected:
        decode(data, 2, 2, **options)
    return rejected.value.reason


# Each is a row of three pixels, and the grey levels or colours that it gives.
BY_HAND = {
    "plain bits, 1 is black": (b"P1 3 1 1 0 1", [0, 255, 0]),
    "plain bits without spaces": (b"P1\n3 1\n101", [0, 255, 0]),
    "raw bits": (b"P4 3 1\n" + bytes([0b10111111]), [0, 255, 0]),
    "plain grey": (b"P2 3 1 255 0 100 255", [0, 100, 255]),
    "plain grey with comments": (b"P2 # a\n# b\n3 1 # c\n255\n0 # d 7\n100 255", [0, 100, 255]),
    "grey up to 15": (b"P2 3 1 15 0 1 15", [0, 17, 255]),
    "grey up to 100, rounded": (b"P2 3 1 100 1 50 100", [3, 128, 255]),  # 2.55, 127.5 and 255
    "raw grey": (b"P5 3 1 255 " + bytes([0, 100, 255]), [0, 100, 255]),
    "raw grey that begins like a comment": (b"P5 3 1 255\n#\n ", [35, 10, 32]),
    "raw grey of 16 bits": (b"P5 3 1 65535\n" + bytes([0, 255, 0x12, 0x34, 255, 255]), [0, 0x12, 255]),
    "raw grey of 12 bits": (b"P5 3 1 4095\n" + bytes([0, 255, 8, 0, 15, 255]), [15, 128, 255]),
    "plain grey of 16 bits": (b"P2 3 1 65535 255 4660 65535", [0, 0x12, 255]),
    "plain colours": (b"P3 3 1 255 1 2 3 4 5 6 7 8 9", [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
    "raw colours": (b"P6\n3 1\n255\n" + bytes(range(1, 10)), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
    "raw colours of 16 bits": (b"P6 3 1 65535 " + bytes(range(18)), [[0, 2, 4], [6, 8, 10], [12, 14, 16]]),
    "a second picture behind": (b"P5 3 1 255 " + bytes([0, 100, 255]) + b"P5 1 1 255 \0", [0, 100, 255]),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_row_of_three_pixels_by_hand(name: str) -> None:
    """The largest value that the file states is white; of more than 8 bits the upper 8 count."""
    data, wanted = BY_HAND[name]
    row = np.array(wanted)
    np.testing.assert_array_equal(decode(data, 1, 3)[0], row if row.ndim == 2 else row[:, None].repeat(3, axis=1))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("suffix", [".pbm", ".pgm", ".ppm"])
def test_what_opencv_writes_is_read_as_opencv_reads_it(suffix: str, plain: bool) -> None:
    """Of sides that are no multiple of eight."""
    values = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8)
    stored = values if suffix == ".ppm" else values[..., 0]
    _, data = cv2.imencode(suffix, stored, [cv2.IMWRITE_PXM_BINARY, int(not plain)])
    read = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(decode(data.tobytes(), 11, 13), read)


def test_sixteen_bits_that_hold_twelve_follow_the_recipe() -> None:
    """A maxval of 65,535 says no more than that a sample has two bytes; 4,095 says what there is."""
    values = bytes([0, 0, 8, 0, 15, 255])
    assert decode(b"P5 3 1 65535 " + values, 1, 3, depth="12")[0, :, 0].tolist() == [0, 128, 255]
    assert decode(b"P5 3 1 4095 " + values, 1, 3, depth="8")[0, :, 0].tolist() == [0, 128, 255]


REJECTED = {
    "no height": (b"P5 3\n", "corrupt PNM"),
    "height of nothing": (b"P5 3 0 255 ", "corrupt PNM"),
    "no maxval": (b"P5 3 1 x", "corrupt PNM"),
    "maxval of 17 bits": (b"P5 3 1 65536 " + bytes(6), "corrupt PNM"),
    "value above the maxval": (b"P2 3 1 15 0 16 3", "corrupt PNM"),
    "negative value": (b"P2 3 1 15 0 -1 3", "corrupt PNM"),
    "word among the values": (b"P2 3 1 15 0 one 3", "corrupt PNM"),
    "value of many digits": (b"P2 3 1 15 0 " + b"9" * 400 + b" 3", "corrupt PNM"),
    "two of three values": (b"P2 3 1 15 0 1", "truncated PNM"),
    "two of three bytes": (b"P5 3 1 255 12", "truncated PNM"),
    "no pixels": (b"P6 3 1 255", "truncated PNM"),
    "a bomb": (b"P1 99999 99999 1", "too large (over 178956970 pixels)"),
    "the sides of a giant": (b"P5 9999999999 9999999999 255 ", "too large (over 178956970 pixels)"),
    "text": (b"P5 is a paper size", "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"),
    "floating point": (b"Pf 3 1 -1.0\n" + bytes(12), "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_damaged_file_has_its_reason(name: str) -> None:
    """Header, values and their number are looked at."""
    data, reason = REJECTED[name]
    assert reason_of(data) == reason


@pytest.mark.parametrize("head", [b"P2 64 64 255 ", b"P5 64 64 255 "])
def test_half_of_a_file_is_read_where_that_is_allowed(head: bytes) -> None:
    """The rest is black, as of other formats; of a file without pixels nothing is left."""
    values = np.random.default_rng(0).integers(10, 99, 2048)
    body = bytes(values.tolist()) if head[1:2] == b"5" else b" ".join(b"%d" % value for value in values)
    pixels = decode(head + body, 64, 64, allow_truncated=True)
    np.testing.assert_array_equal(pixels[:32, :, 0].ravel(), values)
    assert not pixels[32:].any()
    assert reason_of(head + body) == "truncated PNM"
    assert reason_of(head, allow_truncated=True) == "truncated PNM, nothing of the picture left"
