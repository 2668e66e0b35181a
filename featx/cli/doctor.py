"""The command ``featx doctor``."""

import click

from featx.cli.group import main
from featx.cli.options import json_option
from featx.cli.progress import quiet_option
from featx.cli.steps import say_next
from featx.cli.terminal import echo_text, print_json


@main.command(epilog="Example: featx doctor --json")
@click.option("--rates", is_flag=True, help="Measure, too, how many images per second each engine computes here.")
@quiet_option
@json_option
def doctor(rates: bool, as_json: bool) -> None:
    """Say what featx finds on this machine, and what would make a run fail.

    Versions, processor, memory, devices, and which extras are installed: the text that a report of a problem needs. Exits
    with 1 if a run would fail.
    """
    from featx.verbs.doctor import diagnose

    diagnosis = diagnose(rates=rates)
    if as_json:
        print_json(diagnosis)
    else:
        from featx.report import doctor_text

        echo_text(doctor_text(diagnosis))
        if not diagnosis.problems:
            say_next("demo")
    if diagnosis.problems:
        raise click.exceptions.Exit(1)
