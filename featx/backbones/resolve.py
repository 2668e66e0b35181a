"""What ``--backbone`` and the options beside it name: one of featx's backbones, or a network in a file."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from featx.backbones.imported.found import ImportedNetwork, describe_network
from featx.backbones.imported.kinds import KINDS_WANTED, names_a_file
from featx.backbones.load import check_image_size
from featx.backbones.scaling import scaling_of
from featx.backbones.table import backbone_spec
from featx.backbones.weights import resolve_weights
from featx.errors import RecipeError, UnknownBackbone, WeightsError

AUTO = "auto"
"""``preprocess`` that stands for the one that a backbone was trained with."""


@dataclasses.dataclass(frozen=True)
class Resolved:
    """A backbone, as a recipe names it.

    Parameters
    ----------
    name, weights : str
        The recipe's ``backbone`` and digest.
    file : Path or None
        Where its weights lie, unless they are random.
    layers : tuple of str
        That are kept.
    image_size : tuple of int
        (height, width) [px].
    preprocess : str
        How pixels are scaled.
    notes : tuple of str
        What was taken where nobody had said it.
    """

    name: str
    weights: str
    file: Path | None
    layers: tuple[str, ...]
    image_size: tuple[int, int]
    preprocess: str
    notes: tuple[str, ...] = ()


def resolve_backbone(
    backbone: str,
    weights: str = "imagenet",
    layers: Sequence[str] = (),
    image_size: tuple[int, int] | None = None,
    preprocess: str = AUTO,
    precision: str = "float32",
) -> Resolved:
    """Find a backbone by its name, or in a file.

    Parameters
    ----------
    backbone : str
        A name that ``BACKBONES`` has, or a file.
    weights : str
        As for ``resolve_weights``; a file brings its own.
    layers : sequence of str
        Those to keep; none for the backbone's own choice.
    image_size : tuple of int or None
        (height, width) [px]; by default the backbone's own.
    preprocess : str
        ``auto``, or a scaling.
    precision : str
        Arithmetic that is asked for.

    Raises
    ------
    UnknownBackbone, UnknownLayer, WeightsError, ImageSizeError, RecipeError, BackboneError, ExtraMissing
        If there is no such backbone, or not with these settings.
    """
    scaling = None if preprocess == AUTO else scaling_of(preprocess)
    if names_a_file(backbone):
        if weights != "imagenet":
            raise WeightsError(
                f"--backbone {backbone}: brings its own weights. Received: --weights {weights}. Leave it out.", wrong_value=True
            )
        found: ImportedNetwork = describe_network(Path(backbone), layers, image_size, scaling, precision)
        return Resolved(
            found.kind, found.digest, found.path.absolute(), found.taken, found.image_size, found.preprocess, found.notes
        )
    spec = backbone_spec(backbone)
    if spec.from_file:
        raise UnknownBackbone(f"backbone {backbone!r}: is a kind of file. Give the file itself: {KINDS_WANTED}.")
    size = image_size or spec.image_size
    check_image_size(spec, size)
    kept = tuple(layers or spec.layers)
    digest, file = resolve_weights(spec, weights, kept)
    if spec.is_stub and precision != "float32":
        raise RecipeError(f"backbone {spec.name}: computes in float32 alone. Received: --precision {precision}.")
    if scaling and scaling.layout:
        raise RecipeError(f"backbone {spec.name}: {scaling.layout} is for networks in files. Received: --preprocess {scaling}.")
    return Resolved(spec.name, digest, file, kept, size, str(scaling) if scaling else spec.preprocess)
