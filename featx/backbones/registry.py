"""Where the weights of a backbone are, and how to get one that runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featx.backbones.table import BackboneSpec, backbone_spec
from featx.errors import BackboneError, ImageSizeError, RecipeError, WeightsError
from featx.files import file_digest
from featx.quiet import quiet_loading
from featx.recipe import Recipe

if TYPE_CHECKING:
    from featx.backbones.tail import Tail


class Backbone(Protocol):
    """A frozen convolutional base, ready to run."""

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each), for inspection."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Map uint8 images (n_images, height, width, 3) to each layer's output (n_images, h, w, n_channels)."""
        ...


def check_image_size(spec: BackboneSpec, image_size: tuple[int, int]) -> None:
    """Refuse an image size that the backbone would shrink to nothing.

    Raises
    ------
    ImageSizeError
        If a side is too small.
    """
    if min(image_size) < spec.smallest_side:
        height, width = image_size
        raise ImageSizeError(
            f"image size {height}x{width}: {spec.name} needs at least {spec.smallest_side} px on each side. "
            f"Give --image-size {spec.smallest_side} or more."
        )


def resolve_weights(spec: BackboneSpec, weights: str, layers: tuple[str, ...] = ()) -> tuple[str, Path | None]:
    """Turn ``--weights`` into an identity and a file.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone.
    weights : str
        ``imagenet``, ``random`` (seed 0), ``random:SEED``, or a weights file.
    layers : tuple of str
        Layers to be kept: those of the network's top are in another file.

    Returns
    -------
    digest : str
        ``sha256:…`` of the file, ``random:SEED``, or ``none`` for a backbone without weights.
    path : Path or None
        The file, where there is one.

    Raises
    ------
    WeightsError
        If the file does not exist, cannot be read, or cannot be downloaded.
    """
    if spec.is_stub:
        return "none", None
    if weights == "random" or weights.startswith("random:"):
        seed = weights.removeprefix("random").removeprefix(":") or "0"
        _check_random(f"random:{seed}")
        return f"random:{int(seed)}", None
    with_top = spec.needs_top(layers)
    if weights == "imagenet" and spec.bundled and not with_top:
        return f"sha256:{spec.bundled_digest}", spec.bundled
    path = _imagenet_file(spec, with_top) if weights == "imagenet" else Path(weights)
    try:
        return f"sha256:{file_digest(path).hex()}", path.resolve()
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read as weights: {error.strerror}. Give --weights imagenet, random or a weights file."
        ) from None


def _imagenet_file(spec: BackboneSpec, with_top: bool) -> Path:
    """Return the file that Keras downloads, downloading it where it is not there yet."""
    name = spec.top_weights_file if with_top else spec.weights_file
    path = keras_models_folder() / name
    if not path.is_file():
        with quiet_loading():
            from featx.backbones.network import download_weights  # here, not above: this loads Keras

        download_weights(spec, with_top, path)
    return path


def keras_models_folder() -> Path:
    """Return the folder that Keras keeps downloaded weights in, without loading Keras: see ``keras.config.keras_home``."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]) / "models"
    home = Path("~").expanduser()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras" / "models"


def load_backbone(recipe: Recipe, weights_file: Path | None = None, batch_size: int = 32) -> Backbone:
    """Build the backbone of a recipe and load its weights.

    Parameters
    ----------
    recipe : Recipe
        Names backbone, weights digest, layers and image size.
    weights_file : Path or None
        Where weights that are not bundled lie.
    batch_size : int
        Every forward pass runs on exactly this many images (the last batch is padded), so that a feature does not
        depend on the company it was computed in.

    Returns
    -------
    backbone : Backbone
        Ready to call.

    Raises
    ------
    UnknownBackbone, UnknownLayer, WeightsError, ImageSizeError
        If the recipe cannot be built.
    """
    spec = backbone_spec(recipe.backbone)
    check_image_size(spec, recipe.image_size)
    if spec.is_stub:
        from featx.backbones.stub import StubBackbone

        return StubBackbone(recipe)
    if recipe.precision != "float32":
        raise RecipeError(f"precision {recipe.precision!r}: this featx computes in float32 only. Use that.")
    path = find_weights(recipe, weights_file)
    with quiet_loading():
        from featx.backbones.network import KerasBackbone  # here, not above: this loads Keras

    return KerasBackbone(recipe, path, batch_size)


def load_tail(
    recipe: Recipe,
    weights: Path | None,
    start: str | None,
    end: str,
    arrays: dict[str, NDArray[Any]] | None = None,
    batch_size: int = 32,
) -> "Tail":
    """Build the part of a backbone behind a cut; parameters and errors as for ``Tail``."""
    if backbone_spec(recipe.backbone).is_stub:
        raise BackboneError(f"backbone {recipe.backbone}: has no layers to fine-tune. Extract with another --backbone.")
    with quiet_loading():
        from featx.backbones.tail import Tail  # here, not above: this loads Keras

    return Tail(recipe, weights, start, end, arrays, batch_size)


def find_weights(recipe: Recipe, weights_file: Path | None) -> Path | None:
    """Return the file whose digest the recipe names; None for random weights.

    Raises
    ------
    WeightsError
        If no such file is at hand.
    """
    spec = backbone_spec(recipe.backbone)
    if spec.is_stub:
        return None
    if recipe.weights.startswith("random:"):
        _check_random(recipe.weights)
        return None
    downloaded = keras_models_folder() / (spec.top_weights_file if spec.needs_top(recipe.layers) else spec.weights_file)
    path = spec.bundled if spec.bundled and recipe.weights == f"sha256:{spec.bundled_digest}" else weights_file or downloaded
    if not path.is_file():
        raise WeightsError(
            f"{spec.name}: the weights {recipe.weights} are not at hand (looked for {path}). "
            "Give --weights FILE, the file that the features were extracted with."
        )
    found = f"sha256:{file_digest(path).hex()}"
    if found != recipe.weights:
        raise WeightsError(
            f"{path}: has digest {found}, but {recipe.weights} was wanted. "
            "The file is damaged or another one: reinstall featx, or give --weights FILE."
        )
    return path


def _check_random(weights: str) -> None:
    seed = weights.removeprefix("random:")
    if not (seed.isdecimal() and len(seed) < 16):
        raise WeightsError(f"{weights}: random weights need a whole number as seed, such as random:0.")
