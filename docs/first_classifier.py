"""The notebook of the pages: run from a fresh kernel, its outputs kept without what is this machine's, and shown as a page.

``scripts/notebook`` runs it and writes it back. Whoever builds the pages needs no Jupyter: they read what is kept.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "first-classifier.ipynb"

# What another run on another machine would have otherwise, in the tables that results show.
_OF_THIS_RUN = re.compile(r"<tr><td>(?:seconds|images a second)</td><td>[^<]*</td></tr>\n?")
_TIMES = re.compile(r"(?<=, )[\d.]+ s\b")
_SECONDS_COLUMN = "seconds a fit"

_BADGE = re.compile(r"\[!\[([^\]]+)\]\([^)]+\)\]\(([^)]+)\)")


def executed(folder: Path) -> dict[str, Any]:
    """Return the notebook as a fresh kernel leaves it that runs in a folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails, with its traceback.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    document: dict[str, Any] = json.loads(nbformat.writes(notebook))
    return document


def kept(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs that are kept: no bars, no times, nothing of where and when it was run."""
    cells = []
    for cell in notebook["cells"]:
        cell = {name: value for name, value in cell.items() if name != "metadata"} | {"metadata": {}}
        if cell["cell_type"] == "code":
            cell["outputs"] = [_kept_output(output) for output in cell["outputs"] if _is_kept(output)]
        cells.append(cell)
    metadata = {"kernelspec": notebook["metadata"]["kernelspec"], "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def markdown(notebook: dict[str, Any]) -> str:
    """Return a notebook as the text of a page: its code, and what each cell showed."""
    return "\n\n".join(part for cell in notebook["cells"] for part in _parts(cell)) + "\n"


def read() -> dict[str, Any]:
    """Return the notebook that is kept."""
    document: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    return document


def page() -> str:
    """Return the notebook that is kept as the text of a page."""
    return markdown(read())


def _is_kept(output: dict[str, Any]) -> bool:
    is_bar = output.get("name") == "stderr" or any("widget" in kind for kind in output.get("data", {}))
    return not is_bar


def _kept_output(output: dict[str, Any]) -> dict[str, Any]:
    if "data" not in output:
        return output
    data = dict(output["data"])
    if "text/html" in data:
        data["text/html"] = _without_times(_text(data["text/html"])).splitlines(keepends=True)
        data["text/plain"] = [_text(data["text/plain"]).split("(")[0]]  # its fields hold times too
    return {"output_type": output["output_type"], "data": data, "metadata": {}} | (
        {"execution_count": output["execution_count"]} if "execution_count" in output else {}
    )


def _without_times(html: str) -> str:
    html = _TIMES.sub("… s", _OF_THIS_RUN.sub("", html))
    header = re.search(r"<thead><tr>(.*?)</tr></thead>", html)
    columns = re.findall(r"<th>(.*?)</th>", header[1]) if header else []
    if _SECONDS_COLUMN not in columns:
        return html
    place = columns.index(_SECONDS_COLUMN)

    def without(row: re.Match[str]) -> str:
        cells = re.findall(r"<(?:td|th)>.*?</(?:td|th)>", row[1])
        return f"<tr>{''.join(cells[:place] + cells[place + 1 :])}</tr>" if len(cells) == len(columns) else row[0]

    return re.sub(r"<tr>(.*?)</tr>", without, html)


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    source = _text(cell["source"])
    if cell["cell_type"] == "markdown":
        yield _BADGE.sub(r"[\1](\2)", source)
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "text/html" in data:
            # Without empty lines it is one block of HTML.
            yield re.sub(r"\n\s*\n", "\n", _text(data["text/html"])).strip()
        elif "image/png" in data:
            yield f'<img alt="what this cell shows" src="data:image/png;base64,{_text(data["image/png"]).strip()}">'
        else:
            yield f"```text\n{_text(output.get('text') or data['text/plain']).rstrip()}\n```"


def _text(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)


def main() -> None:
    """Run the notebook in a folder of its own and write it back."""
    with tempfile.TemporaryDirectory() as folder:
        document = kept(executed(Path(folder)))
    NOTEBOOK.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
