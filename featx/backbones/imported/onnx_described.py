"""What is known of an ONNX network once it has been read: its input, its layers, and what would be taken of it."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featx.backbones.imported.layers import Layers
from featx.backbones.imported.onnx_file import OnnxFile, read_onnx
from featx.backbones.imported.onnx_graph import (
    check_nodes,
    needed_nodes,
    parameters_of,
    refuse_no_layers,
    tensors_of,
)
from featx.backbones.imported.onnx_input import InputSpec, find_input
from featx.backbones.imported.onnx_program import make_program
from featx.backbones.scaling import scaling_of
from featx.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class OnnxNetwork:
    """A network from an ONNX file at one image size.

    Parameters
    ----------
    file : OnnxFile
        As it was read.
    spec : InputSpec
        What it takes.
    size : tuple of int
        (height, width) of the images that it is given [px].
    """

    file: OnnxFile
    spec: InputSpec
    size: tuple[int, int]

    @classmethod
    def read(cls, path: Path, image_size: tuple[int, int] | None, layout: str = "") -> "OnnxNetwork":
        """Read a file; errors as for ``read_onnx``, ``find_input`` and ``InputSpec.image_size``."""
        file = read_onnx(path)
        spec = find_input(file, layout)
        return cls(file, spec, spec.image_size(path, image_size))

    @classmethod
    def of_recipe(cls, path: Path, recipe: Recipe) -> "OnnxNetwork":
        """Read the file of a recipe."""
        return cls.read(path, recipe.image_size, scaling_of(recipe.preprocess).layout)

    @functools.cached_property
    def layers(self) -> Layers:
        """Its layers.

        Raises
        ------
        BackboneError
            If there are none.
        """
        layers = Layers(tensors_of(self.file, self.spec, self.size), self.size)
        if not layers.by_name:
            raise refuse_no_layers(self.file)
        return layers

    def check(self, names: Sequence[str]) -> None:
        """Refuse layers that need what may never end; errors as for ``check_nodes``."""
        check_nodes(self.file, needed_nodes(self.file.model.graph, [self.layers.by_name[name].tensor.name for name in names]))

    def program(self, preprocess: str, names: Sequence[str]) -> bytes:
        """Return the graph from bytes to the maps of some layers; errors as for ``Layers.find`` and ``make_program``."""
        found = self.layers.find(names, "onnx")
        return make_program(self.file, self.spec, self.size, preprocess, [self.layers.by_name[name] for name in found])

    def description(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Return ``parameters`` and ``layers`` of the part that some layers need; by default of all of it."""
        graph = self.file.model.graph
        kept = {self.layers.by_name[name].tensor.name for name in names or ()}
        nodes = list(graph.node) if names is None else needed_nodes(graph, kept)
        counts = parameters_of(self.file, nodes)
        rows, listed = [], set()
        for name, layer in self.layers.by_name.items():
            tensor = layer.tensor.name
            if tensor not in counts or not (names is None or counts[tensor] or name in names):
                continue
            # The parameters of tokens count once, with their first part.
            parameters = 0 if tensor in listed else counts[tensor]
            listed.add(tensor)
            rows.append({"name": name, "type": layer.tensor.kind, "output_shape": list(layer.shape), "parameters": parameters})
        return {"parameters": sum(counts.values()), "layers": rows}
