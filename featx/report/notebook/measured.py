"""What a notebook shows of fits and of what was measured: figures, tables and pictures."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from featx.report.notebook.blocks import MOST_ROWS, Shown, bounded, short, some_notes
from featx.report.notebook.matrix import cells_picture, confusion_picture
from featx.report.text.compare import MEASURES, head_figures, head_name, loss_name
from featx.report.text.confidence import confidence_lines
from featx.report.text.shares import interval_text, share_text
from featx.report.text.strangers import strangers_text
from featx.report.text.words import FIGURES, beside_accuracy, number_of
from featx.system.paths import near_path
from featx.verbs.audit import Audit
from featx.verbs.compare import Comparison
from featx.verbs.evaluate import Evaluation
from featx.verbs.explain import Explanation, Explanations
from featx.verbs.finetune import FineTuneResult
from featx.verbs.fit import FitResult
from featx.verbs.predict import Prediction, Predictions


def show_evaluation(found: Evaluation) -> Shown:
    """Show the figures, the confusion matrix and the classes, of many the worst."""

    def interval(name: str) -> str:
        return f" ({interval_text(found.intervals[name])})" if name in found.intervals else ""

    measured = sorted((one for one in found.per_class if one.images), key=lambda one: (one.f1, one.class_name))
    some = found.per_class if len(found.per_class) <= MOST_ROWS else measured
    rows = [
        (
            one.class_name,
            *(share_text(value) if one.images else "-" for value in (one.precision, one.recall, one.f1)),
            one.images,
        )
        for one in some
    ]
    kind = f"{found.split} image"
    rest = "more classes, of better F1: to_frame('classes') has all"
    table = bounded(("class", "precision", "recall", "F1", "images"), rows, len(found.per_class), rest)
    return Shown(
        f"{number_of(len(found.y), kind)} of {short(near_path(found.source))}",
        {
            "accuracy": f"{share_text(found.accuracy)}{interval('accuracy')}",
            "balanced accuracy": f"{share_text(found.balanced_accuracy)}{interval('balanced_accuracy')}",
            "macro F1": f"{share_text(found.macro_f1)}{interval('macro_f1')}",
            "log loss": f"{found.log_loss:.3f}",
            "always the largest class": share_text(found.baseline[1]),
            "rejected": f"{len(found.rejected):,}",
        },
        [table],
        confusion_picture(found.confusion, found.model.class_names),
        some_notes([*confidence_lines(found), *strangers_text(found), *found.notes]),
    )


def show_fit(result: FitResult) -> Shown:
    """Show what was fitted, and what a search tried."""
    on = f" on {number_of(result.val_images, 'image')}"
    figures = {f"validation {FIGURES[name]}": f"{value:.4g}{on}" for name, value in result.val_figures.items()}
    if result.val_accuracy is not None:
        beside = beside_accuracy(result.val_interval, result.val_baseline)
        figures = {"validation accuracy": f"{share_text(result.val_accuracy)}{on}{beside}"} | figures
    learned = f"{result.classes:,}" if result.task.kind == "classes" else short(result.task.describe())
    figures = (figures or {"validation accuracy": "none measured"}) | {
        "training images": f"{result.train_images:,}" + (f" in {result.views} views" if result.views > 1 else ""),
        "classes" if result.task.kind == "classes" else "learned": learned,
        **({"epochs": f"{result.epochs:,}, the best was {result.best_epoch:,}"} if result.epochs else {}),
        "parameters": f"{result.parameters['trainable']:,} trainable, {result.parameters['frozen']:,} frozen",
        "calibration": result.calibration,
        "seconds": f"{result.seconds:.1f}",
        "model": short(str(result.model)),
    }
    rows = [(tried["pooling"], settings_text(tried["settings"]), *_tried_figures(tried)) for tried in result.tuning]
    header = ("pooling", "settings", MEASURES[result.task.kind], loss_name(result.task))
    tables = [bounded(header, rows, len(rows), "more settings: .tuning has all")] if rows else []
    return Shown(f"{result.head} head on {result.pooling} features", figures, tables, notes=some_notes(result.notes))


def show_finetune(result: FineTuneResult) -> Shown:
    """Show the figures before and after."""
    figures = {}
    if result.val_accuracy_before is not None:
        before, after = share_text(result.val_accuracy_before), share_text(result.val_accuracy or 0.0)
        figures = {
            "validation accuracy": f"{before} before, {after} after",
            "validation loss": f"{result.val_loss_before:.3f} before, {result.val_loss:.3f} after",
        }
    figures |= {
        "training images": f"{result.train_images:,}",
        "epochs": f"{result.epochs:,}, " + (f"the best was {result.best_epoch:,}" if result.improved else "none was better"),
        "parameters": f"{result.parameters['trainable']:,} trainable, {result.parameters['frozen']:,} frozen",
        "model": short(str(result.model)),
    }
    return Shown("fine-tuned backbone and head", figures, notes=some_notes(result.notes))


def show_comparison(found: Comparison) -> Shown:
    """Show the table of heads, the best first."""
    rows = [
        (
            head_name(head, found),
            *head_figures(head),
            f"{head.seconds:.2f}",
            "best" if head is found.best else f"{head.difference:+.3f}",
        )
        for head in found.heads
    ]
    header = ("head", MEASURES[found.task.kind], "95 %", loss_name(found.task), "seconds a fit", "difference")
    tables = [bounded(header, rows, len(rows), "more heads: to_frame() has all")]
    if found.withheld:
        strangers = [
            (f"{one.head} {one.pooling}", f"{one.auroc:.3f}", f"{one.caught:.3f}", f"{one.false_alarms:.3f}")
            for one in found.withheld
        ]
        columns = ("withheld classes", "AUROC", "caught", "false alarms")
        tables.append(bounded(columns, strangers, len(strangers), "more heads: .withheld has all"))
    what = number_of(found.classes, "class") if found.task.kind == "classes" else short(found.task.describe())
    lead = f"{number_of(found.images, 'training image')}, {what}, {found.folds} folds"
    return Shown(f"{lead}: each image judged by the fit that it was left out of", tables=tables)


def show_audit(found: Audit) -> Shown:
    """Show the findings, of each kind the most pressing first."""
    rows: list[tuple[Any, ...]] = []
    for group in found.duplicates:
        places = " = ".join(image.path for image in group.images[:3])
        rows.append(("duplicates", places, "exact" if group.exact else f"agree to {group.agreement:.4f}"))
    rows += [("label", one.image.path, f"{one.image.label}, or {one.suggested}?") for one in found.label_errors]
    rows += [("outlier", one.image.path, f"{one.distance:.2f} times the reach of chance") for one in found.outliers]
    rows += [("quality", one.image.path, f"{one.problem} ({one.measure} {one.value:.4g})") for one in found.quality]
    figures = {
        "groups of duplicates": f"{len(found.duplicates):,}",
        "labels likely to be wrong": f"{len(found.label_errors):,}",
        "outliers": f"{len(found.outliers):,}",
        "bad pictures": f"{len(found.quality):,}",
        "small classes": f"{len(found.small_classes):,}",
    }
    tables = [bounded(("finding", "image", ""), rows, len(rows), "more findings: to_frame() has all")] if rows else []
    lead = f"{number_of(found.images, 'image')} in {number_of(found.classes, 'class')}, {found.seconds:.1f} s"
    return Shown(lead, figures, tables, notes=some_notes(found.notes))


def show_predictions(found: Predictions | list[Prediction]) -> Shown:
    """Show how many images are of each class, and the first of them."""
    counts = Counter(one.label for one in found if not one.error)
    header = ("image", "class", "confidence", "unfamiliar", "")
    rows = (
        (one.path, one.label, _figure(one.confidence), _figure(one.unfamiliar), one.error or " | ".join(one.set or ()))
        for one in found
    )
    figures = {short(name): f"{count:,}" for name, count in counts.most_common(MOST_ROWS)}
    if len(counts) > MOST_ROWS:
        figures["others"] = f"{sum(counts.values()) - sum(count for _, count in counts.most_common(MOST_ROWS)):,}"
    rejected = len(found) - sum(counts.values())
    lead = f"{number_of(len(found), 'image')}" + (f", {rejected:,} rejected" if rejected else "")
    table = bounded(header, rows, len(found), "more images: to_frame() has all")
    return Shown(lead, figures if len(found) > 1 else {}, [table], notes=some_notes(getattr(found, "notes", ())))


def show_explanation(one: Explanation) -> Shown:
    """Show the margin, and the cells that it is made of."""
    if one.cells is None:
        return Shown(short(one.path), notes=[f"rejected: {one.error}"])
    figures = {
        short(one.label): _figure(one.confidence),
        short(one.other): _figure(one.other_confidence),
        f"margin ({one.quantity})": f"{one.margin:+.2f}",
        "spoke for": f"{one.speaking_for:+.2f}",
        "spoke against": f"{one.speaking_against:+.2f}",
        **({} if one.bias is None else {"bias": f"{one.bias:+.2f}"}),
    }
    return Shown(short(one.path), figures, picture=cells_picture(one.cells, one.label, one.other))


def show_explanations(found: Explanations) -> Shown:
    """Show the margins of the first images."""
    margins = ("" if one.margin is None else f"{one.margin:+.2f}" for one in found)
    rows = ((one.path, one.label, one.other, margin, one.error) for one, margin in zip(found, margins, strict=True))
    table = bounded(("image", "class", "against", "margin", ""), rows, len(found), "more images")
    return Shown(number_of(len(found), "image"), tables=[table], notes=["each by itself shows its cells: explanations[0]"])


def _figure(value: float | None) -> str:
    return "" if value is None else share_text(value)


def _tried_figures(tried: Mapping[str, Any]) -> tuple[str, str]:
    """Give the score of a setting that a search tried, and its log loss or RMSE."""
    score = tried.get("score", tried["accuracy"])
    loss = tried.get("figures", {}).get("rmse") if tried["log_loss"] is None else tried["log_loss"]
    return _figure(score), "" if loss is None else f"{loss:.3f}"


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return the settings that are given, in a line."""
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
