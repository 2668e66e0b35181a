"""Where the weights of a backbone are, and the digest by which a recipe names them."""

import hashlib
import os
from pathlib import Path

from featx.backbones.published import PUBLISHED
from featx.backbones.table import BackboneSpec, backbone_spec
from featx.errors import WeightsError
from featx.recipe import Recipe
from featx.system.addresses import address_of
from featx.system.fetched import not_fetched
from featx.system.files import file_digest, reading_from
from featx.system.nearest import nearest_path
from featx.system.quiet import quiet_loading

_MD5_DIGITS = 32


def resolve_weights(spec: BackboneSpec, weights: str, layers: tuple[str, ...] = ()) -> tuple[str, Path | None]:
    """Turn ``--weights`` into an identity and a file.

    Parameters
    ----------
    spec : BackboneSpec
        The backbone.
    weights : str
        ``imagenet``, ``random`` (seed 0), ``random:SEED``, or a weights file.
    layers : tuple of str
        Layers to be kept: those of the network's top are in another file.

    Returns
    -------
    digest : str
        ``sha256:…`` of the file, ``random:SEED``, or ``none`` for a backbone without weights.
    path : Path or None
        The file, where there is one.

    Raises
    ------
    WeightsError
        If the file does not exist, cannot be read, cannot be downloaded, or has Keras' name and not its content.
    """
    if spec.is_stub:
        return "none", None
    if weights == "random" or weights.startswith("random:"):
        seed = weights.removeprefix("random").removeprefix(":") or "0"
        _check_random(f"random:{seed}")
        return f"random:{int(seed)}", None
    with_top = spec.needs_top(layers)
    if weights == "imagenet" and spec.bundled and not with_top:
        return f"sha256:{spec.bundled_digest}", spec.bundled
    path = _imagenet_file(spec, with_top) if weights == "imagenet" else Path(weights)
    refuse_what_is_not_here(path)
    try:
        return f"sha256:{file_digest(path).hex()}", path.resolve()
    except OSError as error:
        near = nearest_path(path, Path.is_file, map(Path, ("imagenet", "random")))
        meant = f" Did you mean {near}?" if near else ""
        raise WeightsError(
            f"{path}: cannot be read as weights: {error.strerror}. Give --weights imagenet, random or a weights file.{meant}"
        ) from None


def refuse_what_is_not_here(path: Path) -> None:
    """Refuse an address, a pointer of Git LFS and an empty file.

    Raises
    ------
    WeightsError
        With what to do.
    """
    if said := not_fetched(path, or_empty=True):
        raise WeightsError(said, wrong_value=bool(address_of(path)))


def _imagenet_file(spec: BackboneSpec, with_top: bool) -> Path:
    """Return the file that Keras downloads, downloading it where it is not there yet."""
    name = spec.top_weights_file if with_top else spec.weights_file
    path = keras_models_folder() / name
    if not path.is_file():
        with quiet_loading():
            from featx.backbones.network import download_weights  # here, not above: this loads Keras

        download_weights(spec, with_top, path)
    _check_published(path)
    return path


def _check_published(path: Path) -> None:
    """Refuse a file that is called like one of Keras' and is another: its features would pass for ImageNet's.

    Raises
    ------
    WeightsError
        If its digest is not the one that Keras publishes. Where Keras publishes none, nothing is compared.
    """
    published = PUBLISHED.get(path.name)
    if published is None:
        return
    kind = "md5" if len(published) == _MD5_DIGITS else "sha256"
    with (
        reading_from(path, "Make it readable, or give another file with --weights FILE.", WeightsError),
        path.open("rb") as file,
    ):
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    if found != published:
        raise WeightsError(
            f"{path}: is not the file of ImageNet weights that Keras publishes under this name: its {kind.upper()} is {found}, "
            f"not {published}. Move it away, and it is downloaded again; or, if these are the weights you mean, "
            f"give --weights {path}."
        )


def keras_models_folder() -> Path:
    """Return the folder that Keras keeps downloaded weights in, without loading Keras: see ``keras.config.keras_home``."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]) / "models"
    home = Path("~").expanduser()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras" / "models"


def find_weights(recipe: Recipe, weights_file: Path | None) -> Path | None:
    """Return the file whose digest the recipe names; None for random weights.

    Raises
    ------
    WeightsError
        If no such file is at hand.
    """
    spec = backbone_spec(recipe.backbone)
    if spec.is_stub:
        return None
    if recipe.weights.startswith("random:"):
        _check_random(recipe.weights)
        return None
    if spec.bundled and recipe.weights == f"sha256:{spec.bundled_digest}":
        weights_file = spec.bundled
    elif weights_file is None and spec.of_keras:
        weights_file = keras_models_folder() / (spec.top_weights_file if spec.needs_top(recipe.layers) else spec.weights_file)
    path = weights_file
    if path is None or not path.is_file():
        looked = f" (looked for {path})" if path else ""
        raise WeightsError(
            f"{spec.name}: the weights {recipe.weights} are not at hand{looked}. "
            "Give --weights FILE, the file that the features were extracted with."
        )
    refuse_what_is_not_here(path)
    if spec.from_file:
        from featx.backbones.imported.found import network_digest  # here, not above: it stands on the kinds of files

        found = network_digest(path)
    else:
        found = f"sha256:{file_digest(path).hex()}"
    if found != recipe.weights:
        raise WeightsError(
            f"{path}: has digest {found}, but {recipe.weights} was wanted. "
            f"The file is damaged or another one: {'' if spec.from_file else 'reinstall featx, or '}give --weights FILE."
        )
    return path


def weights_by_name(recipe: Recipe, name: str) -> Path | None:
    """Return the file that ``imagenet`` or ``random:SEED`` means for features that were made already; None where there is none.

    Raises
    ------
    WeightsError
        If the features were made with other weights.
    """
    spec = backbone_spec(recipe.backbone)
    if spec.is_stub:
        return None
    if name == "imagenet" and not recipe.weights.startswith("random:"):
        return resolve_weights(spec, name, recipe.layers)[1]
    wanted = name if name == "imagenet" else resolve_weights(spec, name)[0]
    if wanted != recipe.weights:
        raise WeightsError(
            f"--weights {name}: the features were made with {recipe.weights}. Leave --weights out, or give these.",
            wrong_value=True,
        )
    return None


def is_name_of_weights(given: object) -> bool:
    """Return whether what was given for weights is a word, and no file: ``imagenet``, ``random`` or ``random:SEED``."""
    return str(given) in ("imagenet", "random") or str(given).startswith("random:")


def _check_random(weights: str) -> None:
    seed = weights.removeprefix("random:")
    if not (seed.isdecimal() and len(seed) < 16):
        raise WeightsError(f"{weights}: random weights need a whole number as seed, such as random:0.", wrong_value=True)
