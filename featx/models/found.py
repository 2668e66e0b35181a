"""What stands at a path where something else is wanted: a model, a cache, a report, images, an archive."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from featx.images import IMAGE_SUFFIXES, REPORT_MARKER, REPORT_PLOTS, SNIFF_BYTES, sniff_format
from featx.store import FeatureCache, is_pack
from featx.system.containers import container_of
from featx.system.home import with_home
from featx.system.marks import CHECKPOINT, EXPORT, PAGE
from featx.system.regular import open_regular
from featx.system.zipped import opened_zip

MOST_NAMED = 5
"""Models or caches that a message names."""

_MOST_LOOKED_AT = 200
_LARGEST_DOCUMENT = 16_000_000
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
_TEXTS = {".json": "a JSON file", ".jsonl": "a file of JSON lines", ".yaml": "a YAML file", ".xml": "an XML file"}


@dataclasses.dataclass(frozen=True)
class Found:
    """What stands there.

    Parameters
    ----------
    kind : str
        ``model``, ``cache``, ``report``, ``models``, ``caches``, ``folder``, ``page``, ``checkpoint``, ``export``, ``pack``,
        ``table``, ``image``, ``text``, ``file``, or that of a ``Container``.
    name : str
        What it is, with its article.
    of : str
        Of a model its cache, of a cache the folder of its images, of a report its model; as they were written down.
    unpack, inside : str
        As of a ``Container``.
    """

    kind: str
    name: str
    of: str = ""
    unpack: str = ""
    inside: str = ""


def find(path: Path) -> Found | None:
    """Tell what stands at a path; None for nothing, and for what the system does not let us look at."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _file(path)
    return None


def kind_at(path: Path) -> str:
    """Return the kind of what stands at a path; empty for nothing."""
    found = find(path)
    return found.kind if found else ""


def is_model(path: Path) -> bool:
    """Tell whether a model stands at a path, whole or not."""
    return kind_at(path) == "model"


def is_cache(path: Path) -> bool:
    """Tell whether a cache stands at a path, finished or not."""
    try:
        return (path / "recipe.json").is_file()
    except OSError:  # a name too long, say: nothing stands there
        return False


def models_in(folder: Path) -> list[Path]:
    """Return the models in a folder, the newest first. Hidden files are none: a killed fit may have left one."""
    with contextlib.suppress(OSError):
        files = [path for path in folder.glob("*.featx") if not path.name.startswith(".") and path.is_file()]
        return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return []


def caches_in(folder: Path) -> list[Path]:
    """Return the caches in a folder, by name."""
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if is_cache(path))
    return []


def models_fitted_on(cache: Path) -> list[Path]:
    """Return the models in ``models/`` that were fitted on a cache, the newest first."""
    wanted = str(cache.resolve())
    return [path for path in models_in(Path("models"))[:_MOST_LOOKED_AT] if _source_of(path).get("cache") == wanted]


def _folder(path: Path) -> Found:
    if is_cache(path):
        return Found("cache", "a cache", _images_of(path))
    if (path / REPORT_MARKER).is_file() and not _others_in(path):
        return Found("report", "a report", _model_of(path))
    if caches_in(path):
        return Found("caches", "a folder of caches")
    if models_in(path):
        return Found("models", "a folder of models")
    if (path / "saved_model.pb").is_file():
        return Found("export", "an export for other programs")
    return Found("folder", "a folder")


def _others_in(report: Path) -> bool:
    """Tell whether a report stands in a folder of somebody's images."""
    return any(
        one.is_dir() or (one.suffix.lower() in IMAGE_SUFFIXES and one.name not in REPORT_PLOTS) for one in report.iterdir()
    )


def _file(path: Path) -> Found:
    with open(open_regular(path), "rb") as file:  # noqa: PTH123 - of a descriptor
        head = file.read(SNIFF_BYTES + len(PAGE))
    if _is_export(path):
        return Found("export", "an export for other programs")
    if head.startswith(PAGE):
        return Found("page", "a page of featx")
    if head.startswith(CHECKPOINT):
        return Found("checkpoint", "the checkpoint of a fine-tuning")
    if is_pack(path):
        return Found("pack", "a packed file, for other programs")
    if container := container_of(path):
        of = str(_source_of(path).get("cache", "")) if container.kind == "model" else ""
        return Found(container.kind, container.name, of, container.unpack, container.inside)
    if (picture := sniff_format(head)) is not None:
        return Found("image", f"an image ({picture})")
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        return Found("table", "a table")
    if suffix in _TEXTS:
        return Found("text", _TEXTS[suffix])
    return Found("file", "a file")


def _is_export(path: Path) -> bool:
    """Tell whether ``featx export`` has written a file: the JSON file beside it says so."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return EXPORT in _json_object(path.with_name(f"{path.name}.json"))
    return False


def _model_of(report: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return with_home(str(_json_object(report / "metrics.json").get("model", "")))
    return ""


def _images_of(cache: Path) -> str:
    with contextlib.suppress(Exception):  # whatever is wrong with it is said by whoever reads it
        return str(FeatureCache.open(cache).catalog.source)
    return ""


def _source_of(model: Path) -> dict[str, Any]:
    """Return where a model came from, as its file says it, without reading its arrays."""
    with contextlib.suppress(OSError, ValueError, KeyError, RecursionError), opened_zip(model) as archive:
        if archive.getinfo("model.json").file_size <= _LARGEST_DOCUMENT:
            document = json.loads(archive.read("model.json"))
            source = document.get("source") if isinstance(document, dict) else None
            if isinstance(source, dict):
                return {name: with_home(value) for name, value in source.items() if isinstance(value, str)}
    return {}


def _json_object(path: Path) -> dict[str, Any]:
    with open(open_regular(path), "rb") as file:  # noqa: PTH123 - of a descriptor
        document = json.loads(file.read(_LARGEST_DOCUMENT))
    return document if isinstance(document, dict) else {}
