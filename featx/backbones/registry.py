"""Which backbones exist, where their weights are, and how to get one that runs."""

import dataclasses
import difflib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featx.errors import ImageSizeError, RecipeError, UnknownBackbone, WeightsError
from featx.files import file_digest
from featx.quiet import quiet_loading
from featx.recipe import Recipe

_WEIGHTS_FOLDER = Path(__file__).with_name("weights")


class Backbone(Protocol):
    """A frozen convolutional base, ready to run."""

    @property
    def network(self) -> dict[str, Any]:
        """``parameters`` (int) and ``layers`` (name, type, output shape, parameters of each), for inspection."""
        ...

    def __call__(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Map uint8 images (n_images, height, width, 3) to each layer's output (n_images, h, w, n_channels)."""
        ...


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """What is known of a backbone without building it.

    Parameters
    ----------
    name : str
        What the user types.
    preprocess : str
        The pixel scaling it was trained with, by Keras' name.
    image_size : tuple of int
        Default (height, width) [px].
    smallest_side : int
        It cannot take smaller images [px].
    layers : tuple of str
        Layers kept by default.
    bundled : Path or None
        Weights file inside this package.
    bundled_digest : str
        SHA-256 of that file, in hexadecimal.
    """

    name: str
    preprocess: str
    image_size: tuple[int, int]
    smallest_side: int
    layers: tuple[str, ...]
    bundled: Path | None = None
    bundled_digest: str = ""


BACKBONES: dict[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        BackboneSpec(
            name="vgg16",
            preprocess="caffe",
            image_size=(224, 224),
            smallest_side=32,
            layers=("block5_pool",),
            bundled=_WEIGHTS_FOLDER / "vgg16-imagenet-notop.weights.h5",
            bundled_digest="417aae7520d1ef3cdc876551fa815cd628d976506bf7840add19592cc705664d",
        ),
        # Not a network: the mean colour of each cell. Tests and fault injection run the whole pipeline in seconds on it.
        BackboneSpec(name="stub", preprocess="none", image_size=(224, 224), smallest_side=32, layers=("cells",)),
    )
}


def backbone_spec(name: str) -> BackboneSpec:
    """Look a backbone up.

    Raises
    ------
    UnknownBackbone
        If there is none of that name.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(name.lower(), BACKBONES, n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UnknownBackbone(f"backbone {name!r}: unknown. {hint}There are: {', '.join(BACKBONES)}.")


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


def resolve_weights(spec: BackboneSpec, weights: str) -> tuple[str, Path | None]:
    """Turn ``--weights`` into an identity and a file.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone.
    weights : str
        ``imagenet``, ``random`` (seed 0), or a weights file.

    Returns
    -------
    digest : str
        ``sha256:…`` of the file, ``random:0``, or ``none`` for a backbone without weights.
    path : Path or None
        The file, where there is one.

    Raises
    ------
    WeightsError
        If the file does not exist or cannot be read.
    """
    if spec.name == "stub":
        return "none", None
    if weights == "random":
        return "random:0", None
    if weights == "imagenet":
        return f"sha256:{spec.bundled_digest}", spec.bundled
    path = Path(weights)
    try:
        return f"sha256:{file_digest(path).hex()}", path.resolve()
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read as weights: {error.strerror}. Give --weights imagenet, random or a weights file."
        ) from None


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
    if spec.name == "stub":
        from featx.backbones.stub import StubBackbone

        return StubBackbone(recipe)
    if recipe.precision != "float32":
        raise RecipeError(f"precision {recipe.precision!r}: this featx computes in float32 only. Use that.")
    path = _find_weights(spec, recipe, weights_file)
    with quiet_loading():
        from featx.backbones.network import KerasBackbone  # here, not above: this loads Keras

    return KerasBackbone(recipe, path, batch_size)


def _find_weights(spec: BackboneSpec, recipe: Recipe, weights_file: Path | None) -> Path | None:
    """Return the file whose digest the recipe names; None for random weights."""
    if recipe.weights.startswith("random:"):
        if not recipe.weights.removeprefix("random:").isdecimal():
            raise WeightsError(f"{recipe.weights}: random weights need a whole number as seed.")
        return None
    path = spec.bundled if recipe.weights == f"sha256:{spec.bundled_digest}" else weights_file
    if path is None or not path.is_file():
        raise WeightsError(
            f"{spec.name}: the weights {recipe.weights} are not at hand (looked for {path or 'no file'}). "
            "Give --weights FILE, the file that the features were extracted with."
        )
    found = f"sha256:{file_digest(path).hex()}"
    if found != recipe.weights:
        raise WeightsError(
            f"{path}: has digest {found}, but {recipe.weights} was wanted. "
            "The file is damaged or another one: reinstall featx, or give --weights FILE."
        )
    return path
