"""What lies among images and is not listed: counted, and named by kind, so that nobody takes it for classified."""

import dataclasses
from collections import Counter
from pathlib import Path

from featx.images.listing.walk import Tally

# A camera's raw files. Most begin like a TIFF, and hold a small picture for the camera's display.
RAW_SUFFIXES = (".raw", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef")

_OTHER = "other file"

# Kind to suffixes; the first are pictures of formats that are not read. A name ends in "s" where there are several.
_KINDS: dict[str, tuple[str, ...]] = {
    "HEIC image": (".heic", ".heif", ".hif"),
    "AVIF image": (".avif",),
    "JPEG XL image": (".jxl",),
    "JPEG 2000 image": (".jp2", ".j2k", ".jpx"),
    "raw camera file": RAW_SUFFIXES,
    "drawing": (".psd", ".svg", ".eps", ".ico", ".tga", ".exr", ".hdr", ".ai", ".xcf"),
    "scan": (".dcm", ".dicom", ".nii", ".mha", ".fits", ".czi", ".nd2", ".lif", ".svs"),
    "array file": (".npy", ".npz", ".mat", ".h5", ".hdf5"),
    "video": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts"),
    "document": (".pdf", ".doc", ".docx", ".ppt", ".pptx", ".odt"),
    "archive": (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"),
    "audio file": (".mp3", ".wav", ".m4a", ".flac", ".ogg"),
    "text file": tuple(
        ".txt .csv .tsv .json .jsonl .xml .yaml .yml .toml .md .rst .html .htm .log .ini .xmp .xlsx .xls .py .ipynb".split()  # noqa: SIM905 - reads better
    ),
}
_KIND_OF = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes}

_NO_PICTURES = ("array file", "audio file", "document", "text file")

PICTURES = frozenset(
    {*(suffix for suffix, kind in _KIND_OF.items() if kind not in _NO_PICTURES), ".npy", ".npz", ".mat", ".pdf"}
)
"""Pictures, and files that hold some, of formats that are not read: a class folder of them was meant as a class."""

_CONVERTED = ("HEIC image", "AVIF image", "JPEG XL image", "JPEG 2000 image", "raw camera file")
"""Photographs: whoever has some among the images wants them as images."""

_MOST_NAMED = 8


@dataclasses.dataclass(frozen=True)
class PassedOver:
    """What was found among images and is not listed.

    Parameters
    ----------
    skipped : dict of str to int
        Files that are no images by name and content, by suffix.
    folders : dict of str to int
        Folders that the system put there or hides, by name.
    hidden : int
        Hidden files, and those that a system keeps beside images (``.DS_Store``, ``Thumbs.db``).
    """

    skipped: dict[str, int] = dataclasses.field(default_factory=dict)
    folders: dict[str, int] = dataclasses.field(default_factory=dict)
    hidden: int = 0

    @classmethod
    def of(cls, tally: Tally) -> "PassedOver":
        """Return what a walk has counted."""
        folders = Counter(Path(path).name for path in sorted(tally.passed_over))
        return cls(dict(tally.skipped), dict(folders), sum(tally.hidden.values()))

    def kinds(self) -> dict[str, dict[str, int]]:
        """Return the files by kind, pictures first, each as suffix to number."""
        found: dict[str, dict[str, int]] = {}
        for suffix, count in sorted(self.skipped.items(), key=lambda pair: (-pair[1], pair[0])):
            found.setdefault(_KIND_OF.get(suffix, _OTHER), {})[suffix] = count
        order = [*_KINDS, _OTHER]
        return dict(sorted(found.items(), key=lambda pair: order.index(pair[0])))

    def __str__(self) -> str:
        """Name and count each kind, and say what can be done with photographs; empty where there is nothing."""
        kinds = self.kinds()
        parts = [f"{_number(sum(some.values()), kind)} ({_suffixes(some)})" for kind, some in kinds.items()]
        if self.hidden:
            parts.append(_number(self.hidden, "hidden file"))
        if self.folders:
            named = [f"{count:,} {name}" for name, count in sorted(self.folders.items())[:_MOST_NAMED]]
            more = f" and {len(self.folders) - _MOST_NAMED:,} more" if len(self.folders) > _MOST_NAMED else ""
            parts.append(f"{_number(sum(self.folders.values()), 'hidden or system folder')} ({', '.join(named)}{more})")
        photographs = [kind for kind in kinds if kind in _CONVERTED]
        advice = f". Convert the {' and '.join(f'{kind}s' for kind in photographs)} to JPEG or PNG" if photographs else ""
        return ", ".join(parts) + advice


def _suffixes(counts: dict[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    named = [f"{count:,} {suffix}" for suffix, count in list(counts.items())[:_MOST_NAMED]]
    return ", ".join(named) + (f" and {len(counts) - _MOST_NAMED:,} more" if len(counts) > _MOST_NAMED else "")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
