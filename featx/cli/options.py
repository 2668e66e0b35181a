"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from featx.cli.complete import complete_backbones, complete_cached_layers
from featx.cli.spelling import Named, Several, one_of
from featx.cli.values import Colour, ImageSize, Level, Names, Preprocess, Sizes
from featx.recipe import COLOR_PROFILES, DEPTHS, FULL_DEPTH
from featx.system.cells import raw_cells

Decorator = Callable[[Any], Any]


class Given(click.Path):
    """A path that is not empty, as that of a variable of the shell that is not set: it would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a value, or refuse an empty one."""
        return super().convert(self.filled(value, param, ctx), param, ctx)

    def filled(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return a value as text, or refuse an empty one."""
        if not str(value):
            self.fail("is empty: give a path.", param, ctx)
        return str(value)


class Result(Given):
    """Where a file is to be written; kept as it was typed: a slash at its end says that a folder is meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a value, or refuse an empty one."""
        return self.filled(value, param, ctx)


FOLDER = Given(path_type=Path)
RESULT = Result()
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
    level = click.option(
        "--sets", type=Level(), help="Give sets of classes, which hold the right one in this share of cases, such as 0.9."
    )
    return level(method(command))


def pixel_options(command: Any) -> Any:
    """Add the options that decide which pixels the network sees."""
    options = [
        click.option(
            "--backbone",
            shell_complete=complete_backbones,
            default="vgg16",
            show_default=True,
            help="The convolutional base, see featx backbones; or a file with a network of your own: FILE.onnx, FILE.keras.",
        ),
        click.option(
            "--preprocess",
            type=Preprocess(),
            default="auto",
            show_default=True,
            help="How pixels are scaled: auto as the backbone was trained; rescale divides by 255, as many tutorials do; or "
            "means and deviations of red, green and blue, of pixels from 0 to 1 (of 0 to 255 where one is above 1).",
        ),
        click.option(
            "--image-size", type=ImageSize(), help="Pixels the backbone sees: 224, or HEIGHTxWIDTH.  [default: the backbone's]"
        ),
        click.option(
            "--resize",
            type=click.Choice(["stretch", "crop", "pad"]),
            default="stretch",
            show_default=True,
            help="How an image of another shape is fitted.",
        ),
        click.option(
            "--background",
            type=Colour(),
            default="white",
            show_default=True,
            help="Colour under transparent pixels and in pad's margins: a name, #rrggbb or RED,GREEN,BLUE.",
        ),
        click.option(
            "--exact-decode", is_flag=True, help="Decode JPEGs at full size, not at a reduced one at least twice as large."
        ),
        click.option("--allow-truncated", is_flag=True, help="Use what is left of files that end too early."),
        click.option(
            "--depth",
            type=click.Choice(DEPTHS),
            default=FULL_DEPTH,
            show_default=True,
            help="Bits that files of 16 bits a sample hold. auto: as few as each image's largest value needs; min-max: each "
            "image's own range.",
        ),
        click.option(
            "--color-profile",
            type=click.Choice(COLOR_PROFILES),
            default=COLOR_PROFILES[0],
            show_default=True,
            help="Convert images with a colour profile, such as Display P3, to sRGB.",
        ),
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


def weights_option(default: str | None = None) -> Decorator:
    """Make the option that says which weights the backbone has; by default those that a model or cache was made with."""
    about = "The backbone's weights: imagenet, random, random:SEED, or a weights file."
    if default is None:
        about += "  [default: those that the features were extracted with]"
    return click.option("--weights", metavar="WEIGHTS", default=default, show_default=default is not None, help=about)


def layer_option(several: bool = False) -> Decorator:
    """Make the option that chooses among the layers that a cache keeps."""
    return click.option(
        "--layer",
        type=Names(),
        cls=Several,
        callback=None if several else one_of,
        metavar="NAMES" if several else "NAME",
        shell_complete=complete_cached_layers,
        help=f"A cached layer{', or several with commas' if several else ''}.  [default: the last]",
    )


def output_argument(kind: click.ParamType[Any] = RESULT, default: Path | None = None) -> Decorator:
    """Make the argument OUT, which may stand as --out too: then it needs no place behind the others."""
    key = "featx.out"

    def keep(context: click.Context, _: click.Parameter, given: Path | None) -> None:
        context.meta[key] = given

    def choose(context: click.Context, argument: click.Parameter, given: Path | None) -> Path | None:
        option = context.meta.get(key)
        if given is not None and option is not None and given != option:
            raise click.UsageError(f"OUT is given twice: {given} and --out {option}. Give it once.", context)
        chosen = given if given is not None else option if option is not None else default
        if chosen is None and not context.resilient_parsing:
            raise click.MissingParameter(ctx=context, param=argument)
        return chosen

    metavar = "OUT" if default is None else "[OUT]"
    argument = click.argument("out", metavar=metavar, type=kind, required=False, callback=choose)
    # Eager: read before the argument, which looks at what it held.
    option = click.option(
        "--out", "out_option", type=kind, cls=Named, is_eager=True, expose_value=False, callback=keep, help="The same as OUT."
    )
    return lambda function: option(argument(function))


POOLINGS = ("flatten", "avg", "max", "avgmax")


def training_options(command: Any) -> Any:
    """Add the settings of heads; each head has some of them, and refuses another with a list of its own."""
    options = [
        click.option(
            "--hidden", type=Sizes(), cls=Several, help="dense, conv: units of hidden layers, such as 256,128.  [default: none]"
        ),
        click.option("--filters", type=Sizes(), cls=Several, help="conv: filters of each convolution.  [default: 32,64]"),
        click.option("--dropout", type=float, help="dense, conv: share of inputs dropped while training.  [default: 0]"),
        click.option(
            "--activation",
            type=click.Choice(["softmax", "sigmoid"]),
            help="dense, conv: what the outputs go through.  [default: softmax]",
        ),
        click.option(
            "--loss",
            type=click.Choice(["categorical_crossentropy", "binary_crossentropy"]),
            help="dense, conv: what the training makes small.  [default: categorical for softmax, binary for sigmoid]",
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
        click.option("--momentum", type=float, help="dense, conv: momentum of sgd and rmsprop.  [default: 0]"),
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
        click.option("--epsilon", type=float, help="svm of numbers: errors up to so many deviations are free.  [default: 0.1]"),
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
