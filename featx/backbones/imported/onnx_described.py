"""What is known of an ONNX network once it has been read: its input, its layers, and what would be taken of it."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featx.backbones.imported.layers import Layer, Layers
from featx.backbones.imported.onnx_file import OnnxFile, read_onnx
from featx.backbones.imported.onnx_graph import refuse_no_layers, tensors_of
from featx.backbones.imported.onnx_input import InputSpec, find_input
from featx.backbones.imported.onnx_nodes import check_nodes, needed_nodes, parameters_of
from featx.backbones.imported.onnx_program import make_probe, make_program
from featx.backbones.imported.onnx_runtime import installed_runtimes, run_once, start
from featx.backbones.imported.onnx_shapes import Shapes, infer_shapes, unknown_tensors
from featx.backbones.scaling import scaling_of
from featx.errors import BackboneError, UnknownLayer
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

    def layers_for(self, names: Sequence[str] = (), *, every: bool = False) -> Layers:
        """Return its layers, as far as they have to be known for some of them.

        A network is run on a black image only where its graph does not tell the shapes that are wanted.

        Parameters
        ----------
        names : sequence of str
            Those that are wanted; none for the network's own choice.
        every : bool
            Whether all are wanted.

        Raises
        ------
        BackboneError
            If there are none.
        """
        layers = self._told
        doubtful = unknown_tensors(self.file, self._shapes)
        if doubtful and (every or not names):
            layers = self._run
        elif names:
            try:
                layers.find(names, "onnx")
            except UnknownLayer:
                layers = self._run
        if not layers.by_name:
            raise refuse_no_layers(self.file)
        return layers

    @functools.cached_property
    def _shapes(self) -> Shapes:
        return infer_shapes(self.file, self.spec, self.size)

    @functools.cached_property
    def _told(self) -> Layers:
        """Layers as far as the graph alone tells them."""
        return self._layers_of(self._shapes)

    @functools.cached_property
    def _run(self) -> Layers:
        """Layers with those whose shapes were found by running it on a black image."""
        graph = self.file.model.graph
        needed = needed_nodes(graph, [value.name for value in graph.output])
        unknown = [name for node in needed for name in node.output if name and name not in self._shapes]
        if not unknown:
            return self._told
        check_nodes(self.file, needed)
        images = np.zeros(self.spec.shape(self.spec.batch or 1, self.size), self.spec.kind)
        kinds = {np.dtype(np.float32): 1, np.dtype(np.float16): 10, np.dtype(np.float64): 11}
        try:
            runtime = start(self.file.path, make_probe(self.file, unknown), installed_runtimes())
            outputs = run_once(self.file.path, runtime, images)
        except BackboneError:  # at this size, or behind the layers that are wanted: then they are not to be had
            return self._told
        found = {name: (kinds.get(values.dtype, 0), values.shape) for name, values in zip(unknown, outputs, strict=True)}
        return self._layers_of(self._shapes | found)

    def _layers_of(self, shapes: Shapes) -> Layers:
        names = [name for node in self.file.model.graph.node for name in node.output if name]
        return Layers(tensors_of(self.file, self.spec, self.size, shapes), self.size, names)

    def chosen(self, names: Sequence[str] = ()) -> list[Layer]:
        """Return the layers of some names, or the network's own choice.

        Raises
        ------
        UnknownLayer
            If there is no such layer.
        WeightsError
            If they need what may never end.
        """
        layers = self.layers_for(names)
        found = [layers.by_name[name] for name in (layers.find(names, "onnx") if names else layers.default)]
        check_nodes(self.file, needed_nodes(self.file.model.graph, [layer.tensor.name for layer in found]))
        return found

    def program(self, preprocess: str, layers: Sequence[Layer]) -> bytes:
        """Return the graph from bytes to the maps of some layers; errors as for ``make_program``."""
        return make_program(self.file, self.spec, self.size, preprocess, layers)

    def description(self, chosen: Sequence[Layer]) -> dict[str, Any]:
        """Return ``parameters`` and ``layers`` of the part that some layers need: those with parameters, and themselves."""
        kept = {layer.name for layer in chosen}
        nodes = needed_nodes(self.file.model.graph, [layer.tensor.name for layer in chosen])
        counts = parameters_of(self.file, nodes)
        rows, listed = [], set()
        for name, layer in self.layers_for([layer.name for layer in chosen]).by_name.items():
            tensor = layer.tensor.name
            if not (counts.get(tensor) or name in kept):
                continue
            # The parameters of tokens count once, with their first part.
            parameters = 0 if tensor in listed else counts[tensor]
            listed.add(tensor)
            rows.append({"name": name, "type": layer.tensor.kind, "output_shape": list(layer.shape), "parameters": parameters})
        return {"parameters": sum(counts.values()), "layers": rows}
