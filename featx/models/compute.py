"""The only way of image files through decode and backbone.

    files ──decode──▶ pixels ──contents compared──▶ backbone ──▶ (batch, maps)

Every verb that needs features of files, or only their pixels, takes it, with one rule for progress, for the limit of an
image's size, for files that changed since a cache listed them, and for the start of the backbone.
"""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.backbones import Backbone, QuantizedNetwork, check_device, check_engine, load_backbone
from featx.images import Batch, Views, load_batches
from featx.models.listed import ListedFiles
from featx.models.settings import Compute
from featx.recipe import Recipe
from featx.system.progress import Progress

Maps = dict[str, NDArray[np.float32]]
"""Each layer's output (n_images, h, w, n_channels)."""


@dataclasses.dataclass(frozen=True)
class Engine:
    """What a backbone is loaded from.

    Parameters
    ----------
    recipe : Recipe
        How features are made.
    weights_file : Path or None
        Of the backbone, where its weights are neither bundled nor random.
    quantized : QuantizedNetwork or None
        For int8: the network that the recipe names.
    """

    recipe: Recipe
    weights_file: Path | None = None
    quantized: QuantizedNetwork | None = None

    def load(self, batch_size: int, device: str | None = None, engine: str = "keras") -> Backbone:
        """Build the backbone; parameters and errors as for ``load_backbone``."""
        return load_backbone(self.recipe, self.weights_file, batch_size, device=device, quantized=self.quantized, engine=engine)

    def completed(self, images: NDArray[np.uint8], progress: Progress | None = None) -> "Engine":
        """Return this engine, ready to be loaded: there is nothing to be made from images first."""
        return self

    def completed_in(
        self, folder: Path, overwrite: bool, choose: Callable[[], NDArray[np.uint8]], progress: Progress | None = None
    ) -> "Engine":
        """Return this engine, ready to be loaded: there is nothing to be made from images and kept in a cache first."""
        return self


def decode_files(
    files: Sequence[Path],
    recipe: Recipe,
    compute: Compute,
    views: Views | None = None,
    *,
    known: bool = False,
    stage: str = "decode",
    progress: Progress | None = None,
) -> Generator[Batch, None, None]:
    """Decode files in the order given, ahead of the consumer.

    Parameters
    ----------
    files : sequence of Path, or ListedFiles
        Files to decode; or contents that a cache lists; a file with another content is rejected.
    recipe : Recipe
        How to decode them.
    compute : Compute
        Images in a batch, decoding processes, and the limit.
    views : Views or None
        Which view of each; by default the clean image.
    known : bool
        Whether these contents have been decoded before, as ``ListedFiles`` have: then the limit is a far larger one.
    stage : str
        Name of this work in ``progress``.
    progress : callable or None
        Called as (stage, newly done, total): at the start, and once a batch has been dealt with.

    Raises
    ------
    RecipeError, DecoderError
        As for ``load_batches``.

    Yields
    ------
    batch : Batch
        Every position stands in exactly one batch, decoded or rejected.
    """
    if progress and len(files):
        progress(stage, 0, len(files))
    way = (recipe, compute, views)
    for batch in _listed_batches(files, *way) if isinstance(files, ListedFiles) else _batches(files, *way, known):
        yield batch
        if progress:
            progress(stage, len(batch.positions) + len(batch.rejected), len(files))


def _batches(files: Sequence[Path], recipe: Recipe, compute: Compute, views: Views | None, known: bool) -> Iterator[Batch]:
    size = compute.images_a_batch(recipe)
    return load_batches(files, recipe, size, compute.workers, compute.max_pixels, views, known)


def _listed_batches(files: ListedFiles, recipe: Recipe, compute: Compute, views: Views | None) -> Iterator[Batch]:
    rejected: dict[int, str] = {}
    for batch in map(files.compared, _batches(files, recipe, compute, views, known=False)):
        rejected |= batch.rejected
        yield dataclasses.replace(batch, rejected={})
    if not rejected:
        return
    # Once more, from files that have been found to hold the listed content: its limit was another.
    twins = files.standing_in(sorted(rejected))
    again = list(twins)
    numbers = views and dataclasses.replace(views, numbers=[views.numbers[position] for position in again])
    for batch in _batches(list(twins.values()), recipe, compute, numbers, known=True):
        placed = dataclasses.replace(
            batch,
            positions=[again[place] for place in batch.positions],
            rejected={again[place]: reason for place, reason in batch.rejected.items()},
        )
        yield files.compared(placed)
    lost = {position: reason for position, reason in rejected.items() if position not in twins}
    if lost:
        yield Batch([], np.empty((0, *recipe.image_size, 3), np.uint8), [], lost)


class Extractor:
    """Takes image files through decode and backbone.

    A device that there cannot be is refused at once. The backbone is loaded with the first batch that needs it: files that
    are no images need no Keras.

    Parameters
    ----------
    engine : Engine
        What the backbone is loaded from.
    compute : Compute
        How it computes.
    most_images : int or None
        How many images there will be, if that is known and none of them goes into a cache, where a feature must not depend on
        its company: one image must not cost a forward pass of a whole batch.
    load : callable
        Called as (engine, batch size, device, what computes); returns the backbone.

    Raises
    ------
    DeviceError
        If there cannot be such a device.
    BackboneError, ExtraMissing
        If what is to compute cannot, or is not installed.
    """

    def __init__(
        self,
        engine: Engine,
        compute: Compute,
        *,
        most_images: int | None = None,
        load: Callable[[Engine, int, str | None, str], Backbone] = Engine.load,
    ) -> None:
        check_device(compute.device, engine.recipe.precision)
        check_engine(compute.engine_for(engine.recipe), engine.recipe.precision, compute.device)
        self._engine = engine
        self._compute = compute.settled(engine.recipe, most_images)
        self._load = load
        self._backbone: Backbone | None = None

    @property
    def recipe(self) -> Recipe:
        """How features are made."""
        return self._engine.recipe

    @property
    def batch_size(self) -> int:
        """Images in a forward pass."""
        return self._compute.images_a_batch(self._engine.recipe)

    @property
    def device(self) -> str:
        """What the backbone ran on; empty if it did not run."""
        return self._backbone.device if self._backbone else ""

    @property
    def runtime(self) -> str:
        """What computed, such as ``keras`` or ``winograd``; empty if it did not run."""
        return self._backbone.engine if self._backbone else ""

    @property
    def network(self) -> dict[str, Any]:
        """What a cache records of the backbone; empty if it did not run."""
        return self._backbone.network | {"weights_file": str(self._engine.weights_file or "")} if self._backbone else {}

    def __call__(
        self,
        files: Sequence[Path],
        views: Views | None = None,
        *,
        known: bool = False,
        stage: str = "extract",
        progress: Progress | None = None,
    ) -> Iterator[tuple[Batch, Maps]]:
        """Yield each batch of pixels with the maps that the backbone gives; parameters as for ``decode_files``.

        Parameters
        ----------
        known : bool
            Whether these contents have been decoded before: then the limit is a far larger one.

        Yields
        ------
        batch : Batch
            Every position stands in exactly one batch.
        maps : dict of str to ndarray
            Of the decoded images of the batch; empty where there are none.
        """
        for batch in self.decode(files, views, known=known, stage=stage, progress=progress):
            yield batch, self.maps(batch)

    def decode(
        self,
        files: Sequence[Path],
        views: Views | None = None,
        *,
        known: bool = False,
        stage: str = "decode",
        progress: Progress | None = None,
        size: int | None = None,
    ) -> Generator[Batch, None, None]:
        """Decode alone, in batches of the backbone's size, or of at most so many images."""
        compute = self._compute.settled(self._engine.recipe, size)
        return decode_files(files, self._engine.recipe, compute, views, known=known, stage=stage, progress=progress)

    def maps(self, batch: Batch) -> Maps:
        """Run the backbone over the decoded images of a batch, if there are any."""
        return self.maps_of(batch.images) if batch.positions else {}

    def maps_of(self, images: NDArray[np.uint8], size: int | None = None) -> Maps:
        """Run the backbone over images (n_images, height, width, 3); ``size`` is how many it takes a pass from here on."""
        if self._backbone is None:
            compute = self._compute
            self._backbone = self._load(self._engine, size or self.batch_size, compute.device, compute.engine_for(self.recipe))
        elif size is not None:
            self._backbone.take(size)
        return self._backbone(images)
