"""A process of featx's own finds the same featx, whatever stands in the caller's module path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from featx.images import decoder
from featx.recipe import Recipe
from featx.system.elsewhere import calling, command

RECIPE = Recipe(backbone="stub", weights="random:0", layers=("features",), image_size=(8, 8), preprocess="none")


def test_arguments_and_module_path_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function is found where only this process's path leads, and gets the arguments as they are."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "only_here.py").write_text("def tell(*told):\n    print(told)\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "deep"), *sys.path])
    words = ["a b", "ü", '"{}', ""]
    done = subprocess.run(
        command(calling("only_here:tell"), *words), capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == repr(tuple(words))


def test_the_users_files_are_no_modules(tmp_path: Path) -> None:
    """A file of a module's name in the folder where featx runs is the user's own and is not loaded."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('loaded')")
    (tmp_path / "json.py").write_text("raise SystemExit('loaded')")
    done = subprocess.run(
        command(calling("featx.images.worker:main")), cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True
    )
    assert (done.returncode, done.stdout) == (0, b"ready\n")


@pytest.mark.parametrize("odd", [Path("/nowhere"), b"/nowhere", None, 3, os.fsdecode(b"/no\xffwhere")], ids=repr)
def test_a_module_path_may_hold_what_python_passes_over(odd: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``sys.path.insert(0, Path(...))``, as notebooks do: images are decoded as ever."""
    path = tmp_path / "one.png"
    Image.new("RGB", (8, 8), (1, 2, 3)).save(path)
    decoder.end_idle_decoders()
    monkeypatch.setattr(sys, "path", [odd, *sys.path])
    request = {"recipe": RECIPE.to_dict(), "max_pixels": 100, "augment": None, "seed": 0, "views": [0]}
    try:
        assert decoder.decode_file(path, **request).images[0, 0, 0].tolist() == [1, 2, 3]
    finally:
        decoder.end_idle_decoders()
