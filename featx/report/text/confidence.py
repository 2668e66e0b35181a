"""What an evaluation found of confidence, as lines of text."""

from featx.report.text.shares import interval_text, share_text
from featx.verbs.evaluate import Evaluation, SetMeasures, Surest

SAID = 0.8
"""The share of the surest images that is put into a sentence."""


def confidence_lines(evaluation: Evaluation) -> list[str]:
    """Return a line each on the calibration error, on the surest images, and on sets, as far as they were measured."""
    lines = []
    if evaluation.confidence and evaluation.confidence.interval:
        lines.append(f"calibration error {evaluation.confidence.ece:.3f} ({interval_text(evaluation.confidence.interval)})")
    if evaluation.surest and (surest := surest_at(evaluation.surest.table, SAID)):
        lines.append(surest_sentence(surest))
    if evaluation.sets:
        lines.append(sets_sentence(evaluation.sets))
        lines += [f"note: {note}" for note in evaluation.sets.notes]
    return lines


def surest_at(table: list[Surest], share: float) -> Surest | None:
    """Return the line of a table at a share."""
    return next((one for one in table if one.share == share), None)


def surest_sentence(surest: Surest) -> str:
    """Say how good the surest answers are."""
    interval = f"{interval_text(surest.interval)}; " if surest.interval else ""
    return (
        f"answer the surest {100 * surest.share:.0f} %: {share_text(surest.accuracy)} right "
        f"({interval}confidence from {surest.confidence:.2f})"
    )


def sets_sentence(sets: SetMeasures) -> str:
    """Say whether sets keep their promise, how large they are, and which class gets the least of it."""
    text = (
        f"sets at {sets.level:g} ({sets.method}): {share_text(sets.coverage)} hold the right class "
        f"({interval_text(sets.interval)}), "
        f"{sets.mean_size:.2f} classes on average"
    )
    if sets.worst and sets.worst.coverage is not None:
        text += f"; least of {sets.worst.class_name!r}: {share_text(sets.worst.coverage)} of {sets.worst.images:,}"
    return text
