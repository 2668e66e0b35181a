"""The command ``featx pack``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option, layer_option, output_argument
from featx.cli.progress import progress_options, show_progress
from featx.cli.steps import say_open
from featx.cli.terminal import echo_text, print_json


@main.command(epilog="Example: featx pack cache/photos photos.h5")
@click.argument("cache", type=FOLDER)
@output_argument()
@layer_option()
@click.option("--overwrite", is_flag=True, help="Replace an earlier pack of that name.")
@progress_options
@json_option
def pack(cache: Path, out: str, as_json: bool, **options: Any) -> None:
    """Write a cache as one plain HDF5 file.

    OUT holds features, pooled, labels, class_names, paths and split, for h5py, MATLAB, R or pandas; reading it needs no
    featx.
    """
    with show_progress() as progress:
        result = featx.pack_cache(cache, out, progress=progress, **options)
    if as_json:
        print_json(result)
    else:
        from featx.report import pack_text

        echo_text(pack_text(result))
        say_open(result.path)
