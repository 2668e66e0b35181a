"""The findings of an audit, for a terminal."""

from collections.abc import Sequence

from featx.report.text.odds import odds_text
from featx.report.text.words import join_lines, number_of, plural_of
from featx.verbs.audit import Audit, DuplicateGroup, ListedImage

_SHOWN = 10


def audit_text(audit: Audit) -> str:
    """Report the findings of an audit: counts, and the first of each kind."""
    across = sum(group.across_splits for group in audit.duplicates)
    conflicting = sum(group.conflicting_labels for group in audit.duplicates)
    exact = sum(group.exact for group in audit.duplicates)
    within, nouns = "in" if audit.task.has_classes else "with", plural_of(audit.task.noun)
    lines = [
        f"{number_of(audit.images, 'image')} {within} {number_of(audit.classes, audit.task.noun)}, {audit.seconds:.1f} s",
        "",
        f"duplicates: {number_of(len(audit.duplicates), 'group')}, {exact:,} exact, {across:,} across splits, "
        f"{conflicting:,} with conflicting labels",
        *_first([_group_line(group) for group in audit.duplicates]),
        f"labels likely to be wrong: {len(audit.label_errors):,}" if audit.judged else "labels likely to be wrong: not judged",
        *_first(
            [
                f"{_place(error.image)}: {error.suggested} is {odds_text(error.odds)} times as likely"
                for error in audit.label_errors
            ]
        ),
        f"outliers: {len(audit.outliers):,}",
        *_first([f"{_place(outlier.image)}: {outlier.distance:.2f} times the reach of chance" for outlier in audit.outliers]),
        f"bad pictures: {len(audit.quality):,}" if audit.measured else "bad pictures: none was measured",
        *_first([f"{_place(entry.image)}: {entry.problem} ({entry.measure} {entry.value:.4g})" for entry in audit.quality]),
    ]
    if audit.small_classes:
        counts = [f"{name} {count}" for name, count in audit.small_classes.items()]
        lines += [f"{nouns} with few different training images:", *_first(counts)]
    if audit.alike_classes:
        pairs = [f"{pair.first} and {pair.second}: {pair.confused:.0%} fit the other better" for pair in audit.alike_classes]
        lines += ["classes hard to tell apart:", *_first(pairs)]
    return join_lines([*lines, *(f"note: {note}" for note in audit.notes)])


def _first(lines: Sequence[str]) -> list[str]:
    more = [f"  … and {len(lines) - _SHOWN:,} more, in audit.csv"] if len(lines) > _SHOWN else []
    return [f"  {line}" for line in lines[:_SHOWN]] + more


def _place(image: ListedImage) -> str:
    return f"{image.path} ({image.label}, {image.split})"


def _group_line(group: DuplicateGroup) -> str:
    kind = "the same content" if group.exact else f"agree to {group.agreement:.4f}"
    return f"{' = '.join(_place(image) for image in group.images[:4])}{' = …' if len(group.images) > 4 else ''}: {kind}"
