"""The command ``featx look``."""

import os
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.group import main
from featx.cli.listing import manifest_options
from featx.cli.options import (
    FOLDER,
    RESULT,
    json_option,
    max_pixels_option,
    pixel_options,
    workers_option,
)
from featx.cli.progress import progress_options, show_progress
from featx.cli.steps import open_option, open_page, say_next, say_open
from featx.cli.terminal import echo, echo_text, print_json
from featx.system.outputs import as_result_path


@main.command(epilog="Example: featx look photos --augment flip,rotate=15 --out look.html")
@click.argument("images", type=FOLDER)
@click.option("--out", type=RESULT, help="The page (.html).  [default: reports/<name of IMAGES>-look.html]")
@click.option("--page/--no-page", default=True, help="Write the page, which shows the images.  [default: page]")
@click.option(
    "--examples",
    type=click.IntRange(0, 1000),
    default=4,
    show_default=True,
    help="Images of each class that are shown; fewer where there are many classes.",
)
@open_option
@pixel_options
@click.option(
    "--augment",
    metavar="SPEC",
    help="Show augmented views too, the very ones that extract would make, such as flip,rotate=15,zoom=0.2.",
)
@click.option("--views", type=int, help="Views of each image, the clean one included.  [default: 4 with --augment, else 1]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn: images, and views.")
@max_pixels_option
@workers_option
@manifest_options
@progress_options
@json_option
def look(images: Path, out: str | None, page: bool, open_: bool, as_json: bool, **options: Any) -> None:
    """Show what is in a folder of images, before anything is extracted.

    Counts, sizes, depths and slips of IMAGES, a folder of class folders or a manifest as for extract; and a page with some
    images of each class as the network sees them beside their files. Takes seconds: of many images headers are read of a
    draw, and only those shown are decoded.
    """
    from featx.report import check_look_page, look_text, write_look_page

    if out and not page:
        raise click.UsageError("--out names the page, and --no-page leaves it out: give one of them.")
    if open_ and not page:
        raise click.UsageError("--open opens the page: leave --no-page out.")
    # os.path: of a link to itself, or a name that is too long, something else has more to say.
    place = Path(os.path.realpath(images))
    name = f"{images.stem if os.path.isfile(images) else place.name}-look.html"  # noqa: PTH113 - as above
    shown = (as_result_path("--out", out, name) or Path("reports") / name) if page else None
    if shown:
        check_look_page(shown)  # before the work, not after
    else:
        options["examples"] = 0  # they are for the page
    with show_progress() as progress:
        found = featx.look_at_images(images, progress=progress, **options)
    if shown:
        write_look_page(found, shown)
    if open_:
        open_page(shown)
    if as_json:
        print_json(found.as_json() | {"page": shown})
        return
    echo_text(look_text(found))
    if shown:
        echo(f"page {shown}")
        say_open(shown)
    else:
        say_next("extract", images)
