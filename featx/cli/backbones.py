"""The command ``featx backbones``."""

from featx.cli.group import main
from featx.cli.options import json_option
from featx.cli.progress import quiet_option
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, print_json


@main.command(epilog="Example: featx backbones --json")
@quiet_option
@json_option
def backbones(as_json: bool) -> None:
    """List the convolutional bases.

    Image size, parameters without the top, and features an image at that size. vgg16 and
    efficientnet-lite0 come with their weights; the ImageNet weights of the others are downloaded by Keras, once.
    """
    from featx.verbs.backbones import list_backbones

    specs = list_backbones()
    if as_json:
        names = ("name", "image_size", "smallest_side", "preprocess", "layers", "map_shape", "features", "parameters")
        rows = [{name: getattr(spec, name) for name in names} | {"bundled": spec.bundled is not None} for spec in specs]
        print_json({"backbones": rows})
    else:
        from featx.report import backbones_text

        echo_text(backbones_text(specs))
        say_next("extract", "IMAGES", "--backbone", "NAME")
