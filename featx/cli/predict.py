"""The command ``featx predict``."""

import dataclasses
import io
import sys
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
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
from featx.cli.terminal import echo, one_line, print_json, printable, show_note
from featx.cli.values import Fraction
from featx.errors import TooManyRejects


@main.command(epilog="Example: featx predict models/photos-dense.featx new/ --out new.csv")
@click.argument("model", type=FOLDER)
@click.argument("paths", type=FOLDER, nargs=-1, required=True, metavar="PATH...")
@click.option("--out", type=FOLDER, help="CSV, or JSON lines if it ends in .jsonl.  [default: CSV on stdout]")
@click.option("--report", type=FOLDER, help="A page (.html) of the images by predicted class, the surest first.")
@click.option("--min-confidence", type=Fraction(), help='With --report: less confident images stand under "unsure".')
@click.option(
    "--unknown",
    type=Fraction(),
    metavar="SHARE",
    help='Answer "unknown" for images stranger than all but this share of genuine images, such as 0.05.',
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
@weights_option
@batch_option
@device_option
@workers_option
@max_pixels_option
@raw_csv_option
@progress_options
@json_option
def predict(
    model: Path,
    paths: tuple[Path, ...],
    out: Path | None,
    report: Path | None,
    min_confidence: float | None,
    max_rejects: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Classify new images.

    Gives class and confidence of image files, and of all images below folders; and "unfamiliar": the share of genuine
    images of the model's classes that are as strange or stranger. It is small for a strange image.
    """
    from featx.verbs.predict import check_output, save_predictions, write_predictions

    if out:
        check_output(out)  # before minutes of work, not after
    if min_confidence is not None and not report:
        raise click.UsageError("--min-confidence sorts the images of a page: give --report too.")
    if report:
        from featx.report import check_prediction_page

        check_prediction_page(report)
    with show_progress() as progress:
        predictions = featx.predict_images(model, paths, explain=report is not None, progress=progress, **options)
    if out:
        save_predictions(predictions, out)
    if report:
        from featx.report import write_prediction_page

        with show_progress() as progress:
            least = min_confidence or 0.0
            write_prediction_page(predictions, report, model, min_confidence=least, table=out, progress=progress)
    rejected = sum(1 for prediction in predictions if prediction.error)
    if as_json:
        summary: dict[str, Any] = {"predicted": len(predictions) - rejected, "rejected": rejected, "out": out, "report": report}
        summary |= {"notes": predictions.notes}
        print_json(summary if out else summary | {"predictions": [one.as_json() for one in predictions]})
    elif out:
        echo(f"{len(predictions) - rejected} predicted, {rejected} rejected: {out}")
    else:
        # A terminal obeys what is in names; a file or another program gets them as they are.
        shown = [_in_one_line(prediction) for prediction in predictions] if sys.stdout.isatty() else predictions
        table = io.StringIO()
        write_predictions(shown, table)
        sys.stdout.write(printable(table.getvalue()) if sys.stdout.isatty() else table.getvalue())
        echo(f"{len(predictions) - rejected} predicted, {rejected} rejected", err=True)
    for note in () if as_json else predictions.notes:
        show_note(note)
    if rejected > max_rejects * len(predictions) or rejected == len(predictions):
        first = next(prediction for prediction in predictions if prediction.error)
        raise TooManyRejects(
            f"{rejected} of {len(predictions)} images were rejected, more than --max-rejects {max_rejects} allows or all of "
            f"them; the first: {first.path}: {first.error}."
        )


def _in_one_line(prediction: "featx.Prediction") -> "featx.Prediction":  # named only: --help does not load it
    path, label, error = map(one_line, (prediction.path, prediction.label, prediction.error))
    names = None if prediction.set is None else tuple(map(one_line, prediction.set))
    return dataclasses.replace(prediction, path=path, label=label, error=error, set=names)
