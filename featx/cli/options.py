"""Options that several commands share."""

from pathlib import Path
from typing import Any

import click

from featx.cli.values import Level, Sizes
from featx.system.cells import raw_cells

FOLDER = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, on stdout.")
batch_option = click.option(
    "--batch-size",
    type=click.IntRange(1, 4096),
    default=None,
    help="Images in a forward pass.  [default: what fits into memory, up to 32, or 128 on a GPU]",
)
device_option = click.option(
    "--device", default=None, help="Where the backbone computes: cpu, gpu, gpu:1 …  [default: a GPU if there is one]"
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "keras", "winograd"]),
    default=None,
    help="What computes float32 features: winograd is twice as fast on a CPU; auto takes the faster.  [default: $FEATX_ENGINE, "
    "or auto]",
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=None, help="Decoding processes.  [default: one for each core]"
)
max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1, 2**31 - 1),
    default=178_956_970,
    show_default=True,
    help="Reject larger images, before they are decoded.",
)
tta_option = click.option(
    "--tta", is_flag=True, help="Average over augmented views, made as those were that the head learned from (--views)."
)
group_duplicates_option = click.option(
    "--group-duplicates", is_flag=True, help="Look for near duplicates, and keep them in one fold as exact ones always are."
)


def sets_options(command: Any) -> Any:
    """Add the options that say which sets of classes are made."""
    method = click.option(
        "--set-method",
        type=click.Choice(["lac", "aps"]),
        help="lac: the smallest sets; aps: larger for open cases.  [default: lac]",
    )
    level = click.option("--sets", type=Level(), help="Such as 0.9: the classes that hold the right one in 90 % of cases.")
    return level(method(command))


def manifest_options(command: Any) -> Any:
    """Add the options that say how a manifest is to be read."""
    options = [
        click.option("--root", type=FOLDER, help="Manifest: folder that its paths are relative to.  [default: its own folder]"),
        click.option("--path-column", metavar="NAME", help="Manifest: column of the paths.  [default: path, filename …]"),
        click.option("--label-column", metavar="NAME", help="Manifest: column of the classes.  [default: label, class …]"),
        click.option("--split-column", metavar="NAME", help="Manifest: column of the splits.  [default: split, set …]"),
        click.option("--ext", metavar="SUFFIX", help="Manifest: added to paths that do not end in it, such as .png."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _write_raw_cells(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        context.with_resource(raw_cells())


raw_csv_option = click.option(
    "--raw-csv",
    is_flag=True,
    expose_value=False,
    callback=_write_raw_cells,
    help="Write names into CSV as they are, not with ' before those that a spreadsheet takes for a formula (= + - @).",
)
weights_option = click.option(
    "--weights", type=FOLDER, default=None, help="The weights file that the features were extracted with, if it has moved."
)


POOLINGS = ("flatten", "avg", "max", "avgmax")


def training_options(command: Any) -> Any:
    """Add the settings of heads; each head has some of them, and refuses another with a list of its own."""
    options = [
        click.option("--hidden", type=Sizes(), help="dense, conv: units of hidden layers, such as 256,128.  [default: none]"),
        click.option("--filters", type=Sizes(), help="conv: filters of each convolution.  [default: 32,64]"),
        click.option("--dropout", type=float, help="dense, conv: share of inputs dropped while training.  [default: 0]"),
        click.option(
            "--activation", type=click.Choice(["softmax", "sigmoid"]), help="dense, conv: of the output.  [default: softmax]"
        ),
        click.option(
            "--loss",
            type=click.Choice(["categorical_crossentropy", "binary_crossentropy"]),
            help="dense, conv.  [default: categorical for softmax, binary for sigmoid]",
        ),
        click.option(
            "--optimizer",
            type=click.Choice(["adam", "sgd", "rmsprop", "adamw"]),
            help="dense, conv: how the weights are changed.  [default: adam]",
        ),
        click.option(
            "--learning-rate",
            type=float,
            help="dense, conv: the optimizer's step.  [default: 0.001; 0.05 for sgd, less with momentum]",
        ),
        click.option("--momentum", type=float, help="dense, conv: of sgd and rmsprop.  [default: 0]"),
        click.option(
            "--weight-decay", type=float, help="dense, conv: share of the weights taken off.  [default: 0; 0.004 for adamw]"
        ),
        click.option("--epochs", type=int, help="dense, conv: most epochs to train.  [default: 50]"),
        click.option(
            "--batch-size", type=int, help="dense, conv: images in a training step.  [default: 32, fewer for small sets]"
        ),
        click.option("--steps-per-epoch", type=int, help="dense, conv: steps in an epoch.  [default: all images]"),
        click.option(
            "--monitor",
            type=click.Choice(["val_loss", "val_accuracy"]),
            help="dense, conv: what stops the training and chooses the epoch.  [default: val_loss]",
        ),
        click.option("--patience", type=int, help="dense, conv: stop after so many epochs without a better one.  [default: 5]"),
        click.option("--min-delta", type=float, help="dense, conv: least change that counts as better.  [default: 0]"),
        click.option("--label-smoothing", type=float, help="dense, conv: share of the target spread out.  [default: 0]"),
        click.option(
            "--class-weight",
            type=click.Choice(["balanced"]),
            help="All heads but knn: every class weighs the same.  [default: every image does]",
        ),
        click.option("--C", "C", type=float, help="logreg, svm: inverse penalty.  [default: 0.01; 0.001, with rbf 3]"),
        click.option("--kernel", type=click.Choice(["linear", "rbf"]), help="svm: shape of the boundary.  [default: linear]"),
        click.option("--alpha", type=float, help="ridge: penalty.  [default: chosen by leave-one-out]"),
        click.option("--neighbors", type=int, help="knn: images that vote.  [default: 5]"),
        click.option(
            "--scale",
            type=click.Choice(["standard", "l2", "sqrt", "none"]),
            help="logreg, svm, ridge, knn: each column standardised, each row to one length, square roots first, or nothing.  "
            "[default: standard]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
