"""What a notebook shows of each kind of result."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from featx.models import Model
from featx.report.notebook.blocks import MOST_ROWS, Shown, Table, bounded, short, some_notes
from featx.report.notebook.draw import draw_result
from featx.report.notebook.matrix import cells_picture, confusion_picture
from featx.report.text.confidence import confidence_lines
from featx.report.text.shown import loaded_summary
from featx.report.text.strangers import strangers_text
from featx.report.text.words import near_path, number_of, size_text
from featx.store import FeatureCache
from featx.system.kinds import shown as as_shown
from featx.verbs.audit import Audit
from featx.verbs.compare import Comparison
from featx.verbs.evaluate import Evaluation
from featx.verbs.explain import Explanation
from featx.verbs.extract import ExtractPlan, ExtractResult
from featx.verbs.finetune import FineTuneResult
from featx.verbs.fit import FitResult
from featx.verbs.inspect import CacheSummary, ModelSummary, summarise_cache
from featx.verbs.merge import MergeResult
from featx.verbs.predict import Prediction, Predictions


def as_html(result: Any) -> str:
    """Return the HTML of a result.

    Parameters
    ----------
    result : object
        What a function of featx returns.

    Returns
    -------
    html : str
        A table, and a picture where there is one to draw; names in it are escaped, and its size is bounded.
    """
    return draw_result(_KINDS.get(type(result), _fields)(result))


def _evaluation(found: Evaluation) -> Shown:
    def interval(name: str) -> str:
        return " ({:.3f} to {:.3f})".format(*found.intervals[name]) if name in found.intervals else ""

    measured = sorted((one for one in found.per_class if one.images), key=lambda one: (one.f1, one.class_name))
    some = found.per_class if len(found.per_class) <= MOST_ROWS else measured
    rows = [
        (one.class_name, *(f"{value:.3f}" if one.images else "-" for value in (one.precision, one.recall, one.f1)), one.images)
        for one in some
    ]
    rest = "more classes, of better F1: to_frame('classes') has all"
    table = bounded(("class", "precision", "recall", "F1", "images"), rows, len(found.per_class), rest)
    return Shown(
        f"{found.split} images of {short(near_path(found.source))}: {number_of(len(found.y), 'image')}",
        {
            "accuracy": f"{found.accuracy:.3f}{interval('accuracy')}",
            "balanced accuracy": f"{found.balanced_accuracy:.3f}{interval('balanced_accuracy')}",
            "macro F1": f"{found.macro_f1:.3f}{interval('macro_f1')}",
            "log loss": f"{found.log_loss:.3f}",
            "rejected": f"{len(found.rejected):,}",
        },
        [table],
        confusion_picture(found.confusion, found.model.class_names),
        some_notes([*confidence_lines(found), *strangers_text(found), *found.notes]),
    )


def _fit(result: FitResult) -> Shown:
    accuracy = "none measured" if result.val_accuracy is None else f"{result.val_accuracy:.3f} on {result.val_images:,} images"
    figures = {
        "validation accuracy": accuracy,
        "training images": f"{result.train_images:,}" + (f" in {result.views} views" if result.views > 1 else ""),
        "classes": f"{result.classes:,}",
        **({"epochs": f"{result.epochs:,}, the best was {result.best_epoch:,}"} if result.epochs else {}),
        "parameters": f"{result.parameters['trainable']:,} trainable, {result.parameters['frozen']:,} frozen",
        "calibration": result.calibration,
        "seconds": f"{result.seconds:.1f}",
        "model": short(str(result.model)),
    }
    rows = [
        (tried["pooling"], _settings(tried["settings"]), f"{tried['accuracy']:.3f}", f"{tried['log_loss']:.3f}")
        for tried in result.tuning
    ]
    header = ("pooling", "settings", "accuracy", "log loss")
    tables = [bounded(header, rows, len(rows), "more settings: .tuning has all")] if rows else []
    return Shown(f"{result.head} head on {result.pooling} features", figures, tables, notes=some_notes(result.notes))


def _finetune(result: FineTuneResult) -> Shown:
    figures = {}
    if result.val_accuracy_before is not None:
        figures = {
            "validation accuracy": f"{result.val_accuracy_before:.3f} before, {result.val_accuracy:.3f} after",
            "validation loss": f"{result.val_loss_before:.3f} before, {result.val_loss:.3f} after",
        }
    figures |= {
        "training images": f"{result.train_images:,}",
        "epochs": f"{result.epochs:,}, " + (f"the best was {result.best_epoch:,}" if result.improved else "none was better"),
        "parameters": f"{result.parameters['trainable']:,} trainable, {result.parameters['frozen']:,} frozen",
        "model": short(str(result.model)),
    }
    return Shown("fine-tuned backbone and head", figures, notes=some_notes(result.notes))


def _comparison(found: Comparison) -> Shown:
    rows = [
        (
            f"{head.head} {head.pooling}",
            f"{head.accuracy:.3f}",
            f"{head.low:.3f} to {head.high:.3f}",
            f"{head.log_loss:.3f}",
            f"{head.seconds:.2f}",
            "best" if head is found.best else f"{head.difference:+.3f}",
        )
        for head in found.heads
    ]
    header = ("head", "accuracy", "95 %", "log loss", "seconds a fit", "difference")
    tables = [bounded(header, rows, len(rows), "more heads: to_frame() has all")]
    if found.withheld:
        strangers = [
            (f"{one.head} {one.pooling}", f"{one.auroc:.3f}", f"{one.caught:.3f}", f"{one.false_alarms:.3f}")
            for one in found.withheld
        ]
        columns = ("withheld classes", "AUROC", "caught", "false alarms")
        tables.append(bounded(columns, strangers, len(strangers), "more heads: .withheld has all"))
    lead = f"{number_of(found.images, 'training image')}, {number_of(found.classes, 'class')}, {found.folds} folds"
    return Shown(f"{lead}: each image judged by the fit that it was left out of", tables=tables)


def _audit(found: Audit) -> Shown:
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


def _predictions(found: Predictions | list[Prediction]) -> Shown:
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


def _explanation(one: Explanation) -> Shown:
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


def _extract(result: ExtractResult) -> Shown:
    figures = {
        "extracted": f"{result.extracted:,}",
        "reused": f"{result.reused:,}",
        "rejected": f"{result.rejected:,}",
        **{f"{split} images": f"{count:,}" for split, count in result.splits.items()},
        **({"images a second": f"{result.images_per_second:.1f}"} if result.images_per_second else {}),
        "on disk": size_text(result.bytes),
        "seconds": f"{result.seconds:.1f}",
        "cache": short(str(result.cache)),
    }
    lead = f"{number_of(result.listed, 'image')} in {number_of(result.classes, 'class')}"
    rejected = [f"{count:,} rejected: {reason}" for reason, count in result.reasons.items()]
    return Shown(lead, figures, [_classes(result.images_of_class)], notes=some_notes([*rejected, *result.notes]))


def _plan(plan: ExtractPlan) -> Shown:
    figures = {
        "to extract": f"{plan.to_extract:,}",
        "to reuse": f"{plan.reused:,}",
        "to reject": f"{plan.rejected:,}",
        "on disk": size_text(plan.bytes),
        "seconds, about": f"{plan.seconds:,.0f}",
    }
    rejected = [f"{path}: {reason}" for path, reason in plan.rejects.items()]
    lead = f"{number_of(plan.listed, 'image')} in {number_of(plan.classes, 'class')}; nothing was written"
    return Shown(lead, figures, [_splits(plan.counts)], notes=some_notes(rejected))


def _merge(result: MergeResult) -> Shown:
    figures = {
        "with features": f"{result.with_features:,}",
        "rejected": f"{result.rejected:,}",
        **{f"{split} images": f"{count:,}" for split, count in result.splits.items()},
        "on disk": size_text(result.bytes),
        "cache": short(str(result.cache)),
    }
    lead = f"{number_of(result.listed, 'image')} from {number_of(len(result.caches), 'cache')}"
    return Shown(lead, figures, [_classes(result.images_of_class)])


def _cache(summary: CacheSummary) -> Shown:
    recipe = summary.recipe
    figures = {
        "images": short(near_path(summary.source)),
        "backbone": f"{recipe.backbone}, layers {', '.join(recipe.layers)}",
        "pixels": f"{recipe.image_size[0]} x {recipe.image_size[1]}, {recipe.resize}, preprocess {recipe.preprocess}",
        "listed": f"{summary.listed:,}, {summary.rejected:,} rejected",
        "on disk": f"{number_of(summary.rows, 'row')}, {size_text(summary.bytes)}",
    }
    rejected = [f"{count:,} rejected: {reason}" for reason, count in summary.reasons.items()]
    return Shown(f"cache {short(near_path(str(summary.path)))}", figures, [_splits(summary.counts)], notes=some_notes(rejected))


def _model(summary: ModelSummary) -> Shown:
    model, recipe = summary.model, summary.model.recipe
    accuracy = model.metrics.get("val_accuracy")
    figures = {
        "classes": f"{len(model.class_names):,}: {', '.join(model.class_names[:12])}" + " …" * (len(model.class_names) > 12),
        "head": f"{model.head_name} on {model.pooling} features of {model.layer}",
        "settings": _settings(model.head.settings()),
        "backbone": f"{recipe.backbone} at {recipe.image_size[0]} x {recipe.image_size[1]} px",
        "training images": f"{model.metrics.get('train_images', '?')}",
        **({} if accuracy is None else {"validation accuracy": f"{accuracy:.3f} on {model.metrics['val_images']} images"}),
        "parameters": f"{model.parameters['trainable']:,} trainable, {model.parameters['frozen']:,} frozen",
    }
    figures = {name: value if name == "classes" else short(value) for name, value in figures.items()}
    figures["classes"] = figures["classes"][:400]
    return Shown(f"model {short(near_path(str(summary.path)))}", figures)


def _fields(result: Any) -> Shown:
    """Show what has no better table: each field, large ones by their size."""
    fields = dataclasses.fields(result) if dataclasses.is_dataclass(result) else ()
    values = {field.name: getattr(result, field.name) for field in fields}
    return Shown(type(result).__name__, {name: _value(value) for name, value in values.items() if value not in (None, "")})


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return short(str(value)) if isinstance(value, str | int) or hasattr(value, "__fspath__") else short(as_shown(value))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)


def _classes(counts: Mapping[str, int]) -> Table:
    rows = sorted(counts.items(), key=lambda item: item[1]) if len(counts) > MOST_ROWS else list(counts.items())
    return bounded(("class", "images"), rows, len(rows), "larger classes")


def _splits(counts: Mapping[str, Mapping[str, int]]) -> Table:
    splits = list(next(iter(counts.values()), {}))
    rows = [(name, *(of_class[split] for split in splits)) for name, of_class in counts.items()]
    return bounded(("class", *splits), rows, len(rows), "more classes")


_KINDS: dict[type, Callable[[Any], Shown]] = {
    Audit: _audit,
    CacheSummary: _cache,
    Comparison: _comparison,
    Evaluation: _evaluation,
    Explanation: _explanation,
    ExtractPlan: _plan,
    ExtractResult: _extract,
    FeatureCache: lambda cache: _cache(summarise_cache(cache)),
    FineTuneResult: _finetune,
    FitResult: _fit,
    MergeResult: _merge,
    Model: lambda model: _model(loaded_summary(model)),
    ModelSummary: _model,
    Prediction: lambda one: _predictions([one]),
    Predictions: _predictions,
}
