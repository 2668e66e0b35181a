"""The result of ``featx inspect`` as text."""

from featx.report.text.shares import share_text
from featx.report.text.words import FIGURES, _value_text, join_lines, number_of, parameters_text, size_text, table
from featx.system.counts import known_number_of
from featx.verbs.inspect import CacheSummary, ModelSummary


def cache_text(summary: CacheSummary) -> str:
    """Describe a cache."""
    recipe = summary.recipe
    height, width = recipe.image_size
    lines = [
        f"cache {summary.path}",
        f"  images     {summary.source}",
        f"  backbone   {recipe.backbone}, weights {recipe.weights[:23]}, layers {', '.join(recipe.layers)}",
        f"  pixels     {height} x {width}, {recipe.resize}, preprocess {recipe.preprocess}",
        *([] if recipe.precision == "float32" else [f"  precision  {recipe.precision}"]),
        f"  stored     {recipe.stored_dtype} maps, fingerprint {recipe.fingerprint[:16]}",
        f"  on disk    {number_of(summary.rows, 'row')} in {number_of(summary.shards, 'shard')}, {size_text(summary.bytes)}",
        f"  listed     {number_of(summary.listed, 'image')}, {summary.rejected:,} rejected",
    ]
    lines += [f"             {count:,}: {reason}" for reason, count in summary.reasons.items()]
    if summary.missing:
        lines.append(f"             {number_of(summary.missing, 'row')} missing: see featx verify")
    if summary.augment:
        lines.append(f"  views      {summary.views} of each training image: {summary.augment}")
    if summary.task.kind != "classes":
        lines.append(f"  task       {summary.task.describe()}")
    splits = list(summary.splits)
    rows = [(name, *(f"{counts[split]:,}" for split in splits)) for name, counts in summary.counts.items()]
    rows.append(("all", *(f"{summary.splits[split]:,}" for split in splits)))
    return join_lines([*lines, "", *table((summary.task.noun, *splits), rows)])


def model_text(summary: ModelSummary) -> str:
    """Describe a model: what it is, its layers and parameter counts."""
    model, counts = summary.model, summary.model.parameters
    height, width = model.recipe.image_size
    metrics = model.metrics
    more = " …" if len(model.class_names) > 12 else ""
    classes = f"{len(model.class_names)}: {', '.join(model.class_names[:12])}{more}"
    lines = [
        f"model {summary.path}",
        f"  head       {model.head_name} on {model.pooling} features",
        f"  backbone   {model.recipe.backbone} to {model.tail.end if model.tail else model.layer} at {height} x {width} px, "
        + (f"fine-tuned from {model.tail.start}, frozen before" if model.tail else "frozen")
        + ("" if model.recipe.precision == "float32" else f", in {model.recipe.precision}"),
        f"  classes    {classes}" if model.task.kind == "classes" else f"  answers    {model.task.describe()}",
        f"  fitted on  {known_number_of(metrics.get('train_images'), 'image')} of "
        f"{model.source.get('images') or 'a folder not named'}",
    ]
    if metrics.get("val_accuracy") is not None:
        epoch = f", epoch {model.best_epoch} of {len(model.history['loss'])}" if model.history.get("loss") else ""
        accuracy, on = share_text(metrics["val_accuracy"]), known_number_of(metrics["val_images"], "image")
        lines.append(f"  validation accuracy {accuracy} on {on}{epoch}")
    if figures := metrics.get("val_figures"):
        said = ", ".join(f"{FIGURES[name]} {value:.4g}" for name, value in figures.items() if name in FIGURES)
        lines.append(f"  validation {said}, on {known_number_of(metrics['val_images'], 'image')}")
    if model.intervals:
        lines.append(f"  makes intervals by {number_of(min(model.intervals.images), 'validation image')}")
    if model.isotonic:
        lines.append("  calibrated by an isotonic curve, fitted on the validation images")
    if model.conformal:
        lines.append(f"  makes sets of classes (predict --sets) by {number_of(model.conformal.images, 'validation image')}")
    if model.temperature != 1.0:
        lines.append(f"  calibrated temperature {model.temperature:.2f}, fitted on the validation images")
    if model.tuning:
        lines.append(f"  chosen     by cross-validation from {number_of(len(model.tuning), 'setting')}, the best:")
        for tried in model.tuning[:5]:
            given = ", ".join(f"{name} {_value_text(value)}" for name, value in tried.get("settings", {}).items())
            lines.append(f"             {tried.get('score', tried.get('accuracy')) or 0:.3f}  {tried.get('pooling')}, {given}")
    rows = [
        (
            layer["name"],
            layer["type"],
            " x ".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:,}",
            "trainable" if layer["trainable"] else "kept rows" if layer["type"] == "Head" else "frozen",
        )
        for layer in summary.layers
    ]
    lines += ["", *table(("layer", "type", "output", "parameters", ""), rows), ""]
    lines.append(parameters_text(counts))
    return join_lines(lines)
