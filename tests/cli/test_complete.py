"""What a shell offers for a word that is half typed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from featx.cli import complete

PROGRAM = "from featx.cli import run; run()"


def offered(words: str, folder: Path) -> list[str]:
    """Return what bash is given for the last of some words."""
    typed = ["featx", *words.split(" ")]
    asked = {"_FEATX_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(typed), "COMP_CWORD": str(len(typed) - 1)}
    code = f"import sys; sys.argv[0] = 'featx'; {PROGRAM}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | asked, cwd=folder)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("ex", ["extract", "explain", "export"]),
        ("fit --head l", ["logreg"]),
        ("compare --heads svm,k", ["svm,knn"]),
        ("extract photos --backbone vgg", ["vgg16", "vgg19"]),
        ("compare --head svm,k", ["svm,knn"]),
        ("extract photos --layer block4_p", ["block4_pool"]),
        ("extract photos --la", ["--layer", "--label-column", "--label-separator", "--label-columns"]),
        ("extract photos --layers block4_", [*(f"block4_conv{n}" for n in (1, 2, 3)), "block4_pool"]),
        ("extract photos --layers block4_pool,block5_p", ["block4_pool,block5_pool"]),
        ("fit --layer ", ["cells"]),
        ("audit --layer d", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shell_is_offered_what_fits(words: str, wanted: list[str], photos: Path, extract: Callable[..., Any]) -> None:
    """In a process of its own, as bash asks."""
    if "--layer " in words:
        extract(photos, photos.parent / "cache" / "photos")
    assert offered(words, photos.parent) == wanted


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_the_layers_offered_are_those_of_keras(name: str) -> None:
    """All of them but the input."""
    network = getattr(keras.applications, name.upper())(include_top=False, weights=None)
    assert complete._layers_of(name) == [layer.name for layer in network.layers[1:]]
