"""The result of ``featx fit`` as text."""

from featx.report.text.shares import share_text
from featx.report.text.words import FIGURES, _value_text, beside_accuracy, join_lines, number_of, parameters_text
from featx.verbs.fit import FitResult


def fit_text(result: FitResult) -> str:
    """Report the result of a fit."""
    counts = result.parameters
    views = f" in {result.views} views" if result.views > 1 else ""
    lines = [
        f"{result.head} head on {result.pooling} features: {number_of(result.train_images, 'training image')}{views}, "
        f"{_task_text(result)}, {result.seconds:.1f} s"
    ]
    if result.tuning:
        best = result.tuning[0]
        score = best.get("score", best["accuracy"]) or 0
        chosen = ", ".join(f"{name} {_value_text(value)}" for name, value in best["settings"].items())
        lines.append(f"  {number_of(len(result.tuning), 'setting')} tried by cross-validation; best at {score:.3f}:")
        lines[-1] += f" {best['pooling']}, {chosen}"
    if result.epochs:
        lines.append(f"  {number_of(result.epochs, 'epoch')}, the best was {result.best_epoch}")
    if result.val_accuracy is not None:
        beside = beside_accuracy(result.val_interval, result.val_baseline)
        lines.append(
            f"  validation accuracy {share_text(result.val_accuracy)} on {number_of(result.val_images, 'image')}{beside}"
        )
    if result.val_figures:
        figures = ", ".join(f"{FIGURES[name]} {value:.4g}" for name, value in result.val_figures.items())
        lines.append(f"  on {number_of(result.val_images, 'validation image')}: {figures}")
    lines.append("  " + parameters_text(counts))
    lines += [f"  note: {note}" for note in result.notes]
    lines.append(f"model {result.model}")
    return join_lines(lines)


def _task_text(result: FitResult) -> str:
    return number_of(result.classes, "class") if result.task.kind == "classes" else result.task.describe()
