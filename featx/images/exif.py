"""What a camera wrote beside a picture: which camera it was, and when."""

import contextlib
import datetime
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from featx.images.sniff import SNIFF_BYTES, sniff_format

# Formats in which cameras and phones write such notes; of the others nothing is opened.
_FORMATS = ("JPEG", "TIFF", "PNG", "WEBP")

_LARGEST_TEXT = 200
"""Of a camera's name [characters]: a longer one is no name."""


class Shot(NamedTuple):
    """How a picture was taken, as far as its file says.

    Parameters
    ----------
    camera : str
        Maker, model and serial number; empty if the file names none.
    taken : float or None
        Seconds since 1970 by the camera's own clock; None if the file does not say.
    """

    camera: str
    taken: float | None


NO_SHOT = Shot("", None)


def read_shot(path: Path) -> Shot:
    """Return how the picture in a file was taken; what cannot be read says nothing, as it does when images are turned upright.

    Parameters
    ----------
    path : Path
        The image file, of which the head alone is read.

    References
    ----------
    CIPA DC-008-2019, Exchangeable image file format for digital still cameras: Exif 2.32, section 4.6.
    """
    # Damaged notes beside sound pixels, whatever Pillow says of them.
    with contextlib.suppress(Exception), path.open("rb") as file:
        found = sniff_format(file.read(SNIFF_BYTES))
        if found not in _FORMATS:
            return NO_SHOT
        file.seek(0)
        with Image.open(file, formats=[found]) as image:
            notes = image.getexif()
            inner = notes.get_ifd(ExifTags.IFD.Exif)
        names = [notes.get(ExifTags.Base.Make), notes.get(ExifTags.Base.Model), inner.get(ExifTags.Base.BodySerialNumber)]
        camera = " ".join(" ".join(map(_text, names)).split())[:_LARGEST_TEXT]
        written = inner.get(ExifTags.Base.DateTimeOriginal) or inner.get(ExifTags.Base.DateTimeDigitized)
        fraction = inner.get(ExifTags.Base.SubsecTimeOriginal) or inner.get(ExifTags.Base.SubsecTimeDigitized)
        return Shot(camera, _seconds(_text(written), _text(fraction)))
    return NO_SHOT


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return "".join(letter for letter in str("" if value is None else value) if letter.isprintable()).strip()


def _seconds(written: str, fraction: str) -> float | None:
    """Return the seconds of ``YYYY:MM:DD HH:MM:SS`` and its digits after the point; a clock that was never set says nothing."""
    try:
        moment = datetime.datetime.strptime(written, "%Y:%m:%d %H:%M:%S").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return moment.timestamp() + (float(f"0.{fraction}") if fraction.isascii() and fraction.isdigit() else 0.0)
