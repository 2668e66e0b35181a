"""The command line: the only place with argument parsing, print and exit codes.

Nothing heavy is imported at the top: ``featx --help`` must answer at once, and a command pays only for what it uses.
"""

import contextlib
import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import click

import featx
from featx.errors import CacheDamaged, CacheNotFound, FeatxError, Interrupted, ModelNotFound, TooManyRejects
from featx.quiet import LOG_LEVEL

_EXIT_CODES: dict[type[FeatxError], int] = {Interrupted: 130, TooManyRejects: 3}


class _Failure(click.ClickException):
    """An error for the user: one message on stderr, and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click declares it on the class, and reads it from the instance

    def show(self, file: Any = None) -> None:
        click.echo(f"featx: {self.message}", file=file, err=file is None)


class _Commands(click.Group):
    """Turns featx's errors, and Ctrl-C, into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FeatxError as error:
            raise _Failure(str(error), _EXIT_CODES.get(type(error), 1)) from error
        except KeyboardInterrupt:
            raise _Failure("interrupted.", 130) from None
        except BrokenPipeError:
            raise  # whoever was reading (head, less) has seen enough; click ends quietly
        except (OSError, MemoryError, RecursionError) as error:
            # What the system refuses is no mistake of featx's, and a traceback would not help anybody.
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            raise _Failure(f"{where}{said}. Nothing half-written was kept.", 1) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of a session, not of the alphabet


class _ImageSize(click.ParamType[tuple[int, int]]):
    """``224`` or ``HEIGHTxWIDTH``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if not (1 <= len(sides) <= 2 and all(side.isdecimal() and len(side) <= 4 and 0 < int(side) <= 8192 for side in sides)):
            self.fail(f"{value!r} is not a size: give 224, or HEIGHTxWIDTH such as 224x320.", param, ctx)
        return int(sides[0]), int(sides[-1])


class _Fraction(click.ParamType[float]):
    """A number from 0 to 1; click's own range lets NaN through."""

    name = "fraction"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        with contextlib.suppress(ValueError):
            if 0 <= float(value) <= 1:
                return float(value)
        raise click.BadParameter(f"{value!r} is not a number from 0 to 1.", ctx, param)


class _Sizes(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas: ``256,128``."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not all(size.isdecimal() and len(size) < 10 for size in str(value).split(",")):
            self.fail(f"{value!r} are not layer sizes: give whole numbers such as 256,128.", param, ctx)
        return tuple(int(size) for size in str(value).split(","))


class _Names(click.ParamType[tuple[str, ...]]):
    """Names with commas: ``dense,svm``."""

    name = "names"

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        self._allowed = allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = value if isinstance(value, tuple) else tuple(name.strip() for name in str(value).split(","))
        for name in names:
            if not name or (self._allowed and name not in self._allowed):
                self.fail(
                    f"{name!r} is none of {', '.join(self._allowed)}." if self._allowed else "give names with commas.",
                    param,
                    ctx,
                )
        return names


class _Colour(click.ParamType[tuple[int, int, int]]):
    """``white``, ``#rrggbb`` or ``RED,GREEN,BLUE``."""

    name = "colour"
    _named: ClassVar[dict[str, tuple[int, int, int]]] = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        text = str(value).lower().strip()
        with contextlib.suppress(ValueError):
            parts = [int(text[i : i + 2], 16) for i in (1, 3, 5)] if text.startswith("#") else [int(p) for p in text.split(",")]
            if len(parts) == 3 and all(0 <= part <= 255 for part in parts) and (len(text) == 7 or text[0] != "#"):
                return parts[0], parts[1], parts[2]
        if text not in self._named:
            self.fail(
                f"{value!r} is not a colour: give white, grey, black, #rrggbb or RED,GREEN,BLUE from 0 to 255.", param, ctx
            )
        return self._named[text]


_FOLDER = click.Path(path_type=Path)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else, on stdout.")
_batch_option = click.option(
    "--batch-size", type=click.IntRange(1, 4096), default=32, show_default=True, help="Images in a forward pass."
)
_workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=None, help="Decoding processes.  [default: one for each core]"
)
_max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1, 2**31 - 1),
    default=178_956_970,
    show_default=True,
    help="Reject larger images, before they are decoded.",
)
_tta_option = click.option(
    "--tta", is_flag=True, help="Average over augmented views, made as those were that the head learned from (--views)."
)
_weights_option = click.option(
    "--weights", type=_FOLDER, default=None, help="The weights file that the features were extracted with, if it has moved."
)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(featx.__version__, prog_name="featx")
def main() -> None:
    """Turn a folder of labelled images into a working classifier.

    A frozen VGG16 runs once over all images, its features are cached, and a head learns from them in seconds:

    \b
        featx extract photos        photos/<class>/<image>
        featx fit --head dense      or logreg, or svm
        featx evaluate              accuracy on images that no head has seen
        featx predict MODEL new/    class and confidence of new images

    Without images at hand: featx demo
    """  # noqa: D301 - click wants the real control character, which keeps the lines apart
    # TensorFlow's C++ side writes a page of notices to stderr while it loads. Set before anything imports it.
    os.environ.setdefault(LOG_LEVEL, "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its advice on retracing is for whoever writes networks
    for stream in (sys.stdout, sys.stderr):
        # A file name need not be UTF-8; printing one must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@main.command()
@click.argument("images", type=_FOLDER)
@click.option("--cache", type=_FOLDER, help="The cache's folder.  [default: cache/<name of IMAGES>]")
@click.option("--backbone", default="vgg16", show_default=True, help="The convolutional base.")
@click.option("--weights", default="imagenet", show_default=True, help="imagenet, random, or a weights file.")
@click.option(
    "--image-size", type=_ImageSize(), help="Pixels the backbone sees: 224, or HEIGHTxWIDTH.  [default: the backbone's]"
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
    type=_Colour(),
    default="white",
    show_default=True,
    help="Colour under transparent pixels and in pad's margins: a name, #rrggbb or RED,GREEN,BLUE.",
)
@click.option("--exact-decode", is_flag=True, help="Decode JPEGs at full size, not at a reduced one at least twice as large.")
@click.option("--allow-truncated", is_flag=True, help="Use what is left of files that end too early.")
@_max_pixels_option
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
@_batch_option
@_workers_option
@click.option(
    "--max-rejects",
    type=_Fraction(),
    default=1.0,
    show_default=True,
    help="Exit with 3 if a larger share of the images is rejected.",
)
@click.option("--overwrite", is_flag=True, help="Replace features that were made with other settings.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@click.option(
    "--dry-run", is_flag=True, help="Write nothing: say what would be done, rejected and reused, and what it would take."
)
@_json_option
def extract(as_json: bool, dry_run: bool, max_rejects: float, wait: bool, **options: Any) -> None:
    """Extract the features of all images, once.

    IMAGES holds one folder of images per class, or train/, val/ and test/ folders of class folders; or it is a CSV
    manifest (path,label[,split]). Images whose features are cached already cost nothing: run it again after adding,
    moving or renaming some, or after a kill.
    """
    from featx.report import extract_text, plan_text

    with _progress() as progress:
        if dry_run:
            result: Any = featx.plan_extract(progress=progress, **options)
        else:
            result = featx.extract_features(progress=progress, wait=wait, **options)
    if as_json:
        _print_json(dataclasses.asdict(result) | {"dry_run": dry_run})
    else:
        click.echo(plan_text(result) if dry_run else extract_text(result))
    if dry_run and result.rejected > max_rejects * result.listed:
        raise TooManyRejects(
            f"{result.rejected} of {result.listed} images would be rejected, more than --max-rejects {max_rejects}."
        )
    if result.rejected > max_rejects * result.listed:
        raise TooManyRejects(
            f"{result.cache}: {result.rejected} of {result.listed} images were rejected, "
            f"more than --max-rejects {max_rejects}. See {result.cache / 'rejects.csv'}; the other features are kept."
        )


_POOLINGS = ("flatten", "avg", "max", "avgmax")


def _training_options(command: Any) -> Any:
    """Add the settings of heads; each head has some of them, and says which where it is given another."""
    options = [
        click.option("--hidden", type=_Sizes(), help="dense, conv: units of hidden layers, such as 256,128.  [default: none]"),
        click.option("--filters", type=_Sizes(), help="conv: filters of each convolution.  [default: 32,64]"),
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


@main.command()
@click.argument("cache", type=_FOLDER, required=False)
@click.option("--head", default="dense", show_default=True, help="dense, conv, logreg, svm, ridge or knn.")
@click.option("--out", type=_FOLDER, help="The model file.  [default: models/<cache>-<head>.featx]")
@click.option("--layer", help="A cached layer.  [default: the last]")
@click.option(
    "--pooling",
    type=click.Choice(_POOLINGS),
    help="How maps become features.  [default: flatten for dense and conv, avgmax for the others]",
)
@_training_options
@click.option("--tune", is_flag=True, help="Choose what is not given by cross-validation inside the training images.")
@click.option("--folds", type=int, default=5, show_default=True, help="For --tune.")
@click.option("--log", type=_FOLDER, help="dense, conv: a CSV file for loss and accuracy of each epoch.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random in the fit.")
@_json_option
def fit(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Fit a head on cached features.

    Learns from the training images of CACHE; by default of the newest in cache/.
    """
    given = {name: value for name, value in options.items() if value is not None}
    with _progress() as progress, _epochs() as on_epoch:
        result = featx.fit_head(cache or _newest_cache(), on_epoch=on_epoch, progress=progress, **given)
    if as_json:
        _print_json(result)
    else:
        from featx.report import fit_text

        click.echo(fit_text(result))


@main.command()
@click.argument("cache", type=_FOLDER, required=False)
@click.option("--heads", type=_Names(), default="dense,logreg,svm,ridge,knn", show_default=True, help="Heads, with commas.")
@click.option(
    "--pooling",
    "poolings",
    type=_Names(_POOLINGS),
    help="Poolings, with commas; each head takes each.  [default: each its own]",
)
@click.option("--folds", type=int, default=5, show_default=True, help="Parts that the training images are cut into.")
@click.option("--layer", help="A cached layer.  [default: the last]")
@_training_options
@click.option("--out", type=_FOLDER, help="A CSV file for the table.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the folds and of the fits.")
@_json_option
def compare(cache: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:
    """Compare heads by cross-validation.

    Only the training images of CACHE (by default the newest in cache/) are used: the test images stay unseen for
    evaluate. Settings go to each head that has them.
    """
    from featx.compare import check_table_path, save_comparison

    if out:
        check_table_path(out)  # before minutes of work, not after
    given = {name: value for name, value in options.items() if value is not None}
    with _progress() as progress:
        comparison = featx.compare_heads(cache or _newest_cache(), progress=progress, **given)
    if out:
        save_comparison(comparison, out)
    if as_json:
        _print_json(dataclasses.asdict(comparison) | {"out": out})
    else:
        from featx.report import comparison_text

        click.echo(comparison_text(comparison))


@main.command()
@click.argument("model", type=_FOLDER, required=False)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which images.  [default: test where there is one, else val]",
)
@click.option("--images", type=_FOLDER, help="Measure on this folder of class folders instead of the cached images.")
@click.option("--cache", type=_FOLDER, help="The cache, if it is no longer where the model was fitted.")
@click.option("--out", type=_FOLDER, help="Folder of the report.  [default: reports/<model>-<split>]")
@_tta_option
@_weights_option
@_batch_option
@_workers_option
@_max_pixels_option
@_json_option
def evaluate(model: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Measure a model and write a report.

    MODEL is by default the newest in models/; the images are by default the test images of the cache it was fitted on.
    """
    if out:
        from featx.report import check_report_folder

        check_report_folder(out)  # before minutes of work, not after
    with _progress() as progress:
        evaluation = featx.evaluate_model(model or _newest_model(), progress=progress, **options)
    measured = evaluation.split if options["images"] is None else Path(evaluation.source).name
    folder = out or Path("reports") / f"{evaluation.model_path.stem}-{measured}"
    report = featx.write_report(evaluation, folder)
    if as_json:
        names = ("split", "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "notes")
        figures = {name: getattr(evaluation, name) for name in names}
        per_class = [dataclasses.asdict(measures) for measures in evaluation.per_class]
        figures |= {"model": evaluation.model_path, "source": evaluation.source, "per_class": per_class}
        _print_json({"images": len(evaluation.y), **figures, "rejected": len(evaluation.rejected), "report": report.folder})
    else:
        from featx.report import evaluation_text

        click.echo(evaluation_text(evaluation))
        click.echo(f"report {report.folder}: " + ", ".join(_written(report)))


@main.command()
@click.argument("model", type=_FOLDER)
@click.argument("paths", type=_FOLDER, nargs=-1, required=True, metavar="PATH...")
@click.option("--out", type=_FOLDER, help="CSV, or JSON lines if it ends in .jsonl.  [default: CSV on stdout]")
@_tta_option
@_weights_option
@_batch_option
@_workers_option
@_max_pixels_option
@_json_option
def predict(model: Path, paths: tuple[Path, ...], out: Path | None, as_json: bool, **options: Any) -> None:
    """Classify new images.

    Gives class and confidence of image files, and of all images below folders.
    """
    from featx.predict import check_output, save_predictions, write_predictions

    if out:
        check_output(out)  # before minutes of work, not after
    with _progress() as progress:
        predictions = featx.predict_images(model, paths, progress=progress, **options)
    if out:
        save_predictions(predictions, out)
    rejected = sum(1 for prediction in predictions if prediction.error)
    if as_json:
        summary = {"predicted": len(predictions) - rejected, "rejected": rejected, "out": out}
        _print_json(summary if out else summary | {"predictions": list(map(dataclasses.asdict, predictions))})
    elif out:
        click.echo(f"{len(predictions) - rejected} predicted, {rejected} rejected: {out}")
    else:
        write_predictions(predictions, sys.stdout)
        click.echo(f"{len(predictions) - rejected} predicted, {rejected} rejected", err=True)


@main.command()
@click.argument("path", type=_FOLDER, required=False)
@_json_option
def inspect(path: Path | None, as_json: bool) -> None:
    """Show what is in a cache or a model.

    PATH is a cache's folder or a .featx file; by default the newest cache in cache/.
    """
    summary = featx.inspect_path(path or _newest_cache())
    from featx.inspect import CacheSummary
    from featx.report import cache_text, model_text

    if isinstance(summary, CacheSummary):
        shown = dataclasses.asdict(summary) | {"fingerprint": summary.recipe.fingerprint}
        _print_json(shown) if as_json else click.echo(cache_text(summary))
        return
    model = summary.model
    if as_json:
        _print_json(
            {
                "path": summary.path,
                "head": model.head_name,
                "settings": model.head.settings(),
                "layer": model.layer,
                "pooling": model.pooling,
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
@click.argument("cache", type=_FOLDER, required=False)
@click.option("--repair", is_flag=True, help="Move damaged files aside, so that the next extract redoes just their rows.")
@click.option("--prune", is_flag=True, help="Delete the features of images that are gone from the folder.")
@click.option("--wait", is_flag=True, help="Wait for another process that is writing the cache.")
@_json_option
def verify(cache: Path | None, as_json: bool, **options: Any) -> None:
    """Check every byte of a cache.

    Opens every shard of CACHE (by default the newest in cache/), reads every checksum, and holds catalog and shards
    against each other. Exits with 1 if anything is damaged or missing.
    """
    result = featx.verify_cache(cache or _newest_cache(), **options)
    if as_json:
        _print_json(dataclasses.asdict(result) | {"sound": result.sound})
    else:
        from featx.report import verify_text

        click.echo(verify_text(result))
    if not result.sound:
        raise CacheDamaged(f"{result.cache}: {_remedy(result)}")


def _remedy(result: Any) -> str:
    if result.damages:
        return f"damaged. Run featx verify {result.cache} --repair, then featx extract again: it redoes just those rows."
    return f"{result.missing} rows are missing. Run featx extract again: it redoes just those."


@main.command()
@click.argument("cache", type=_FOLDER)
@click.argument("out", type=_FOLDER)
@click.option("--layer", help="A cached layer.  [default: the last]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier pack of that name.")
@_json_option
def pack(cache: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Write a cache as one plain HDF5 file.

    OUT holds features, pooled, labels, class_names, paths and split, for h5py, MATLAB, R or pandas; reading it needs no
    featx.
    """
    with _progress() as progress:
        result = featx.pack_cache(cache, out, progress=progress, **options)
    if as_json:
        _print_json(result)
    else:
        click.echo(f"{result.images} images, {result.bytes / 1e6:.1f} MB: {result.path}")


@main.command()
@click.argument("folder", type=_FOLDER)
@_json_option
def sample(folder: Path, as_json: bool) -> None:
    """Write the bundled sample images.

    800 images of Fashion-MNIST in 10 classes, as FOLDER/train/<class>/… and FOLDER/test/<class>/….
    """
    result = featx.unpack_sample(folder)
    if as_json:
        _print_json(result)
    else:
        click.echo(f"{result.images} images in {result.classes} classes: {result.folder}")


@main.command()
@click.argument("folder", type=_FOLDER, default=Path("featx-demo"), required=False)
@_json_option
def demo(folder: Path, as_json: bool) -> None:
    """Run a whole session on the sample.

    Offline, in about a minute, into FOLDER (by default featx-demo/).
    """
    from featx.report import evaluation_text, extract_text, fit_text
    from featx.sample import IMAGE_SIZE

    def say(text: str) -> None:
        if not as_json:
            click.echo(text)

    started = time.monotonic()
    height, width = IMAGE_SIZE
    images, cache, report = folder / "images", folder / "cache", folder / "report"
    say(f"$ featx sample {images}")
    unpacked = featx.unpack_sample(images)
    say(f"{unpacked.images} images in {unpacked.classes} classes\n")
    say(f"$ featx extract {images} --cache {cache} --image-size {height}")
    with _progress() as progress:
        say(extract_text(featx.extract_features(images, cache, image_size=(height, width), progress=progress)) + "\n")
    accuracies: dict[str, float] = {}
    for head in ("dense", "logreg", "svm"):
        model = folder / f"{head}.featx"
        say(f"$ featx fit {cache} --head {head} --out {model}")
        with _epochs() as on_epoch:
            say(fit_text(featx.fit_head(cache, head, out=model, on_epoch=on_epoch)) + "\n")
        evaluation = featx.evaluate_model(model)
        accuracies[head] = evaluation.accuracy
        if head == "dense":
            say(f"$ featx evaluate {model} --out {report}")
            say(evaluation_text(evaluation) + "\n")
            featx.write_report(evaluation, report)
    seconds = time.monotonic() - started
    if as_json:
        _print_json({"accuracy": accuracies["dense"], "report": report, "heads": accuracies, "seconds": seconds})
        return
    per_head = ", ".join(f"{head} {accuracy:.3f}" for head, accuracy in accuracies.items())
    say(f"test accuracy from the same cached features: {per_head}")
    say(f"report {report}, {seconds:.0f} s in all")


def _written(report: Any) -> list[str]:
    """Name the files of a report, the marker and whatever else lies there left out."""
    parts = (getattr(report, field.name) for field in dataclasses.fields(report) if field.name != "folder")
    return [part.name for part in parts if part is not None]


def _newest_cache() -> Path:
    """Find the newest cache and say which."""
    from featx.store import find_cache

    found = find_cache(Path("cache"))
    if found is None:
        raise CacheNotFound("cache/: no finished cache in it. Make one with: featx extract IMAGES")
    click.echo(f"using cache {found}", err=True)
    return found


def _newest_model() -> Path:
    """Find the newest model and say which."""
    from featx.model import find_model

    found = find_model(Path("models"))
    if found is None:
        raise ModelNotFound("models/: no model in it. Make one with: featx fit")
    click.echo(f"using model {found}", err=True)
    return found


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """Yield a callback that draws one bar a stage on stderr, if that is a terminal."""
    bars: dict[str, Any] = {}

    def step(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            from tqdm import tqdm

            for bar in bars.values():  # one line at a time, and what took no time leaves none
                bar.close()
            quick = {"delay": 0.5, "leave": False} if stage == "index" else {}
            unit = " fits" if stage == "cross-validate" else " images"
            bars[stage] = tqdm(total=total, desc=stage, unit=unit, file=sys.stderr, disable=None, **quick)
        bars[stage].update(done)

    try:
        yield step
    finally:
        for bar in bars.values():
            bar.close()


@contextlib.contextmanager
def _epochs() -> Iterator[Any]:
    """Yield a callback that draws a bar of epochs on stderr, if that is a terminal."""
    bars: list[Any] = []

    def step(epoch: int, epochs: int, values: dict[str, float]) -> None:
        if not bars:
            from tqdm import tqdm

            form = "{desc} {n_fmt}/{total_fmt} |{bar}| {elapsed}, {rate_fmt}{postfix}"
            bars.append(tqdm(total=epochs, desc="epoch", bar_format=form, unit="", file=sys.stderr, disable=None))
        shown = {name: f"{values[name]:.3f}" for name in ("val_loss", "val_accuracy") if name in values}
        bars[0].set_postfix(shown, refresh=False)
        bars[0].update(epoch - bars[0].n)

    try:
        yield step
    finally:
        for bar in bars:
            bar.close()


def _print_json(result: Any) -> None:
    """Print a result, whatever paths and dataclasses are in it, as one JSON object."""
    document = dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
    click.echo(json.dumps(document, default=str))
