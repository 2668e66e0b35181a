"""What ``network.json`` says of the backbone: its fields and their types, so that what is read can be relied on."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from featx.errors import CacheDamaged
from featx.store.documents import MEND, read_json, write_json

Count = Annotated[int, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class Layer(msgspec.Struct):
    """One layer of the backbone."""

    name: Name
    type: Name
    output_shape: list[Count | None]
    parameters: Count


class Network(msgspec.Struct):
    """The backbone as it was when it ran; empty where that is not known."""

    parameters: Count = 0
    layers: list[Layer] = []


class _Kept(Network):
    weights_file: str = ""
    recipe: str | None = None


def write_network(path: Path, network: dict[str, Any], fingerprint: str) -> None:
    """Write ``network.json``, with the fingerprint of the recipe that the network is of.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    write_json(path, network | {"recipe": fingerprint})


def read_network(path: Path, fingerprint: str) -> dict[str, Any]:
    """Read ``network.json``.

    Raises
    ------
    CacheDamaged
        If it cannot be read, a field is of another type than featx writes, or it is of another recipe; the first featx did
        not write of which.
    """
    document = read_json(path)
    try:
        kept = msgspec.convert(document, _Kept)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise CacheDamaged(f"{path}: {error}. {MEND}") from error
    if kept.recipe not in (None, fingerprint):
        raise CacheDamaged(f"{path}: is of another recipe than the cache, {kept.recipe!r} and not {fingerprint!r}. {MEND}")
    document.pop("recipe", None)
    return document
