"""The galleries of an evaluation's page: its surest mistakes, its narrowest hits, its strangest images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.images import THUMBNAIL_TYPE
from featx.report.page.beside import address_in
from featx.report.page.exhibits import MOST_MISTAKES, Exhibits, leads_of, shown_hits, shown_mistakes
from featx.report.page.render import data_uri, isolated
from featx.report.page.strangest import strangest_gallery
from featx.report.text.shares import range_text, share_text
from featx.verbs.evaluate import Evaluation

NARROW = 0.1
"""A class that leads the runner-up by less than this much probability is right, but only just."""


def galleries(evaluation: Evaluation, exhibits: Exhibits, images: str) -> list[dict[str, Any]]:
    """Return the galleries that have images.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    exhibits : Exhibits
        Its pictures, as many as could be made.
    images : str
        Address of the folder that the images are listed in, as seen from the page; empty where it is not to be given.
    """
    names = evaluation.model.class_names
    predicted = evaluation.predicted
    confidence = evaluation.answered

    def show(place: int) -> dict[str, Any]:
        true, answer = names[evaluation.y[place]], names[predicted[place]]
        data = exhibits.previews.get(place) or exhibits.thumbnails.get(place)
        sure = f"{isolated(answer)} {share_text(confidence[place])}"
        caption = sure if true == answer else f"{sure}, is {isolated(true)}"
        return {
            "source": data_uri(data, THUMBNAIL_TYPE) if data else "",
            "caption": f"{caption}\n{evaluation.paths[place]}",
            "alt": f"{true}, predicted {answer}",
            "file": address_in(images, evaluation.paths[place]),
            **({"place": int(np.searchsorted(exhibits.listed, place))} if place in exhibits.listed else {}),
        }

    mistakes, hits = shown_mistakes(evaluation), shown_hits(evaluation)
    n_wrong = int((predicted != evaluation.y).sum())
    shown: list[dict[str, Any]] = [
        {
            "id": "mistakes",
            "title": "Mistakes" if n_wrong <= MOST_MISTAKES else "Most confident mistakes",
            "text": _about_mistakes(n_wrong, confidence[mistakes]),
            "images": [show(int(place)) for place in mistakes],
        },
        {
            "id": "unsure",
            "title": "Least sure hits",
            "text": _about_hits(leads_of(evaluation)[hits], len(evaluation.y) - n_wrong),
            "images": [show(int(place)) for place in hits],
        },
        *strangest_gallery(evaluation, show),
    ]
    return [gallery for gallery in shown if gallery["images"]]


def _about_mistakes(n_wrong: int, confidence: NDArray[np.float64]) -> str:
    if not n_wrong:
        return ""
    sure = range_text(confidence.min(), confidence.max())
    if n_wrong == 1:
        return f"The only one, with a confidence of {sure}. Look whether its label is right."
    which = f"All {n_wrong}" if n_wrong <= MOST_MISTAKES else f"The surest {MOST_MISTAKES} of {n_wrong:,}"
    return (
        f"{which}, the surest first, with confidences of {sure}. Look for wrong labels among the first, then for what the "
        "classes share."
    )


def _about_hits(leads: NDArray[np.float64], n_right: int) -> str:
    """Say how narrowly the least sure hits were right, by how far their class leads the runner-up."""
    if not len(leads):
        return ""
    narrow = int((leads < NARROW).sum())
    lead = f"the class leads the runner-up by a probability of {range_text(leads.min(), leads.max())}"
    other_way = "a slightly different picture might have gone the other way"
    if n_right == 1:
        return f"The only one, {'but only just' if narrow else 'and not narrowly'}: {lead}."
    if not narrow:
        return f"Right, and none of them narrowly: {lead}."
    if narrow == len(leads):
        return f"Right, but only just: {lead}, and {other_way}."
    return f"Right, the first {narrow if narrow > 1 else 'one'} only just: {lead}. Where that is below {NARROW:g}, {other_way}."
