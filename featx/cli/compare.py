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
    RESULT,
    group_duplicates_option,
    json_option,
    layer_option,
    training_options,
)
from featx.cli.progress import progress_options, show_progress
from featx.cli.spelling import Several
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, newest_cache, print_json
from featx.cli.values import Fraction, Names
from featx.system.outputs import as_result_path


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
@click.option("--out", type=RESULT, help="A CSV file for the table.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the folds and of the fits.")
@progress_options
@json_option
def compare(cache: Path | None, as_json: bool, out: str | None, **options: Any) -> None:
    """Compare heads by cross-validation.

    Only the training images of CACHE (by default the newest in cache/) are used: the test images stay unseen for
    evaluate. Settings go to each head that has them.
    """
    from featx.verbs.compare import check_table_path, save_comparison

    options |= {"heads": options.pop("head"), "poolings": options.pop("pooling") or ()}
    table = as_result_path("--out", out, "comparison.csv")
    if table:
        check_table_path(table)  # before minutes of work, not after
    given = {name: value for name, value in options.items() if value is not None}
    with show_progress() as progress:
        comparison = featx.compare_heads(cache or newest_cache(), progress=progress, **given)
    if table:
        save_comparison(comparison, table)
    if as_json:
        print_json(dataclasses.asdict(comparison) | {"out": table})
    else:
        from featx.report import comparison_text

        echo_text(comparison_text(comparison))
        best = comparison.best
        layer = ("--layer", best.layer) if given.get("layer") else ()
        settings = [word for name, value in best.settings.items() for word in _option(name, value)]
        say_next("fit", comparison.cache, "--head", best.head, "--pooling", best.pooling, *layer, *settings)


def _option(name: str, value: Any) -> tuple[str, str]:
    """Return a setting as it is typed."""
    return f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
