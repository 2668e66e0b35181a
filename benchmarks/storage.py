"""Bytes an image in the cache against raw float32 maps: ``python -m benchmarks.storage``; about a minute on two cores.

VGG16 at 224 and 96 px, over the sample's test images and over photographs of 640 x 480.
"""

from pathlib import Path

import h5py
import numpy as np

import featx
from benchmarks.made import photos
from benchmarks.sections import Section, run


def bytes_of(cache: Path, n_images: int) -> dict[str, float]:
    """Return bytes an image: of the maps alone, of everything in the cache's folder, and of raw float32 maps."""
    maps = 0
    for shard in (cache / "shards").glob("*.h5"):
        with h5py.File(shard) as file:
            maps += sum(dataset.id.get_storage_size() for dataset in file["maps"].values())
    whole = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    raw = 4 * int(np.prod(featx.open_cache(str(cache)).row_shape()))
    return {"maps": maps / n_images, "whole": whole / n_images, "raw": raw}


def measure(quick: bool, work: Path) -> Section:
    """Extract, and look at the files."""
    work = work / "storage"
    sides, n_photos = ((64, 32), 6) if quick else ((224, 96), 100)
    photos(work / "photographs", n_photos, (640, 480), classes=2)
    if quick:
        photos(work / "sample" / "test", n_photos, (32, 32), classes=2)
    else:
        featx.unpack_sample(work / "sample")
    rows, figures = [], {}
    for name, images in (("the sample", work / "sample" / "test"), ("photographs", work / "photographs")):
        for side in sides:
            cache = work / f"{images.parent.name}-{images.name}-{side}"
            result = featx.extract_features(images, cache, image_size=(side, side))
            found = bytes_of(cache, result.listed)
            raw, maps, whole = (found[key] for key in ("raw", "maps", "whole"))
            figures[f"{name} {side}"] = found
            kilobytes = [f"{value / 1000:.1f} KB" for value in (raw, maps, whole)]
            rows.append(
                [f"{name}, {result.listed} images", f"{side} px", *kilobytes, f"{raw / maps:.1f}", f"{raw / whole:.1f}"]
            )
    columns = ("", "image size", "raw float32 maps", "cached maps", "whole cache", "raw / cached maps", "raw / whole cache")
    notes = [
        "An image, on disk. The whole cache holds the maps, averages and maxima over them, a grey copy of 32 × 32 of the image "
        "for the audit, the listing and the description of the network."
    ]
    return Section("storage", "Bytes an image in the cache", "python -m benchmarks.storage", columns, rows, (), notes, figures)


if __name__ == "__main__":
    run(measure, __doc__)
