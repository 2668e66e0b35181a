"""The command ``featx finetune``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import (
    FOLDER,
    RESULT,
    device_option,
    json_option,
    weights_option,
    workers_option,
)
from featx.cli.progress import progress_options, show_epochs, show_progress
from featx.cli.spelling import Named
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, newest_cache, print_json


@main.command(epilog="Example: featx finetune cache/photos --from block5_conv1 --epochs 5")
@click.argument("cache", type=FOLDER, required=False)
@click.option("--from", "start", cls=Named, help="First layer to train, such as block5_conv1.  [default: the last block]")
@click.option(
    "--model",
    type=FOLDER,
    help="A model to start from, with any head.  [default: the best of CACHE in models/, or one fitted now]",
)
@click.option("--out", type=RESULT, help="The model file.  [default: models/<cache>-finetuned.featx]")
@click.option("--epochs", type=int, default=10, show_default=True, help="Most epochs to train.")
@click.option("--learning-rate", type=float, default=3e-4, show_default=True, help="The optimizer's largest step.")
@click.option(
    "--schedule",
    type=click.Choice(["cosine", "constant"]),
    default="cosine",
    show_default=True,
    help="What becomes of the learning rate: cosine rises in the first tenth of all steps and then falls to 0.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "sgd", "rmsprop", "adamw"]),
    default="adamw",
    show_default=True,
    help="How the weights are changed.",
)
@click.option("--momentum", type=float, default=0.0, show_default=True, help="Momentum of sgd and rmsprop.")
@click.option(
    "--weight-decay",
    type=float,
    default=None,
    help="Share of each weight taken off a step, times the learning rate.  [default: 0.004 for adamw, else none]",
)
@click.option(
    "--dropout",
    type=float,
    default=None,
    help="Share of the head's inputs dropped while training.  [default: as a dense head was fitted with, or 0.3]",
)
@click.option(
    "--depth-decay",
    type=float,
    default=0.3,
    show_default=True,
    help="Share of the learning rate for the first of the trained layers; those behind it have more.",
)
@click.option(
    "--averaging",
    type=float,
    default=0.1,
    show_default=True,
    help="Keep a running average of the weights, over this share of all steps; 0 keeps the last.",
)
@click.option(
    "--flip",
    type=click.Choice(["none", "horizontal", "all"]),
    default="horizontal",
    show_default=True,
    help="Mirror maps at random while training: left and right; or all eight positions of a square.",
)
@click.option("--batch-size", type=int, default=32, show_default=True, help="Images in a training step.")
@click.option("--patience", type=int, default=5, show_default=True, help="Stop after so many epochs without a better one.")
@click.option(
    "--monitor",
    type=click.Choice(["val_loss", "val_accuracy"]),
    default="val_loss",
    show_default=True,
    help="What stops the training and chooses the epoch.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order of images, and of dropout.")
@weights_option()
@click.option(
    "--extract-batch-size",
    type=click.IntRange(1, 4096),
    default=None,
    help="Images in a forward pass, where features of the layer before are extracted first.  [default: what fits into memory, "
    "up to 32, or 128 on a GPU]",
)
@workers_option
@device_option
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@progress_options
@json_option
def finetune(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Retrain the last layers of the backbone together with a head.

    Starts from the best frozen head and from the cached features of the layer before (extracted first where they are not
    cached), so that an epoch runs only the layers it trains. Keeps the better of before and after on the validation images.
    Run it again after a kill: it goes on from its checkpoint.
    """
    with show_progress() as progress, show_epochs() as on_epoch:
        result = featx.fine_tune(cache or newest_cache(), on_epoch=on_epoch, progress=progress, **options)
    if as_json:
        print_json(result)
    else:
        from featx.report import finetune_text

        echo_text(finetune_text(result))
        say_next("evaluate", result.model)
