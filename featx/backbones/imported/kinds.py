"""Which kind of network a file holds, told from its first bytes: its name may be anything. Nothing here loads Keras or ONNX."""

import contextlib
import os
from pathlib import Path

from featx.backbones.table import BACKBONES
from featx.errors import WeightsError
from featx.system.addresses import address_of
from featx.system.containers import container_of
from featx.system.fetched import not_fetched
from featx.system.files import reading_from
from featx.system.nearest import nearest_path
from featx.system.regular import open_regular
from featx.system.zipped import opened_zip

SUFFIXES = (".onnx", ".keras", ".h5", ".hdf5")
"""Of names that are taken for a file's even where there is none."""

KINDS_WANTED = "an ONNX file, or a whole Keras model as .keras or .h5"

_OTHER_SUFFIXES = {
    ".pt": "PyTorch",
    ".pth": "PyTorch",
    ".bin": "PyTorch",
    ".ckpt": "PyTorch",
    ".safetensors": "safetensors",
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow",
    ".pkl": "pickle",
    ".xml": "OpenVINO",
}
_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


def names_a_file(backbone: str) -> bool:
    """Tell whether ``--backbone`` names a file, and not one of featx's backbones."""
    if backbone in BACKBONES:
        return False
    path = Path(backbone)
    return path.suffix.lower() in SUFFIXES or os.sep in backbone or path.is_file()


def kind_of_file(path: Path) -> str:
    """Return ``onnx``, ``keras`` (the zip archive) or ``h5`` (an HDF5 file of Keras).

    Raises
    ------
    WeightsError
        If there is no such file, it cannot be read, or it is of no such kind.
    """
    if said := not_fetched(path):
        raise WeightsError(said, wrong_value=bool(address_of(path)))
    if path.is_dir():
        raise WeightsError(f"{path}: is a folder. --backbone takes {KINDS_WANTED}.")
    if not os.path.lexists(path):
        near = nearest_path(path, Path.is_file, map(Path, BACKBONES))
        meant = f" Did you mean {near}?" if near else ""
        raise WeightsError(
            f"{path}: no such file.{meant} --backbone takes {KINDS_WANTED}, or a name that featx backbones lists."
        )
    with contextlib.suppress(OSError):
        if (found := container_of(path)) and found.kind in ("model", "array"):
            raise WeightsError(f"{path}: is {found.name}. --backbone takes {KINDS_WANTED}.")
    with reading_from(path, "Give a file that you can read.", WeightsError), open(open_regular(path), "rb") as file:  # noqa: PTH123
        head = file.read(len(_HDF5))
    if head.startswith(_HDF5):
        return "h5"
    if head.startswith(_ZIP):
        _check_archive(path)
        return "keras"
    if not head or path.suffix.lower() in _OTHER_SUFFIXES:
        raise no_network(path, _OTHER_SUFFIXES.get(path.suffix.lower(), ""))
    return "onnx"


def no_network(path: Path, found: str = "", reason: str = "") -> WeightsError:
    """Return the error for a file that is of no kind that is known."""
    what = f"is a file of {found}" if found else "holds no network that featx reads"
    why = f": {reason.rstrip('.')}" if reason else ""
    return WeightsError(f"{path}: {what}{why}. --backbone takes {KINDS_WANTED}.")


def _check_archive(path: Path) -> None:
    with reading_from(path, "Give a file that you can read.", WeightsError):
        try:
            with opened_zip(path) as archive:
                names = archive.namelist()
        except ValueError as error:
            raise no_network(path, "", f"it begins like a .keras archive, but is damaged or cut short: {error}") from error
    if "config.json" not in names:
        raise no_network(path, "PyTorch" if any(name.endswith("data.pkl") for name in names) else "")
