"""The verb doctor: what featx finds on this machine; the text that a report of a problem needs."""

import dataclasses
import importlib.metadata
import os
import platform
import re
import tempfile

from featx.backbones import (
    BACKBONES,
    BackboneSpec,
    check_engine_name,
    find_weights,
    is_winograd_installed,
    list_devices,
    measure_engines,
    resolve_weights,
)
from featx.errors import FeatxError
from featx.models import library_versions
from featx.recipe import Recipe
from featx.system.cores import available_cores
from featx.system.home import without_home
from featx.system.memory import memory_at_hand
from featx.system.processor import has_int8_products, processor_features, processor_name
from featx.system.quiet import GROWTH, LOG_LEVEL
from featx.system.results import Result

_VARIABLES = re.compile("FEATX_|KERAS_|TF_|CUDA_|XLA_|JAX_|OMP_|OPENBLAS_|MKL_|MALLOC_|HDF5_|TMPDIR$")
_EXTRA = re.compile(r"""^([A-Za-z0-9._-]+)[^;]*;.*\bextra == ['"]([a-z0-9]+)['"]""")
_FOR_MAKERS = ("all", "docs", "test")  # extras that nobody installs to use featx


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis(Result):
    """What featx finds on a machine.

    Parameters
    ----------
    versions : dict of str to str
        Of Python, featx and the libraries it needs.
    system : str
        Operating system and architecture.
    processor : str
        What the processor calls itself.
    processor_features : list of str
        Those of its instruction sets that matter to networks; empty where the system does not say.
    int8_products : bool
        Whether it has instructions for int8 products, without which int8 is no faster than float32.
    cores : int
        Cores that this process may use.
    memory_bytes : int or None
        Memory that this process may still take; None where the system does not say.
    backend : str
        What Keras computes with.
    devices : list of str
        Where it can compute, such as ``cpu:0`` and ``gpu:0``.
    extras : dict of str to list of str
        Each extra of featx and what of it is not installed; an empty list for an extra that works.
    variables : dict of str to str
        Environment variables that change what featx or its libraries do, with ``~`` for the home folder.
    problems : list of str
        What would make a run fail; empty if all is well.
    engines : list of str
        What can compute float32 features on the processor: ``keras``, and ``winograd`` where its library is installed.
    rates : dict of str to dict of str to float
        With ``rates``: for each bundled backbone the images per second of each engine's forward pass, such as ``keras``,
        ``winograd`` and ``int8``; empty without.
    """

    versions: dict[str, str]
    system: str
    processor: str
    processor_features: list[str]
    int8_products: bool
    cores: int
    memory_bytes: int | None
    backend: str
    devices: list[str]
    extras: dict[str, list[str]]
    variables: dict[str, str]
    problems: list[str]
    engines: list[str]
    rates: dict[str, dict[str, float]]


def diagnose(*, rates: bool = False) -> Diagnosis:
    """Look at versions, processor, memory, devices, extras and what a run needs.

    Parameters
    ----------
    rates : bool
        Measure how fast each engine is here, which takes some ten seconds more.

    Returns
    -------
    diagnosis : Diagnosis
        With the problems found, if any. Loading Keras takes some seconds.
    """
    problems = []
    own = {**GROWTH, LOG_LEVEL: "3", "HDF5_PLUGIN_PATH": "disable"}  # what featx sets itself
    found = sorted((n, value) for n, value in os.environ.items() if _VARIABLES.match(n) and own.get(n) != value)
    variables = {name: without_home(value) for name, value in found}
    backend, devices = "", list[str]()
    try:
        backend, devices = list_devices()
    except (FeatxError, ImportError) as error:
        problems.append(f"Keras cannot be loaded: {error}")
    try:
        check_engine_name(None)
    except FeatxError as error:
        problems.append(str(error))
    for spec in BACKBONES.values():
        if spec.bundled:
            try:
                _check_bundled(spec)
            except FeatxError as error:
                problems.append(str(error))
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        problems.append(f"there is no folder for temporary files: {error.strerror}. Set TMPDIR to one that can be written.")
    measured: dict[str, dict[str, float]] = {}
    if rates and not problems:
        try:
            measured = {spec.name: measure_engines(_recipe(spec)) for spec in BACKBONES.values() if spec.bundled}
        except FeatxError as error:
            problems.append(str(error))
    return Diagnosis(
        versions=library_versions(),
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        processor=processor_name(),
        processor_features=processor_features(),
        int8_products=has_int8_products(),
        cores=available_cores(),
        memory_bytes=memory_at_hand(),
        backend=backend,
        devices=devices,
        extras=_extras(),
        variables=variables,
        problems=[without_home(problem) for problem in problems],
        engines=["keras", *(["winograd"] if is_winograd_installed() else [])],
        rates=measured,
    )


def _check_bundled(spec: BackboneSpec) -> None:
    """Refuse bundled weights that are missing or not what they were."""
    find_weights(_recipe(spec), None)


def _recipe(spec: BackboneSpec) -> Recipe:
    """Return the recipe of a backbone with its bundled weights."""
    digest, _ = resolve_weights(spec, "imagenet", spec.layers)
    return Recipe(spec.name, digest, spec.layers, spec.image_size, spec.preprocess)


def _extras() -> dict[str, list[str]]:
    """Return what is missing of each extra that the installed featx declares."""
    try:
        wanted = importlib.metadata.requires("featx") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return {}
    missing: dict[str, list[str]] = {}
    for requirement in wanted:
        if not (found := _EXTRA.match(requirement)) or found[2] in _FOR_MAKERS:
            continue
        lacking = missing.setdefault(found[2], [])
        try:
            importlib.metadata.version(found[1])
        except importlib.metadata.PackageNotFoundError:
            lacking.append(found[1])
    return missing
