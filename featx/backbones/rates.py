"""How many images per second each engine computes on this processor, and whether int8 pays here."""

from pathlib import Path
from typing import Any

from featx.backbones.engines import measure, measurement_key
from featx.backbones.int8_trial import Int8Trial, can_try_int8
from featx.backbones.load import load_backbone
from featx.backbones.winograd import is_winograd_installed
from featx.recipe import Recipe
from featx.system.kept import keep_measured, measured_before
from featx.system.processor import has_int8_products


def measure_engines(recipe: Recipe) -> dict[str, float]:
    """Measure what can compute a recipe's network on this processor.

    Parameters
    ----------
    recipe : Recipe
        Of a network with bundled weights.

    Returns
    -------
    rates : dict of str to float
        Images per second of ``keras`` and ``winograd`` in float32, and of ``int8``: each that is installed.

    Raises
    ------
    BackboneError, WeightsError
        If one of them cannot run it.
    """
    engines: dict[str, Any] = {"keras": load_backbone(recipe, device="cpu")}
    if is_winograd_installed():
        engines["winograd"] = load_backbone(recipe, engine="winograd")
    if can_try_int8(recipe):
        engines["int8"] = Int8Trial(recipe)
    return measure(recipe, engines)[0]


def int8_rates(recipe: Recipe, weights_file: Path | None) -> tuple[float, float] | None:
    """Return the images per second of the forward pass here in float32 and in int8; measured once, and kept.

    None where that is not known: without instructions for int8 products, without OpenVINO, and for backbones of which only the
    real int8 network would tell.

    Raises
    ------
    BackboneError, WeightsError
        If one of them cannot run.
    """
    if not has_int8_products() or not can_try_int8(recipe):
        return None
    key = f"{measurement_key(recipe)}, int8"
    measured = measured_before(key)
    if measured is None or not all(measured.get(name) for name in ("float32", "int8")):
        float32 = load_backbone(recipe, weights_file, engine="auto", device="cpu")
        measured, _ = measure(recipe, {"float32": float32, "int8": Int8Trial(recipe)})
        keep_measured(key, measured)
    return measured["float32"], measured["int8"]
