"""What ``--help`` shows: options in groups, where there are many."""

import re

import click
import pytest
from click.testing import CliRunner

from featx.cli import main
from featx.cli.help import FEW, GROUPS

MANY = sorted(
    name
    for name, command in main.commands.items()
    if sum(isinstance(one, click.Option) for one in command.get_params(click.Context(command))) > FEW
)


def test_every_option_of_a_long_command_is_in_one_group() -> None:
    """A new option finds its group; none is in two."""
    named = [name for names in GROUPS.values() for name in names]
    assert len(named) == len(set(named))
    options = {p.name for name in MANY for p in main.commands[name].params if isinstance(p, click.Option)}
    assert options - set(named) == set()
    assert {"extract", "fit", "evaluate", "predict", "compare"} <= set(MANY)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_shows_every_option_once(name: str) -> None:
    """In a group's list or in the only one."""
    shown = CliRunner().invoke(main, [name, "--help"]).stdout
    for parameter in main.commands[name].params:
        if isinstance(parameter, click.Option):
            rows = re.findall(rf"^  (?:-\w, )?{re.escape(parameter.opts[-1])}[ /]", shown, re.MULTILINE)
            rows += re.findall(rf"^  {re.escape(parameter.opts[-1])}$", shown, re.MULTILINE)
            assert len(rows) == 1, parameter.opts
    assert "Other:" not in shown
    assert ("Options:" in shown) != (name in MANY)


def test_groups_come_in_the_order_of_a_session() -> None:
    """Of extract: what is read first, then how, then where it goes."""
    shown = CliRunner().invoke(main, ["extract", "--help"]).stdout
    headings = re.findall(r"^(\w+):$", shown, re.MULTILINE)
    assert headings == [group for group in GROUPS if group in headings]
    assert headings[:3] == ["Images", "Network", "Cache"]
