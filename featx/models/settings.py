"""How features are computed: nothing here changes what they are."""

import dataclasses

from featx.backbones import check_engine_name, choose_batch_size, engine_asked
from featx.errors import BackboneError, DeviceError, RecipeError
from featx.images import MAX_PIXELS
from featx.recipe import Recipe
from featx.system.kinds import check_kind, is_whole, shown


@dataclasses.dataclass(frozen=True)
class Compute:
    """How features are computed; nothing here changes what they are.

    Parameters
    ----------
    batch_size : int or None
        Images in a forward pass; by default as many as memory allows, up to 32, or 128 where there may be a GPU.
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    device : str or None
        ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    engine : str or None
        What computes float32 features: ``keras``, ``winograd``, or ``auto`` for the faster; by default what ``FEATX_ENGINE``
        says, or ``auto``. That variable counts where it can: int8 features are computed in int8, and networks from files by
        what runs them, whatever it says.

    Raises
    ------
    RecipeError
        If a number is no whole number from 1.
    BackboneError
        If there is no such engine.
    DeviceError
        If ``device`` is no text; whether there is such a device is told by ``Extractor``.
    """

    batch_size: int | None = None
    workers: int | None = None
    max_pixels: int = MAX_PIXELS
    device: str | None = None
    engine: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no number or device can be, and make plain numbers of NumPy's."""
        for name in ("batch_size", "workers", "max_pixels"):
            value, optional = getattr(self, name), name != "max_pixels"
            if value is None and optional:
                continue
            if not is_whole(value) or value < 1:
                wanted = "a whole number from 1, or None" if optional else "a whole number from 1"
                raise RecipeError(f"{name} must be {wanted}. Received: {shown(value)}.")
            object.__setattr__(self, name, int(value))
        check_kind("device", self.device, (str, type(None)), "a text such as cpu or gpu:1, or None", DeviceError)
        check_kind("engine", self.engine, (str, type(None)), "a text such as winograd, or None", BackboneError)
        check_engine_name(self.engine)

    def engine_for(self, recipe: Recipe) -> str:
        """Return the engine that was asked for; ``auto`` where none was."""
        return engine_asked(self.engine, recipe.precision, self.device, recipe.backbone)

    def images_a_batch(self, recipe: Recipe) -> int:
        """Return the number of images in a forward pass."""
        return self.batch_size or choose_batch_size(recipe, self.device)

    def settled(self, recipe: Recipe, most_images: int | None = None) -> "Compute":
        """Return the same with the number of images in a forward pass chosen, and at most so many."""
        size = self.images_a_batch(recipe)
        return dataclasses.replace(self, batch_size=size if most_images is None else max(1, min(size, most_images)))
