"""The verb backbones: which convolutional bases there are, and what is in a file with a network of one's own."""

from featx.backbones import BACKBONES, BackboneSpec, ImportedNetwork, describe_network
from featx.errors import BackboneError
from featx.recipe import read_scaling
from featx.system.paths import StrPath, as_path


def list_backbones() -> list[BackboneSpec]:
    """Return the convolutional bases that a user may name, in the order of the table; the tests' stub is none of them."""
    return [spec for spec in BACKBONES.values() if not spec.is_stub]


def read_backbone(file: StrPath, image_size: tuple[int, int] | None = None, preprocess: str = "auto") -> ImportedNetwork:
    """Return what is in a file with a network: its layers, and what an extract would take.

    Parameters
    ----------
    file : Path or str
        An ONNX file, or a whole Keras model.
    image_size : tuple of int or None
        (height, width) of the images [px]; by default the network's own.
    preprocess : str
        ``auto``, or a scaling; it tells ``nchw`` or ``nhwc`` where the file does not.

    Raises
    ------
    WeightsError, BackboneError, ImageSizeError, RecipeError, ExtraMissing
        If the file cannot be used.
    """
    path = as_path("file", file, BackboneError)
    return describe_network(path, image_size=image_size, scaling=read_scaling(preprocess), every=True)
