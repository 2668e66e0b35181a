"""An audit as a page: the findings, with the images side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from featx.images import THUMBNAIL_TYPE, make_thumbnails
from featx.report.page.beside import address_in, address_of
from featx.report.page.render import data_uri, isolated, plain, render_page
from featx.report.text.odds import odds_text
from featx.store import FeatureCache
from featx.system.counts import number_of, plural_of
from featx.system.progress import Progress
from featx.verbs.audit import Audit, DuplicateGroup, ListedImage

# A thumbnail takes some 2.5 KB: the page stays below a few MB.
_MOST_GROUPS = 200
_MOST_OF_A_GROUP = 6
_MOST_IMAGES = 300

MANY_CLASSES = 20
"""From so many on a filter finds them in the tables."""


def audit_page(audit: Audit, page: Path, files: Sequence[str] = (), *, progress: Progress | None = None) -> str:
    """Return the page; files that are gone or were changed are shown without a picture.

    Parameters
    ----------
    audit : Audit
        The findings.
    page : Path
        Where it will lie: images are linked as seen from there.
    files : sequence of str
        Names of the files beside it that it links to.
    progress : callable or None
        Called as (stage, newly done, total).
    """
    sources = _thumbnails(audit, progress)
    base = address_of(audit.source, page) if audit.source else ""

    def show(image: ListedImage, caption: str) -> dict[str, str]:
        return {
            "source": sources.get(image.path, ""),
            "caption": plain(f"{caption}\n{image.path}"),
            "alt": plain(f"{image.label}, {image.split}"),
            "file": address_in(base, image.path),
        }

    labels = [
        show(one.image, f"{_name(one.image)} → {isolated(one.suggested)}? {odds_text(one.odds)} : 1\n{one.image.split}")
        for one in audit.label_errors[:_MOST_IMAGES]
    ]
    outliers = [
        show(outlier.image, f"{_name(outlier.image)}, {outlier.image.split}\n{outlier.distance:.2f}")
        for outlier in audit.outliers[:_MOST_IMAGES]
    ]
    quality = [
        show(one.image, f"{one.problem}: {one.measure} {one.value:.4g}\n{_name(one.image)}, {one.image.split}")
        for one in audit.quality[:_MOST_IMAGES]
    ]
    groups = [_group(group, show) for group in audit.duplicates[:_MOST_GROUPS]]
    return render_page(
        "audit.html",
        name=plain(audit.cache.name),
        audit=audit,
        nouns=plural_of(audit.task.noun),
        opens_files=bool(base),
        files=files,
        many=audit.classes >= MANY_CLASSES,
        lead=f"What was found in {number_of(audit.images, 'image')} {'of' if audit.task.has_classes else 'with'} "
        f"{number_of(audit.classes, audit.task.noun)} in",
        figures=_figures(audit),
        groups=groups,
        more_groups=len(audit.duplicates) - len(groups),
        sections=[
            ("labels", "Labels likely to be wrong", labels, len(audit.label_errors), _ABOUT_LABELS, _no_labels(audit)),
            ("outliers", "Outliers", outliers, len(audit.outliers), _ABOUT_OUTLIERS, "None."),
            ("quality", "Bad pictures", quality, len(audit.quality), _ABOUT_QUALITY, _no_quality(audit)),
        ],
    )


_ABOUT_LABELS = (
    "A ridge regression that was fitted on all other images finds another class at least ten times as likely as the label. "
    "Some of these are only hard to tell: look before you change a label."
)
_ABOUT_OUTLIERS = "Farther from the middle of every class than the farthest would lie by chance, which is 1."
_ABOUT_QUALITY = "Measured on a grey copy of what the backbone sees; blurred and tiny as compared with what is usual here."


def _name(image: ListedImage) -> str:
    return isolated(image.label)


def _no_labels(audit: Audit) -> str:
    if audit.judged:
        return "None."
    return "Not judged: there are no different images of two classes." if audit.task.has_classes else "Not judged: numbers."


def _no_quality(audit: Audit) -> str:
    if not audit.measured:
        return "Not looked for: no picture was measured."
    # What most pictures are is a note, and no picture of them is listed.
    return "None beside what stands above." if audit.notes else "None."


def _figures(audit: Audit) -> list[dict[str, str]]:
    across = sum(group.across_splits for group in audit.duplicates)
    conflicting = sum(group.conflicting_labels for group in audit.duplicates)
    rows = [
        ("Images", audit.images, number_of(audit.classes, audit.task.noun)),
        ("Duplicate groups", len(audit.duplicates), f"{sum(group.exact for group in audit.duplicates):,} exact"),
        ("Across splits", across, f"{'it flatters' if across == 1 else 'they flatter'} the accuracy" if across else ""),
        ("Conflicting labels", conflicting, "one picture, several classes" if conflicting else ""),
        ("Doubtful labels", len(audit.label_errors), "" if audit.judged else "not judged"),
        ("Outliers", len(audit.outliers), ""),
        ("Bad pictures", len(audit.quality), "" if audit.measured else "none was measured"),
    ]
    return [{"label": label, "value": f"{value:,}", "note": note} for label, value, note in rows]


def _group(group: DuplicateGroup, show: Any) -> dict[str, Any]:
    images = [show(image, f"{_name(image)}, {image.split}") for image in group.images[:_MOST_OF_A_GROUP]]
    return {
        "images": images,
        "more": len(group.images) - len(images),
        "kind": "same content" if group.exact else f"pictures agree to {group.agreement:.4f}",
        "across": group.across_splits,
        "conflict": group.conflicting_labels,
    }


def _thumbnails(audit: Audit, progress: Progress | None) -> dict[str, str]:
    """Return the source of each image that the page shows, by path; files that give no picture any more are left out."""
    store = FeatureCache.open(audit.cache)
    catalog = store.catalog
    row_of = {catalog.paths[row]: row for row in catalog.rows().tolist()}
    shown = [path for path in dict.fromkeys(_shown(audit)) if path in row_of]
    if progress and shown:
        progress("thumbnails", 0, len(shown))
    made = make_thumbnails(
        [Path(catalog.source) / path for path in shown],
        store.recipe,
        [catalog.digests[row_of[path]].tobytes() for path in shown],
        progress=(lambda done: progress("thumbnails", done, len(shown))) if progress else None,
    )
    return {
        path: data_uri(thumbnail.data, THUMBNAIL_TYPE) for path, thumbnail in zip(shown, made, strict=True) if thumbnail.data
    }


def _shown(audit: Audit) -> Iterator[str]:
    for group in audit.duplicates[:_MOST_GROUPS]:
        yield from (image.path for image in group.images[:_MOST_OF_A_GROUP])
    for entries in (audit.label_errors, audit.outliers, audit.quality):
        yield from (entry.image.path for entry in entries[:_MOST_IMAGES])
