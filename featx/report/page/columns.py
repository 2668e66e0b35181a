"""The page of an evaluation of several labels, or of numbers: a single file with all its figures and pictures."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from featx.errors import DecoderError
from featx.images import THUMBNAIL_TYPE, Thumbnail, make_thumbnails
from featx.report.page.beside import address_in, address_of
from featx.report.page.exhibits import PREVIEW_SIDE
from featx.report.page.labels import label_mistakes, labels_part
from featx.report.page.numbers import numbers_part, worst_residuals
from featx.report.page.render import data_uri, render_page
from featx.report.page.sections import about_section, rejected_section, training_section
from featx.report.text.columns import headline
from featx.system.counts import number_of
from featx.system.progress import Progress
from featx.verbs.evaluate import LabelsEvaluation, NumbersEvaluation


def column_page(
    evaluation: LabelsEvaluation | NumbersEvaluation,
    page: Path,
    files: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    evaluation : LabelsEvaluation or NumbersEvaluation
        What was measured. Some of its images are read again, where they still are.
    page : Path
        Where it will lie: images and files are linked as seen from there.
    files : sequence of str
        Names of the files beside it that it links to.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    images = address_of(evaluation.source, page) if evaluation.source else ""
    labels = isinstance(evaluation, LabelsEvaluation)
    shown = label_mistakes(evaluation) if isinstance(evaluation, LabelsEvaluation) else worst_residuals(evaluation)
    places = list(dict.fromkeys(place for place, _ in shown))
    previews, missing = _previews(evaluation, places, progress)
    part = labels_part(evaluation) if isinstance(evaluation, LabelsEvaluation) else numbers_part(evaluation)
    gallery = [
        {
            "source": data_uri(previews[place], THUMBNAIL_TYPE) if place in previews else "",
            "caption": f"{caption}\n{evaluation.paths[place]}",
            "alt": caption,
            "file": address_in(images, evaluation.paths[place]),
        }
        for place, caption in shown
    ]
    training = training_section(evaluation)
    return render_page(
        "labels.html" if labels else "numbers.html",
        opens_files=bool(images),
        name=evaluation.model_path.stem,
        split=evaluation.split,
        headline=headline(evaluation),
        lead=_lead(evaluation),
        warnings=[_sentence(text) for text in evaluation.notes + evaluation.cautions],
        contents=[
            *part.pop("contents"),
            *([("gallery", "Images")] if gallery else []),
            *([("training", "Training")] if training else []),
            ("about", "What was measured"),
        ],
        gallery=gallery,
        missing=missing,
        training=training,
        about=about_section(evaluation),
        files=files,
        rejected=rejected_section(evaluation),
        **part,
    )


def _lead(evaluation: LabelsEvaluation | NumbersEvaluation) -> str:
    model, split = evaluation.model, {"all": "", "val": "validation ", "train": "training "}.get(evaluation.split, "test ")
    return (
        f"{'An' if model.head_name == 'svm' else 'A'} {model.head_name} head on {model.recipe.backbone} features, measured on "
        f"{number_of(len(evaluation.paths), split + 'image')}: {model.task.describe()}."
    )


def _previews(
    evaluation: LabelsEvaluation | NumbersEvaluation, places: Sequence[int], progress: Progress | None
) -> tuple[dict[int, bytes], str]:
    """Return pictures of some images, and what is to be said of those that could not be shown."""
    paths = [Path(evaluation.source) / evaluation.paths[place] for place in places]
    digests = [evaluation.digests[place] for place in places]
    step: Callable[[int], None] | None = (lambda done: progress("thumbnails", done, len(paths))) if progress else None
    try:
        made = make_thumbnails(paths, evaluation.model.recipe, digests, side=PREVIEW_SIDE, progress=step)
    except DecoderError as error:  # the figures are to be read all the same
        made = [Thumbnail(b"", str(error).rstrip("."))] * len(paths)
    reasons = Counter(one.reason for one in made if one.reason)
    said = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common(5))
    missing = f"{number_of(reasons.total(), 'image')} could not be shown: {said}." if reasons else ""
    return {place: one.data for place, one in zip(places, made, strict=True) if one.data}, missing


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
