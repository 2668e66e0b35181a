"""What a file's network is to featx: its digest, its layers, and what is taken of it unless something else is asked for."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featx.backbones.imported.kinds import kind_of_file
from featx.backbones.imported.layers import Layer
from featx.errors import RecipeError
from featx.recipe import Recipe, Scaling
from featx.system.files import file_digest


@dataclasses.dataclass(frozen=True)
class ImportedNetwork:
    """A network in a file, and what is taken of it.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        ``onnx`` or ``keras``: the recipe's ``backbone``.
    digest : str
        ``sha256:…``: the recipe's ``weights``.
    layers : tuple of Layer
        Those that there are, as far as was asked for.
    taken : tuple of str
        Names of those that are kept.
    image_size : tuple of int
        (height, width) [px].
    fixed_size : bool
        Whether it takes images of that size alone.
    batch : int or None
        Images a pass, where it takes no other number.
    preprocess : str
        How pixels are scaled for it.
    parameters : int
        Values stored in it, as far as the layers that are kept.
    notes : tuple of str
        What was taken where nobody had said it.
    """

    path: Path
    kind: str
    digest: str
    layers: tuple[Layer, ...]
    taken: tuple[str, ...]
    image_size: tuple[int, int]
    fixed_size: bool
    batch: int | None
    preprocess: str
    parameters: int
    notes: tuple[str, ...] = ()


def describe_network(
    path: Path,
    layers: Sequence[str] = (),
    image_size: tuple[int, int] | None = None,
    scaling: Scaling | None = None,
    precision: str = "float32",
    *,
    every: bool = False,
) -> ImportedNetwork:
    """Read a network from a file; parameters as for ``resolve_backbone``.

    Parameters
    ----------
    path : Path
        The file.
    layers, image_size, precision
        As for ``resolve_backbone``.
    scaling : Scaling or None
        How pixels are scaled; None for ``auto``.
    every : bool
        Whether all layers are wanted: those that a graph does not tell the shape of are found by running it.

    Raises
    ------
    WeightsError, BackboneError, UnknownLayer, ImageSizeError, RecipeError, ExtraMissing
        If the file cannot be used, or not with these settings.
    """
    if precision not in ("float32", "int8"):
        raise RecipeError(
            f"{path}: computes as it was saved. Received: --precision {precision}. Leave it out, or take int8; or save the "
            f"network in {precision}."
        )
    if kind_of_file(path) == "onnx":
        return _describe_onnx(path, layers, image_size, scaling, precision, every)
    return _describe_keras(path, layers, image_size, scaling)


def _describe_onnx(
    path: Path,
    asked: Sequence[str],
    image_size: tuple[int, int] | None,
    scaling: Scaling | None,
    precision: str,
    every: bool,
) -> ImportedNetwork:
    from featx.backbones.imported.onnx_described import OnnxNetwork
    from featx.backbones.imported.onnx_input import asked_scaling, own_scaling

    network = OnnxNetwork.read(path, image_size, scaling.layout if scaling else "")
    spec = network.spec
    if precision == "int8" and spec.batch:
        raise RecipeError(
            f"{path}: takes {spec.batch} images a pass and no other number; int8 needs a dynamic batch. Export it with one, "
            "or leave --precision out."
        )
    if scaling:
        preprocess, note = asked_scaling(network.file, spec, scaling), ""
    else:
        preprocess, note = own_scaling(network.file, spec)
    chosen = network.chosen(asked)
    taken = tuple(layer.name for layer in chosen)
    return ImportedNetwork(
        path=path,
        kind="onnx",
        digest=network.file.digest,
        layers=tuple(network.layers_for(asked, every=every).by_name.values()),
        taken=taken,
        image_size=network.size,
        fixed_size=bool(spec.height and spec.width),
        batch=spec.batch,
        preprocess=preprocess,
        parameters=network.description(chosen)["parameters"],
        notes=_notes(path, note, () if asked else taken),
    )


def _describe_keras(
    path: Path, asked: Sequence[str], image_size: tuple[int, int] | None, scaling: Scaling | None
) -> ImportedNetwork:
    from featx.system.quiet import quiet_loading

    with quiet_loading():
        from featx.backbones.imported.keras_described import describe_keras  # here, not above: this loads Keras

        found = describe_keras(path, asked, image_size, scaling)
    return dataclasses.replace(found, notes=_notes(path, "".join(found.notes), () if asked else found.taken))


def _notes(path: Path, scaling: str, layers: Sequence[str]) -> tuple[str, ...]:
    notes = [f"{path.name}: {scaling}. Give --preprocess if it was trained otherwise."] if scaling else []
    if layers:
        notes.append(
            f"{path.name}: {', '.join(layers)} {'was' if len(layers) == 1 else 'were'} taken: see featx backbones FILE for all."
        )
    return tuple(notes)


def network_digest(path: Path) -> str:
    """Return ``sha256:…`` of a network's file, weights beside it included; errors as for ``describe_network``."""
    if kind_of_file(path) != "onnx":
        return f"sha256:{file_digest(path).hex()}"
    from featx.backbones.imported.onnx_file import read_onnx

    return read_onnx(path).digest


def load_onnx(recipe: Recipe, path: Path, batch_size: int, device: str | None) -> Any:
    """Load the network of an ONNX file; parameters and errors as for ``OnnxBackbone``."""
    from featx.backbones.imported.onnx_run import OnnxBackbone

    return OnnxBackbone(recipe, path, batch_size, device)


def write_onnx(recipe: Recipe, path: Path, target: Path) -> dict[str, Any]:
    """Write the part of an ONNX network that a recipe's layers need, from bytes to maps; return what it is made of.

    Raises
    ------
    WeightsError, BackboneError, UnknownLayer, ImageSizeError, ExtraMissing
        As for ``OnnxBackbone``.
    """
    from featx.backbones.imported.onnx_described import OnnxNetwork

    network = OnnxNetwork.of_recipe(path, recipe)
    layers = network.chosen(recipe.layers)
    target.write_bytes(network.program(recipe.preprocess, layers))
    return network.description(layers)
