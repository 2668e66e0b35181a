"""What a shell offers for a word that is half typed: heads, backbones, layers. Nothing here loads Keras."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import click

from featx.errors import FeatxError

# Convolutions of each block; no other backbone has layers that few names describe.
_VGG = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def complete_heads(_: click.Context, __: click.Parameter, word: str) -> list[str]:
    """Offer the heads, after a comma too."""
    from featx.heads import HEADS

    return _among(HEADS, word)


def complete_backbones(_: click.Context, __: click.Parameter, word: str) -> list[str]:
    """Offer the backbones."""
    from featx.verbs.backbones import list_backbones

    return _among((spec.name for spec in list_backbones()), word)


def complete_layers(context: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Offer the layers of the backbone, as far as they are known without building it; after a comma too."""
    from featx.backbones import backbone_spec

    name = str(context.params.get("backbone") or "vgg16")
    with contextlib.suppress(FeatxError):
        return _among(_layers_of(name) or backbone_spec(name).layers, word)
    return []


def complete_cached_layers(_: click.Context, __: click.Parameter, word: str) -> list[str]:
    """Offer the layers that the newest cache keeps: click does not say which was typed, as the option has no value yet."""
    from featx.store import FeatureCache, find_cache

    with contextlib.suppress(FeatxError):
        folder = find_cache(Path("cache"))
        return _among(FeatureCache.open(folder).recipe.layers, word) if folder else []
    return []


def _layers_of(name: str) -> list[str]:
    blocks = enumerate(_VGG.get(name, ()), 1)
    return [f"block{n}_{layer}" for n, count in blocks for layer in [*(f"conv{m}" for m in range(1, count + 1)), "pool"]]


def _among(names: Iterable[str], word: str) -> list[str]:
    before, comma, begun = word.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun)]
