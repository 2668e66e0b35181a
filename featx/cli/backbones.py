"""The command ``featx backbones``."""

from pathlib import Path
from typing import Any

import click

from featx.cli.group import main
from featx.cli.options import FOLDER, json_option
from featx.cli.progress import quiet_option
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, print_json
from featx.cli.values import ImageSize, Preprocess


@main.command(epilog="Example: featx backbones --json")
@click.argument("file", type=FOLDER, required=False)
@click.option(
    "--image-size", type=ImageSize(), help="With FILE: at which size its layers are listed.  [default: the network's]"
)
@click.option("--preprocess", type=Preprocess(), default="auto", help="With FILE: as for featx extract.")
@quiet_option
@json_option
def backbones(file: Path | None, image_size: tuple[int, int] | None, preprocess: str, as_json: bool) -> None:
    """List the convolutional bases; or of FILE, an ONNX file or a Keras model, the layers.

    Image size, parameters without the top, and features an image at that size. vgg16 and
    efficientnet-lite0 come with their weights; the ImageNet weights of the others are downloaded by Keras, once.
    Of FILE it shows which layers featx extract --backbone FILE would keep, and how it would scale pixels.
    """
    from featx.report import backbones_text, network_text
    from featx.verbs.backbones import list_backbones, read_backbone

    if file is not None:
        network = read_backbone(file, image_size, preprocess)
        if as_json:
            print_json(_document(network))
        else:
            echo_text(network_text(network))
            say_next("extract", "IMAGES", "--backbone", file)
        return
    if image_size or preprocess != "auto":
        raise click.UsageError("--image-size and --preprocess go with FILE.")
    specs = list_backbones()
    if as_json:
        names = ("name", "image_size", "smallest_side", "preprocess", "layers", "map_shape", "features", "parameters")
        rows = [{name: getattr(spec, name) for name in names} | {"bundled": spec.bundled is not None} for spec in specs]
        print_json({"backbones": rows})
    else:
        echo_text(backbones_text(specs))
        say_next("extract", "IMAGES", "--backbone", "NAME")


def _document(network: Any) -> dict[str, Any]:
    layers = [
        {
            "name": one.name,
            "tensor": one.tensor.name,
            "type": one.tensor.kind,
            "shape": one.shape,
            "taken": one.name in network.taken,
        }
        for one in network.layers
    ]
    names = ("path", "kind", "digest", "image_size", "fixed_size", "batch", "preprocess", "parameters", "notes")
    return {name: getattr(network, name) for name in names} | {"layers": layers}
