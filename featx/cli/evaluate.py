"""The command ``featx evaluate``."""

import dataclasses
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.listing import group_from_option, manifest_options
from featx.cli.options import (
    FOLDER,
    batch_option,
    device_option,
    json_option,
    max_pixels_option,
    raw_csv_option,
    sets_options,
    tta_option,
    weights_option,
    workers_option,
)
from featx.cli.progress import progress_options, show_progress
from featx.cli.spelling import Named
from featx.cli.steps import open_option, open_page, say_open
from featx.cli.terminal import echo, echo_text, newest_model, print_json


@main.command(epilog="Example: featx evaluate models/photos-dense.featx --split val")
@click.argument("model", type=FOLDER, required=False)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images are measured.  [default: test where there is one, else val]",
)
@click.option("--images", type=FOLDER, help="Measure on this folder of class folders, or manifest, not on the cached images.")
@manifest_options
@group_from_option
@click.option("--unknown-images", type=FOLDER, help="A folder of images of none of the classes: are they told from the others?")
@click.option("--cache", type=FOLDER, help="The cache, if it is no longer where the model was fitted.")
@click.option("--out", type=FOLDER, help="Folder of the report.  [default: reports/<model>-<split>]")
@click.option("--page/--no-page", default=True, help="Write report.html, which shows the images.  [default: page]")
@click.option(
    "--map",
    "map_",
    cls=Named,
    type=click.Choice(["auto", "pca", "tsne", "none"]),
    default="auto",
    help="How the page lays the features out.  [default: t-SNE for up to 500 images, else PCA]",
)
@open_option
@sets_options
@tta_option
@weights_option()
@batch_option
@device_option
@workers_option
@max_pixels_option
@raw_csv_option
@progress_options
@json_option
def evaluate(model: Path | None, out: Path | None, page: bool, map_: str, open_: bool, as_json: bool, **options: Any) -> None:
    """Measure a model and write a report.

    MODEL is by default the newest in models/; the images are by default the test images of the cache it was fitted on.
    """
    from featx.report import check_report_folder, column_figures

    if open_ and not page:
        raise click.UsageError("--open opens the page: leave --no-page out.")
    if out:
        check_report_folder(out)  # before minutes of work, not after
    model = model or newest_model()

    def folder_of(split: str, source: str) -> Path:
        measured = split if options["images"] is None else Path(source).name
        return out or Path("reports") / f"{model.stem}-{measured}"

    with show_progress() as progress:
        evaluation: Any = featx.evaluate_model(
            model, on_chosen=lambda *chosen: check_report_folder(folder_of(*chosen)), progress=progress, **options
        )
    folder = folder_of(evaluation.split, evaluation.source)
    with show_progress() as progress:
        report: Any = featx.write_report(evaluation, folder, page=page, map=map_, progress=progress)
    if as_json:
        figures = _class_figures(evaluation) if evaluation.model.task.has_classes else column_figures(evaluation)
        figures |= {"split": evaluation.split, "model": evaluation.model_path, "source": evaluation.source}
        figures["notes"] = evaluation.notes
        print_json(
            {
                "images": len(evaluation.paths),
                **figures,
                "rejected": len(evaluation.rejected),
                "report": report.folder,
                "page": report.page,
            }
        )
    else:
        from featx.report import measured_text

        echo_text(measured_text(evaluation, report.per_class if evaluation.model.task.has_classes else report.per_column))
        echo(f"report {report.folder}: " + ", ".join(_written(report)))
        say_open(report.page or getattr(report, "confusion", report.predictions))
    if open_:
        open_page(report.page)


def _class_figures(evaluation: Any) -> dict[str, Any]:
    """Return the figures of classes or grades."""
    names = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
    figures = {name: getattr(evaluation, name) for name in names}
    per_class = [dataclasses.asdict(measures) for measures in evaluation.per_class]
    figures |= {"per_class": per_class, "task": evaluation.model.task.to_dict()}
    figures |= {name: getattr(evaluation, name) for name in ("top3_accuracy", "intervals", "cautions", "counts")}
    figures["accuracy_without_near_duplicates"] = evaluation.accuracy_without_near_duplicates
    figures |= {"ece": evaluation.confidence and evaluation.confidence.ece, "temperature": evaluation.model.temperature}
    figures |= {"calibration": evaluation.model.calibration.kind, "sets": None, "surest": None}
    figures |= {name: dataclasses.asdict(found) for name in ("sets", "surest") if (found := getattr(evaluation, name))}
    figures["ece_interval"] = evaluation.confidence and evaluation.confidence.interval
    figures["baseline"] = dict(zip(("class_name", "accuracy"), evaluation.baseline, strict=True))
    figures["operating_point"] = evaluation.operating and dataclasses.asdict(evaluation.operating)
    figures["strangers"] = evaluation.strangers and dataclasses.asdict(evaluation.strangers)
    figures["grades"] = evaluation.grades and dataclasses.asdict(evaluation.grades)
    return figures


def _written(report: Any) -> list[str]:
    """Name the files of a report, the marker and whatever else lies there left out."""
    parts = (getattr(report, field.name) for field in dataclasses.fields(report) if field.name != "folder")
    return [part.name for part in parts if part is not None]
