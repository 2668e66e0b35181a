"""The command ``featx compare``."""

import dataclasses
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.complete import complete_heads
from featx.cli.group import main
from featx.cli.options import (
    FOLDER,
    POOLINGS,
    group_duplicates_option,
    json_option,
    layer_option,
    training_options,
)
from featx.cli.progress import progress_options, show_progress
from featx.cli.spelling import Several
from featx.cli.terminal import echo_text, newest_cache, print_json
from featx.cli.values import Fraction, Names


@main.command(epilog="Example: featx compare cache/photos --head dense,logreg,svm")
@click.argument("cache", type=FOLDER, required=False)
@click.option(
    "--head",
    type=Names(),
    cls=Several,
    also=["--heads"],
    shell_complete=complete_heads,
    default="dense,logreg,svm,ridge,knn",
    show_default=True,
    help="A head to compare, or several with commas.",
)
@click.option(
    "--pooling",
    type=Names(POOLINGS),
    cls=Several,
    also=["--poolings"],
    help="A pooling, or several with commas; each head takes each.  [default: each its own]",
)
@click.option("--folds", type=int, default=5, show_default=True, help="Parts that the training images are cut into.")
@group_duplicates_option
@click.option(
    "--withhold",
    type=Fraction(),
    metavar="SHARE",
    help="Also withhold this share of the classes, such as 0.25, and measure how well their images are told from others.",
)
@layer_option(several=True)
@training_options
@click.option("--out", type=FOLDER, help="A CSV file for the table.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the folds and of the fits.")
@progress_options
@json_option
def compare(cache: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:
    """Compare heads by cross-validation.

    Only the training images of CACHE (by default the newest in cache/) are used: the test images stay unseen for
    evaluate. Settings go to each head that has them.
    """
    from featx.verbs.compare import check_table_path, save_comparison

    if out:
        check_table_path(out)  # before minutes of work, not after
    options |= {"heads": options.pop("head"), "poolings": options.pop("pooling") or ()}
    given = {name: value for name, value in options.items() if value is not None}
    with show_progress() as progress:
        comparison = featx.compare_heads(cache or newest_cache(), progress=progress, **given)
    if out:
        save_comparison(comparison, out)
    if as_json:
        print_json(dataclasses.asdict(comparison) | {"out": out})
    else:
        from featx.report import comparison_text

        echo_text(comparison_text(comparison))
