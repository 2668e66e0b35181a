"""The command ``featx pack``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.complete import complete_cached_layers
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option
from featx.cli.progress import progress_options, show_progress
from featx.cli.terminal import echo_text, print_json


@main.command(epilog="Example: featx pack cache/photos photos.h5")
@click.argument("cache", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option("--layer", shell_complete=complete_cached_layers, help="A cached layer.  [default: the last]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier pack of that name.")
@progress_options
@json_option
def pack(cache: Path, out: Path, as_json: bool, **options: Any) -> None:
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
