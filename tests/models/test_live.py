"""A model that classifies images and keeps its network: the numbers of ``predict_images``, one load, threads, and its end."""

import copy
import gc
import io
import pickle
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featx
import featx.models.compute
from featx.errors import DeviceError, HeadError, ImageListError, ImageRejected, RecipeError
from tests.conftest import COLOURS, write_image

SMALL: dict[str, Any] = {"weights": "random", "image_size": (32, 32), "batch_size": 4, "workers": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``photos``, ``cache`` of VGG16 with random weights, ``m.featx`` and the fine-tuned ``tuned.featx``."""
    root = tmp_path_factory.mktemp("live")
    for label, (name, colour) in enumerate(COLOURS.items()):
        for number in range(8):
            write_image(root / "photos" / name / f"{number}.png", colour, seed=100 * label + number)
    featx.extract_features(root / "photos", root / "cache", layers=("block5_conv2", "block5_pool"), **SMALL)
    featx.fit_head(root / "cache", "dense", out=root / "dense.featx", layer="block5_pool", epochs=2)
    featx.fit_head(root / "cache", "logreg", out=root / "m.featx", layer="block5_pool")
    featx.fine_tune(root / "cache", "block5_conv3", model=root / "dense.featx", out=root / "tuned.featx", epochs=1)
    return root


@pytest.fixture
def files(home: Path) -> list[Path]:
    """Six files, two of each class."""
    return sorted((home / "photos").glob("*/[01].png"))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """The backbones that were loaded."""
    loaded: list[weakref.ref[Any]] = []
    load = featx.models.compute.load_backbone

    def counted(*arguments: Any, **options: Any) -> Any:
        backbone = load(*arguments, **options)
        loaded.append(weakref.ref(backbone))
        return backbone

    monkeypatch.setattr(featx.models.compute, "load_backbone", counted)
    return loaded


@pytest.mark.parametrize("name", ["m.featx", "tuned.featx"])
def test_files_give_the_numbers_of_predict_images_however_many(
    home: Path, files: list[Path], name: str, loads: list[weakref.ref[Any]]
) -> None:
    """To the bit, with a batch of their own size each time, and from one network."""
    expected = {count: featx.predict_images(home / name, files[:count]) for count in (1, 3, 6)}
    loads.clear()
    with featx.load_model(home / name) as model:
        for count in (1, 3, 6, 1, 6):
            probabilities = model.predict_proba(files[:count])
            assert probabilities.max(axis=1).tolist() == [one.confidence for one in expected[count]]
            assert model.predict(files[:count]).tolist() == [one.label for one in expected[count]]
    assert len(loads) == 1


def test_more_images_than_a_batch_keep_their_order(home: Path, files: list[Path]) -> None:
    """Several batches, the last one not full."""
    expected = featx.predict_images(home / "m.featx", files * 2, batch_size=5)
    model = featx.load_model(home / "m.featx").using(batch_size=5, workers=1)
    assert model.predict_proba(files * 2).max(axis=1).tolist() == [one.confidence for one in expected]


def test_whatever_an_image_comes_as_it_has_the_same_probabilities(home: Path, files: list[Path]) -> None:
    """Files, their content, PIL images and arrays; one alone is a list of one; kinds can be mixed."""
    with featx.load_model(home / "m.featx") as model:
        expected = model.predict_proba(files)
        arrays = [np.asarray(Image.open(file)) for file in files]
        several: list[Any] = [
            [str(file) for file in files],
            (file for file in files),
            np.array([str(file) for file in files]),
            [file.read_bytes() for file in files],
            [bytearray(file.read_bytes()) for file in files],
            [Image.open(file) for file in files],
            [Image.open(file).convert("RGBA") for file in files],
            arrays,
            np.stack(arrays),
        ]
        for images in several:
            np.testing.assert_array_equal(model.predict_proba(images), expected)
        mixed = [files[0], arrays[1], files[2].read_bytes(), files[3], Image.open(files[4]), str(files[5])]
        np.testing.assert_allclose(model.predict_proba(mixed), expected, atol=1e-6)
        alone = model.predict_proba(files[:1])
        for image in (
            files[0],
            str(files[0]),
            files[0].read_bytes(),
            Image.open(files[0]),
            arrays[0],
            arrays[0][:, ::-1][:, ::-1],
        ):
            np.testing.assert_array_equal(model.predict_proba(image), alone)
        assert model.predict(files[0]).tolist() == ["blue"]
        assert model.predict_proba([]).shape == (0, 3)


def test_features_are_features_as_before(home: Path) -> None:
    """An array of two dimensions that is not uint8 goes to the head, and loads no network."""
    model, cache = featx.load_model(home / "m.featx"), featx.open_cache(home / "cache")
    X = cache.features(cache.catalog.rows("test"), pooling=model.pooling)
    for same in (X, X.astype(np.float16), X.astype(np.float64)):
        np.testing.assert_array_equal(model.predict_proba(same), model.calibration(model.head.predict_proba(same)))
    assert model.predict(X).tolist() == [model.class_names[row] for row in model.predict_proba(X).argmax(axis=1)]
    assert model._live._loaded is None
    with pytest.raises(HeadError, match=r"was fitted on \d+ features"):
        model.predict_proba(X[:, :-1])


NOT_AN_IMAGE = "not an image (JPEG, PNG, WebP, BMP, GIF, TIFF or PNM)"
IMAGE = np.zeros((8, 8, 3), np.uint8)
MUST = (
    "X must be uint8 of shape (n_images, height, width, 3) or (height, width, 3), or features of 2 dimensions and another type"
)
KINDS = "paths, bytes, PIL images, or uint8 arrays (height, width, 3)"
REFUSED: list[tuple[object, str]] = [
    (IMAGE[..., 0], f"{MUST}. Received: an array of uint8 and shape (8, 8)."),
    (IMAGE.astype(np.float32), f"{MUST}. Received: an array of float32 and shape (8, 8, 3)."),
    (IMAGE[None].astype(np.float32) / 255, f"{MUST}. Received: an array of float32 and shape (1, 8, 8, 3)."),
    (np.zeros((8, 8, 4), np.uint8), f"{MUST}. Received: an array of uint8 and shape (8, 8, 4)."),
    (np.zeros(8), f"{MUST}. Received: an array of float64 and shape (8,)."),
    (None, f"X must be {KINDS}, one or many. Received: None."),
    (3, f"X must be {KINDS}, one or many. Received: a value of type int."),
    ({"a.png": 1}, f"X must be {KINDS}, one or many. Received: a value of type dict."),
    ([IMAGE, None], f"X[1] must be one of {KINDS}. Received: None."),
    ([IMAGE, IMAGE[0]], f"X[1] must be one of {KINDS}. Received: an array of uint8 and shape (8, 3)."),
]


@pytest.mark.parametrize(("images", "message"), REFUSED, ids=[message[-40:] for _, message in REFUSED])
def test_what_is_neither_image_nor_features_is_refused(home: Path, images: object, message: str) -> None:
    """By the argument's name and, in a list, the position."""
    with pytest.raises(ImageListError) as caught:
        featx.load_model(home / "m.featx").predict_proba(images)
    assert str(caught.value) == message
    assert caught.value.wrong_value


def test_an_image_that_gives_no_features_is_named(home: Path, files: list[Path], tmp_path: Path) -> None:
    """By its position among all, and by its path if it has one; the network stays and serves the next call."""
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:200])
    deep = Image.fromarray(np.zeros((8, 8), np.uint16))
    cases: list[tuple[list[Any], str, str]] = [
        ([*files, tmp_path / "cut.png"], "truncated PNG", f"images[6] ({tmp_path / 'cut.png'}): truncated PNG"),
        ([IMAGE, b"no image"], NOT_AN_IMAGE, f"images[1]: {NOT_AN_IMAGE}"),
        ([b""], "empty file", "images[0]: empty file"),
        ([IMAGE, np.zeros((0, 8, 3), np.uint8)], "has no pixels", "images[1]: has no pixels"),
        (
            [IMAGE, Image.open(io.BytesIO(files[0].read_bytes()[:200]))],
            "corrupt image (OSError)",
            "images[1]: corrupt image (OSError)",
        ),
    ]
    with featx.load_model(home / "m.featx") as model:
        for images, reason, message in cases:
            with pytest.raises(ImageRejected) as caught:
                model.predict(images)
            assert (caught.value.reason, str(caught.value)) == (reason, message)
        with pytest.raises(ImageRejected, match=r"images\[0\]: 16 bits in a PIL image"):
            model.predict(deep)
        assert model.predict(files[-1]).tolist() == ["red"]


def test_an_image_is_turned_upright(home: Path) -> None:
    """As its file would be."""
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:20] = 255
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    with featx.load_model(home / "m.featx") as model:
        np.testing.assert_array_equal(model.predict_proba(Image.open(file)), model.predict_proba(file.getvalue()))
        assert (model.predict_proba(Image.open(file)) != model.predict_proba(pixels)).any()


def test_content_leaves_no_file(home: Path, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither from a call that works nor from one that does not."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with featx.load_model(home / "m.featx") as model:
        model.predict([file.read_bytes() for file in files])
        with pytest.raises(ImageRejected):
            model.predict([files[0].read_bytes(), b"no image"])
    assert list(tmp_path.iterdir()) == []


def test_threads_share_one_network(home: Path, files: list[Path], loads: list[weakref.ref[Any]]) -> None:
    """Loaded once, whoever comes first; each thread gets the numbers it would get alone."""
    with featx.load_model(home / "m.featx") as model, ThreadPoolExecutor(4) as pool:
        some = [files[place : place + count] for count in (1, 2, 4) for place in range(4)]
        together = list(pool.map(model.predict_proba, some))
        assert len(loads) == 1
        for images, probabilities in zip(some, together, strict=True):
            np.testing.assert_array_equal(model.predict_proba(images), probabilities)


def test_close_frees_the_network_and_a_later_call_loads_it_again(
    home: Path, files: list[Path], loads: list[weakref.ref[Any]]
) -> None:
    """``with`` closes; closing twice does nothing."""
    model = featx.load_model(home / "m.featx")
    with model as same:
        assert same is model
        expected = model.predict_proba(files)
        assert loads[0]() is not None
    gc.collect()
    assert loads[0]() is None
    model.close()
    np.testing.assert_array_equal(model.predict_proba(files), expected)
    assert len(loads) == 2


def test_a_copy_has_a_network_of_its_own(home: Path, files: list[Path], loads: list[weakref.ref[Any]]) -> None:
    """A model that keeps a network can be copied, pickled and compared as before."""
    with featx.load_model(home / "m.featx") as model:
        expected = model.predict_proba(files)
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.using(device="cpu")):
            np.testing.assert_array_equal(other.predict_proba(files), expected)
            other.close()
        assert len(loads) == 4
        model.predict_proba(files)
        assert len(loads) == 4
        assert "_live" not in repr(model)


def test_settings_of_the_network_are_checked_at_once(home: Path) -> None:
    """Numbers and the kind of a device when they are given; a device that there cannot be with the first images."""
    model = featx.load_model(home / "m.featx")
    with pytest.raises(RecipeError, match=r"^batch_size must be a whole number from 1, or None\. Received: 0\.$"):
        model.using(batch_size=0)
    with pytest.raises(DeviceError, match="toaster"):
        model.using(device="toaster").predict(IMAGE)
    assert model.using(max_pixels=10).predict(IMAGE).shape == (1,)  # what is in memory already is no bomb
    with pytest.raises(ImageRejected, match="too large"):
        model.using(max_pixels=10).predict(next((home / "photos").rglob("*.png")))


def test_weights_that_moved_can_be_named(home: Path, tmp_path: Path) -> None:
    """The file given must be there."""
    model = featx.load_model(shutil.copy(home / "m.featx", tmp_path / "m.featx"))
    with pytest.raises(featx.errors.WeightsError, match="no such weights file"):
        model.using(weights=tmp_path / "none.h5").predict(IMAGE)
