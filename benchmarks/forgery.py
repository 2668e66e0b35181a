"""Values inside files changed, with checksums that fit again: what somebody could make up who knows how featx writes."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.fuzz import _edit, changes_of, edits_of, replaced
from featx.backbones import QuantizedNetwork
from featx.models.file import _seal
from featx.recipe import Recipe
from featx.system.npy import npy_bytes
from featx.system.zipped import write_members

Change = Callable[[Path], None]
Members = dict[str, bytes]

_MAGIC = b"featx checkpoint 1\n"
_ODD_JSON = ("", "[]", "null", "{", "[" * 100_000, '"\\ud800"', "NaN", "1e999")


def forgeries_of(kind: str, path: Path) -> Iterator[tuple[str, Change]]:
    """Yield every forgery of a file; those whose names begin with ``value`` leave the checksums inside as they are."""
    if path.suffix == ".json":
        for what, edited in edits_of(json.loads(path.read_text())):
            yield f"value {what}", _writes(json.dumps(edited).encode())
        for text in _ODD_JSON:
            yield f"value {text:.8}", _writes(text.encode())
    elif path.suffix == ".h5" and kind != "packed file":
        yield from _of_hdf5(path)
    elif path.suffix == ".featx":
        yield from _of_model(_members(path))
    elif path.suffix == ".zip":
        for what, parts in _quantized_parts(_members(path)):
            yield what, lambda copy, parts=parts: write_members(copy, parts)
    elif kind == "checkpoint":
        yield from _of_checkpoint(path.read_bytes())


def _writes(data: bytes) -> Change:
    return lambda copy: _put(copy, data)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _members(source: Path | io.BytesIO) -> Members:
    with zipfile.ZipFile(source) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _of_hdf5(path: Path) -> Iterator[tuple[str, Change]]:
    with h5py.File(path, "r") as file:
        for what, change in list(changes_of(file)):
            yield what, lambda copy, change=change: _edit(copy, change)
        head = json.loads(file["head"][()].tobytes()) if "head" in file else {}
    for what, edited in edits_of(head):
        text = np.frombuffer(json.dumps(edited).encode(), np.uint8)
        yield f"head: {what}", lambda copy, text=text: _edit(copy, replaced("head", text))


def arrays_like(array: np.ndarray[Any, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield an array with other values, of other types and in other shapes."""
    for kind in ("f2", "f8", "i1", "i8", "u1", "?", ">f4"):
        with np.errstate(all="ignore"):
            yield f"as {kind}", array.astype(kind)
    if array.dtype.kind == "f":
        for number in (np.nan, np.inf, -1e38, 0.0):
            yield f"all {number}", np.full_like(array, number)
    yield "empty", array[:0] if array.ndim else np.zeros(0, array.dtype)
    yield "one rank more", array[..., None]
    yield "flat", array.ravel()
    yield "turned", np.ascontiguousarray(array.T)
    if array.ndim:
        yield "one less", array[:-1]
        yield "one more", np.concatenate([array, array[:1]])
        yield "a number", np.asarray(array.ravel()[:1].sum(), array.dtype)


def _of_model(members: Members) -> Iterator[tuple[str, Change]]:
    document = json.loads(members["model.json"])
    for what, edited in edits_of(document):
        text = json.dumps(edited).encode()
        yield f"value {what}", lambda copy, text=text: write_members(copy, members | {"model.json": text})
        yield f"sealed {what}", lambda copy, edited=edited: write_members(copy, _fitting(members, edited))
    for text in _ODD_JSON:
        yield f"value {text:.8}", lambda copy, text=text: write_members(copy, members | {"model.json": text.encode()})
    for name in members:
        without = {other: data for other, data in members.items() if other != name}
        yield f"sealed {name} gone", lambda copy, without=without: write_members(copy, _fitting(without, document))
        if name == "model.json" or name.startswith("quantized/"):
            continue
        for what, array in arrays_like(np.load(io.BytesIO(members[name]))):
            other = members | {name: npy_bytes(array)}
            yield f"sealed {name} {what}", lambda copy, other=other: write_members(copy, _fitting(other, document))
    if any(name.startswith("quantized/") for name in members):
        parts = {name[10:-4]: np.load(io.BytesIO(data)).tobytes() for name, data in members.items() if "quantized/" in name}
        for what, made_up in _quantized_parts(parts):
            yield f"sealed {what}", lambda copy, made_up=made_up: write_members(copy, _with_network(members, document, made_up))


def _fitting(members: Members, document: Any) -> Members:
    """Return members with a document whose digests and seal fit."""
    members = {name: data for name, data in members.items() if name != "model.json"}
    if isinstance(document.get("members"), dict):
        document = document | {"members": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}}
    if isinstance(document.get("sealed"), dict):
        document = document | {"sealed": _seal(document)}
    return members | {"model.json": json.dumps(document).encode()}


def _with_network(members: Members, document: dict[str, Any], parts: Members) -> Members:
    """Return the members of a model with another int8 network, which its recipe names."""
    network = QuantizedNetwork(**parts)
    recipe = Recipe.from_dict(document["recipe"] | {"quantized": network.identity})
    arrays = {f"quantized/{name}.npy": npy_bytes(array) for name, array in network.arrays().items()}
    return _fitting(members | arrays, document | {"recipe": recipe.to_dict(), "fingerprint": recipe.fingerprint})


def _quantized_parts(parts: Members) -> Iterator[tuple[str, Members]]:
    """Yield the parts of an int8 network with other descriptions, graphs and weights."""
    for what, edited in edits_of(json.loads(parts["description"])):
        yield f"description {what}", parts | {"description": json.dumps(edited).encode()}
    for text in _ODD_JSON:
        yield f"description {text:.8}", parts | {"description": text.encode()}
    for what, graph in graphs_like(parts["graph"].decode()):
        yield f"graph {what}", parts | {"graph": graph.encode("utf-8", "surrogatepass")}
    for size in (0, 1, len(parts["weights"]) // 2, len(parts["weights"]) - 1):
        yield f"weights cut at {size}", parts | {"weights": parts["weights"][:size]}
    yield "weights of noise", parts | {"weights": np.random.default_rng(0).bytes(len(parts["weights"]))}


def graphs_like(graph: str) -> Iterator[tuple[str, str]]:
    """Yield a graph with each attribute of another value, and with tags taken away."""
    import re

    seen: set[tuple[str, str]] = set()
    for match in re.finditer(r"([\w:-]+)=\"([^\"]*)\"", graph):
        name, value = match.groups()
        if (name, value) in seen:
            continue
        seen.add((name, value))
        for other in ("", "-1", "0", "1", "99999999999999999999", "4294967296", "nan", "x", "1,2,3,4,5", "&lt;"):
            yield f"{name}={value:.12} now {other}", f"{graph[: match.start(2)]}{other}{graph[match.end(2) :]}"
        yield f"{name}={value:.12} gone", graph[: match.start()] + graph[match.end() :]
    for match in re.finditer(r"<(layer|edge|port|dim|data)\b[^>]*/?>", graph):
        yield f"tag at {match.start()} gone", graph[: match.start()] + graph[match.end() :]
    for share in (0.1, 0.5, 0.9):
        yield f"cut at {share}", graph[: int(share * len(graph))]
    yield "empty", ""


def _of_checkpoint(data: bytes) -> Iterator[tuple[str, Change]]:
    members = _members(io.BytesIO(data[len(_MAGIC) + 65 :]))
    written = json.loads(np.load(io.BytesIO(members[".npy"])).tobytes())

    def with_text(text: bytes) -> Change:
        return lambda copy: _put(copy, sealed_checkpoint(members | {".npy": npy_bytes(np.frombuffer(text, np.uint8))}))

    for what, edited in edits_of(written):
        yield what, with_text(json.dumps(edited).encode())
    for what, edited in edits_of(written["document"]):
        yield f"document: {what}", with_text(json.dumps(written | {"document": edited}).encode())
    for text in _ODD_JSON:
        yield f"text {text:.8}", with_text(text.encode())
    for name in members:
        without = {other: data for other, data in members.items() if other != name}
        yield f"{name} gone", lambda copy, without=without: _put(copy, sealed_checkpoint(without))
        for what, array in arrays_like(np.load(io.BytesIO(members[name]))):
            other = members | {name: npy_bytes(array)}
            yield f"{name} {what}", lambda copy, other=other: _put(copy, sealed_checkpoint(other))


def sealed_checkpoint(members: Members) -> bytes:
    """Return a checkpoint of members, with the digest that fits."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    data = buffer.getvalue()
    return _MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n" + data
