"""A mistake has one shape: a message on stderr, an exit code, and with ``--json`` one object on stdout."""

import json
import shlex
from pathlib import Path

import pytest

import featx
from featx import errors
from tests.conftest import Run


@pytest.fixture
def fitted(photos: Path, stub_cache: Path, run: Run) -> Path:
    """A folder with ``photos/``, ``cache/photos`` and ``models/photos-logreg.featx``."""
    (photos.parent / "caches").mkdir()
    stub_cache.rename(photos.parent / "caches" / "photos")
    (photos.parent / "caches").rename(photos.parent / "cache")
    assert run("fit", "cache/photos", "--head", "logreg").exit_code == 0
    return photos.parent


def only_object(stdout: str) -> dict[str, object]:
    """Return what stdout holds, which must be one JSON object in one line."""
    (line,) = stdout.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


# Of every kind: what click finds, what featx finds, and where; all of them values that can never be right.
WRONG_VALUES = {
    "no such option": "extract photos --image-sze 64",
    "no number": "extract photos --seed many",
    "no size": "extract photos --image-size 0",
    "size too small for the backbone": "extract photos --image-size 8",
    "no backbone": "extract photos --backbone vgg17",
    "no layer": "extract photos --cache cache/other --layers block9_pool",
    "no seed": "extract photos --weights random:x",
    "fractions": "extract photos --val-fraction 0.9 --test-fraction 0.9",
    "a fraction": "extract photos --val-fraction nan",
    "views": "extract photos --views 0",
    "augmentation": "extract photos --augment wobble=2",
    "calibration without int8": "extract photos --calibration cache/photos",
    "manifest options of a folder": "extract photos --root photos",
    "device": "extract photos --cache cache/other --device abacus",
    "no head": "fit cache/photos --head forest",
    "no pooling for it": "fit cache/photos --head conv --pooling avg",
    "a setting of another head": "fit cache/photos --head knn --C 1",
    "a setting out of range": "fit cache/photos --head logreg --C -1",
    "a log without epochs": "fit cache/photos --head logreg --log x.csv",
    "folds": "fit cache/photos --head logreg --tune --folds 1",
    "no cached layer": "fit cache/photos --head logreg --layer block1_pool",
    "heads to compare": "compare cache/photos --heads forest",
    "poolings to compare": "compare cache/photos --heads logreg --poolings flat",
    "no format": "export models/photos-logreg.featx out.docx",
    "predictions as a picture": "predict models/photos-logreg.featx photos --out new.png",
    "a page as text": "predict models/photos-logreg.featx photos --report new.txt",
    "manifest options without a manifest": "evaluate models/photos-logreg.featx --root photos",
    "a device for cached features": "evaluate models/photos-logreg.featx --device abacus",
    "no top classes": "predict models/photos-logreg.featx photos --top 0",
    "NUL without stdin": "predict models/photos-logreg.featx photos --null",
    "stdin twice": "predict models/photos-logreg.featx - -",
    "two heads for one fit": "fit cache/photos --head ridge,knn",
    "two layers for one fit": "fit cache/photos --layer cells --layer other",
    "no layer to compare": "compare cache/photos --head ridge --layer cells,other",
    "two places": "pack cache/photos one.h5 --out two.h5",
    "nowhere to write": "pack cache/photos",
    "a look as text": "look photos --out new.txt",
    "a look without its page": "look photos --out new.html --no-page",
    "a look with weights": "look photos --weights random",
    "a look of an augmentation": "look photos --augment wobble=2",
    "no command": "extrct photos",
    "a variable of the shell that is not set": "extract ''",
    "no model's name": "predict '' photos",
    "no image's name": "predict models/photos-logreg.featx photos ''",
    "no folder's name": "evaluate models/photos-logreg.featx --images ''",
}


def test_a_wrong_value_is_exit_code_2_whoever_finds_it(fitted: Path, run: Run) -> None:
    """With the message on stderr, and as an object with --json."""
    for what, command in WRONG_VALUES.items():
        plain = run(*shlex.split(command))
        assert plain.exit_code == 2, (what, plain.stderr)
        assert plain.stderr.strip(), what
        assert plain.stdout == "", what
        with_json = run(*shlex.split(command), "--json")
        assert with_json.exit_code == 2, what
        found = only_object(with_json.stdout)
        assert set(found) == {"error", "kind"}, what
        assert str(found["error"]) in with_json.stderr, what


# Nothing is wrong with the command here, but with what is there.
OTHERS = {
    "no images": ("extract nowhere", "ImageListError"),
    "no cache": ("fit cache/none", "CacheNotFound"),
    "no model": ("evaluate models/none.featx", "ModelNotFound"),
    "no weights": ("evaluate models/photos-logreg.featx --weights none.h5", "WeightsError"),
    "other features": ("extract photos --resize crop", "RecipeMismatch"),
    "somebody's file": ("fit cache/photos --head logreg --out thesis.featx", "OutputError"),
}


def test_what_is_wrong_with_the_files_is_exit_code_1(fitted: Path, run: Run) -> None:
    """The kind is the name of the exception that Python would raise."""
    (fitted / "thesis.featx").write_text("chapter 1")
    for what, (command, kind) in OTHERS.items():
        done = run(*command.split(), "--json")
        assert done.exit_code == 1, what
        found = only_object(done.stdout)
        assert found["kind"] == kind, what
        assert issubclass(getattr(errors, kind), errors.FeatxError), what
        assert done.stderr == f"featx: {found['error']}\n", what
    assert (fitted / "thesis.featx").read_text() == "chapter 1"


def test_more_rejects_than_allowed_are_exit_code_3_after_the_one_object(fitted: Path, run: Run) -> None:
    """The result is the object; the error is on stderr alone."""
    (fitted / "photos" / "red" / "broken.png").write_bytes(b"no image")
    done = run("extract", "photos", "--backbone", "stub", "--image-size", "64", "--max-rejects", "0", "--json")
    assert done.exit_code == 3
    assert only_object(done.stdout)["rejected"] == 1
    assert "more than --max-rejects 0.0" in done.stderr


def test_predict_with_no_image_that_can_be_read_is_exit_code_3(fitted: Path, run: Run) -> None:
    """With the first reason; the rows are written all the same."""
    (fitted / "bad.png").write_bytes(b"no image")
    done = run("predict", "models/photos-logreg.featx", "bad.png")
    assert done.exit_code == 3
    assert done.stdout.splitlines()[1].startswith("bad.png,,,")
    assert "1 of 1 images were rejected" in done.stderr
    mixed = run("predict", "models/photos-logreg.featx", "bad.png", "photos/red/0.png")
    assert mixed.exit_code == 0
    strict = run("predict", "models/photos-logreg.featx", "bad.png", "photos/red/0.png", "--max-rejects", "0.25")
    assert strict.exit_code == 3


def test_an_error_says_in_python_too_whether_a_value_was_wrong(fitted: Path, run: Run) -> None:
    """And keeps that through a process's pipe."""
    import pickle

    with pytest.raises(errors.HeadError) as caught:
        featx.fit_head("cache/photos", "logreg", C=-1)
    assert caught.value.wrong_value
    assert pickle.loads(pickle.dumps(caught.value)).wrong_value
    assert not errors.HeadError("no images").wrong_value
    assert not errors.RecipeMismatch("another").wrong_value
