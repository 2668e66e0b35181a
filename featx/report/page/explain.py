"""Explanations as a page: each image as the network saw it, and beside it what its cells spoke for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featx.errors import DecoderError
from featx.images import THUMBNAIL_TYPE, as_webp
from featx.models import Compute, decode_files, load_model
from featx.recipe import Recipe
from featx.report.page.cells import Scale, legend
from featx.report.page.place import check_page_place
from featx.report.text.shares import share_text
from featx.system.counts import number_of
from featx.system.progress import Progress
from featx.verbs.explain import Explanation, limits_of

_MOST_SHOWN = 200
"""Images: at some 10 KB each a page of them stays near 2 MB."""

_MOST_CELLS = 50_000
_MOST_REJECTED = 500
_LONGEST = 320
"""Longer side of a picture on the page [px]."""


def check_explanation_page(path: Path) -> None:
    """Make sure that a page can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If its name does not end in ``.html``, it cannot be written, or a file stands there that is no page of featx's.
    """
    check_page_place(path, "--out")


def write_explanation_page(
    explanations: Sequence[Explanation], path: Path | str, model: Path | str, *, progress: Progress | None = None
) -> None:
    """Write one page that shows what the cells of each image spoke for, on one scale.

    Parameters
    ----------
    explanations : sequence of Explanation
        What was explained. The files are decoded again, where they still are.
    path : Path or str
        The page.
    model : Path or str
        The model file that was explained.
    progress : callable or None
        Called as (stage, newly done, total).

    Raises
    ------
    OutputError
        As ``check_explanation_page``.
    ModelError
        If the model cannot be read.
    """
    from featx.report.page.render import data_uri, render_page, save_page

    path, model = Path(path), Path(model)
    check_explanation_page(path)
    loaded = load_model(model)
    explained = [one for one in explanations if one.cells is not None]
    cells = [one.cells for one in explained if one.cells is not None]
    most = min(_MOST_SHOWN, max(1, _MOST_CELLS // cells[0].size)) if cells else 0
    scale, pictures = Scale.of(cells[:most]), _pictures(explained[:most], loaded.recipe, progress)
    shown = [
        _figure(one, scale) | {"source": data_uri(data, THUMBNAIL_TYPE) if data else "", "missing": reason}
        for one, (data, reason) in zip(explained[:most], pictures, strict=True)
    ]
    rejected = [one for one in explanations if one.error]
    height, width = loaded.recipe.image_size
    page = render_page(
        "explain.html",
        name=model.stem,
        lead=f"{number_of(len(explanations), 'image')} given to {loaded.head_name} on {loaded.recipe.backbone} features.",
        shown=shown,
        more=len(explained) - len(shown),
        limits=limits_of(loaded, explained[0].method, explained[0].quantity, cells[0].shape) if explained else [],
        quantity=explained[0].quantity if explained else "",
        steps=legend(),
        step=scale.step,
        width=width,
        height=height,
        rejected=rejected[:_MOST_REJECTED],
        n_rejected=len(rejected),
    )
    save_page(page, path)


def _figure(one: Explanation, scale: Scale) -> dict[str, Any]:
    assert one.cells is not None
    bias = "" if one.bias is None else f"bias {one.bias:+.2f}, "
    sums = f"for {one.speaking_for:+.2f}, against {one.speaking_against:+.2f}, {bias}margin {one.margin:+.2f}"
    (row, column, value), *_ = one.strongest(1)
    strongest = f"strongest cell: row {row + 1}, column {column + 1}, {value:+.2f}" if value else "no cell counts"
    return {
        "label": one.label,
        "other": one.other,
        "confidence": share_text(one.confidence or 0.0),
        "other_confidence": share_text(one.other_confidence or 0.0),
        "path": one.path,
        "sums": sums,
        "about": f"{sums}; {strongest}",
        "rows": one.cells.shape[0],
        "columns": one.cells.shape[1],
        "drawing": scale.drawing(one.cells),
    }


def _pictures(explained: Sequence[Explanation], recipe: Recipe, progress: Progress | None) -> list[tuple[bytes, str]]:
    """Return each image as the network saw it, as a file, or why there is none."""
    found = [(b"", "")] * len(explained)
    files = [Path(one.path) for one in explained]
    try:
        for batch in decode_files(files, recipe, Compute(batch_size=32), known=True, stage="pictures", progress=progress):
            for place, pixels, digest in zip(batch.positions, batch.images, batch.digests, strict=True):
                same = digest.hex() == explained[place].digest
                found[place] = (as_webp(pixels, _LONGEST), "") if same else (b"", "changed since it was explained")
            for place, reason in batch.rejected.items():
                found[place] = b"", reason
    except DecoderError as error:  # what the cells say is to be read all the same
        found = [(data, reason or ("" if data else str(error).rstrip("."))) for data, reason in found]
    return found
