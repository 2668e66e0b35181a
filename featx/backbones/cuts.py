"""Where a network can be cut in two: everything behind the cut sees the image through one layer alone."""

from typing import Any

from featx.backbones.network import layers_by_name
from featx.backbones.table import unknown_layer
from featx.errors import BackboneError

_MOST_SHOWN = 12
_OF_MAPS = (2, 4)
"""Dimensions of what a cache keeps of a batch: maps, or a row of numbers an image."""

DEFAULT_SHARE = 0.4
"""Share of the parameters that is fine-tuned where no layer is named: the last block of VGG16 and VGG19 holds 0.48 and 0.47."""


def find_cuts(network: Any) -> dict[str, str]:
    """Find every layer that fine-tuning may start from.

    Parameters
    ----------
    network : keras.Model
        A backbone.

    Returns
    -------
    before : dict of str to str
        For each such layer, in order, the one whose output is all that it and every later layer see of the image. Several
        layers may follow one cut: fine-tuning from any of them unfreezes them all.
    """
    operations = list(network.operations)
    position = {id(operation): place for place, operation in enumerate(operations)}
    maker = {id(tensor): operation for operation in operations for tensor in _flat(operation.output)}
    sources = {
        id(operation): [maker[id(tensor)] for tensor in _inputs(operation) if id(tensor) in maker] for operation in operations
    }
    # A cut behind the operation at place p: no later operation reads what an earlier one than p gives.
    oldest_read = len(operations)
    is_cut = [False] * len(operations)
    for place in range(len(operations) - 1, -1, -1):
        is_cut[place] = oldest_read >= place
        read = [position[id(source)] for source in sources[id(operations[place])] if source is not operations[place]]
        oldest_read = min([oldest_read, *read])
    names = {id(layer): name for name, layer in layers_by_name(network).items()}
    cuts = {}
    for operation in operations:
        read_from = sources[id(operation)]
        if len(read_from) != 1 or id(operation) not in names or id(read_from[0]) not in names:
            continue
        source = read_from[0]
        # What the input layer gives are the pixels themselves: nothing would be spared. No cache keeps tokens as they are.
        is_kept = position[id(source)] > 0 and len(_flat(source.output)[0].shape) in _OF_MAPS
        if is_cut[position[id(source)]] and is_kept:
            cuts[names[id(operation)]] = names[id(source)]
    return cuts


def choose_cut(network: Any, backbone: str, start: str | None, end: str) -> tuple[str, str]:
    """Return the layer that fine-tuning starts from, and the one before it.

    Parameters
    ----------
    network : keras.Model
        A backbone.
    backbone : str
        Its name, for messages.
    start : str or None
        What was asked for; by default the last cut with ``DEFAULT_SHARE`` of the parameters up to ``end`` behind it.
    end : str
        The layer whose features the head takes: what is behind it is not trained.

    Raises
    ------
    UnknownLayer
        If there is no such layer.
    BackboneError
        If the network has no single cut there.
    """
    layers = layers_by_name(network)
    order = {name: place for place, name in enumerate(layers)}
    cuts = find_cuts(network)
    usable = {name: before for name, before in cuts.items() if order[before] < order[end] and order[name] <= order[end]}
    if start is None:
        counts = [layer.count_params() for layer in layers.values()][: order[end] + 1]
        behind = {name: sum(counts[order[before] + 1 :]) for name, before in usable.items()}
        large = [name for name, count in behind.items() if count >= DEFAULT_SHARE * sum(counts)]
        if not large:
            raise BackboneError(f"{backbone}: nothing before {end!r} can be fine-tuned from a single cut. Give --from.")
        return large[-1], usable[large[-1]]
    if start not in layers:
        raise unknown_layer(backbone, start, list(usable), ())
    if start not in usable:
        near = sorted(usable, key=lambda name: abs(order[name] - order[start]))[:_MOST_SHOWN]
        listed = ", ".join(sorted(near, key=order.__getitem__))
        raise BackboneError(
            f"{backbone}: cannot be fine-tuned from {start!r}: it is the first layer, lies behind {end!r}, whose features the "
            "head takes, what is before it is no map, or what follows sees the image through other layers too. Give --from one "
            f"of: {listed}."
        )
    return start, usable[start]


def _flat(tensors: Any) -> list[Any]:
    if isinstance(tensors, dict):
        return list(tensors.values())
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]


def _inputs(operation: Any) -> list[Any]:
    # The input layer has itself as input; operations that were called with nested lists have them flattened here.
    return _flat(operation.input)
