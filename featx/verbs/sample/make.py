"""Make ``fashion-mnist-sample.zip`` from the originals in Debian's package ``dataset-fashion-mnist``.

Run ``python featx/verbs/sample/make.py`` after ``apt-get install dataset-fashion-mnist``. The archive is the
same to the byte every time (fixed dates, fixed order), so its digest can be checked against the README
beside it.
"""

import gzip
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ORIGINALS = Path("/usr/share/datasets/fashion-mnist")
ARCHIVE = Path(__file__).with_name("fashion-mnist-sample.zip")

# The order is that of the labels 0..9 in the original files.
CLASS_NAMES = (
    "t-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
IMAGES_PER_CLASS = {"train": 60, "test": 20}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes (format: http://yann.lecun.com/exdb/mnist)."""
    raw = gzip.decompress(path.read_bytes())
    n_dimensions = raw[3]
    shape = struct.unpack(f">{n_dimensions}I", raw[4 : 4 + 4 * n_dimensions])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_dimensions).reshape(shape)


def png(image: NDArray[np.uint8]) -> bytes:
    """Encode one uint8 grey image of shape (height, width) as PNG, without any library's choices in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def main() -> None:
    """Write the first 60 training and 20 test images of each class."""
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            images = read_idx(ORIGINALS / f"{prefix}-images-idx3-ubyte.gz")
            labels = read_idx(ORIGINALS / f"{prefix}-labels-idx1-ubyte.gz")
            for label, class_name in enumerate(CLASS_NAMES):
                for row in np.flatnonzero(labels == label)[: IMAGES_PER_CLASS[split]]:
                    name = f"{split}/{class_name}/{row:05d}.png"
                    archive.writestr(zipfile.ZipInfo(name, (2017, 8, 25, 0, 0, 0)), png(images[row]))


if __name__ == "__main__":
    main()
