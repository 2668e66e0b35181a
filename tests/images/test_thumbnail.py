"""Small copies for a page: upright, on the backbone's background, of the file that was measured and of no other."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.images import decode_image, make_thumbnails
from featx.recipe import Recipe
from featx.system.files import file_digest


def pixels_of(data: bytes) -> np.ndarray:
    """Decode a thumbnail."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_shape_is_kept_and_the_image_upright(tmp_path: Path, stub_recipe: Recipe) -> None:
    """300 x 200 pixels stored lying, turned by EXIF: 75 x 112, its red end on top."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[:, :150] = (230, 20, 20)
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored left is the top, and the stored bottom the left
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=exif, quality=95)
    (made,) = make_thumbnails([tmp_path / "a.jpg"], stub_recipe)
    pixels = pixels_of(made.data)
    assert pixels.shape == (112, 75, 3)
    assert pixels[10, 40, 0] > 200 > 60 > pixels[100, 40, 0]


def test_transparency_shows_the_background_and_small_images_stay_small(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A transparent square of 40 x 48 px is white, as the backbone saw it."""
    Image.new("RGBA", (48, 40), (0, 0, 0, 0)).save(tmp_path / "a.png")
    pixels = pixels_of(make_thumbnails([tmp_path / "a.png"], stub_recipe)[0].data)
    assert pixels.shape == (40, 48, 3)
    assert pixels.min() > 250


def test_what_cannot_be_shown_has_a_reason(tmp_path: Path, stub_recipe: Recipe) -> None:
    """A file that is gone, one that is no image, and one that was changed since it was measured; the others are shown."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (9, 9), (9, 99, 200)).save(tmp_path / name)
    digests = [file_digest(tmp_path / name) for name in ("a.png", "b.png")]
    Image.new("RGB", (9, 9), (10, 99, 200)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_text("no image")
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png", "d.png")]
    made = make_thumbnails(paths, stub_recipe, [*digests, b"", b""])
    assert [bool(one.data) for one in made] == [True, False, False, False]
    assert made[1].reason == "changed since it was measured"
    assert made[2].reason.startswith("not an image")
    assert made[3].reason.startswith("cannot be read: No such file")


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (1, 1)])
def test_a_line_does_not_shrink_to_nothing(size: tuple[int, int], stub_recipe: Recipe) -> None:
    """A side of one pixel stays one pixel."""
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    pixels = decode_image(file.getvalue(), stub_recipe, longest=112)
    assert pixels.shape == (min(size[1], 112), min(size[0], 112), 3)
