"""The lowest versions of the dependencies that may be installed leave out those with known holes in what featx uses of them."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import featx

HOLES = {
    "keras": {"CVE-2025-9905": "3.11.2", "CVE-2026-0897": "3.13.0"},
    "h5py": {"CVE-2024-29157": "3.11.0"},
    "joblib": {"CVE-2022-21797": "1.1.1"},
    "tqdm": {"CVE-2024-34062": "4.66.2"},
    "pillow": {"CVE-2023-4863": "10.0.0", "CVE-2024-28219": "10.2.0"},
    "jinja2": {"CVE-2025-27516": "3.1.5"},
    "filelock": {"CVE-2026-22701": "3.20.2"},
    "ray": {"CVE-2025-62593": "2.51.2"},
    "pyarrow": {"CVE-2023-47248": "14.0.0"},
}
"""Of each library its holes, with the last version that has it."""


@pytest.mark.parametrize(("library", "hole"), [(library, hole) for library, holes in HOLES.items() for hole in holes])
def test_a_version_with_a_known_hole_cannot_be_installed(library: str, hole: str) -> None:
    """Wherever the library is asked for, in extras too."""
    project = tomllib.loads((Path(featx.__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    floors = [wanted for wanted in map(Requirement, texts) if wanted.name == library and wanted.specifier]
    assert floors
    for wanted in floors:
        assert not wanted.specifier.contains(HOLES[library][hole]), wanted
