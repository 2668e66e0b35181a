"""The command ``featx export``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option, output_argument, weights_option
from featx.cli.progress import quiet_option
from featx.cli.steps import say_open
from featx.cli.terminal import echo_text, print_json


@main.command(epilog="Example: featx export models/photos-dense.featx photos.onnx")
@click.argument("model", type=FOLDER)
@output_argument()
@click.option("--overwrite", is_flag=True, help="Replace an earlier export of that name.")
@weights_option()
@quiet_option
@json_option
def export(model: Path, out: str, as_json: bool, **options: Any) -> None:
    """Write a model for other runtimes.

    The ending of OUT says the format: .keras, .onnx, .tflite, .xml (OpenVINO), none or .savedmodel (TensorFlow's folder):
    from uint8 pixels to probabilities in one file; .joblib: a scikit-learn pipeline from features to probabilities. The
    result is run on sample images at once, and kept only if it predicts what featx predicts.
    """
    result = featx.export_model(model, out, **options)
    if as_json:
        print_json(result)
        return
    from featx.report import export_text

    echo_text(export_text(result))
    say_open(result.sidecar)
