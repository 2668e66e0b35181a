"""Commands that make and look after caches: backbones, extract, inspect, verify, merge, pack."""

import dataclasses
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, batch_option, device_option, json_option, max_pixels_option, workers_option
from featx.cli.terminal import newest_cache, print_json, show_progress
from featx.cli.values import Colour, Fraction, ImageSize, Names, Parts, RayAddress
from featx.errors import CacheDamaged, TooManyRejects


@main.command()
@json_option
def backbones(as_json: bool) -> None:
    """List the convolutional bases.

    Image size, parameters without the top, and features an image at that size. vgg16 comes with its weights; the ImageNet
    weights of the others are downloaded by Keras, once.
    """
    from featx.backbones import BACKBONES

    specs = [spec for spec in BACKBONES.values() if not spec.is_stub]
    if as_json:
        names = ("name", "image_size", "smallest_side", "preprocess", "layers", "map_shape", "features", "parameters")
        rows = [{name: getattr(spec, name) for name in names} | {"bundled": spec.bundled is not None} for spec in specs]
        print_json({"backbones": rows})
    else:
        from featx.report import backbones_text

        click.echo(backbones_text(specs))


@main.command()
@click.argument("images", type=FOLDER)
@click.option("--cache", type=FOLDER, help="The cache's folder.  [default: cache/<name of IMAGES>]")
@click.option("--backbone", default="vgg16", show_default=True, help="The convolutional base; see featx backbones.")
@click.option("--weights", default="imagenet", show_default=True, help="imagenet, random, random:SEED, or a weights file.")
@click.option("--layers", type=Names(), help="Layers to keep, with commas, from one forward pass.  [default: the last]")
@click.option(
    "--preprocess",
    type=click.Choice(["auto", "caffe", "torch", "tf", "rescale", "none"]),
    default="auto",
    show_default=True,
    help="How pixels are scaled: auto as the backbone was trained; rescale divides by 255, as many tutorials do.",
)
@click.option(
    "--image-size", type=ImageSize(), help="Pixels the backbone sees: 224, or HEIGHTxWIDTH.  [default: the backbone's]"
)
@click.option(
    "--resize",
    type=click.Choice(["stretch", "crop", "pad"]),
    default="stretch",
    show_default=True,
    help="How an image of another shape is fitted.",
)
@click.option(
    "--background",
    type=Colour(),
    default="white",
    show_default=True,
    help="Colour under transparent pixels and in pad's margins: a name, #rrggbb or RED,GREEN,BLUE.",
)
@click.option("--exact-decode", is_flag=True, help="Decode JPEGs at full size, not at a reduced one at least twice as large.")
@click.option("--allow-truncated", is_flag=True, help="Use what is left of files that end too early.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "bfloat16", "int8"]),
    default="float32",
    show_default=True,
    help="Arithmetic of the backbone. int8 is several times as fast on a CPU, after calibration on 32 of the images; "
    "float16 and bfloat16 are for GPUs.",
)
@click.option(
    "--calibration", type=FOLDER, help="int8: use the quantized network of this cache or model, instead of making one."
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
    type=float,
    default=0.15,
    show_default=True,
    help="Share held out for validation, where no folder says so.",
)
@click.option(
    "--test-fraction",
    type=float,
    default=0.15,
    show_default=True,
    help="Share held out for test, where no folder says so.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of that draw, and of the views.")
@batch_option
@device_option
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
    "--shard",
    type=Parts(),
    help="Only part I of N, one for each machine; then run once more without, or featx merge, to finish.",
)
@click.option("--overwrite", is_flag=True, help="Replace features that were made with other settings.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@click.option(
    "--dry-run", is_flag=True, help="Write nothing: say what would be done, rejected and reused, and what it would take."
)
@json_option
def extract(
    as_json: bool,
    dry_run: bool,
    max_rejects: float,
    wait: bool,
    ray: str | None,
    gpus_per_worker: float | None,
    **options: Any,
) -> None:
    """Extract the features of all images, once.

    IMAGES holds one folder of images per class, or train/, val/ and test/ folders of class folders; or it is a CSV
    manifest (path,label[,split]). Images whose features are cached already cost nothing: run it again after adding,
    moving or renaming some, or after a kill.
    """
    from featx.report import extract_text, plan_text

    if gpus_per_worker is not None and not ray:
        raise click.UsageError("--gpus-per-worker goes with --ray.")
    if dry_run and ray:
        raise click.UsageError("--dry-run tries a few batches in this process: leave --ray out.")
    with show_progress() as progress:
        if dry_run:
            result: Any = featx.plan_extract(progress=progress, **options)
        else:
            result = featx.extract_features(progress=progress, wait=wait, ray=ray, gpus_per_worker=gpus_per_worker, **options)
    if as_json:
        print_json(dataclasses.asdict(result) | {"dry_run": dry_run})
    else:
        click.echo(plan_text(result) if dry_run else extract_text(result))
    if dry_run and result.rejected > max_rejects * result.listed:
        raise TooManyRejects(
            f"{result.rejected} of {result.listed} images would be rejected, more than --max-rejects {max_rejects}."
        )
    if result.rejected > max_rejects * result.listed:
        raise TooManyRejects(
            f"{result.cache}: {result.rejected} of {result.listed} images were rejected, "
            f"more than --max-rejects {max_rejects}. See {result.rejects}; the other features are kept."
        )


@main.command()
@click.argument("path", type=FOLDER, required=False)
@json_option
def inspect(path: Path | None, as_json: bool) -> None:
    """Show what is in a cache or a model.

    PATH is a cache's folder or a .featx file; by default the newest cache in cache/.
    """
    summary = featx.inspect_path(path or newest_cache())
    from featx.inspect import CacheSummary
    from featx.report import cache_text, model_text

    if isinstance(summary, CacheSummary):
        shown = dataclasses.asdict(summary) | {"fingerprint": summary.recipe.fingerprint}
        print_json(shown) if as_json else click.echo(cache_text(summary))
        return
    model = summary.model
    if as_json:
        print_json(
            {
                "path": summary.path,
                "head": model.head_name,
                "settings": model.head.settings(),
                "layer": model.layer,
                "pooling": model.pooling,
                "finetuned_from": model.tail.start if model.tail else None,
                "class_names": model.class_names,
                "recipe": model.recipe.to_dict(),
                "fingerprint": model.recipe.fingerprint,
                "parameters": model.parameters,
                "layers": summary.layers,
                "metrics": model.metrics,
                "history": model.history,
                "tuning": model.tuning,
                "versions": model.versions,
            }
        )
    else:
        click.echo(model_text(summary))


@main.command()
@click.argument("cache", type=FOLDER, required=False)
@click.option("--repair", is_flag=True, help="Move damaged files aside, so that the next extract redoes just their rows.")
@click.option("--prune", is_flag=True, help="Delete the features of images that are gone from the folder.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@json_option
def verify(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Check every byte of a cache.

    Opens every shard of CACHE (by default the newest in cache/), reads every checksum, and holds catalog and shards
    against each other. Exits with 1 if anything is damaged or missing.
    """
    result = featx.verify_cache(cache or newest_cache(), **options)
    if as_json:
        print_json(dataclasses.asdict(result) | {"sound": result.sound})
    else:
        from featx.report import verify_text

        click.echo(verify_text(result))
    if not result.sound:
        raise CacheDamaged(f"{result.cache}: {_remedy(result)}")


def _remedy(result: Any) -> str:
    from featx.backbones import RESTORE
    from featx.verify import is_network

    if result.damages and all(is_network(damage.path) for damage in result.damages):
        return f"the network of its int8 features is lost or damaged. {RESTORE}"
    if result.damages:
        return f"damaged. Run featx verify {result.cache} --repair, then featx extract again: it redoes just those rows."
    return f"{result.missing} rows are missing. Run featx extract again: it redoes just those."


@main.command()
@click.argument("caches", metavar="CACHE...", type=FOLDER, nargs=-1, required=True)
@click.option(
    "--cache", type=FOLDER, help="The joined cache.  [default: the only CACHE, or cache/<name> if they are its parts]"
)
@click.option("--partial", is_flag=True, help="Take the parts that are here for the whole, though others are missing.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@json_option
def merge(as_json: bool, **options: Any) -> None:
    """Join caches of one recipe, without copying features.

    Each CACHE holds parts of one extract (--shard I/N), and the result is what one extract of all images gives; or they
    hold different images, which keep their classes and splits. Files are linked where the disk allows, else copied; the
    caches stay as they are.
    """
    with show_progress() as progress:
        result = featx.merge_caches(progress=progress, **options)
    if as_json:
        print_json(result)
    else:
        from featx.report import merge_text

        click.echo(merge_text(result))


@main.command()
@click.argument("cache", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option("--layer", help="A cached layer.  [default: the last]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier pack of that name.")
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
        click.echo(f"{result.images} images, {result.bytes / 1e6:.1f} MB: {result.path}")
