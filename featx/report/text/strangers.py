"""How well a model tells images of none of its classes, as text."""

from featx.report.text.shares import interval_text, share_text
from featx.report.text.words import number_of
from featx.system.paths import near_path
from featx.verbs.evaluate import Evaluation


def strangers_text(evaluation: Evaluation) -> list[str]:
    """Give the lines on unknown images, or none."""
    found = evaluation.strangers
    if found is None:
        return []
    told = found.separation
    auroc, caught, alarms = (interval_text(told.intervals[name]) for name in ("auroc", "caught", "false_alarms"))
    rejected = f" ({number_of(found.rejected, 'image')} rejected)" if found.rejected else ""
    return [
        f"unknown images of {near_path(str(found.source))}: {number_of(found.images, 'image')}{rejected}",
        f"AUROC {share_text(told.auroc)} ({auroc}), of confidence alone {share_text(told.auroc_of_confidence)}",
        f"--unknown {told.level:g}: {share_text(told.caught)} ({caught}) of them called unknown, "
        f"{share_text(told.false_alarms)} ({alarms}) of the {evaluation.split} images",
    ]
