"""Commands that fit heads: fit, compare, finetune."""

import dataclasses
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import (
    FOLDER,
    POOLINGS,
    group_duplicates_option,
    json_option,
    training_options,
    workers_option,
)
from featx.cli.terminal import newest_cache, print_json, show_epochs, show_progress
from featx.cli.values import Names


@main.command()
@click.argument("cache", type=FOLDER, required=False)
@click.option("--head", default="dense", show_default=True, help="dense, conv, logreg, svm, ridge or knn.")
@click.option("--out", type=FOLDER, help="The model file.  [default: models/<cache>-<head>.featx]")
@click.option("--layer", help="A cached layer.  [default: the last]")
@click.option(
    "--pooling",
    type=click.Choice(POOLINGS),
    help="How maps become features.  [default: flatten for dense and conv, avgmax for the others]",
)
@training_options
@click.option("--tune", is_flag=True, help="Choose what is not given by cross-validation inside the training images.")
@click.option("--folds", type=int, default=5, show_default=True, help="For --tune.")
@group_duplicates_option
@click.option(
    "--calibrate", is_flag=True, help="Fit one temperature on the validation images: confidences closer to the truth."
)
@click.option("--log", type=FOLDER, help="dense, conv: a CSV file for loss and accuracy of each epoch.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random in the fit.")
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

        click.echo(fit_text(result))


@main.command()
@click.argument("cache", type=FOLDER, required=False)
@click.option("--heads", type=Names(), default="dense,logreg,svm,ridge,knn", show_default=True, help="Heads, with commas.")
@click.option(
    "--pooling",
    "poolings",
    type=Names(POOLINGS),
    help="Poolings, with commas; each head takes each.  [default: each its own]",
)
@click.option("--folds", type=int, default=5, show_default=True, help="Parts that the training images are cut into.")
@group_duplicates_option
@click.option("--layer", help="A cached layer.  [default: the last]")
@training_options
@click.option("--out", type=FOLDER, help="A CSV file for the table.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the folds and of the fits.")
@json_option
def compare(cache: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:
    """Compare heads by cross-validation.

    Only the training images of CACHE (by default the newest in cache/) are used: the test images stay unseen for
    evaluate. Settings go to each head that has them.
    """
    from featx.compare import check_table_path, save_comparison

    if out:
        check_table_path(out)  # before minutes of work, not after
    given = {name: value for name, value in options.items() if value is not None}
    with show_progress() as progress:
        comparison = featx.compare_heads(cache or newest_cache(), progress=progress, **given)
    if out:
        save_comparison(comparison, out)
    if as_json:
        print_json(dataclasses.asdict(comparison) | {"out": out})
    else:
        from featx.report import comparison_text

        click.echo(comparison_text(comparison))


@main.command()
@click.argument("cache", type=FOLDER, required=False)
@click.option("--from", "start", help="First layer to train, such as block5_conv1.  [default: the last block]")
@click.option(
    "--model",
    type=FOLDER,
    help="A dense model to start from.  [default: the newest of CACHE in models/, or one fitted now]",
)
@click.option("--out", type=FOLDER, help="The model file.  [default: models/<cache>-finetuned.featx]")
@click.option("--epochs", type=int, default=10, show_default=True, help="Most epochs to train.")
@click.option("--learning-rate", type=float, default=1e-5, show_default=True, help="Of the first step.")
@click.option(
    "--schedule",
    type=click.Choice(["cosine", "constant"]),
    default="cosine",
    show_default=True,
    help="cosine falls to 0 over all epochs.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "sgd", "rmsprop", "adamw"]),
    default="adam",
    show_default=True,
    help="How the weights are changed.",
)
@click.option("--momentum", type=float, default=0.0, show_default=True, help="Of sgd and rmsprop.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Images in a step.")
@click.option("--patience", type=int, default=3, show_default=True, help="Stop after so many epochs without a better one.")
@click.option(
    "--monitor",
    type=click.Choice(["val_loss", "val_accuracy"]),
    default="val_loss",
    show_default=True,
    help="What stops the training and chooses the epoch.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order of images, and of dropout.")
@workers_option
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@json_option
def finetune(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Retrain the last layers of the backbone together with a dense head.

    Starts from the cached features of the layer before (extracted first where they are not cached), so that an epoch runs
    only the layers it trains. Keeps the better of before and after on the validation images. Run it again after a kill: it
    goes on from its checkpoint.
    """
    with show_progress() as progress, show_epochs() as on_epoch:
        result = featx.fine_tune(cache or newest_cache(), on_epoch=on_epoch, progress=progress, **options)
    if as_json:
        print_json(result)
    else:
        from featx.report import finetune_text

        click.echo(finetune_text(result))
