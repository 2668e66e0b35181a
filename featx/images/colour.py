"""Any of Pillow's modes of 8 bits to RGB: inks, palettes, transparency on the background, colour profiles."""

import io

from PIL import Image, ImageCms

from featx.errors import ImageRejected
from featx.recipe import Recipe

# Colours that were multiplied by their alpha, and what Pillow can go on with.
_STRAIGHT_ALPHA = {"La": "LA", "RGBa": "RGBA"}

# 32-bit whole numbers and floats have no agreed range, so any scaling to 8 bits would be a guess.
_MODES_WITHOUT_A_RANGE = ("I", "F")

# Which modes a profile of each colour space is for (ICC.1:2022, table 19).
_MODE_OF_SPACE = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def to_rgb(image: Image.Image, recipe: Recipe) -> Image.Image:
    """Convert any of Pillow's modes to RGB.

    Raises
    ------
    ImageRejected
        If its numbers have no agreed range.
    """
    if image.mode in _MODES_WITHOUT_A_RANGE:
        raise ImageRejected(f"unsupported depth (numbers without an agreed range, mode {image.mode})")
    if image.mode in _STRAIGHT_ALPHA:
        image = image.convert(_STRAIGHT_ALPHA[image.mode])
    profile = image.info.get("icc_profile") if recipe.color_profile == "srgb" else None
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        if profile:
            # What lies below is the recipe's background, which is sRGB.
            alpha = layer.getchannel("A")
            layer = _to_srgb(image.convert("L" if image.mode == "LA" else "RGB"), profile).convert("RGBA")
            layer.putalpha(alpha)
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (*recipe.background, 255)), layer)
    elif profile:
        image = _to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert from a profile to sRGB, relative to the white of each; leave the image where the profile does not fit it."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODE_OF_SPACE[source.profile.xcolor_space]
        if mode != image.mode:
            if image.mode == "CMYK" or mode != "RGB":
                return image
            image = image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image, source, _SRGB, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, KeyError, ValueError):
        return image
    return converted or image


_SRGB = ImageCms.createProfile("sRGB")
