"""The list of tests that are slow names tests that there are."""

import ast
from pathlib import Path

import pytest

from tests.conftest import SLOW

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", sorted({line.partition("::")[0] for line in SLOW}))
def test_each_slow_test_is_there(file: str) -> None:
    """A test that was renamed would run in every run again, and nobody would see why it takes so long."""
    functions = {node.name for node in ast.parse((HERE / file).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}
    named = {line.partition("::")[2].partition("[")[0] for line in SLOW if line.startswith(f"{file}::")}
    assert named <= functions


def test_the_default_run_has_none_of_them(request: pytest.FixtureRequest) -> None:
    """They are left out before the first test begins."""
    ran = {f"{item.path.relative_to(HERE).as_posix()}::{item.name}" for item in request.session.items}
    if request.config.option.markexpr == "not slow":
        assert not ran & SLOW
