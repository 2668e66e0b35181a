"""What lies beside a page: where an image's file is as seen from it, so that a browser can show it at full size."""

import os
from pathlib import Path
from urllib.parse import quote

from featx.system.home import is_at_home


def address_of(file: Path | str, page: Path) -> str:
    """Return the address of a file or folder, relative to a page's; empty where a page should not give it.

    The page is mailed: an address that climbs to the root, or into a home folder from outside it, would name folders that
    are nobody's business.

    Parameters
    ----------
    file : Path or str
        It need not exist.
    page : Path
        The page, or any file in its folder.
    """
    # As the browser will: by the names alone, whatever is a link.
    target, folder = (Path(os.path.normpath(path.absolute())) for path in (Path(file), page.parent))
    try:
        common = Path(os.path.commonpath([target, folder]))
        relative = Path(os.path.relpath(target, folder))
    except ValueError:  # another drive
        return ""
    if common.parent == common or (is_at_home(str(target)) and not is_at_home(str(folder))):
        return ""
    return quoted(relative.as_posix())


def quoted(path: str) -> str:
    """Return a relative path as an address: whatever a name holds, it neither ends the path nor names another host."""
    return "/".join(quote(os.fsencode(part)) for part in path.split("/"))


def address_in(base: str, path: str) -> str:
    """Return the address of a file that a listing gives relative to its folder, which has the address ``base``."""
    if not base or Path(path).is_absolute():
        return ""
    return f"{base}/{quoted(path)}"


def link_to(table: Path | str | None, page: Path) -> dict[str, str] | None:
    """Return name and address of a table, as seen from the page; None where there is none, or none to give."""
    address = address_of(table, page) if table else ""
    return {"name": Path(table).name, "address": address} if table and address else None
