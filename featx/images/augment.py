"""Augmented views: an image turned, shifted, mirrored …, as a pure function of its content, the view, the spec and a seed."""

import dataclasses
import hashlib
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featx.errors import AugmentError
from featx.system.kinds import shown

AUGMENT_VERSION = 1
"""Raised whenever the same view would come out with other pixels than before."""

DEFAULT_AUGMENT = "flip,rotate=15,zoom=0.2,shear=0.2,shift=0.1,brightness=0.2"

MOST_VIEWS = 1000


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far a view may be from the clean image. Zero leaves a property alone.

    Parameters
    ----------
    flip : bool
        Mirror left and right, every other time.
    rotate : float
        Up to so many degrees either way.
    zoom : float
        Height and width each by a factor from 1 - zoom to 1 + zoom.
    shear : float
        Slant: move each row sideways by up to so many times its distance from the middle.
    shift : float
        Up to this share of height and width, either way.
    brightness : float
        Multiply all values by a factor from 1 - brightness to 1 + brightness.

    Raises
    ------
    AugmentError
        If a value is outside its range.
    """

    flip: bool = False
    rotate: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that give no picture."""
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise AugmentError(f"--augment: {name} must be from 0 to {most:g}. Received: {shown(value)}.")

    @classmethod
    def parse(cls, spec: str) -> "Augmentation":
        """Read ``flip,rotate=15,zoom=0.2``: names of properties, all but ``flip`` with a number.

        Raises
        ------
        AugmentError
            If a name is unknown or stands twice, or a number is none or outside its range.
        """
        values: dict[str, float | bool] = {}
        for part in filter(None, (part.strip() for part in spec.split(","))):
            name, has_number, number = (piece.strip() for piece in part.partition("="))
            if name in values:
                raise AugmentError(f"--augment: {name} stands twice in {spec!r}. Give it once.")
            try:
                if name == "flip" and not has_number:
                    values[name] = True
                elif name in _MOST:
                    values[name] = float(number)
                else:
                    raise ValueError
            except ValueError:
                raise AugmentError(
                    f"--augment: {part!r} is not known. Give any of flip, {', '.join(f'{name}=NUMBER' for name in _MOST)}, "
                    f"with commas between, such as {DEFAULT_AUGMENT}"
                ) from None
        augmentation = cls(**values)  # type: ignore[arg-type] # only flip is True
        if augmentation == cls():
            raise AugmentError(f"--augment: {spec!r} names nothing to change. Give something such as {DEFAULT_AUGMENT}")
        return augmentation

    def __str__(self) -> str:
        """Return the shortest spec of this augmentation: the same, however it was written."""
        numbers = [f"{name}={float(getattr(self, name))!r}".removesuffix(".0") for name in _MOST if getattr(self, name)]
        return ",".join([*(["flip"] if self.flip else []), *numbers])


# Beyond these the picture is hardly in its view any more, and the edge around it takes more memory than the picture.
_MOST = {"rotate": 180.0, "zoom": 0.8, "shear": 1.0, "shift": 0.5, "brightness": 1.0}


def view_key(augmentation: Augmentation, seed: int, view: int) -> int:
    """Return the number that a view is cached under: 0 for the clean image, else a digest of how it is made.

    Parameters
    ----------
    augmentation : Augmentation
        The spec.
    seed : int
        Another seed draws other views.
    view : int
        0, 1, 2 …

    Returns
    -------
    key : int
        From 1 to 2**63 - 1 for a view.
    """
    if view == 0:
        return 0
    digest = hashlib.sha256(f"{AUGMENT_VERSION}|{augmentation}|{seed}|{view}".encode()).digest()
    return (int.from_bytes(digest[:8], "little") >> 1) or 1


def augmented(pixels: NDArray[np.uint8], digest: bytes, augmentation: Augmentation, seed: int, view: int) -> NDArray[np.uint8]:
    """Return one view of an image.

    All turning and shifting is one resampling, about the middle of the image; what comes in from outside repeats the nearest
    pixel of the edge.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        The clean image, at the backbone's size.
    digest : bytes
        Content digest of its file.
    augmentation, seed, view
        As for ``view_key``.

    Returns
    -------
    pixels : ndarray of shape (height, width, 3), uint8
        The clean image itself for view 0.

    References
    ----------
    Ranges and the filling of the edge are those of Keras' ``ImageDataGenerator``; but shear is a slope, not degrees.
    """
    if view == 0:
        return pixels
    key = view_key(augmentation, seed, view)
    entropy = hashlib.sha256(digest + key.to_bytes(8, "little")).digest()
    # Everything is drawn, in this order, whether it is used or not.
    angle, vertical, horizontal, slant, down, right, light, mirror = np.random.default_rng(
        int.from_bytes(entropy, "little")
    ).uniform(-1, 1, 8)
    height, width = pixels.shape[:2]
    turned = _warp(
        pixels,
        _inverse(
            radians=math.radians(angle * augmentation.rotate),
            zoom=(1 + vertical * augmentation.zoom, 1 + horizontal * augmentation.zoom),
            shear=slant * augmentation.shear,
            mirror=augmentation.flip and mirror < 0,
        ),
        (down * augmentation.shift * height, right * augmentation.shift * width),
    )
    lit = turned * np.float32(1 + light * augmentation.brightness)
    rounded: NDArray[np.uint8] = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return rounded


def _inverse(radians: float, zoom: tuple[float, float], shear: float, mirror: bool) -> NDArray[np.float64]:
    """Return the 2 x 2 matrix from (x, y) in the view, seen from its middle, to (x, y) in the image."""
    cos, sin = math.cos(radians), math.sin(radians)
    forward = (
        np.array([[cos, -sin], [sin, cos]])
        @ np.array([[1.0, shear], [0.0, 1.0]])
        @ np.diag([zoom[1] * (-1 if mirror else 1), zoom[0]])
    )
    return np.linalg.inv(forward)


def _warp(pixels: NDArray[np.uint8], inverse: NDArray[np.float64], shift: tuple[float, float]) -> NDArray[np.float32]:
    """Move pixels: ``shift`` is (down, right) [px]. In float32, as of 8-bit values Pillow cuts the fractions off."""
    height, width = pixels.shape[:2]
    corners = np.array([[x, y] for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    down, right = shift
    # Pillow fills with one colour, so that the edge must be there before: as wide as the farthest corner reaches.
    reach = np.abs((corners - [right, down]) @ inverse.T).max(axis=0)
    across, along = (max(0, math.ceil(far - side / 2) + 1) for far, side in zip(reach, (width, height), strict=True))
    padded = np.pad(pixels, ((along, along), (across, across), (0, 0)), mode="edge")
    # x_in = a * x_out + b * y_out + c, both counted from the upper left corner [Pillow's transform adds the half pixel].
    (a, b), (d, e) = inverse
    middle_x, middle_y = width / 2 + right, height / 2 + down
    c = width / 2 + across - a * middle_x - b * middle_y
    f = height / 2 + along - d * middle_x - e * middle_y
    moved = [
        Image.fromarray(padded[:, :, channel].astype(np.float32)).transform(
            (width, height), Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR
        )
        for channel in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in moved], axis=-1)
