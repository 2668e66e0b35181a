"""How well a model tells images of none of its classes, as text."""

from featx.report.text.words import number_of
from featx.system.paths import near_path
from featx.verbs.evaluate import Evaluation


def strangers_text(evaluation: Evaluation) -> list[str]:
    """Give the lines on unknown images, or none."""
    found = evaluation.strangers
    if found is None:
        return []
    told = found.separation
    auroc, caught, alarms = ("{:.3f} to {:.3f}".format(*told.intervals[name]) for name in ("auroc", "caught", "false_alarms"))
    rejected = f" ({number_of(found.rejected, 'image')} rejected)" if found.rejected else ""
    return [
        f"unknown images of {near_path(str(found.source))}: {number_of(found.images, 'image')}{rejected}",
        f"AUROC {told.auroc:.3f} ({auroc}), of confidence alone {told.auroc_of_confidence:.3f}",
        f"--unknown {told.level:g}: {told.caught:.3f} ({caught}) of them called unknown, "
        f"{told.false_alarms:.3f} ({alarms}) of the {evaluation.split} images",
    ]
