"""What an editor knows of featx without running it: every public name, its type, its keywords and their values."""

import ast
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import featx

ROOT = Path(featx.__file__).parents[1]


def test_the_imports_for_editors_are_those_at_run_time() -> None:
    """Names are imported on first use; a checker reads the block for it, which must say the same: no name more, none less."""
    tree = ast.parse(Path(featx.__file__).read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    assert len(blocks) == 1
    found = {
        alias.name: str(node.module)
        for node in blocks[0].body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module != "os"
    }
    assert found == featx._PUBLIC
    assert (resources.files("featx") / "py.typed").is_file()


USED_AS_MEANT = """
import featx
from featx import errors

options: featx.ExtractKeywords = {"backbone": "stub", "resize": "crop", "image_size": 64}
extracted = featx.extract_features("photos", progress=False, **options)
reveal_type(extracted)
reveal_type(featx.fit_head(extracted, "logreg", C=0.1, class_weight="balanced", progress=lambda stage, done, total: None))
reveal_type(featx.evaluate_model("m.featx").accuracy)
reveal_type(featx.predict_images("m.featx", "photos")[0].label)
reveal_type(featx.load_model("m.featx").predict("cat.jpg"))
reveal_type(featx.open_cache("cache").catalog)
reveal_type(featx.compare_heads("cache").best.accuracy)
reveal_type(featx.HeadClassifier("svm").head)
try:
    featx.fine_tune("cache", "block5_conv3", epochs=3, schedule="cosine")
except errors.FeatxError as error:
    reveal_type(error.wrong_value)
"""
REVEALED = (*("ExtractResult", "FitResult", "float", "str", "ndarray", "Catalog", "float", "str", "bool"),)
MISTAKES = {
    'featx.extract_features("photos", backbonee="stub")': 'Unexpected keyword argument "backbonee"',
    'featx.extract_features("photos", resize="squash")': 'Argument "resize"',
    'featx.fit_head("cache", "logreg", c=0.1)': 'Unexpected keyword argument "c"',
    'featx.fit_head("cache", class_weight="even")': 'Argument "class_weight"',
    "featx.fit_heads": 'has no attribute "fit_heads"',
    "featx.errors.ImageError": 'has no attribute "ImageError"',
    'featx.evaluate_model("m.featx").acuracy': 'has no attribute "acuracy"',
    'featx.compare_heads("cache", progress="bar")': 'Argument "progress"',
}


@pytest.mark.slow
def test_a_checker_finds_types_and_mistakes_in_a_program_that_uses_featx(tmp_path: Path) -> None:
    """Mypy, strict, on a program as a user writes it: no name is Any, and what is misspelt is said."""
    program = tmp_path / "program.py"
    program.write_text(USED_AS_MEANT + "\n".join(MISTAKES) + "\n")
    environment = {"MYPYPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", str(program)]
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*command, *settings], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    notes = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed type is" in line]
    assert len(notes) == len(REVEALED), done.stdout + done.stderr
    for note, wanted in zip(notes, REVEALED, strict=True):
        assert wanted in note
        assert note != "Any"
    first = 1 + len(USED_AS_MEANT.splitlines())
    for line, (mistake, message) in enumerate(MISTAKES.items(), first):
        said = [text for text in done.stdout.splitlines() if text.startswith(f"{program.name}:{line}: error")]
        assert any(message in text for text in said), (mistake, done.stdout)
    assert done.stdout.count(" error: ") == len(MISTAKES), done.stdout
