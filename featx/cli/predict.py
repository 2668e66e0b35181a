"""The command ``featx predict``."""

import dataclasses
import io
import sys
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.given import given_paths, paths_argument, unlisted_keys
from featx.cli.group import main
from featx.cli.options import (
    FOLDER,
    RESULT,
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
from featx.cli.steps import open_option, open_page, say_again, say_open
from featx.cli.terminal import echo, one_line, print_json, printable, show_note
from featx.cli.values import Fraction
from featx.errors import TooManyRejects
from featx.system.outputs import as_result_path


@main.command(epilog="Example: featx predict models/photos-dense.featx new/ --out new.csv")
@click.argument("model", type=FOLDER)
@paths_argument("paths")
@click.option(
    "--out", type=RESULT, help="A file for the predictions: CSV, or JSON lines if it ends in .jsonl.  [default: CSV on stdout]"
)
@click.option("--report", type=RESULT, help="A page (.html) of the images by predicted class, the surest first.")
@open_option
@click.option("--min-confidence", type=Fraction(), help='With --report: less confident images stand under "unsure".')
@click.option(
    "--unknown",
    type=Fraction(),
    metavar="SHARE",
    help='Answer "unknown" for images stranger than all but this share of genuine images, such as 0.05.',
)
@click.option(
    "--top",
    type=click.IntRange(1),
    metavar="N",
    help="Give the N most probable classes with their probabilities too: columns label_1, confidence_1 …",
)
@click.option(
    "--probabilities", is_flag=True, help="Give the probability of every class too: a column for each, such as p(cat)."
)
@click.option(
    "--max-rejects",
    type=Fraction(),
    default=1.0,
    show_default=True,
    help="Exit with 3 if a larger share of the images has no class, and always if none has one.",
)
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
def predict(
    model: Path,
    paths: list[Path | str],
    out: str | None,
    report: str | None,
    open_: bool,
    min_confidence: float | None,
    max_rejects: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Classify new images.

    Gives class and confidence of image files, and of all images below folders, or labels with their probabilities, or
    numbers with bounds, by what the model answers; and "unfamiliar": the share of genuine images of the model's classes
    that are as strange or stranger. It is small for a strange image. Of PATH - the paths are read from stdin, one a line.
    """
    from featx.verbs.predict import check_output, save_predictions, write_predictions

    table = as_result_path("--out", out, "predictions.csv")
    page = as_result_path("--report", report, "predictions.html")
    if open_ and not page:
        raise click.UsageError("--open opens the page: give --report too.")
    if table:
        check_output(table)  # before minutes of work, not after
    if min_confidence is not None and not page:
        raise click.UsageError("--min-confidence sorts the images of a page: give --report too.")
    if page:
        from featx.report import check_prediction_page

        check_prediction_page(page)
        if min_confidence is not None:
            _refuse_unsure(model)
    given = given_paths(paths)
    with show_progress() as progress:
        predictions = featx.predict_images(model, given, explain=page is not None, progress=progress, **options)
    if table:
        save_predictions(predictions, table)
    if page:
        from featx.report import write_prediction_page

        with show_progress() as progress:
            least = min_confidence or 0.0
            write_prediction_page(predictions, page, model, min_confidence=least, table=table, progress=progress)
    if open_:
        open_page(page)
    rejected = sum(1 for prediction in predictions if prediction.error)
    if as_json:
        summary: dict[str, Any] = {"predicted": len(predictions) - rejected, "rejected": rejected, "out": table, "report": page}
        summary |= {"notes": predictions.notes, **unlisted_keys(predictions.passed_over)}
        print_json(summary if table else summary | {"predictions": [one.as_json() for one in predictions]})
    elif table:
        echo(f"{len(predictions) - rejected} predicted, {rejected} rejected: {table}")
    else:
        # A terminal obeys what is in names; a file or another program gets them as they are.
        shown = _in_one_line(predictions) if sys.stdout.isatty() else predictions
        rows = io.StringIO()
        write_predictions(shown, rows)
        sys.stdout.write(printable(rows.getvalue()) if sys.stdout.isatty() else rows.getvalue())
        echo(f"{len(predictions) - rejected} predicted, {rejected} rejected", err=True)
    for note in () if as_json else predictions.notes:
        show_note(note)
    if rejected > max_rejects * len(predictions) or rejected == len(predictions):
        first = next(prediction for prediction in predictions if prediction.error)
        raise TooManyRejects(
            f"{rejected} of {len(predictions)} images were rejected, more than --max-rejects {max_rejects} allows or all of "
            f"them; the first: {first.path}: {first.error}."
        )
    if as_json:
        return
    if written := page or table:
        say_open(written, err=not table)
    else:
        say_again("--report", "predictions.html", err=True)


def _refuse_unsure(model: Path) -> None:
    if error := featx.load_model(model).task.refuse_option("--min-confidence", ("classes", "grades"), model):
        raise error


def _in_one_line(predictions: Any) -> Any:
    """Return predictions whose names stand each in one line."""
    if task := getattr(predictions, "task", None):
        rows = type(predictions)(_column_lined(one) for one in predictions)
        rows.has_bounds = predictions.has_bounds
        rows.task = dataclasses.replace(task, names=tuple(map(one_line, task.names)))
        return rows
    lined = type(predictions)(map(_lined, predictions))
    lined.class_names, lined.n_top = tuple(map(one_line, predictions.class_names)), predictions.n_top
    return lined


def _lined(prediction: "featx.Prediction") -> "featx.Prediction":
    path, label, error = map(one_line, (prediction.path, prediction.label, prediction.error))
    names, top, shares = prediction.set, prediction.top, prediction.probabilities
    return dataclasses.replace(
        prediction,
        path=path,
        label=label,
        error=error,
        set=None if names is None else tuple(map(one_line, names)),
        top=None if top is None else tuple((one_line(name), share) for name, share in top),
        probabilities=None if shares is None else {one_line(name): share for name, share in shares.items()},
    )


def _column_lined(one: Any) -> Any:
    """Return a prediction of labels or numbers whose names stand each in one line."""
    lined: dict[str, Any] = {}
    for field in dataclasses.fields(one):
        value = getattr(one, field.name)
        if isinstance(value, str):
            value = one_line(value)
        elif isinstance(value, tuple):
            value = tuple(map(one_line, value))
        elif isinstance(value, dict):
            value = {one_line(name): number for name, number in value.items()}
        lined[field.name] = value
    return type(one)(**lined)
