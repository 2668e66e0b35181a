"""The command ``featx sample``."""

from pathlib import Path

import featx
from featx.cli.group import main
from featx.cli.options import FOLDER, json_option, output_argument
from featx.cli.progress import quiet_option
from featx.cli.steps import say_next
from featx.cli.terminal import echo, print_json


@main.command(epilog="Example: featx sample images")
@output_argument(FOLDER)
@quiet_option
@json_option
def sample(out: Path, as_json: bool) -> None:
    """Write the bundled sample images.

    800 images of Fashion-MNIST in 10 classes, as OUT/train/<class>/… and OUT/test/<class>/….
    """
    result = featx.unpack_sample(out)
    if as_json:
        print_json(result)
    else:
        from featx.report import sample_text

        echo(f"{sample_text(result)}: {result.folder}")
        say_next("extract", result.folder)
