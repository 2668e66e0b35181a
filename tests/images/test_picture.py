"""What is measured of a picture is what can be computed by hand of pictures made for it."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from featx.images import MEASURES, PICTURE_SIDE
from featx.images.decode import decode_and_measure, decode_image
from featx.images.picture import measure_pictures
from featx.recipe import Recipe


def recipe(side: int = 64, **options: str) -> Recipe:
    """Return a recipe of square images."""
    return Recipe(backbone="stub", weights="none", layers=("cells",), image_size=(side, side), preprocess="none", **options)


def measured(pixels: np.ndarray, using: Recipe | None = None, **save: object) -> tuple[dict[str, float], np.ndarray]:
    """Return the measures, by name, and the thumbnail of pixels saved as PNG, or as something else."""
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, **({"format": "PNG"} | save))
    _, picture, _ = decode_and_measure(file.getvalue(), using or recipe())
    assert picture is not None
    (measures,), (thumbnail,) = measure_pictures([picture])
    return dict(zip(MEASURES, measures.tolist(), strict=True)), thumbnail


def checkerboard(cell: int, side: int = 64, low: int = 0, high: int = 255) -> np.ndarray:
    """Return a grey checkerboard of square cells."""
    rows, columns = np.indices((side, side)) // cell
    return np.where((rows + columns) % 2, high, low)


@pytest.mark.parametrize(
    ("level", "black", "white"), [(0, 1, 0), (25, 1, 0), (26, 0, 0), (229, 0, 0), (230, 0, 1), (255, 0, 1)]
)
def test_one_grey_level(level: int, black: int, white: int) -> None:
    """Its brightness is the level, its contrast and sharpness nothing; the outer tenths are nearly black or white."""
    found, thumbnail = measured(np.full((40, 50), level))
    wanted = {
        "height": 40,
        "width": 50,
        "brightness": level / 255,
        "contrast": 0,
        "black": black,
        "white": white,
        "sharpness": 0,
    }
    assert found == pytest.approx(wanted)
    assert (thumbnail == level).all()
    assert thumbnail.shape == (PICTURE_SIDE, PICTURE_SIDE)


def test_checkerboard_by_hand() -> None:
    """Half black and half white; each pixel differs from all four neighbours by 255: the Laplacian is 1020 everywhere."""
    found, _ = measured(checkerboard(1))
    assert found["brightness"] == pytest.approx(0.5)
    assert found["contrast"] == pytest.approx(0.5)
    assert (found["black"], found["white"]) == (0.5, 0.5)
    assert found["sharpness"] == pytest.approx(1020**2 / (127.5**2 + 1 / 12), rel=1e-4)


def test_sharpness_does_not_depend_on_contrast_and_falls_with_blur() -> None:
    """A hazy picture is as sharp as a clear one; the same picture blurred is less sharp, and the more so the more it is."""
    clear, hazy = checkerboard(4), checkerboard(4, low=100, high=140)
    sharpness = [measured(pixels)[0]["sharpness"] for pixels in (clear, hazy)]
    assert sharpness[0] == pytest.approx(sharpness[1], rel=1e-3)
    for radius in (1, 2, 3):
        blurred = np.asarray(Image.fromarray(clear.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius)))
        sharpness.append(measured(blurred)[0]["sharpness"])
    assert sharpness[1:] == sorted(sharpness[1:], reverse=True)
    assert sharpness[2] < sharpness[0] / 2


def test_height_and_width_are_those_of_the_file_upright() -> None:
    """Also of a JPEG that is decoded at a reduced size, and of one that EXIF turns by a quarter."""
    exif = Image.Exif()
    exif[274] = 6
    pixels = np.zeros((900, 1200, 3))
    for options, wanted in (({}, [900, 1200]), ({"exif": exif}, [1200, 900])):
        found, _ = measured(pixels, recipe(32), format="JPEG", **options)
        assert [found["height"], found["width"]] == wanted


def test_margins_of_pad_are_no_part_of_the_picture() -> None:
    """A black line of pixels padded with white is all black."""
    found, thumbnail = measured(np.zeros((10, 60)), recipe(resize="pad"))
    assert (found["black"], found["white"]) == (1, 0)
    assert (thumbnail == 0).all()


def test_measuring_changes_no_pixel() -> None:
    """The backbone sees the same whether pictures are measured or not."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)).save(file, "JPEG")
    for resize in ("stretch", "crop", "pad"):
        pixels, *_ = decode_and_measure(file.getvalue(), recipe(resize=resize))
        assert (pixels == decode_image(file.getvalue(), recipe(resize=resize))).all()
