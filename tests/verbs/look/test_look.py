"""featx look: what it counts, what it shows, and that it is quick."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featx
from featx.errors import BackboneError, FeatxError, ImageListError, ImageSizeError
from featx.images import Augmentation, Views, decode_image, load_batches
from featx.images.augment import augmented
from featx.recipe import Recipe
from featx.system.files import content_digest
from featx.verbs.look import examples, look
from tests.conftest import COLOURS, Run, as_json, write_image
from tests.test_architecture import command, modules_loaded_by


@pytest.fixture
def mixed(photos: Path) -> Path:
    """``photos`` with large and small files of several kinds, copies, slips, and what is no image."""
    Image.new("L", (300, 100), 90).save(photos / "red" / "wide.jpg")
    Image.fromarray(np.arange(0, 42000, 20, dtype=np.uint16).reshape(70, 30)).save(photos / "red" / "deep.png")
    (photos / "blue" / "copy.png").write_bytes((photos / "red" / "0.png").read_bytes())
    (photos / "blue" / "again.png").write_bytes((photos / "red" / "0.png").read_bytes())
    (photos / "green" / "words.jpg").write_text("no image")
    (photos / "green" / "half.png").write_bytes((photos / "green" / "1.png").read_bytes()[:300])
    (photos / "green" / "phone.heic").write_text("words")
    (photos / "loose.png").write_bytes((photos / "red" / "1.png").read_bytes())
    return photos


def test_everything_is_counted(mixed: Path, run: Run) -> None:
    """Classes, sizes, depths, rejects with their reasons, copies, what is passed over: in Python as in JSON."""
    found = featx.look_at_images(mixed, image_size=64, examples=20)
    assert (found.listed, found.classes, found.measured) == (43, 3, 42)
    assert found.images_of_class == {"blue": 14, "green": 14, "red": 14}
    assert (found.unlabelled, found.splits) == (1, {})
    assert found.rejects == {
        "loose.png": "in no class folder",
        "green/words.jpg": "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)",
        "green/half.png": "truncated PNG",
    }
    assert found.reasons == dict.fromkeys(found.rejects.values(), 1)
    assert (found.formats, found.depths) == (
        {"PNG": 40, "JPEG": 1},
        {"8-bit RGB": 39, "8-bit grey": 1, "16-bit grey": 1},
    )
    assert found.sizes == {"40x48": 39, "100x300": 1, "70x30": 1}
    assert found.shape is not None
    assert (found.shape.height, found.shape.width) == ((40, 40, 40, 40, 100), (30, 48, 48, 48, 300))
    assert (found.shape.aspect[0], found.shape.aspect[-1]) == (0.429, 3.0)
    assert (found.smaller, found.reshaped) == (40, 2)  # 70 x 30 px is, 100 x 300 px is not smaller; 1.2 is not past 1.25
    assert (found.duplicates, found.copies) == (2, [["blue/again.png", "blue/copy.png", "red/0.png"]])
    assert (found.skipped, found.hidden) == ({".heic": 1}, 0)
    printed = as_json(run("look", mixed, "--image-size", "64", "--examples", "20", "--json"))
    assert printed.pop("page") == "reports/photos-look.html"
    assert printed == json.loads(json.dumps(found.as_json(), default=str))


def test_an_example_is_what_an_extract_would_see(mixed: Path) -> None:
    """The clean image is that of decode_image, the views are those that extract caches, the original keeps its shape."""
    options: dict[str, Any] = {"resize": "pad", "background": "black", "depth": "12"}
    found = featx.look_at_images(mixed, image_size=(64, 96), examples=20, augment="flip,rotate=30", views=3, seed=5, **options)
    recipe = Recipe("vgg16", "x", ("a",), (64, 96), "caffe", **options | {"background": (0, 0, 0)})
    assert found.augment == "flip,rotate=30"
    assert len(found.examples) == 40
    assert found.decoded == 42
    for example in found.examples:
        data = (mixed / example.path).read_bytes()
        clean = decode_image(data, recipe)
        np.testing.assert_array_equal(example.views[0], clean)
        for view in (1, 2):
            wanted = augmented(clean, content_digest(data), Augmentation(flip=True, rotate=30), 5, view)
            np.testing.assert_array_equal(example.views[view], wanted)
        height, width = example.original.shape[:2]
        assert (height, width) == ((example.height, example.width) if example.width < 224 else (75, 224))
    (batch,) = load_batches(
        [mixed / "red" / "1.png"] * 2, recipe, 2, views=Views(Augmentation.parse("flip,rotate=30"), 5, [1, 2])
    )
    same = next(one for one in found.examples if one.path == "red/1.png")
    np.testing.assert_array_equal(same.views[1:], batch.images)


def test_rejected_images_are_replaced_by_others(photos: Path) -> None:
    """So that a class with one bad file shows as many as the others, each class in the order of its draw."""
    for number in range(6):
        (photos / "red" / f"bad{number}.png").write_bytes((photos / "red" / "1.png").read_bytes()[: 200 + number])
    found = featx.look_at_images(photos, image_size=64, examples=6)
    assert [sum(one.label == name for one in found.examples) for name in COLOURS] == [6, 6, 6]
    assert set(found.reasons) <= {"truncated PNG"}
    again = featx.look_at_images(photos, image_size=64, examples=6)
    other = featx.look_at_images(photos, image_size=64, examples=6, seed=1)
    assert [one.path for one in again.examples] == [one.path for one in found.examples]
    assert [one.path for one in other.examples] != [one.path for one in found.examples]


def test_of_many_images_a_draw_is_looked_at_and_that_is_said(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers of so many, examples of so many in all, one of each class at least, or of some classes."""
    monkeypatch.setattr(look, "MOST_MEASURED", 10)
    monkeypatch.setattr(examples, "_MOST_PICTURES", 12)
    found = featx.look_at_images(photos, image_size=64)
    assert (found.listed, found.measured, found.decoded, found.duplicates) == (36, 10, 6, None)
    assert len(found.heights) == 10
    assert [one.label for one in found.examples] == ["blue", "blue", "green", "green", "red", "red"]
    assert found.notes == [
        "sizes, depths and formats are those of 10 images drawn at random; duplicates were not looked for",
        "2 examples of each class instead of 4, to stay quick and small",
    ]
    fewer = featx.look_at_images(photos, image_size=64, augment="flip", views=5)
    assert [one.label for one in fewer.examples] == ["blue", "red"]
    assert fewer.notes[-1] == "examples are of 2 of the 3 classes, to stay quick and small"


def test_slips_and_manifests_are_those_of_an_extract(photos: Path, tmp_path: Path) -> None:
    """What would keep a head from learning is a note here, and no error: nothing is lost by looking."""
    (tmp_path / "one" / "only").mkdir(parents=True)
    write_image(tmp_path / "one" / "only" / "0.png", COLOURS["red"], seed=1)
    assert "all images are of one class, 'only'; a head needs two." in featx.look_at_images(tmp_path / "one").notes[0]
    table = tmp_path / "list.csv"
    table.write_text("file,kind,part\nred/0,a,train\nblue/1,b,test\ngone,b,train\n")
    found = featx.look_at_images(
        table, root=photos, path_column="file", label_column="kind", split_column="part", ext=".png", image_size=64
    )
    assert (found.images_of_class, found.splits) == ({"a": 1, "b": 2}, {"train": 2, "test": 1})
    assert found.rejects == {"gone.png": "cannot be read: No such file or directory"}
    assert any("1 of its 3 files were not found" in note for note in found.notes)


WRONG: dict[str, tuple[dict[str, Any], type[FeatxError], str]] = {
    "option": ({"image_sise": 64}, FeatxError, "look: has no option 'image_sise'. Did you mean image_size?"),
    "weights": ({"weights": "imagenet"}, FeatxError, "look: has no option 'weights'"),
    "backbone": ({"backbone": "vgg17"}, BackboneError, "backbone 'vgg17': unknown"),
    "size": ({"image_size": 8}, ImageSizeError, "8"),
    "examples": ({"examples": -1}, FeatxError, "examples must be a whole number from 0"),
    "augment": ({"augment": "wobble"}, FeatxError, "--augment: 'wobble' is not known"),
    "workers": ({"workers": 0}, FeatxError, "workers must be a whole number from 1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused_by_name(what: str, photos: Path) -> None:
    """Before anything is read."""
    options, kind, said = WRONG[what]
    with pytest.raises(kind, match=said.replace("?", r"\?")) as caught:
        featx.look_at_images(photos / "nowhere", **options)
    assert caught.value.wrong_value


def test_a_folder_that_is_not_there_is_an_error() -> None:
    """As for an extract."""
    with pytest.raises(ImageListError, match="nowhere: no such folder"):
        featx.look_at_images("nowhere")


def test_looking_loads_no_network_and_reads_no_weights(photos: Path, tmp_path: Path) -> None:
    """Neither Keras nor scikit-learn nor Matplotlib, with a page and a backbone whose weights are not at hand."""
    code = command("look", photos, "--backbone", "resnet50", "--out", tmp_path / "p.html", "-q")
    loaded = modules_loaded_by(f"import os\nos.environ['KERAS_HOME'] = {str(tmp_path)!r}\n{code}", tmp_path)
    assert loaded & {"tensorflow", "keras", "jax", "torch", "sklearn", "scipy", "matplotlib", "ray", "pandas"} == set()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.html", "photos"]


def test_the_command_says_what_it_found_and_where_the_page_is(mixed: Path, run: Run, tmp_path: Path) -> None:
    """In words; without a page nothing is decoded but what looks damaged."""
    done = run("look", mixed, "--image-size", "64", "--augment", "flip")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"43 images in 3 classes: {mixed}"
    assert "  classes: blue 14, green 14, red 14" in lines
    assert "  sizes: height 40 to 100 px (median 40), width 30 to 300 px (median 48), width/height 0.429 to 3" in lines
    assert "  2 exact duplicates: blue/again.png = blue/copy.png" in lines
    assert "  1 rejected: in no class folder" in lines
    assert "  passed over: 1 HEIC image (.heic). Convert the HEIC images to JPEG or PNG" in lines
    assert any("40 images are enlarged, 2 images are stretched by more than a quarter" in line for line in lines)
    assert lines[-1] == "open reports/photos-look.html"
    assert (tmp_path / "reports" / "photos-look.html").is_file()
    plain = as_json(run("look", mixed, "--no-page", "--json"))
    assert (plain["page"], plain["examples"], plain["decoded"]) == (None, [], 1)
    refused = run("look", mixed, "--no-page", "--out", "p.html")
    assert (refused.exit_code, "give one of them" in refused.stderr) == (2, True)


def test_pages_among_reports_are_no_images(photos: Path, extract: Callable[..., Any], tmp_path: Path, run: Run) -> None:
    """A folder of reports beside class folders stays passed over when a page lies in it."""
    run("look", photos, "--image-size", "64", "--out", photos / "reports" / "photos-look.html")
    found = featx.look_at_images(photos, image_size=64)
    assert (found.listed, found.skipped, found.notes) == (36, {}, [])
