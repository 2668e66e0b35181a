"""A fitted model: recipe, head and class names in one file that can run nothing.

``*.featx`` is a zip of stored (uncompressed) members: ``model.json`` and plain ``.npy`` arrays. It is read without pickle
and without Keras' deserialization; the head is rebuilt by its own builder from settings and arrays.
"""

import hashlib
import importlib.metadata
import json
import platform
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import QuantizedNetwork
from featx.errors import FeatxError, ModelDamaged, ModelError, ModelNotFound, OutputError
from featx.heads import head_task, rebuild_head
from featx.models.advice import advise
from featx.models.confidence import confidence_document, confidence_of, task_of
from featx.models.familiarity import Familiarity
from featx.models.found import models_in
from featx.models.model import TRAINED_ON_BYTES, Model
from featx.models.schema import check_document
from featx.models.tail import FineTuned
from featx.recipe import Recipe
from featx.store import check_pooling
from featx.system.addresses import address_of
from featx.system.digests import json_digest
from featx.system.files import writing_to
from featx.system.home import with_home, without_home
from featx.system.npy import array_of, npy_bytes
from featx.system.outputs import Kind, check_result_file
from featx.system.paths import MODEL, StrPath, as_path
from featx.system.zipped import has_member, read_members, write_members

SCHEMA_VERSION = 6
"""Raised whenever an older featx could no longer read the file. Models of earlier versions need less."""

_SCHEMA_OF = {"task": 6, "operating_point": 5, "isotonic": 4, "familiarity": 3, "tail": 2, "temperature": 2}
"""An older featx would leave these fields out and give other probabilities, or take their arrays for the head's: it is to
refuse. Without any of them it is 1."""

_TAIL, _QUANTIZED, _FAMILIAR = "tail/", "quantized/", "familiar/"
_DOCUMENT, _LARGEST_DOCUMENT = "model.json", 16_000_000  # in memory some twenty times as much, at worst
# A file that can no longer be loaded is a model too.
_MODEL = Kind("an earlier model", "is not a featx model", is_one=lambda path: has_member(path, _DOCUMENT))
_SEALED = (
    *("schema", "recipe", "layer", "pooling", "head", "class_names", "tail", "temperature", "views"),
    *("isotonic", "conformal", "familiarity", "operating_point", "task", "label_points", "number_intervals", "grade_answer"),
)
_MOST_MEMBERS = 5000
_LIBRARIES = ("featx", "numpy", "keras", "scikit-learn", "pillow", "h5py")


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries a model depends on."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
            versions[library] = "unknown"
    return versions


def check_model_path(path: Path) -> None:
    """Make sure that a model can be saved there; cheap, so that it can be asked before a head is fitted.

    Raises
    ------
    OutputError
        If the place cannot be written, or holds a file that is no featx model.
    """
    check_result_file(path, _MODEL, "--out")


def save_model(model: Model, path: Path) -> None:
    """Write a model file, atomically, in place of an earlier model if there is one.

    Raises
    ------
    OutputError
        If it cannot be written, or another file stands there.
    """
    check_model_path(path)
    members = {f"head/{name}.npy": npy_bytes(array) for name, array in model.head.arrays().items()}
    members["trained_on.npy"] = npy_bytes(model.trained_on)
    if model.tail:
        members |= {f"{_TAIL}{name}.npy": npy_bytes(array) for name, array in model.tail.arrays.items()}
    if model.quantized:
        members |= {f"{_QUANTIZED}{name}.npy": npy_bytes(array) for name, array in model.quantized.arrays().items()}
    if model.familiarity:
        members |= {f"{_FAMILIAR}{name}.npy": npy_bytes(array) for name, array in model.familiarity.arrays().items()}
    document = {
        "schema": 1,
        "recipe": model.recipe.to_dict(),
        "fingerprint": model.recipe.fingerprint,
        "layer": model.layer,
        "pooling": model.pooling,
        "head": {"name": model.head_name, "settings": model.head.settings()},
        "class_names": list(model.class_names),
        "history": model.history,
        "metrics": model.metrics
        | ({"notes": [without_home(note) for note in model.metrics["notes"]]} if "notes" in model.metrics else {}),
        "network": model.network,
        "source": {name: without_home(path) for name, path in model.source.items()},
        "versions": model.versions,
        "views": model.views,
        "tuning": model.tuning,
        **({"tail": {"start": model.tail.start, "end": model.tail.end}} if model.tail else {}),
        **({} if model.task.kind == "classes" else {"task": model.task.to_dict()}),
        **({} if model.temperature == 1.0 else {"temperature": model.temperature}),
        **confidence_document(model),
        **({"familiarity": {"judged_by": model.familiarity.judged_by}} if model.familiarity else {}),
        "members": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    document["schema"] = max((schema for name, schema in _SCHEMA_OF.items() if name in document), default=1)
    document["sealed"] = _seal(document)
    members[_DOCUMENT] = (json.dumps(document, indent=2) + "\n").encode()
    if len(members[_DOCUMENT]) > _LARGEST_DOCUMENT:  # nobody could load it
        raise OutputError(f"{path}: class names and history take over {_LARGEST_DOCUMENT} bytes, which no model may have.")
    with writing_to(path, "Give another --out."):
        write_members(path, dict(sorted(members.items())))


def load_model(path: StrPath) -> Model:
    """Read a model file.

    Raises
    ------
    ModelNotFound
        If there is no such file.
    ModelDamaged
        If it is not a model file, not whole, of a newer schema, or holds anything that featx never writes.

    Examples
    --------
    >>> model = featx.load_model("models/photos-logreg.featx")
    >>> cache = featx.open_cache("cache/photos")
    >>> model.predict_proba(cache.features(cache.catalog.rows("test"), pooling=model.pooling)).shape
    (6, 3)
    """
    path = as_path("path", path, ModelError, MODEL)
    if not path.is_file():
        said = advise(path, "model") or f"{path}: no such model file. Make one with: featx fit --out {shlex.quote(str(path))}"
        raise ModelNotFound(said, wrong_value=bool(address_of(path)))
    try:
        members = read_members(path, _MOST_MEMBERS, {_DOCUMENT: _LARGEST_DOCUMENT})
        document = _read_document(path, members.pop(_DOCUMENT))
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        if document["members"] != digests:
            wrong = sorted(
                name for name in {*digests, *document["members"]} if digests.get(name) != document["members"].get(name)
            )
            raise ModelDamaged(f"{path}: {', '.join(wrong[:5])} is not what was written. Fit the model again.")
        model = _rebuild(document, {name: array_of(data) for name, data in members.items()})
        object.__setattr__(model, "_file", path)
        return model
    except ModelDamaged:
        raise
    except FeatxError as error:
        raise ModelDamaged(f"{path}: {error} Fit the model again.") from error
    # Whatever else the readers of zip, JSON and npy raise for a file that is no model.
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError) as error:
        said = advise(path, "model") or f"{path}: is not a featx model: {error or type(error).__name__}. Fit the model again."
        raise ModelDamaged(said) from error
    except (NotImplementedError, RuntimeError, OverflowError, MemoryError) as error:
        raise ModelDamaged(f"{path}: is not a featx model: {error}. Fit the model again.") from error


def find_model(folder: Path) -> Path | None:
    """Return the newest model file in a folder, or None."""
    return next(iter(models_in(folder)), None)


def _read_document(path: Path, data: bytes) -> dict[str, Any]:
    """Read ``model.json``; what comes back is as ``schema`` has it."""
    document = json.loads(data)
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise ModelDamaged(f"{path}: has schema {schema}, this featx reads up to {SCHEMA_VERSION}. Upgrade featx.")
    check_document(document)
    checked: dict[str, Any] = document
    return checked


def _rebuild(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Model:
    recipe = Recipe.from_dict(document["recipe"])
    if document["fingerprint"] != recipe.fingerprint:
        raise ValueError("model.json, fingerprint: does not fit its recipe")
    trained_on = arrays.pop("trained_on.npy")
    tail = _take_tail(document, arrays)
    if recipe.tail != (tail.identity if tail else ""):
        raise ValueError("model.json, tail: its fine-tuned layers do not fit its recipe")
    quantized = _take_quantized(recipe, arrays)
    familiar = _take_familiar(document, arrays)
    learned = {name.removeprefix("head/").removesuffix(".npy"): array for name, array in arrays.items()}
    check_pooling(document["pooling"])
    class_names = tuple(document["class_names"])
    task = task_of(document)
    head = rebuild_head(document["head"]["name"], document["head"]["settings"], learned, head_task(task))
    if document["layer"] not in recipe.layers:
        raise ValueError(f"model.json, layer: {document['layer']!r} is not in its recipe")
    if head.classes_.tolist() != list(range(len(task.column_names or class_names))) or len(set(class_names)) != len(
        class_names
    ):
        raise ValueError("model.json, class_names: do not fit its head")
    if "operating_point" in document and len(class_names) != 2:
        raise ValueError("model.json, operating_point: is of two classes, and the model has others")
    if trained_on.dtype != np.uint8 or trained_on.ndim != 2 or trained_on.shape[1] != TRAINED_ON_BYTES:
        raise ValueError("its list of training images has another shape")
    if len({len(values) for values in document["history"].values()}) > 1:
        raise ValueError("model.json, history: its lists must have one value an epoch each")
    _check_seal(document)
    familiarity = None
    if familiar:
        n_kinds = len(class_names) if task.has_classes else 1
        familiarity = Familiarity.from_arrays(familiar, document["familiarity"]["judged_by"], n_kinds)
    return Model(
        recipe=recipe,
        layer=document["layer"],
        pooling=document["pooling"],
        head_name=document["head"]["name"],
        head=head,
        class_names=class_names,
        history=document["history"],
        metrics=document["metrics"],
        network=document["network"],
        source={name: with_home(path) if isinstance(path, str) else path for name, path in document["source"].items()},
        versions=document["versions"],
        trained_on=trained_on,
        views=document.get("views", {"augment": "", "seed": 0, "count": 1}),  # the first models know of none
        tuning=document.get("tuning", []),
        tail=tail,
        temperature=float(document.get("temperature", 1.0)),
        quantized=quantized,
        **confidence_of(document),
        task=task,
        familiarity=familiarity,
    )


def _take_quantized(recipe: Recipe, arrays: dict[str, NDArray[Any]]) -> QuantizedNetwork | None:
    """Take the parts of the quantized network out of all arrays."""
    names = [name for name in arrays if name.startswith(_QUANTIZED)]
    parts = {name.removeprefix(_QUANTIZED).removesuffix(".npy"): arrays.pop(name) for name in names}
    network = QuantizedNetwork.from_arrays(parts) if parts else None
    needed = recipe.precision == "int8"
    if needed != (network is not None) or recipe.quantized != (network.identity if network else ""):
        raise ValueError("its quantized network does not fit its recipe")
    return network


def _take_familiar(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Take the arrays that tell how strange an image is out of all."""
    names = [name for name in arrays if name.startswith(_FAMILIAR)]
    if bool(names) != ("familiarity" in document):
        raise ValueError("model.json, familiarity: does not fit its arrays")
    return {name.removeprefix(_FAMILIAR).removesuffix(".npy"): arrays.pop(name) for name in names}


def _take_tail(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> FineTuned | None:
    """Take the arrays of fine-tuned layers out of all."""
    if "tail" not in document:
        return None
    start, end = document["tail"]["start"], document["tail"]["end"]
    names = [name for name in arrays if name.startswith(_TAIL)]
    return FineTuned(start, end, {name.removeprefix(_TAIL).removesuffix(".npy"): arrays.pop(name) for name in names})


def _seal(document: dict[str, Any]) -> dict[str, str]:
    """Return a digest of each field; arrays have theirs in ``members``."""
    return {name: json_digest(value) for name, value in document.items() if name != "sealed"}


def _check_seal(document: dict[str, Any]) -> None:
    """Refuse an edited field; models of earlier versions have no digests, or only of what predictions rest on."""
    sealed, actual = document.get("sealed"), _seal(document)
    wrong = [name for name in {*_SEALED, *sealed} if sealed.get(name) != actual.get(name)] if sealed else []
    if wrong:
        raise ValueError(f"model.json, {', '.join(sorted(wrong))}: not what was written")
    # In models of earlier versions the schema tells whether they have a tail or a temperature.
    needs = [name for name, number in _SCHEMA_OF.items() if number == document["schema"]]
    if needs and not document.keys() & set(needs):
        raise ValueError(f"model.json, {' or '.join(needs)}: is missing")
