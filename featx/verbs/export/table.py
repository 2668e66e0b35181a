"""Which formats a model can be exported to. Nothing here loads their libraries."""

import dataclasses
import importlib.util
from pathlib import Path

from featx.errors import ExportError, ExtraMissing


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that a model can be exported to.

    Parameters
    ----------
    name : str
        What messages and metadata call it.
    suffixes : tuple of str
        Of the names that ask for it.
    modules : tuple of str
        That must be there beside what featx always installs.
    extra : str
        featx's extra that installs them.
    beside : tuple of str
        Suffixes of further files that belong to it.
    """

    name: str
    suffixes: tuple[str, ...]
    modules: tuple[str, ...] = ()
    extra: str = ""
    beside: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("keras", (".keras",)),
        Format("savedmodel", ("", ".savedmodel")),
        Format("onnx", (".onnx",), ("onnx", "tf2onnx", "onnxruntime"), "onnx"),
        Format("tflite", (".tflite",)),
        Format("openvino", (".xml",), ("openvino",), "openvino", beside=(".bin",)),
        Format("joblib", (".joblib",)),
    )
}


def format_of(path: Path) -> Format:
    """Tell from a name what format is asked for.

    Raises
    ------
    ExportError
        If it is none, with those that there are.
    """
    for one in FORMATS.values():
        if path.suffix in one.suffixes and path.name:  # Keras and LiteRT take small letters alone
            return one
    raise ExportError(
        f"{path}: {path.suffix or 'this name'} is no format to export to. There are: .keras, .onnx, .tflite, .xml (OpenVINO), "
        ".joblib, and no suffix or .savedmodel for TensorFlow's SavedModel folder.",
        wrong_value=True,
    )


def check_installed(form: Format) -> None:
    """Make sure that the libraries of a format are there, without loading them.

    Raises
    ------
    ExtraMissing
        With the command that installs them.
    """
    missing = [module for module in form.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ExtraMissing(
            f"{form.name}: needs {', '.join(missing)}, not installed. Install with: pip install 'featx[{form.extra}]'"
        )
