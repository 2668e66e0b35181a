"""Where a page that a user names can be saved. Asked before the work, so it loads no Jinja for a name that is no page's."""

from pathlib import Path

from featx.errors import OutputError


def check_page_place(path: Path, option: str) -> None:
    """Make sure that a page can be saved there.

    Raises
    ------
    OutputError
        If its name does not end in ``.html``, it cannot be written, or a file stands there that is no page of featx's.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{path}: a page is written as HTML. Give {option} a name that ends in .html.", wrong_value=True)
    from featx.report.page.render import check_page_path  # here, not above: it loads Jinja

    check_page_path(path, option)
