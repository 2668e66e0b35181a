"""The quantized network of an int8 recipe: found in the cache, or made from some of the images that are to be extracted."""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.backbones import RESTORE, QuantizedNetwork, check_int8_installed, quantize_backbone
from featx.errors import CacheError, CacheLocked, CacheWriteError, QuantizedNetworkError, RecipeError, RecipeMismatch
from featx.models.advice import open_cache
from featx.models.compute import Engine
from featx.models.file import load_model
from featx.recipe import Recipe
from featx.store import QUANTIZED, FeatureCache, read_recipe, writing_named
from featx.system.durable import delete, make_folder
from featx.system.files import TEMPORARY_PREFIX, sweep_temporaries, writing_to
from featx.system.lock_file import locked
from featx.system.progress import Progress

# What the network itself depends on; the rest of a recipe is about the pixels before it.
_OF_THE_NETWORK = ("backbone", "weights", "layers", "image_size", "preprocess")


def network_path(folder: Path, recipe: Recipe) -> Path:
    """Return where a cache keeps the quantized network of a recipe: its name has digests of the recipe and the result."""
    return folder / QUANTIZED / f"{_prefix(recipe)}-{recipe.quantized.removeprefix('sha256:')[:16]}.zip"


def _prefix(recipe: Recipe) -> str:
    return dataclasses.replace(recipe, quantized="").fingerprint[:16]


def _made_for(folder: Path, draft: Recipe) -> QuantizedNetwork | None:
    """Return a network that was made for a draft in a cache that has no recipe yet."""
    files = sorted((folder / QUANTIZED).glob(f"{_prefix(draft)}-*.zip"))
    return QuantizedNetwork.read(files[0]) if files else None


@dataclasses.dataclass(frozen=True)
class DraftEngine(Engine):
    """An engine in int8 whose network has yet to be made from images: until then nothing can be extracted with it."""

    def completed(self, images: NDArray[np.uint8], progress: Progress | None = None) -> Engine:
        """Make the network; parameters and errors as for ``quantize_backbone``."""
        if progress is None:
            return _completed(self, quantize_backbone(self.recipe, self.weights_file, images, None))
        progress("quantize", 0, len(images))
        step = functools.partial(progress, "quantize", 1, len(images))
        return _completed(self, quantize_backbone(self.recipe, self.weights_file, images, step))

    def completed_in(
        self, folder: Path, overwrite: bool, choose: Callable[[], NDArray[np.uint8]], progress: Progress | None = None
    ) -> Engine:
        """Make the network and keep it in a cache's folder; where another process is making it, wait and take that network.

        Parameters
        ----------
        folder : Path
            The cache's.
        overwrite : bool
            Treat a network that cannot be read as missing.
        choose : callable
            Returns pixels (n_images, height, width, 3), uint8, that set the ranges of int8 numbers.
        progress : callable or None
            Called as (stage, newly done, total).

        Returns
        -------
        engine : Engine
            This draft itself where there are no images: the extract then reports each as rejected.

        Raises
        ------
        QuantizedNetworkError, ExtraMissing, BackboneError, CacheWriteError
            If the network can be neither read nor made nor kept.
        """
        with one_at_a_time(folder):
            engine = find_engine(self, folder, overwrite=overwrite)
            if isinstance(engine, DraftEngine):
                images = choose()
                if not len(images):
                    return self
                engine = self.completed(images, progress)
            keep_network(folder, engine.recipe, engine.quantized)
            return engine


def find_engine(asked: Engine, folder: Path, given: Path | None = None, overwrite: bool = False) -> Engine:
    """Complete an engine by the int8 network that is there already; any other is complete as it is.

    Parameters
    ----------
    asked : Engine
        What was asked for.
    folder : Path
        The cache's.
    given : Path or None
        A cache or model whose network is to be used.
    overwrite : bool
        Treat a network that cannot be read as missing.

    Returns
    -------
    engine : Engine
        With the network; a ``DraftEngine`` where there is none and it can be made here.

    Raises
    ------
    QuantizedNetworkError
        If the cache's network is gone or damaged, or the network given is for another backbone.
    RecipeMismatch
        If the network given is not the cache's.
    ExtraMissing
        If a network has to be made, and what makes it is not installed.
    """
    if not asked.recipe.is_draft:
        return asked
    network = _find_network(folder, asked.recipe, given, overwrite)
    if network is None:
        check_int8_installed()
        return DraftEngine(asked.recipe, asked.weights_file)
    return _completed(asked, network)


def given_engine(asked: Engine, given: Path | None) -> Engine:
    """Complete an engine by the int8 network of a cache or a model; any other is complete as it is.

    Raises
    ------
    RecipeError
        If it needs a network and none is given.
    QuantizedNetworkError
        As for ``network_given``.
    """
    if not asked.recipe.is_draft:
        return asked
    if given is None:
        raise RecipeError(
            "calibration must be a cache or model whose int8 network is to be used: a transformer learns nothing, so it "
            "cannot make one. Received: None."
        )
    return _completed(asked, network_given(given, asked.recipe))


def _completed(draft: Engine, network: QuantizedNetwork) -> Engine:
    return Engine(dataclasses.replace(draft.recipe, quantized=network.identity), draft.weights_file, network)


def _find_network(folder: Path, draft: Recipe, given: Path | None, overwrite: bool) -> QuantizedNetwork | None:
    present = read_recipe(folder)
    in_force = present if present is not None and dataclasses.replace(present, quantized="") == draft else None
    path = network_path(folder, in_force or draft)
    if in_force and not path.exists() and given is None and not overwrite:
        raise QuantizedNetworkError(f"{path}: is gone, and with it the int8 network of these features. {RESTORE}")
    try:
        made = QuantizedNetwork.read(path) if in_force and path.exists() else None
        network = made if in_force else _made_for(folder, draft)
    except QuantizedNetworkError:
        if given is None and not overwrite:
            raise
        network = None
    chosen = network_given(given, draft) if given else None
    if network is None or (overwrite and chosen):
        return chosen
    if chosen and chosen.identity != network.identity:
        raise RecipeMismatch(
            f"{folder}: holds features made with quantized={network.identity!r}, but {given} has {chosen.identity!r}. "
            "Give another --cache, or --overwrite to extract again."
        )
    return network


def network_given(path: Path, draft: Recipe) -> QuantizedNetwork:
    """Return the quantized network of a cache's folder or of a model file.

    Raises
    ------
    QuantizedNetworkError
        If there is none, or it is for another backbone than the draft's.
    """
    if path.is_dir():
        store = open_cache(path)
        recipe, network = store.recipe, network_of_cache(store)
    else:
        model = load_model(path)
        recipe, network = model.recipe, model.quantized
    if network is None:
        raise QuantizedNetworkError(
            f"{path}: was made in {recipe.precision} and has no int8 network. Give another --int8-from."
        )
    for name in _OF_THE_NETWORK:
        held, asked = getattr(recipe, name), getattr(draft, name)
        if held != asked:
            raise QuantizedNetworkError(
                f"{path}: its int8 network has {name}={held!r}, but {name}={asked!r} was asked for. "
                "Give another --int8-from, or none."
            )
    return network


def network_of_cache(store: FeatureCache) -> QuantizedNetwork | None:
    """Return the network that a cache's features were made with; None unless they are int8.

    Raises
    ------
    QuantizedNetworkError
        If it is gone or damaged.
    """
    if store.recipe.precision != "int8":
        return None
    path = network_path(store.folder, store.recipe)
    network = QuantizedNetwork.read(path)
    if network.identity != store.recipe.quantized:
        raise QuantizedNetworkError(f"{path}: is {network.identity}, but {store.recipe.quantized} was wanted. {RESTORE}")
    return network


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process make a cache's network, and others wait for it; on a file system without locks each makes its own."""
    with contextlib.ExitStack() as stack:
        with writing_named(folder):
            make_folder(folder / QUANTIZED)
            with contextlib.suppress(CacheWriteError):
                stack.enter_context(locked(folder / QUANTIZED / ".lock", wait=True))
        yield


def drop_other_networks(folder: Path, recipe: Recipe) -> None:
    """Delete the networks of recipes that ``--overwrite`` has replaced; call it only while holding the cache's lock.

    And what a killed process has left unfinished there, unless another process is making a network.
    """
    kept = network_path(folder, recipe)
    if any((folder / QUANTIZED).glob(f"{TEMPORARY_PREFIX}*")):
        with contextlib.suppress(CacheLocked, CacheWriteError, OSError), locked(folder / QUANTIZED / ".lock"):
            sweep_temporaries(folder / QUANTIZED)
    for path in (folder / QUANTIZED).glob("*.zip"):
        if path != kept and re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{16}\.zip", path.name):
            delete(path)


def keep_network(folder: Path, recipe: Recipe, network: QuantizedNetwork | None) -> None:
    """Put a network, where there is one, into a cache's folder, if it is not there.

    Raises
    ------
    CacheWriteError
        If the disk refuses.
    """
    if network is None:
        return
    path = network_path(folder, recipe)
    with writing_to(path, "Make room and run again.", CacheWriteError):
        if not _holds(path, network):
            network.write(path)


def _holds(path: Path, network: QuantizedNetwork) -> bool:
    try:
        return path.exists() and QuantizedNetwork.read(path).identity == network.identity
    except QuantizedNetworkError:
        return False


def refuse_int8(recipe: Recipe, what: str) -> None:
    """Refuse what is not made for int8 features.

    Raises
    ------
    CacheError
        If the recipe is int8.
    """
    if recipe.precision == "int8":
        raise CacheError(
            f"{what} starts from features in float32, and these are int8. Extract into another --cache without --precision."
        )
