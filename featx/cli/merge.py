"""The command ``featx merge``."""

from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option, raw_csv_option
from featx.cli.progress import progress_options, show_progress
from featx.cli.spelling import Named
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, print_json


@main.command(epilog="Example: featx merge part-1 part-2 --cache cache/photos")
@click.argument("caches", metavar="CACHE...", type=FOLDER, nargs=-1, required=True)
@click.option(
    "--cache",
    type=FOLDER,
    cls=Named,
    also=["--out"],
    help="The joined cache.  [default: the only CACHE, or cache/<name> if they are its parts]",
)
@click.option("--partial", is_flag=True, help="Take the parts that are here for the whole, though others are missing.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@raw_csv_option
@progress_options
@json_option
def merge(as_json: bool, **options: Any) -> None:
    """Join caches of one recipe, without copying features.

    Each CACHE holds parts of one extract (--part I/N), and the result is what one extract of all images gives; or they
    hold different images, which keep their classes and splits. Files are linked where the disk allows, else copied; the
    caches stay as they are.
    """
    with show_progress() as progress:
        result = featx.merge_caches(progress=progress, **options)
    if as_json:
        print_json(result)
    else:
        from featx.report import merge_text

        echo_text(merge_text(result))
        say_next("fit", result.cache, "--head", "dense")
