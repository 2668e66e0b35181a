"""A fitted head as the layers of a network, for whoever runs it without featx."""

from featx.errors import ExportError
from featx.heads.head import Head
from featx.heads.layers import Dense, NeighborMeans, Neighbors, PlainLayer, RbfKernel, Standardized


def plain_layers(head: Head, name: str) -> tuple[PlainLayer, ...]:
    """Return what a head computes as layers that every network has, from features (n, n_features) to probabilities.

    Parameters
    ----------
    head : Head
        Fitted.
    name : str
        Its name, for messages.

    Returns
    -------
    layers : tuple of PlainLayer
        A standardisation is in the kernel and the bias of the dense layer behind it, so that a linear head is one dense layer.

    Raises
    ------
    ExportError
        If the head compares images with training images.
    """
    layers: list[PlainLayer] = []
    for layer in head.as_layers():
        if isinstance(layer, RbfKernel | Neighbors | NeighborMeans):
            kernel = " with kernel rbf" if isinstance(layer, RbfKernel) else ""
            raise ExportError(
                f"{name}{kernel}: judges an image by its distances to training images, and those are no layers of a network. "
                "Export it as .joblib, or fit another head."
            )
        if isinstance(layer, Dense) and layers and isinstance(standardized := layers[-1], Standardized):
            layers.pop()
            layer = _on_plain_columns(layer, standardized)
        layers.append(layer)
    return tuple(layers)


def _on_plain_columns(dense: Dense, standardized: Standardized) -> Dense:
    kernel = dense.kernel / standardized.scale[:, None]
    return Dense(kernel, dense.bias - standardized.mean @ kernel, dense.relu)
