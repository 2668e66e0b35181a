"""Results as text for a terminal. These functions return strings; the command line prints them."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featx.compare import Comparison
from featx.evaluate import Evaluation
from featx.extract import ExtractResult
from featx.fit import FitResult
from featx.inspect import CacheSummary, ModelSummary
from featx.plan import ExtractPlan
from featx.verify import VerifyResult

_MOST_CLASSES = 40
_MOST_CLASSES_IN_LINE = 12
_MOST_NAMES = 20


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, the others to the right."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for first, *others in cells:
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)


def size_text(n_bytes: int) -> str:
    """Give bytes as people read them."""
    value = float(n_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def near_path(path: str) -> str:
    """Give a path as the user would type it: from the current folder, if it lies below that."""
    with contextlib.suppress(ValueError, OSError):
        return str(Path(path).relative_to(Path.cwd()))
    return path


def number_of(n: int, noun: str) -> str:
    """Give "1 image", "2 images", "1,200 images", "2 classes"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"


def parameters_text(counts: dict[str, int]) -> str:
    """Give the counts of parameters."""
    return f"parameters: {counts['total']:,} in total, {counts['trainable']:,} trainable, {counts['frozen']:,} frozen"


def extract_text(result: ExtractResult) -> str:
    """Say what an extract did."""
    parts = [f"{result.extracted:,} extracted", f"{result.reused:,} reused", f"{result.rejected:,} rejected"]
    lines = [f"{number_of(result.listed, 'image')} in {number_of(result.classes, 'class')}: {', '.join(parts)}"]
    shown = [f"{name} {count:,}" for name, count in list(result.images_of_class.items())[:_MOST_CLASSES_IN_LINE]]
    more = f", and {result.classes - len(shown):,} more" if result.classes > len(shown) else ""
    lines.append(f"  classes: {', '.join(shown)}{more}")
    lines += _listing_lines(result)
    if result.rejected:
        lines.append(f"  each is named in {result.rejects}")
    if result.shard:
        lines.append(
            f"  part {result.shard} of {number_of(result.whole, 'image')}; train, val and test are drawn from all parts"
        )
    else:
        lines.append("  " + ", ".join(f"{split} {count:,}" for split, count in result.splits.items()))
    if result.views > 1:
        lines.append(f"  {result.views} views of each training image, {result.augmented:,} extracted now")
    rate = f", {result.images_per_second:.1f} images/s after start-up" if result.images_per_second else ""
    lines.append(f"cache {result.cache}: {size_text(result.bytes)}, {result.seconds:.1f} s{rate}")
    if result.calibration_seconds:
        lines[-1] += f"; {result.calibration_seconds:.1f} s of it to make the int8 network"
    if result.int8_seconds is not None:
        took = (result.extracted + result.augmented) / result.images_per_second
        lines.append(
            f"  --precision int8 would have taken about {_time_text(result.int8_seconds)} instead of {_time_text(took)} here "
            "(pip install 'featx[int8]')"
        )
    return "\n".join(lines)


def plan_text(plan: ExtractPlan) -> str:
    """Say what an extract would do."""
    parts = [f"{plan.to_extract:,} to extract", f"{plan.reused:,} to reuse", f"{plan.rejected:,} to reject"]
    lines = [f"{number_of(plan.listed, 'image')} in {number_of(plan.classes, 'class')}: {', '.join(parts)}", ""]
    rows = [(name, *(f"{count:,}" for count in counts.values())) for name, counts in plan.counts.items()][:_MOST_CLASSES]
    if plan.classes > _MOST_CLASSES:
        rows.append((f"… and {plan.classes - _MOST_CLASSES} more", *("" for _ in plan.splits)))
    rows.append(("all", *(f"{count:,}" for count in plan.splits.values())))
    lines += [table(("class", *plan.splits), rows), ""]
    lines += _listing_lines(plan)
    named = [f"    {path}: {reason}" for path, reason in list(plan.rejects.items())[:_MOST_NAMES]]
    lines += named + ([f"    … and {plan.rejected - _MOST_NAMES:,} more, all in --json"] if plan.rejected > _MOST_NAMES else [])
    if plan.shard:
        lines.append(
            f"  part {plan.shard} of {number_of(plan.whole, 'image')}; the splits above are a guess, drawn from it alone"
        )
    if plan.views > 1:
        lines.append(f"  {plan.views} views of each training image, {plan.to_augment:,} to extract")
    rate = f", at {plan.images_per_second:.1f} images/s" if plan.images_per_second else ""
    lines.append(f"cache {plan.cache}: would take {size_text(plan.bytes)}, about {_time_text(plan.seconds)}{rate}")
    lines.append("dry run: nothing was written")
    return "\n".join(lines)


def _listing_lines(found: ExtractResult | ExtractPlan) -> list[str]:
    """Say what a user should know of the images, whether they are extracted already or not."""
    lines = []
    if found.classes == 1:
        lines.append("  note: a head needs at least two classes; expected one folder of images for each")
    if found.duplicates:
        lines.append(f"  {number_of(found.duplicates, 'exact duplicate')}, stored once")
    if found.conflicts:
        lines.append(f"  note: the same image stands in more than one class: {some_of(found.conflicts)}")
    if found.across_splits:
        lines.append(f"  note: {number_of(len(found.across_splits), 'val or test image')} stands in an earlier split too, ")
        lines[-1] += f"and flatters the accuracy there: {some_of(found.across_splits)}"
    if found.unlearnable and found.classes > 1:
        lines.append(f"  note: no training image, so that it cannot be learned: {some_of(found.unlearnable)}")
    lines += [f"  {count:,} rejected: {reason}" for reason, count in found.reasons.items()]
    if found.skipped:
        others = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(found.skipped.items()))
        lines.append(f"  other files, not images: {others}")
    return lines


def some_of(names: Sequence[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")


def _time_text(seconds: float) -> str:
    """Give seconds as people read them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def fit_text(result: FitResult) -> str:
    """Say what a fit gave."""
    counts = result.parameters
    views = f" in {result.views} views" if result.views > 1 else ""
    lines = [
        f"{result.head} head on {result.pooling} features: {number_of(result.train_images, 'training image')}{views}, "
        f"{number_of(result.classes, 'class')}, {result.seconds:.1f} s"
    ]
    if result.tuning:
        best = result.tuning[0]
        chosen = ", ".join(f"{name} {_value_text(value)}" for name, value in best["settings"].items())
        lines.append(f"  {number_of(len(result.tuning), 'setting')} tried by cross-validation; best at {best['accuracy']:.3f}:")
        lines[-1] += f" {best['pooling']}, {chosen}"
    if result.epochs:
        lines.append(f"  {number_of(result.epochs, 'epoch')}, the best was {result.best_epoch}")
    if result.val_accuracy is not None:
        lines.append(f"  validation accuracy {result.val_accuracy:.3f} on {number_of(result.val_images, 'image')}")
    lines.append("  " + parameters_text(counts))
    lines += [f"  note: {note}" for note in result.notes]
    lines.append(f"model {result.model}")
    return "\n".join(lines)


def _value_text(value: Any) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def comparison_text(comparison: Comparison) -> str:
    """Give the table of a comparison, the best first."""
    rows = [
        (
            f"{one.head} {one.pooling}",
            f"{one.accuracy:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
            f"{one.log_loss:.3f}",
            f"{one.seconds:.2f}",
            "best" if one is comparison.best else f"{one.difference:+.3f}",
            "" if one is comparison.best else f"{one.difference_low:+.3f} to {one.difference_high:+.3f}",
        )
        for one in comparison.heads
    ]
    lines = [
        f"{number_of(comparison.images, 'training image')}, {number_of(comparison.classes, 'class')}, "
        f"{comparison.folds} folds: each image judged by the fit that it was left out of",
        "",
        table(("head", "accuracy", "95 %", "log loss", "fit s", "difference", "95 %"), rows),
    ]
    near = [one for one in comparison.heads[1:] if one.difference_high >= 0]
    if near:
        names = ", ".join(f"{one.head} {one.pooling}" for one in near)
        lines += ["", f"note: within what {comparison.images:,} images can tell, as good as the best: {names}"]
    return "\n".join(lines)


def evaluation_text(evaluation: Evaluation) -> str:
    """Give the per-class table and the headline figures."""
    rows = [
        # A class without images here has no recall, and its F1 would be a figure about nothing.
        (m.class_name, *((f"{m.precision:.3f}", f"{m.recall:.3f}", f"{m.f1:.3f}") if m.images else "---"), f"{m.images:,}")
        for m in evaluation.per_class[:_MOST_CLASSES]
    ]
    lines = [table(("class", "precision", "recall", "F1", "images"), rows)]
    if len(evaluation.per_class) > _MOST_CLASSES:
        lines.append(f"… and {len(evaluation.per_class) - _MOST_CLASSES} more classes, in metrics.json")
    lines += [
        "",
        f"{evaluation.split} accuracy {evaluation.accuracy:.3f} on {number_of(len(evaluation.y), 'image')}   "
        f"balanced accuracy {evaluation.balanced_accuracy:.3f}   macro F1 {evaluation.macro_f1:.3f}   "
        f"log loss {evaluation.log_loss:.3f}",
    ]
    lines.append(f"images of {near_path(evaluation.source)}")
    lines += [f"rejected {path}: {reason}" for path, reason in list(evaluation.rejected.items())[:10]]
    lines += [f"note: {note}" for note in evaluation.notes]
    return "\n".join(lines)


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
    if summary.augment:
        lines.append(f"  views      {summary.views} of each training image: {summary.augment}")
    splits = list(summary.splits)
    rows = [(name, *(f"{counts[split]:,}" for split in splits)) for name, counts in summary.counts.items()]
    rows.append(("all", *(f"{summary.splits[split]:,}" for split in splits)))
    return "\n".join([*lines, "", table(("class", *splits), rows)])


def _unlisted_why(result: VerifyResult) -> str:
    if result.unfinished:
        return "an extract was not finished; run it again, nothing of this is lost"
    return "their images are gone from the folder, or they are views of another --augment; --prune drops them"


def verify_text(result: VerifyResult) -> str:
    """Say what is wrong with a cache, or that nothing is."""
    lines = [
        f"cache {result.cache}: {number_of(result.shards, 'shard')}, {number_of(result.rows, 'row')}, {size_text(result.bytes)}"
    ]
    lines += [f"  damaged  {damage.problem}" for damage in result.damages]
    if result.missing:
        lines.append(f"  missing  {number_of(result.missing, 'listed image')} without a row: featx extract redoes just those")
    if result.unlisted:
        lines.append(f"  unlisted {number_of(result.unlisted, 'row')}: {_unlisted_why(result)}")
    if result.repeated:
        lines.append(f"  repeated {number_of(result.repeated, 'row')}: extracted twice, read once; --prune drops them")
    if result.foreign:
        lines.append(f"  foreign  {number_of(result.foreign, 'shard')} of another recipe, never used")
    if result.leftovers:
        lines.append(f"  unfinished files of dead writers: {result.leftovers}; the next extract sweeps them")
    lines += [f"  set aside {path}" for path in result.set_aside]
    if result.pruned:
        lines.append(f"  pruned   {number_of(result.pruned, 'row')}")
    if result.sound:
        lines.append("  every checksum holds; catalog and shards agree" if not result.set_aside else "  the rest is sound")
    return "\n".join(lines)


def model_text(summary: ModelSummary) -> str:
    """Describe a model: what it is, its layers and parameter counts."""
    model, counts = summary.model, summary.model.parameters
    height, width = model.recipe.image_size
    metrics = model.metrics
    more = " …" if len(model.class_names) > 12 else ""
    lines = [
        f"model {summary.path}",
        f"  head       {model.head_name} on {model.pooling} features",
        f"  backbone   {model.recipe.backbone} to {model.tail.end if model.tail else model.layer} at {height} x {width} px, "
        + (f"fine-tuned from {model.tail.start}, frozen before" if model.tail else "frozen")
        + ("" if model.recipe.precision == "float32" else f", in {model.recipe.precision}"),
        f"  classes    {len(model.class_names)}: {', '.join(model.class_names[:12])}{more}",
        f"  fitted on  {metrics.get('train_images', '?')} images of {model.source.get('images', '?')}",
    ]
    if metrics.get("val_accuracy") is not None:
        epoch = f", epoch {model.best_epoch} of {len(model.history['loss'])}" if model.history.get("loss") else ""
        lines.append(f"  validation accuracy {metrics['val_accuracy']:.3f} on {metrics['val_images']} images{epoch}")
    if model.temperature != 1.0:
        lines.append(f"  calibrated temperature {model.temperature:.2f}, fitted on the validation images")
    if model.tuning:
        lines.append(f"  chosen     by cross-validation from {number_of(len(model.tuning), 'setting')}, the best:")
        for one in model.tuning[:5]:
            given = ", ".join(f"{name} {_value_text(value)}" for name, value in one.get("settings", {}).items())
            lines.append(f"             {one.get('accuracy', 0):.3f}  {one.get('pooling')}, {given}")
    rows = [
        (
            layer["name"],
            layer["type"],
            " x ".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:,}",
            "trainable" if layer["trainable"] else "frozen",
        )
        for layer in summary.layers
    ]
    lines += ["", table(("layer", "type", "output", "parameters", ""), rows), ""]
    lines.append(parameters_text(counts))
    return "\n".join(lines)
