"""Where a page that a user names can be saved. Asked before the work, so it loads no Jinja."""

from pathlib import Path

from featx.errors import OutputError
from featx.system import marks
from featx.system.outputs import Kind, check_result_file, refuse_address

PAGE = Kind("an earlier page", "is not a page of featx's", [marks.PAGE])


def check_page_path(path: Path, option: str = "--out") -> None:
    """Make sure that a page can be saved there; cheap, so that it can be asked before the work.

    Raises
    ------
    OutputError
        If the place cannot be written, or holds a file that is no page of featx's.
    """
    check_result_file(path, PAGE, option)


def check_page_place(path: Path, option: str) -> None:
    """Make sure that a page can be saved under a name that a user has given.

    Raises
    ------
    OutputError
        If its name does not end in ``.html``, it cannot be written, or a file stands there that is no page of featx's.
    """
    refuse_address(path)  # whose name may have no ending at all
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{path}: a page is written as HTML. Give {option} a name that ends in .html.", wrong_value=True)
    check_page_path(path, option)
