"""Addresses of what lies beside a page: right from where it lies, and telling nobody whose disk it was."""

from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest

from featx.report.page.beside import address_in, address_of


@pytest.mark.parametrize(
    ("file", "page", "address"),
    [
        ("/data/photos", "/data/reports/m/report.html", "../../photos"),
        ("/data/reports/m/predictions.csv", "/data/reports/m/report.html", "predictions.csv"),
        ("/data/a/../photos", "/data/x/./report.html", "../photos"),
        ("/data/p#1/50 %?.png", "/data/report.html", "p%231/50%20%25%3F.png"),
        ("/data/http:/evil.example/x", "/data/report.html", "http%3A/evil.example/x"),
        ("/other/photos", "/data/report.html", ""),  # only the root is common to them
    ],
)
def test_an_address_leads_from_the_page_to_the_file(file: str, page: str, address: str) -> None:
    """Whatever is in the names; not up to the root and down again."""
    assert address_of(file, Path(page)) == address
    if address:
        reached = unquote(urljoin(Path(page).as_posix(), address))
        assert Path(reached) == Path(file.replace("a/../", ""))


def test_no_address_leads_into_a_home_folder_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name would be in it; from inside, the address starts below it."""
    monkeypatch.setenv("HOME", "/srv/home/ada")
    assert address_of("/srv/home/ada/photos", Path("/srv/reports/report.html")) == ""
    assert address_of("/srv/home/ada/photos", Path("/srv/home/ada/reports/report.html")) == "../photos"
    assert address_of("/srv/data/photos", Path("/srv/home/ada/report.html")) == "../../data/photos"


def test_an_image_of_a_listing_is_below_its_folder() -> None:
    """One with a path of its own is not, and neither is anything where the folder is not to be told."""
    assert address_in("../photos", "cat/1 #.png") == "../photos/cat/1%20%23.png"
    assert address_in("../photos", "//evil.example/x.png") == address_in("../photos", "/x.png") == ""
    assert address_in("", "cat/1.png") == ""
    assert address_in("../photos", "caf\udce9.png") == "../photos/caf%E9.png"
