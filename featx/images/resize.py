"""From a picture of any size to the pixels that the backbone, or a person, sees."""

from PIL import Image, ImageOps

from featx.recipe import Recipe

# Left, top, right, bottom [px].
Box = tuple[int, int, int, int]


def resize(image: Image.Image, recipe: Recipe) -> tuple[Image.Image, Box | None]:
    """Bring the image to the recipe's size with an antialiased bilinear filter; where it has margins, say what is inside."""
    height, width = recipe.image_size
    if recipe.resize == "stretch":
        # Pillow's bilinear widens its support when shrinking, which is what antialiased means here.
        return image.resize((width, height), Image.Resampling.BILINEAR), None
    if recipe.resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR), None
    return _pad(image, width, height, recipe.background)


def shrink(image: Image.Image, longest: int) -> Image.Image:
    """Bring the longer side to ``longest``, unless it is shorter already; a line of one pixel never shrinks to nothing."""
    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _pad(image: Image.Image, width: int, height: int, background: tuple[int, int, int]) -> tuple[Image.Image, Box]:
    """Fit the whole image in and fill the margins. Unlike Pillow's own, a line of one pixel never shrinks to nothing."""
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = Image.new("RGB", (width, height), background)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), (left, top))
    return canvas, (left, top, left + inner[0], top + inner[1])
