"""The notebook of the docs: what it keeps of its outputs, its page, and that it runs."""

import ast
import html
import inspect
import re
import typing
from pathlib import Path
from typing import Any

import pytest

import featx
from docs import first_classifier
from docs.first_classifier import NOTEBOOK, markdown
from tests.pages import ROOT

COLAB = "https://colab.research.google.com/github/"


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    """The notebook as it is kept."""
    return first_classifier.read()


def text(lines: str | list[str]) -> str:
    """Return a text that a notebook keeps in lines."""
    return lines if isinstance(lines, str) else "".join(lines)


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return its cells of code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_every_cell_was_run_in_order_and_none_failed(notebook: dict[str, Any]) -> None:
    """From a fresh kernel; each cell but the imports shows something."""
    cells = code_cells(notebook)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert all(cell["outputs"] for cell in cells[1:])


def test_it_is_small_and_holds_nothing_of_the_machine_that_ran_it(notebook: dict[str, Any]) -> None:
    """No paths, no times, no bars: another run changes little in it."""
    written = NOTEBOOK.read_text("utf-8")
    assert len(written) < 120_000
    assert set(notebook["metadata"]["language_info"]) == {"name"}
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    shown = " ".join(text(value) for output in outputs for kind, value in output.get("data", {}).items() if kind != "image/png")
    shown += " ".join(text(output.get("text", "")) for output in outputs)
    assert not re.search(r"/(?:tmp|home|root|work|Users)/|\d s\b|seconds|images a second|images/s", shown)
    assert "stderr" not in {output.get("name") for output in outputs}
    assert "widget" not in written


def test_the_button_opens_this_file(notebook: dict[str, Any]) -> None:
    """In the first cell."""
    button = re.search(rf"\[!\[Open in Colab\]\(\S+\)\]\({COLAB}(\S+)\)", text(notebook["cells"][0]["source"]))
    assert button
    assert button[1].split("/blob/main/")[1] == NOTEBOOK.relative_to(ROOT).as_posix()


def side_by_side(notebook: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return step, Keras' code and featx's of each row of the table."""
    table = next(text(cell["source"]) for cell in notebook["cells"] if "<table>" in text(cell["source"]))
    rows = re.findall(r"<tr><td>(.*?)</td><td><pre>(.*?)</pre></td><td><pre>(.*?)</pre></td></tr>", table, re.DOTALL)
    return [(html.unescape(step), html.unescape(keras), html.unescape(ours)) for step, keras, ours in rows]


def test_what_stands_beside_the_keras_notebook_can_be_typed(notebook: dict[str, Any]) -> None:
    """Both sides are Python, and featx's functions take what is given to them there."""
    rows = side_by_side(notebook)
    assert len(rows) >= 6
    called = set()
    for _, keras, ours in rows:
        ast.parse(keras.replace("...", "None"))
        for node in ast.walk(ast.parse(ours)):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("featx.")):
                continue
            function = getattr(featx, ast.unparse(node.func).removeprefix("featx."))
            called.add(function.__name__)
            signature = inspect.signature(function)
            names = {str(keyword.arg) for keyword in node.keywords}
            signature.bind(*(None for _ in node.args), **dict.fromkeys(names))
            own = set(signature.parameters)
            variable = [one for one in signature.parameters.values() if one.kind is one.VAR_KEYWORD]
            others = typing.get_args(typing.get_type_hints(function)[variable[0].name])[0].__annotations__ if variable else {}
            assert names <= own | set(others), (function.__name__, names)
    assert called >= {"extract_features", "fit_head", "evaluate_model", "fine_tune", "load_model"}


def test_its_page_shows_all_of_it(notebook: dict[str, Any]) -> None:
    """Text, code, tables and pictures; HTML without the empty lines that would end it in Markdown."""
    page = markdown(notebook)
    for cell in code_cells(notebook):
        assert f"```python\n{text(cell['source'])}\n```" in page
    assert page.count('<div class="featx-result">') == sum(
        "text/html" in output.get("data", {}) for cell in code_cells(notebook) for output in cell["outputs"]
    )
    assert not [block for block in re.findall(r"<div.*?</div>", page, re.DOTALL) if "\n\n" in block]
    assert "data:image/png;base64," in page
    assert "](https://colab" in page
    assert "badge.svg" not in page  # a page loads nothing from elsewhere


@pytest.mark.slow
def test_it_runs_from_a_fresh_kernel(notebook: dict[str, Any], tmp_path: Path) -> None:
    """No cell errs, each shows what is kept of it, with bars while it works; the accuracy is within 0.03 of what is kept."""
    pytest.importorskip("nbclient", reason="the extra test runs the notebook")
    ran = first_classifier.executed(tmp_path)
    bars = " ".join(text(output.get("text", "")) for cell in code_cells(ran) for output in cell["outputs"])
    assert re.search(r"extract: +100%", bars)
    fresh = first_classifier.kept(ran)
    for was, cell in zip(code_cells(notebook), code_cells(fresh), strict=True):
        assert cell["source"] == was["source"], "run scripts/notebook: the outputs that are kept are of other code"
        kinds = [[sorted(output.get("data", {"text": ""})) for output in one["outputs"]] for one in (was, cell)]
        assert kinds[0] == kinds[1], "run scripts/notebook: a cell shows something else than what is kept of it"
    accuracies = [float(found) for found in re.findall(r"<td>accuracy</td><td>([\d.]+)", markdown(notebook) + markdown(fresh))]
    assert len(accuracies) == 2
    assert abs(accuracies[0] - accuracies[1]) < 0.03
    assert (tmp_path / "report" / "report.html").is_file()
