"""The command ``featx extract``."""

import dataclasses
from typing import Any

import click

import featx
from featx.cli.complete import complete_layers
from featx.cli.group import main
from featx.cli.listing import group_from_option, manifest_options
from featx.cli.options import (
    FOLDER,
    batch_option,
    device_option,
    engine_option,
    json_option,
    max_pixels_option,
    pixel_options,
    raw_csv_option,
    weights_option,
    workers_option,
)
from featx.cli.progress import progress_options, show_progress
from featx.cli.spelling import Named, Several
from featx.cli.steps import say_again, say_next
from featx.cli.terminal import echo_text, print_json, show_note
from featx.cli.values import Fraction, Names, Parts, RayAddress
from featx.errors import TooManyRejects

_KEYWORDS = {"layer": "layers", "int8_from": "calibration", "part": "shard"}
"""What the function calls options of other names."""


@main.command(epilog="Example: featx extract photos --cache cache/photos --image-size 224")
@click.argument("images", type=FOLDER)
@click.option("--cache", type=FOLDER, cls=Named, also=["--out"], help="The cache's folder.  [default: cache/<name of IMAGES>]")
@pixel_options
@weights_option("imagenet")
@click.option(
    "--layer",
    type=Names(),
    cls=Several,
    also=["--layers"],
    shell_complete=complete_layers,
    help="A layer to keep, or several with commas, from one forward pass.  [default: the last]",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "bfloat16", "int8"]),
    default="float32",
    show_default=True,
    help="Arithmetic of the backbone. int8 is several times as fast on a CPU; its ranges are taken from 32 of the images; "
    "float16 and bfloat16 are for GPUs.",
)
@click.option(
    "--int8-from",
    type=FOLDER,
    cls=Named,
    also=["--calibration"],
    help="int8: use the quantized network of this cache or model, instead of making one.",
)
@max_pixels_option
@click.option(
    "--augment",
    metavar="SPEC",
    help="Cache augmented views of training images too, such as flip,rotate=15,zoom=0.2,shear=0.2,shift=0.1,brightness=0.2 "
    "(these are used where --views is given alone).",
)
@click.option(
    "--views", type=int, help="Views of each training image, the clean one included.  [default: 4 with --augment, else 1]"
)
@click.option(
    "--val-fraction",
    type=Fraction(),
    default=0.15,
    show_default=True,
    help="Share held out for validation, where no folder says so.",
)
@click.option(
    "--test-fraction",
    type=Fraction(),
    default=0.15,
    show_default=True,
    help="Share held out for test, where no folder says so.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of that draw, and of the views.")
@batch_option
@device_option
@engine_option
@workers_option
@click.option(
    "--ray",
    metavar="[ADDRESS]",
    type=RayAddress(),
    is_flag=False,
    flag_value="local",
    help="Run on Ray's workers: those of a Ray of its own on this machine, or with auto or HOST:PORT of one that is there. "
    "--workers is then their number.  [default: one for each GPU, else for each 4 cores]",
)
@click.option(
    "--gpus-per-worker",
    type=click.FloatRange(0),
    help="With --ray: GPUs of each worker, such as 0.5.  [default: 1 where there are any, less for more workers]",
)
@click.option(
    "--max-rejects",
    type=Fraction(),
    default=1.0,
    show_default=True,
    help="Exit with 3 if a larger share of the images is rejected.",
)
@click.option(
    "--part",
    type=Parts(),
    cls=Named,
    also=["--shard"],
    help="Only part I of N, one for each machine; then run once more without, or featx merge, to finish.",
)
@manifest_options
@group_from_option
@click.option("--yes", is_flag=True, help="Extract images, too, that no head can use: of a single class, say.")
@click.option("--overwrite", is_flag=True, help="Replace features that were made with other settings.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@click.option(
    "--dry-run", is_flag=True, help="Write nothing: say what would be done, rejected and reused, and what it would take."
)
@raw_csv_option
@progress_options
@json_option
def extract(
    as_json: bool,
    dry_run: bool,
    max_rejects: float,
    wait: bool,
    ray: str | None,
    gpus_per_worker: float | None,
    **given: Any,
) -> None:
    """Extract the features of all images, once.

    IMAGES holds one folder of images per class, or train/, val/ and test/ folders of class folders; or it is a manifest
    (path,label[,split]) as CSV, TSV, XLSX or Parquet. Images whose features are cached already cost nothing: run it again
    after adding, moving or renaming some, or after a kill.
    """
    from featx.report import extract_text, plan_text

    options = {_KEYWORDS.get(name, name): value for name, value in given.items()}
    if gpus_per_worker is not None and not ray:
        raise click.UsageError("--gpus-per-worker goes with --ray.")
    if dry_run and ray:
        raise click.UsageError("--dry-run tries a few batches in this process: leave --ray out.")
    with show_progress() as progress:
        if dry_run:
            result: Any = featx.plan_extract(progress=progress, notify=show_note, **options)
        else:
            result = featx.extract_features(
                progress=progress, notify=show_note, wait=wait, ray=ray, gpus_per_worker=gpus_per_worker, **options
            )
    if as_json:
        print_json(dataclasses.asdict(result) | {"dry_run": dry_run})
    else:
        echo_text(plan_text(result) if dry_run else extract_text(result))
    if dry_run and result.rejected > max_rejects * result.listed:
        raise TooManyRejects(
            f"{result.rejected} of {result.listed} images would be rejected, more than --max-rejects {max_rejects}."
        )
    if result.rejected > max_rejects * result.listed:
        raise TooManyRejects(
            f"{result.cache}: {result.rejected} of {result.listed} images were rejected, "
            f"more than --max-rejects {max_rejects}. See {result.rejects}; the other features are kept."
        )
    if not as_json:
        _say_next(result, dry_run=dry_run)


def _say_next(result: Any, *, dry_run: bool) -> None:
    if dry_run:
        say_again(instead={"--dry-run": ""})
        return
    part, _, of = (result.shard or "").partition("/")
    if not part:
        say_next("fit", result.cache, "--head", "dense")
    elif part == of:
        say_next("merge", result.cache)
    else:
        following = f"{int(part) + 1}/{of}"
        spelt = {f"{option}={result.shard}": f"{option}={following}" for option in ("--part", "--shard")}
        say_again(instead={result.shard: following} | spelt)
