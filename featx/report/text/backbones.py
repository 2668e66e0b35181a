"""The backbones as text for a terminal."""

from collections.abc import Sequence

from featx.backbones import BackboneSpec
from featx.report.text.words import join_lines, table


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
