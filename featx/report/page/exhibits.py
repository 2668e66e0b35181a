"""What a page shows beside figures: thumbnails of the images, and a map of their features."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featx.errors import DecoderError
from featx.images import Thumbnail, make_thumbnails
from featx.recipe import Recipe
from featx.report.page.strangest import strangest_first
from featx.system.progress import Progress
from featx.verbs.evaluate import Evaluation, FeatureMap, map_features
from featx.verbs.explain import CachedCells, cells_in_cache
from featx.verbs.predict import ColumnPredictions, Prediction

MOST_THUMBNAILS = 4000
"""At some 2.5 KB each, and a third more as text, a page of them stays below 15 MB."""


MOST_LISTED = 20_000
"""Images whose names a page of figures holds: 2 MB of them."""

MOST_MISTAKES, MOST_UNSURE = 24, 12
"""Images in the galleries of an evaluation's page."""

PREVIEW_SIDE = 320
"""The longer side of an image in these galleries [px]: some 13 KB each. The others are thumbnails."""


@dataclasses.dataclass(frozen=True)
class Exhibits:
    """Thumbnails of some images, and a map.

    Parameters
    ----------
    thumbnails : dict of int to bytes
        Position of an image to its WebP file.
    left_out : int
        Images for which none was made, because there are so many.
    tried : set of int
        Images for which a thumbnail was to be made.
    missing : dict of str to int
        Reason to number of images that could not be shown.
    map : FeatureMap or None
        The map of the features, where there is one.
    cells : CachedCells or None
        What the cells of the images in ``explained`` spoke for, where the cache tells it without a forward pass.
    explained : ndarray of shape (n_explained,), int64
        Positions of these images.
    listed : ndarray of shape (n_listed,), int64
        Positions, ascending, of the images that the page knows by name: of very many, those on the map and the most useful.
    previews : dict of int to bytes
        As ``thumbnails``, larger, of the images in the galleries.
    """

    thumbnails: dict[int, bytes]
    left_out: int
    tried: set[int]
    missing: dict[str, int]
    map: FeatureMap | None = None
    cells: CachedCells | None = None
    explained: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    listed: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    previews: dict[int, bytes] = dataclasses.field(default_factory=dict)


def exhibits_of(evaluation: Evaluation, *, map: str = "auto", progress: Progress | None = None) -> Exhibits:  # noqa: A002
    """Gather what the page of an evaluation shows.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured. Its images are read again, where they still are.
    map : str
        ``auto``, ``pca``, ``tsne`` or ``none``.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    order = _most_useful_first(evaluation)
    shown = order[:MOST_THUMBNAILS]
    paths = [Path(evaluation.source) / evaluation.paths[place] for place in shown]
    digests = [evaluation.digests[place] for place in shown] if evaluation.digests else None
    exhibits = _thumbnails(paths, shown.tolist(), evaluation.model.recipe, digests, len(order), progress)
    mapped = None
    if evaluation.pooled is not None and len(evaluation.pooled):
        mapped = map_features(evaluation.pooled, evaluation.pooled_rows, map)
    listed = np.union1d(order[:MOST_LISTED], evaluation.pooled_rows)
    seen = np.array([place for place in shown if place in exhibits.thumbnails], np.int64)
    cells = None
    if evaluation.cache is not None:
        rows, probabilities = evaluation.rows[seen], evaluation.probabilities[seen]
        cells = cells_in_cache(evaluation.model, evaluation.cache, rows, probabilities)
    explained = seen[: len(cells.others)] if cells else seen[:0]
    previews = _previews(evaluation, exhibits)
    return dataclasses.replace(exhibits, map=mapped, listed=listed, cells=cells, explained=explained, previews=previews)


def _previews(evaluation: Evaluation, exhibits: Exhibits) -> dict[int, bytes]:
    """Return larger pictures of the images in the galleries, as far as they have a thumbnail."""
    galleries = np.concatenate([shown_mistakes(evaluation), shown_hits(evaluation), strangest_first(evaluation)])
    places = [place for place in dict.fromkeys(galleries.tolist()) if place in exhibits.thumbnails]
    paths = [Path(evaluation.source) / evaluation.paths[place] for place in places]
    digests = [evaluation.digests[place] for place in places] if evaluation.digests else None
    try:
        made = make_thumbnails(paths, evaluation.model.recipe, digests, side=PREVIEW_SIDE)
    except DecoderError:  # the thumbnails are there
        return {}
    return {place: preview.data for place, preview in zip(places, made, strict=True) if preview.data}


def leads_of(evaluation: Evaluation) -> NDArray[np.float64]:
    """Return by how much probability each image's most probable class leads the runner-up (n_images,)."""
    two = np.sort(np.partition(evaluation.probabilities, -2, axis=1)[:, -2:], axis=1)
    leads: NDArray[np.float64] = two[:, 1] - two[:, 0]
    return leads


def shown_mistakes(evaluation: Evaluation) -> NDArray[np.intp]:
    """Return the positions of the most confident mistakes, these first."""
    wrong = np.flatnonzero(evaluation.predicted != evaluation.y)
    return wrong[np.argsort(-evaluation.answered[wrong], kind="stable")][:MOST_MISTAKES]


def shown_hits(evaluation: Evaluation) -> NDArray[np.intp]:
    """Return the positions of the hits that lead by least, these first."""
    right = np.flatnonzero(evaluation.predicted == evaluation.y)
    return right[np.argsort(leads_of(evaluation)[right], kind="stable")][:MOST_UNSURE]


def group_predictions(predictions: Sequence[Prediction], min_confidence: float) -> tuple[dict[str, list[int]], list[int]]:
    """Return positions by predicted class, and those of less confidence, each the most confident first.

    Classes come by how many images they have; rejected images are in neither.
    """
    by_class: dict[str, list[int]] = {}
    unsure = []
    confidence = [prediction.confidence or 0.0 for prediction in predictions]
    for place in sorted(range(len(predictions)), key=lambda place: -confidence[place]):
        if predictions[place].error:
            continue
        if confidence[place] < min_confidence:
            unsure.append(place)
        else:
            by_class.setdefault(predictions[place].label, []).append(place)
    return dict(sorted(by_class.items(), key=lambda group: -len(group[1]))), unsure


def exhibits_of_predictions(
    groups: Sequence[list[int]],
    predictions: Sequence[Prediction] | ColumnPredictions,
    recipe: Recipe,
    *,
    progress: Progress | None = None,
) -> Exhibits:
    """Gather the thumbnails of predicted images; of many, the first of each group.

    Parameters
    ----------
    groups : sequence of list of int
        Positions among ``predictions``, in the order that the page shows them in.
    predictions : sequence of Prediction, or ColumnPredictions
        What was predicted.
    recipe : Recipe
        The model's.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    ranked = sorted((rank, place) for group in groups for rank, place in enumerate(group))
    places = list(dict.fromkeys(place for _, place in ranked))[:MOST_THUMBNAILS]
    paths = [Path(predictions[place].path) for place in places]
    return _thumbnails(paths, places, recipe, None, len(ranked), progress)


def _thumbnails(
    paths: list[Path], places: list[int], recipe: Recipe, digests: list[bytes] | None, total: int, progress: Progress | None
) -> Exhibits:
    step = (lambda done: progress("thumbnails", done, len(paths))) if progress else None
    try:
        made = make_thumbnails(paths, recipe, digests, progress=step)
    except DecoderError as error:  # the figures are to be read all the same
        made = [Thumbnail(b"", str(error).rstrip("."))] * len(paths)
    return Exhibits(
        thumbnails={place: thumbnail.data for place, thumbnail in zip(places, made, strict=True) if thumbnail.data},
        left_out=total - len(places),
        tried=set(places),
        missing=dict(Counter(thumbnail.reason for thumbnail in made if thumbnail.reason).most_common()),
    )


def _most_useful_first(evaluation: Evaluation) -> NDArray[np.int64]:
    """Order the images by what a reader learns from seeing them: the strangest, mistakes, hits that were nearly mistakes."""
    predicted = evaluation.predicted
    confidence = evaluation.answered
    right = predicted == evaluation.y
    others = np.ones(len(right), np.bool_)
    others[strangest_first(evaluation)] = False
    return np.lexsort((np.where(right, leads_of(evaluation), -confidence), right, others))
