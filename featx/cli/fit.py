"""The command ``featx fit``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.complete import complete_heads
from featx.cli.group import main
from featx.cli.options import (
    FOLDER,
    POOLINGS,
    RESULT,
    group_duplicates_option,
    json_option,
    layer_option,
    training_options,
)
from featx.cli.progress import progress_options, show_epochs, show_progress
from featx.cli.spelling import Several, one_of
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, newest_cache, print_json
from featx.cli.values import Names


@main.command(epilog="Example: featx fit cache/photos --head dense --out models/photos-dense.featx")
@click.argument("cache", type=FOLDER, required=False)
@click.option(
    "--head",
    type=Names(),
    cls=Several,
    callback=one_of,
    metavar="NAME",
    shell_complete=complete_heads,
    default="dense",
    show_default=True,
    help="The head to fit: dense, conv, logreg, svm, ridge or knn.",
)
@click.option("--out", type=RESULT, help="The model file.  [default: models/<cache>-<head>.featx]")
@layer_option()
@click.option(
    "--pooling",
    type=Names(POOLINGS),
    cls=Several,
    callback=one_of,
    metavar="[flatten|avg|max|avgmax]",
    help="How maps become features.  [default: flatten for dense and conv, avgmax for the others]",
)
@training_options
@click.option("--tune", is_flag=True, help="Choose what is not given by cross-validation inside the training images.")
@click.option(
    "--folds", type=int, default=5, show_default=True, help="With --tune: parts that the training images are cut into."
)
@click.option(
    "--minutes", type=float, default=1.0, show_default=True, help="With --tune: how long it may search; 0.5 is half one."
)
@group_duplicates_option
@click.option("--calibrate", is_flag=True, help="Calibrate on the validation images: confidences closer to the truth.")
@click.option(
    "--calibration",
    type=click.Choice(["auto", "temperature", "isotonic"]),
    help="How to calibrate.  [default: auto, the better of the two from 200 validation images on, else temperature]",
)
@click.option(
    "--threshold",
    metavar="GOAL",
    help="Two classes: call an image the positive one from this probability on: a number, or f1, balanced, precision=0.9, "
    "recall=0.9 or cost=FILE, for which it is chosen by cross-validation inside the training images. Labels have one each.  "
    "[default: the more probable class]",
)
@click.option("--positive", metavar="CLASS", help="Which class --threshold is for.  [default: the rarer one]")
@click.option("--log", type=RESULT, help="dense, conv: a CSV file for loss and accuracy of each epoch.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random in the fit.")
@progress_options
@json_option
def fit(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Fit a head on cached features.

    Learns from the training images of CACHE; by default of the newest in cache/.
    """
    given = {name: value for name, value in options.items() if value is not None}
    with show_progress() as progress, show_epochs() as on_epoch:
        result = featx.fit_head(cache or newest_cache(), on_epoch=on_epoch, progress=progress, **given)
    if as_json:
        print_json(result)
    else:
        from featx.report import fit_text

        echo_text(fit_text(result))
        say_next("evaluate", result.model)
