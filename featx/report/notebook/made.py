"""What a notebook shows of caches and models: what was listed, extracted, joined and saved."""

from collections.abc import Mapping

from featx.report.notebook.blocks import MOST_ROWS, Shown, Table, bounded, short, some_notes
from featx.report.notebook.measured import settings_text
from featx.report.text.shares import share_text
from featx.report.text.words import FIGURES, number_of, size_text
from featx.system.counts import known_number_of
from featx.system.paths import near_path
from featx.verbs.extract import ExtractPlan, ExtractResult
from featx.verbs.inspect import CacheSummary, ModelSummary
from featx.verbs.look import Look
from featx.verbs.merge import MergeResult


def show_extract(result: ExtractResult) -> Shown:
    """Show what an extract did."""
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


def show_plan(plan: ExtractPlan) -> Shown:
    """Show what an extract would do."""
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


def show_merge(result: MergeResult) -> Shown:
    """Show what was joined."""
    figures = {
        "with features": f"{result.with_features:,}",
        "rejected": f"{result.rejected:,}",
        **{f"{split} images": f"{count:,}" for split, count in result.splits.items()},
        "on disk": size_text(result.bytes),
        "cache": short(str(result.cache)),
    }
    lead = f"{number_of(result.listed, 'image')} from {number_of(len(result.caches), 'cache')}"
    return Shown(lead, figures, [_classes(result.images_of_class)])


def show_cache(summary: CacheSummary) -> Shown:
    """Show what a cache holds."""
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


def show_model(summary: ModelSummary) -> Shown:
    """Show what a model is."""
    model, recipe = summary.model, summary.model.recipe
    accuracy = model.metrics.get("val_accuracy")
    measured = model.metrics.get("val_figures", {})
    on = f" on {known_number_of(model.metrics.get('val_images'), 'image')}"
    classes = f"{len(model.class_names):,}: {', '.join(model.class_names[:12])}" + " …" * (len(model.class_names) > 12)
    figures = {
        **({"classes": classes} if model.task.kind == "classes" else {"answers": short(model.task.describe())}),
        "head": f"{model.head_name} on {model.pooling} features of {model.layer}",
        "settings": settings_text(model.head.settings()),
        "backbone": f"{recipe.backbone} at {recipe.image_size[0]} x {recipe.image_size[1]} px",
        "training images": f"{model.metrics.get('train_images', '?')}",
        **({} if accuracy is None else {"validation accuracy": share_text(accuracy) + on}),
        **{f"validation {FIGURES[name]}": f"{value:.4g}{on}" for name, value in measured.items() if name in FIGURES},
        "parameters": f"{model.parameters['trainable']:,} trainable, {model.parameters['frozen']:,} frozen",
    }
    figures = {name: value if name == "classes" else short(value) for name, value in figures.items()}
    figures |= {"classes": classes[:400]} if "classes" in figures else {}
    return Shown(f"model {short(near_path(str(summary.path)))}", figures)


def show_look(found: Look) -> Shown:
    """Show what is in a folder of images."""
    figures = {
        "classes": f"{found.classes:,}",
        **{f"{split} images": f"{count:,}" for split, count in found.splits.items()},
        **{f"of {size} px": f"{count:,}" for size, count in list(found.sizes.items())[:5]},
        **{name: f"{count:,}" for name, count in [*found.formats.items(), *found.depths.items()][:10]},
        "rejected": f"{found.rejected:,}",
    }
    rejected = [f"{count:,} rejected: {reason}" for reason, count in found.reasons.items()]
    lead = f"{number_of(found.listed, 'image')} in {short(near_path(str(found.source)))}"
    return Shown(lead, figures, [_classes(found.images_of_class)], notes=some_notes([*rejected, *found.notes]))


def _classes(counts: Mapping[str, int]) -> Table:
    rows = sorted(counts.items(), key=lambda item: item[1]) if len(counts) > MOST_ROWS else list(counts.items())
    return bounded(("class", "images"), rows, len(rows), "larger classes")


def _splits(counts: Mapping[str, Mapping[str, int]]) -> Table:
    splits = list(next(iter(counts.values()), {}))
    rows = [(name, *(of_class[split] for split in splits)) for name, of_class in counts.items()]
    return bounded(("class", *splits), rows, len(rows), "more classes")
