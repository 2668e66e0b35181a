"""The backbones as text for a terminal."""

from collections.abc import Sequence

from featx.backbones import BackboneSpec, ImportedNetwork
from featx.report.text.words import join_lines, number_of, table


def backbones_text(specs: Sequence[BackboneSpec]) -> str:
    """List backbones."""
    rows = [
        (
            spec.name,
            f"{spec.image_size[0]}",
            f"{spec.smallest_side}",
            f"{spec.parameters / 1e6:.1f} M",
            f"{spec.features:,}",
            f"{spec.map_shape[2]:,}",
            spec.preprocess,
            "in featx" if spec.bundled else "downloaded",
        )
        for spec in specs
    ]
    return join_lines(table(("backbone", "px", "least px", "parameters", "features", "pooled", "pixels", "weights"), rows))


def network_text(network: ImportedNetwork) -> str:
    """List the layers of a network in a file, and say what an extract would take."""
    height, width = network.image_size
    size = f"{height} x {width} px" + ("" if network.fixed_size else ", or another --image-size")
    batch = f", {number_of(network.batch, 'image')} a pass" if network.batch else ""
    lines = [
        f"network {network.path}",
        f"  kind       {network.kind}, {network.parameters:,} parameters, {network.digest}",
        f"  takes      {size}{batch}",
        f"  preprocess {network.preprocess}",
        f"  layers     {', '.join(network.taken)}",
        *(f"  note: {note}" for note in network.notes),
    ]
    rows = [
        (layer.name, layer.tensor.kind, " x ".join(map(str, layer.shape)), "taken" if layer.name in network.taken else "")
        for layer in network.layers
    ]
    return join_lines([*lines, "", *table(("layer", "type", "h x w x c", ""), rows)])
