"""The result of ``featx finetune`` as text."""

from featx.report.text.shares import share_text
from featx.report.text.words import beside_accuracy, join_lines, number_of, parameters_text
from featx.verbs.finetune import FineTuneResult


def finetune_text(result: FineTuneResult) -> str:
    """Report what fine-tuning did."""
    lines = [f"{result.start} to {result.end} and a dense head, from cached {result.before} features"]
    lines.append(f"  started from {result.started_from}")
    if result.extracted:
        count = number_of(result.extracted, "image")
        lines.append(f"  {count} went through the backbone as far as {result.before} first: {result.cache}")
    views = f" in {number_of(result.views, 'view')} each" if result.views > 1 else ""
    resumed = f", taken up after epoch {result.resumed_at}" if result.resumed_at else ""
    kept = f"the best was {result.best_epoch}" if result.improved else "none was better than the start"
    epochs = f"{number_of(result.epochs, 'epoch')} of {result.seconds_per_epoch:.1f} s{resumed}"
    lines.append(f"  {number_of(result.train_images, 'training image')}{views}, {epochs}; {kept}")
    if result.val_accuracy_before is not None:
        beside = beside_accuracy(result.val_interval, result.val_baseline)
        accuracy = (
            f"accuracy {share_text(result.val_accuracy_before)} before, {share_text(result.val_accuracy or 0.0)} after{beside}"
        )
        loss = f"loss {result.val_loss_before:.3f} before, {result.val_loss:.3f} after"
        lines.append(f"  validation {accuracy}; {loss}; on {number_of(result.val_images, 'image')}")
    lines.append("  " + parameters_text(result.parameters))
    lines += [f"  note: {note}" for note in result.notes]
    lines.append(f"model {result.model}")
    return join_lines(lines)
