"""TIFF: every layout that tifffile writes gives the pixels that tifffile reads, or a reason; raw files are no images."""

import io
import itertools
import struct
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from featx.errors import ImageRejected
from featx.images.decode import decode_and_measure, decode_image
from featx.recipe import Recipe

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::DeprecationWarning:tifffile"),
    pytest.mark.filterwarnings("ignore::UserWarning:tifffile"),
]

Ints = NDArray[np.int64]
HEIGHT, WIDTH = 40, 52
COLOURS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4}


def recipe(height: int = HEIGHT, width: int = WIDTH, **options: Any) -> Recipe:
    """Make a recipe of which only the decoding matters."""
    return Recipe("stub", "none", ("cells",), (height, width), "none", **options)


def reason_of(data: bytes) -> str:
    """Return why a file is rejected."""
    with pytest.raises(ImageRejected) as rejected:
        decode_image(data, recipe())
    return rejected.value.reason


def write(values: NDArray[Any], **options: Any) -> bytes:
    """Return the file that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **options)
    return file.getvalue()


def numbers(channels: int, dtype: str) -> NDArray[Any]:
    """Return ramps over the whole range with some noise: (height, width, channels), no channel like another."""
    most = np.iinfo(dtype).max
    ramp = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH) * 2)[..., None] * np.arange(1, channels + 1)
    noise = np.random.default_rng(channels).integers(0, 7, ramp.shape)
    return (ramp * (most // 255) // 2 + noise).astype(dtype)


def pixels_of(stored: NDArray[Any], photometric: str, alpha: bool) -> Ints:
    """Convert what the file holds to RGB: the upper 8 bits, ink by ``(255 - c) (255 - k) / 255``, alpha on white."""
    levels = (stored >> 8 if stored.dtype == np.uint16 else stored).astype(np.int64)
    colours = levels[..., : COLOURS[photometric]]
    if photometric == "miniswhite":
        colours = 255 - colours
    if photometric == "separated":
        colours = np.rint((255 - colours[..., :3]) * (255 - colours[..., 3:]) / 255).astype(np.int64)
    if alpha:
        part = levels[..., COLOURS[photometric], None]
        colours = np.rint((colours * part + 255 * (255 - part)) / 255).astype(np.int64)
    return np.broadcast_to(colours, (*colours.shape[:2], 3))


def layouts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what else there is to choose: compression and predictor, strips or tiles, byte order, size of offsets."""
    packings = (
        (None, False),
        ("lzw", False),
        ("lzw", True),
        ("zlib", False),
        ("zlib", True),
        ("packbits", False),
        ("zstd", True),
    )
    for (packing, predictor), tile, order, big in itertools.product(packings, (None, (16, 32)), "<>", (False, True)):
        if big and (tile or packing not in (None, "zlib")):
            continue
        name = f"{packing}{' predicted' * predictor}, {'tiles' if tile else 'strips'}, {order}, {'big' * big}"
        rows = None if tile else 16
        options = {"tile": tile, "byteorder": order, "bigtiff": big, "rowsperstrip": rows, "predictor": predictor or None}
        yield name, options | {"compression": packing}


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("extra", [None, "unassalpha", "unspecified"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("photometric", COLOURS)
def test_every_layout_gives_the_pixels_that_tifffile_reads(
    photometric: str, dtype: str, extra: str | None, planes: str
) -> None:
    """However the samples lie, are packed and ordered, each is where tifffile finds it; nothing is guessed."""
    channels = COLOURS[photometric] + (extra is not None)
    if channels == 1 and planes == "separate":
        pytest.skip("one channel has one plane")
    values = numbers(channels, dtype)
    stored = np.moveaxis(values, -1, 0) if planes == "separate" else values.squeeze()
    for name, layout in layouts():
        options = layout | ({"planarconfig": planes} if channels > 1 else {}) | ({"extrasamples": [extra]} if extra else {})
        data = write(stored, photometric=photometric, **options)
        read = tifffile.imread(io.BytesIO(data))
        read = np.moveaxis(read, 0, -1) if planes == "separate" else read.reshape(values.shape)
        wanted = pixels_of(read, photometric, extra == "unassalpha")
        difference = np.abs(decode_image(data, recipe()).astype(int) - wanted)
        assert difference.max() <= (1 if extra == "unassalpha" or photometric == "separated" else 0), name


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_colours_multiplied_by_an_alpha_of_16_bits_are_divided_again(planes: str) -> None:
    """Half transparent on white is the mean of the colour and white."""
    values = numbers(4, "uint16")
    values[..., 3] = 0x8000
    values[..., :3] //= 2
    data = write(
        np.moveaxis(values, -1, 0) if planes == "separate" else values,
        photometric="rgb", planarconfig=planes, extrasamples=["assocalpha"],
    )  # fmt: skip
    wanted = (values[..., :3] >> 8).astype(int) + 127
    assert np.abs(decode_image(data, recipe()) - wanted).max() <= 1


UNSUPPORTED = {
    "1 channel of 8-bit signed numbers, photometric 1": {"values": numbers(1, "int8")[..., 0]},
    "3 channels of 16-bit signed numbers, photometric 2": {"values": numbers(3, "int16"), "photometric": "rgb"},
    "3 channels of 32-bit numbers, photometric 2": {"values": numbers(3, "uint32"), "photometric": "rgb"},
    "3 channels of 16-bit floating-point numbers, photometric 2": {
        "values": numbers(3, "uint8").astype("float16"),
        "photometric": "rgb",
    },
    "1 channel of 64-bit floating-point numbers, photometric 1": {"values": numbers(1, "uint8")[..., 0].astype("float64")},
    "3 channels of 8-bit numbers, photometric 1": {"values": numbers(3, "uint8"), "planarconfig": "contig"},
    "compression WebP": {"values": numbers(3, "uint8"), "photometric": "rgb", "compression": "webp"},
    "compression JPEG 2000": {"values": numbers(3, "uint8"), "photometric": "rgb", "compression": "jpeg2000"},
    "compression JPEG XL": {"values": numbers(3, "uint8"), "photometric": "rgb", "compression": "jpegxl"},
}


@pytest.mark.parametrize("reason", UNSUPPORTED)
def test_sound_file_that_cannot_be_read_is_unsupported_and_not_corrupt(reason: str) -> None:
    """It says which kind it is, so that it can be converted."""
    options = {"photometric": "minisblack"} | UNSUPPORTED[reason]
    assert reason_of(write(options.pop("values"), **options)) == f"unsupported TIFF ({reason})"


def test_orientation_and_depth_count_where_samples_are_put_together_here() -> None:
    """A plane a channel, turned: rows become columns, as the orientation says."""
    values = numbers(3, "uint16")
    data = write(np.moveaxis(values, -1, 0), photometric="rgb", planarconfig="separate", extratags=[(274, 3, 1, 6, True)])
    wanted = (values >> 8)[::-1].swapaxes(0, 1)
    np.testing.assert_array_equal(decode_image(data, recipe(WIDTH, HEIGHT)), wanted)


def test_image_of_many_planes_is_too_large_before_it_is_unpacked() -> None:
    """The limit counts pixels and not samples."""
    data = write(np.moveaxis(numbers(4, "uint16"), -1, 0), photometric="rgb", planarconfig="separate", extrasamples=[2])
    assert decode_image(data, recipe(), max_pixels=HEIGHT * WIDTH).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageRejected, match="too large"):
        decode_image(data, recipe(), max_pixels=HEIGHT * WIDTH - 1)


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
def test_hole_in_a_jpeg_inside_is_corrupt(photometric: str, tile: tuple[int, int] | None) -> None:
    """A strip with zeros in its middle; sound, it is read as tifffile reads it."""
    values = numbers(3, "uint8") if photometric == "rgb" else numbers(1, "uint8")[..., 0]
    data = write(values, photometric=photometric, compression="jpeg", tile=tile)
    read = tifffile.imread(io.BytesIO(data))
    wanted = read if read.ndim == 3 else read[..., None]
    np.testing.assert_array_equal(decode_image(data, recipe()), np.broadcast_to(wanted, (HEIGHT, WIDTH, 3)))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    first, last = start + size // 2, start + size - 4
    assert reason_of(data[:first] + bytes(last - first) + data[last:]) == "corrupt TIFF"


def test_tags_as_long_as_the_file_cost_no_time() -> None:
    """A directory of thousands of them, one behind the other."""
    data = write(np.zeros((2000, 2000), np.uint8), photometric="minisblack")
    entries = b"".join(struct.pack("<HHII", tag, 1, 4_000_000, 8) for tag in (330, 338, 50706 - 1) for _ in range(1300))
    hostile = data[:4] + struct.pack("<I", len(data)) + data[8:] + struct.pack("<H", 3900) + entries + bytes(4)
    started = time.process_time()
    assert reason_of(hostile) == "corrupt or unsupported TIFF"
    assert time.process_time() - started < 5


def raw_file(thumbnail: int, *, mosaic: str = "cfa", extra: list[tuple[Any, ...]] | None = None) -> bytes:
    """Return a file as cameras write it: a thumbnail first, the picture inside of its directory."""
    file = io.BytesIO()
    small, large = numbers(3, "uint8")[:thumbnail], numbers(1, "uint16")[..., 0]
    with tifffile.TiffWriter(file) as writer:
        writer.write(small, photometric="rgb", subfiletype=1, subifds=1, metadata=None, extratags=extra or [])
        writer.write(large, photometric=mosaic, subfiletype=0, metadata=None)
    return file.getvalue()


def test_camera_raw_file_is_no_image() -> None:
    """NEF and ARW are TIFFs whose first page is a thumbnail; DNG says itself what it is."""
    assert reason_of(raw_file(10)) == "raw camera file (NEF, ARW, PEF or the like)"
    version = [(50706, 1, 4, (1, 4, 0, 0), True)]
    assert reason_of(raw_file(10, extra=version)) == "raw camera file (DNG)"
    assert reason_of(write(numbers(1, "uint16")[..., 0], photometric="cfa")) == "raw camera file (NEF, ARW, PEF or the like)"
    assert reason_of(raw_file(10, mosaic="minisblack")) == "unsupported TIFF (its first page is a thumbnail)"


RAW = {
    "Canon CR2": struct.pack("<2sHI2sBB", b"II", 42, 16, b"CR", 2, 0),
    "Canon CR3": b"\0\0\0\x18ftypcrx \0\0\0\1",
    "Canon CRW": b"II\x1a\0\0\0HEAPCCDR",
    "Olympus ORF": b"IIRO\x08\0\0\0",
    "Panasonic RW2": b"IIU\0\x18\0\0\0",
    "Fujifilm RAF": b"FUJIFILMCCD-RAW 0201",
    "Minolta MRW": b"\0MRM\0\0\0\0",
    "Sigma X3F": b"FOVb\0\0\2\0",
}


@pytest.mark.parametrize("name", RAW)
def test_raw_file_that_begins_unlike_a_tiff_is_named(name: str) -> None:
    """Its first bytes say whose it is."""
    assert reason_of(RAW[name] + bytes(200)) == f"raw camera file ({name})"


def test_pages_are_counted_and_smaller_copies_and_masks_are_not() -> None:
    """Five pages are five frames; a pyramid is one picture."""
    page = numbers(3, "uint8")
    data = write(np.stack([page] * 5), photometric="rgb")
    assert decode_and_measure(data, recipe()).traits.frames == 5
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for kind, step in ((0, 1), (1, 2), (1, 4)):
            writer.write(page[::step, ::step], photometric="rgb", subfiletype=kind, metadata=None)
        writer.write(page[..., 0] > 9, photometric="mask", subfiletype=4, metadata=None)
    assert decode_and_measure(file.getvalue(), recipe()).traits.frames == 1
