"""``featx export``: what is written predicts what featx predicts, in its own runtime and without featx."""

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

import featx
from featx.errors import ExportError, ExtraMissing, ModelNotFound, OutputError
from featx.images import MAX_PIXELS, load_batches
from featx.models.classify import classify_files
from featx.models.compute import Compute
from featx.models.file import save_model
from featx.recipe import Recipe
from featx.verbs.export import export, formats
from featx.verbs.export.facts import decoding_of
from featx.verbs.export.table import FORMATS, format_of
from tests.conftest import COLOURS, Run, as_json, write_image

SIZE = (64, 96)
HEADS: dict[str, dict[str, Any]] = {
    "dense": {"epochs": 8, "learning_rate": 0.01},
    "hidden": {"head": "dense", "hidden": [6], "epochs": 8, "learning_rate": 0.01},
    "sigmoid": {"head": "dense", "activation": "sigmoid", "epochs": 8, "learning_rate": 0.01},
    "conv": {"filters": [4, 3], "epochs": 8, "learning_rate": 0.01},
    **{f"logreg-{scale}": {"head": "logreg", "scale": scale, "C": 1.0} for scale in ("standard", "sqrt")},
    "svm": {},
    "svm-rbf": {"head": "svm", "kernel": "rbf"},
    "ridge": {"pooling": "flatten", "scale": "l2"},
    "knn": {},
}
NETWORKS = {"keras": ".keras", "savedmodel": "", "onnx": ".onnx", "tflite": ".tflite", "openvino": ".xml"}
QUICK = ("onnx", "openvino")
"""Those that are read again without TensorFlow, in seconds."""

# What a user of each format would write: plain programs that know nothing of featx. They take a list of [file, probabilities
# file] and the pixels, and run them one image first and then the others.
PROGRAMS = {
    "keras": "import keras\ndef load(file):\n    return keras.saving.load_model(file).predict_on_batch\n",
    "savedmodel": (
        "import tensorflow as tf\ndef load(file):\n    model = tf.saved_model.load(file)\n"
        "    return lambda images: model.serve(images)\n"
    ),
    "onnx": (
        "import onnxruntime\ndef load(file):\n    session = onnxruntime.InferenceSession(file)\n"
        "    return lambda images: session.run(['probabilities'], {'images': images})[0]\n"
    ),
    "tflite": (
        "import tensorflow as tf\ndef load(file):\n    run = tf.lite.Interpreter(file)\n    def call(images):\n"
        "        run.resize_tensor_input(run.get_input_details()[0]['index'], images.shape)\n        run.allocate_tensors()\n"
        "        run.set_tensor(run.get_input_details()[0]['index'], images)\n        run.invoke()\n"
        "        return run.get_tensor(run.get_output_details()[0]['index'])\n    return call\n"
    ),
    "openvino": (
        "import openvino\nexact = {'INFERENCE_PRECISION_HINT': 'f32'}\n"
        "def load(file):\n    model = openvino.Core().compile_model(file, 'CPU', exact)\n"
        "    return lambda images: model({'images': images})['probabilities']\n"
    ),
    "joblib": "import joblib\ndef load(file):\n    return joblib.load(file).predict_proba\n",
}
FRAME = """
import json, sys
sys.modules['featx'] = None  # whoever imports it fails
import numpy as np
{program}
for file, inputs, answer in json.loads(sys.argv[1]):
    given = np.load(inputs)
    run = load(file)
    np.save(answer, np.concatenate([np.asarray(run(given[:1])), np.asarray(run(given[1:]))]))
"""


def is_there(name: str) -> bool:
    """Tell whether the libraries of a format are installed."""
    return all(importlib.util.find_spec(module) for module in FORMATS[name].modules)


def need(name: str) -> None:
    """Skip, saying so, where the libraries of a format are not installed."""
    for module in FORMATS[name].modules:
        pytest.importorskip(module)


def run_without_featx(name: str, jobs: list[tuple[Path, Path, Path]], folder: Path) -> None:
    """Run exported files in a process that cannot import featx: each (file, its input, where the answer goes)."""
    program = FRAME.format(program=PROGRAMS[name])
    listed = json.dumps([[str(part) for part in job] for job in jobs])
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-I", "-c", program, listed]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos of three colours, a cache of their stub features at 64 x 96 px, and a model of each head."""
    folder = tmp_path_factory.mktemp("export")
    for label, (colour, rgb) in enumerate(COLOURS.items()):
        for number in range(12):
            write_image(folder / "photos" / colour / f"{number}.png", rgb, seed=100 * label + number)
    featx.extract_features(folder / "photos", folder / "cache", backbone="stub", image_size=SIZE)
    for name, settings in HEADS.items():
        featx.fit_head(folder / "cache", **({"head": name} | settings), out=folder / f"{name}.featx")
    return folder


@pytest.fixture
def model(workplace: Path) -> Path:
    """The model file of a linear head."""
    return workplace / "logreg-sqrt.featx"


@pytest.fixture
def quick(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., featx.ExportResult]]:
    """Export the model as ``tmp_path/it.joblib`` unless told otherwise: the format that takes least time."""

    def run(out: Path | str = "it.joblib", **options: Any) -> featx.ExportResult:
        return featx.export_model(model, tmp_path / out, **options)

    yield run
    leftovers = [path.name for path in tmp_path.rglob("*") if path.name.startswith(".tmp-")]
    assert leftovers == [], "something half-written is left"


def photos_of(workplace: Path) -> list[Path]:
    """Return the photos in order."""
    return sorted((workplace / "photos").rglob("*.png"))


def pixels_of(model: featx.Model, files: list[Path]) -> NDArray[np.uint8]:
    """Decode as featx does."""
    return np.concatenate([batch.images for batch in load_batches(files, model.recipe, len(files), 1, MAX_PIXELS, None)])


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS])
def test_each_head_predicts_in_each_network_format_what_featx_predicts(workplace: Path, tmp_path: Path, name: str) -> None:
    """On the photos, from pixels, in a process without featx, in batches of 1 and of 35; and the result says what it is."""
    need(name)
    files = photos_of(workplace)
    jobs, wanted = [], []
    # Under another Keras backend each conversion starts a process; two heads show that it works.
    tried = HEADS if keras.backend.backend() == "tensorflow" else ("conv", "svm")
    for head in tried:
        if head in ("svm-rbf", "knn"):
            continue
        loaded = featx.load_model(workplace / f"{head}.featx")
        result = featx.export_model(workplace / f"{head}.featx", tmp_path / f"{head}{NETWORKS[name]}")
        assert (result.format, result.head) == (name, HEADS[head].get("head", head))
        assert 0 <= result.largest_difference < 1e-4
        assert result.images == 20
        np.save(tmp_path / "pixels.npy", pixels_of(loaded, files))
        jobs.append((result.path, tmp_path / "pixels.npy", tmp_path / f"{head}.npy"))
        wanted.append(classify_files(loaded, files, Compute()).probabilities)
    run_without_featx(name, jobs, tmp_path)
    for (path, _, answer), probabilities in zip(jobs, wanted, strict=True):
        np.testing.assert_allclose(np.load(answer), probabilities, rtol=0, atol=5e-5, err_msg=path.name)
        assert np.ptp(probabilities, axis=0).min() > 0.05, "the photos must differ for this to say something"


def test_each_head_that_scikit_learn_has_predicts_what_featx_predicts(workplace: Path, tmp_path: Path) -> None:
    """As .joblib, on cached features, in a process without featx; rbf and knn too."""
    cache = featx.open_cache(str(workplace / "cache"))
    jobs, wanted = [], []
    for head in HEADS:
        if head == "conv":
            continue
        loaded = featx.load_model(workplace / f"{head}.featx")
        X = cache.features(cache.catalog.rows(), pooling=loaded.pooling)
        np.save(tmp_path / f"{head}-X.npy", X)
        path = featx.export_model(workplace / f"{head}.featx", tmp_path / f"{head}.joblib").path
        jobs.append((path, tmp_path / f"{head}-X.npy", tmp_path / f"{head}.npy"))
        wanted.append(loaded.head.predict_proba(X))
    run_without_featx("joblib", jobs, tmp_path)
    for (path, _, answer), probabilities in zip(jobs, wanted, strict=True):
        np.testing.assert_allclose(np.load(answer), probabilities, rtol=0, atol=1e-5, err_msg=path.name)


@pytest.mark.parametrize(
    ("weights", "name"), [pytest.param("imagenet", "tflite", marks=pytest.mark.slow), ("random", "openvino")]
)
def test_vgg16_is_exported_with_its_weights(photos: Path, tmp_path: Path, weights: str, name: str) -> None:
    """The bundled ones and random ones, at 32 px, with whole maps: the very probabilities, without featx."""
    need(name)
    cache = featx.extract_features(photos, tmp_path / "cache", weights=weights, image_size=(32, 32)).cache
    model = featx.fit_head(cache, "dense", epochs=3, out=tmp_path / "m.featx").model
    result = featx.export_model(tmp_path / "m.featx", tmp_path / f"m{NETWORKS[name]}")
    assert result.bytes > 58e6, "the weights of VGG16 must be in it"
    files = sorted(photos.rglob("*.png"))
    np.save(tmp_path / "pixels.npy", pixels_of(featx.load_model(model), files))
    run_without_featx(name, [(result.path, tmp_path / "pixels.npy", tmp_path / "answer.npy")], tmp_path)
    wanted = classify_files(featx.load_model(model), files, Compute()).probabilities
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), wanted, rtol=0, atol=5e-5)


@pytest.fixture(scope="module")
def lite0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, and ``m.featx``: a dense head on averages of EfficientNet-Lite0's last maps at 64 x 96 px."""
    folder = tmp_path_factory.mktemp("lite0")
    for label, (colour, rgb) in enumerate(COLOURS.items()):
        for number in range(5):
            write_image(folder / "photos" / colour / f"{number}.png", rgb, seed=10 * label + number, size=(80, 70))
    featx.extract_features(folder / "photos", folder / "cache", backbone="efficientnet-lite0", image_size=SIZE)
    featx.fit_head(folder / "cache", "dense", pooling="avg", epochs=3, out=folder / "m.featx")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_lite0_is_exported_to_every_format(lite0: Path, tmp_path: Path, name: str) -> None:
    """Depthwise layers, ReLU6, padding on one side and the scaling of pixels: the very probabilities, without featx."""
    need(name)
    model, files = featx.load_model(lite0 / "m.featx"), sorted((lite0 / "photos").rglob("*.png"))
    result = featx.export_model(lite0 / "m.featx", tmp_path / f"m{NETWORKS[name]}")
    # Its kernels have 3,328,992 weights of four bytes; converters fold the batch normalisations into them.
    assert result.bytes > 4 * 3_328_992, "the weights of the network must be in it"
    np.save(tmp_path / "pixels.npy", pixels_of(model, files))
    run_without_featx(name, [(result.path, tmp_path / "pixels.npy", tmp_path / "answer.npy")], tmp_path)
    wanted = classify_files(model, files, Compute()).probabilities
    assert wanted.max() - wanted.min() > 0.1
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), wanted, rtol=0, atol=5e-5)


def facts_in(name: str, path: Path) -> dict[str, Any]:
    """Return the metadata inside an exported file, read as a user of the format would."""
    if name == "onnx":
        import onnx

        texts = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    elif name == "openvino":
        import openvino

        model = openvino.Core().read_model(path)
        texts = {key: model.get_rt_info(["featx", key]).value for key in ("class_names", "image_size", "pooling", "versions")}
    elif name == "savedmodel":
        return dict(json.loads((path / "assets.extra" / "featx.json").read_text()))
    elif name == "joblib":
        return dict(joblib.load(path).featx)
    else:
        with zipfile.ZipFile(path) as archive:
            return dict(json.loads(archive.read("featx.json")))
    return {key: json.loads(text) if text[:1] in "[{" else text for key, text in texts.items()}


@pytest.mark.parametrize("name", [*NETWORKS, "joblib"])
def test_class_names_and_image_size_are_in_the_file_and_beside_it(workplace: Path, tmp_path: Path, name: str) -> None:
    """With the pooling and the versions of the libraries; and the JSON file beside it has the digest of each file."""
    need(name)
    result = featx.export_model(workplace / "svm.featx", tmp_path / f"it{NETWORKS.get(name, '.joblib')}")
    beside = json.loads(result.sidecar.read_text())
    assert "image.draft(None, (192, 192))" in beside["decoding"]
    for facts in (facts_in(name, result.path), beside):
        assert facts["class_names"] == ["blue", "green", "red"]
        assert facts["image_size"] == [64, 96]
        assert facts["pooling"] == "avgmax"
        assert facts["versions"]["scikit-learn"] == importlib.import_module("sklearn").__version__
    assert beside["largest_difference"] == result.largest_difference
    assert sorted(beside["files"]) == sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() and path != result.sidecar
    )
    assert result.bytes == sum((tmp_path / file).stat().st_size for file in beside["files"])


def test_odd_class_names_reach_every_format(tmp_path: Path) -> None:
    """Quotes, angle brackets, a line end and bytes that are no text come out of each file as they went in."""
    names = ['a<b> & "c"', "two\nlines", "byte\udce9"]
    for label, name in enumerate(names):
        for number in range(8):
            write_image(tmp_path / "photos" / name / f"{number}.png", list(COLOURS.values())[label], seed=10 * label + number)
    featx.extract_features(tmp_path / "photos", tmp_path / "cache", backbone="stub", image_size=SIZE)
    model = featx.load_model(featx.fit_head(tmp_path / "cache", "logreg", out=tmp_path / "m.featx").model)
    assert sorted(model.class_names) == sorted(names)
    for name in (*NETWORKS, "joblib"):
        if is_there(name):
            path = featx.export_model(tmp_path / "m.featx", tmp_path / f"it{NETWORKS.get(name, '.joblib')}").path
            wanted = sorted(model.class_names) if name == "joblib" else list(model.class_names)
            assert facts_in(name, path)["class_names"] == wanted, name


@pytest.mark.parametrize("exact", [False, True], ids=["reduced", "exact"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_metadata_say_how_pixels_were_decoded(tmp_path: Path, resize: str, exact: bool) -> None:
    """Whoever follows them with Pillow alone gets featx's very pixels of a large, turned JPEG; reduced decoding included."""
    recipe = Recipe("stub", "none", ("cells",), SIZE, "none", resize=resize, exact_decode=exact, background=(9, 8, 7))
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (700, 1000, 3), np.uint8))
    exif = picture.getexif()
    exif[274] = 6
    picture.save(tmp_path / "it.jpg", exif=exif)
    [batch] = load_batches([tmp_path / "it.jpg"], recipe, 1, 1, MAX_PIXELS, None)
    said = decoding_of(recipe)
    with Image.open(tmp_path / "it.jpg") as image:
        reduced = re.search(r"image\.draft\(None, \((\d+), (\d+)\)\)", said)
        assert (reduced is None) == exact
        if reduced:
            image.draft(None, (int(reduced[1]), int(reduced[2])))
            assert image.size == (250, 175) or image.size == (500, 350)
        image.load()
        assert "ImageOps.exif_transpose" in said
        upright = ImageOps.exif_transpose(image)
    if resize == "stretch":
        size = re.search(r"image\.resize\(\((\d+), (\d+)\), BILINEAR\)", said)
        assert size
        wanted = upright.resize((int(size[1]), int(size[2])), Image.Resampling.BILINEAR)
    elif resize == "crop":
        assert "ImageOps.fit, BILINEAR" in said
        wanted = ImageOps.fit(upright, SIZE[::-1], Image.Resampling.BILINEAR)
    else:
        assert "in the middle of [9, 8, 7]" in said
        scale = min(SIZE[1] / upright.width, SIZE[0] / upright.height)
        inner = (round(upright.width * scale), round(upright.height * scale))
        wanted = Image.new("RGB", SIZE[::-1], (9, 8, 7))
        place = ((SIZE[1] - inner[0]) // 2, (SIZE[0] - inner[1]) // 2)
        wanted.paste(upright.resize(inner, Image.Resampling.BILINEAR), place)
    np.testing.assert_array_equal(batch.images[0], np.asarray(wanted))


def test_labels_of_a_tflite_file_are_one_a_line(workplace: Path, tmp_path: Path) -> None:
    """Where apps on phones look for them."""
    path = featx.export_model(workplace / "svm.featx", tmp_path / "it.tflite").path
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == ["blue", "green", "red"]


@pytest.mark.parametrize("head", ["svm-rbf", "knn"])
def test_heads_that_are_no_networks_are_refused_before_any_work(workplace: Path, tmp_path: Path, head: str) -> None:
    """With the reason and the format that holds them; nothing is written."""
    with pytest.raises(ExportError, match=r"distances to training images.*\.joblib"):
        featx.export_model(workplace / f"{head}.featx", tmp_path / "it.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_convolutional_head_is_no_pipeline(workplace: Path, tmp_path: Path) -> None:
    """scikit-learn has no convolutions: refused, with where to go instead."""
    with pytest.raises(ExportError, match=r"^conv: scikit-learn has no convolutions.*\.keras"):
        featx.export_model(workplace / "conv.featx", tmp_path / "it.joblib")


@pytest.mark.parametrize("out", ["it.featx", "it.pb", "it.h5", "it.v1.2", "", "it.KERAS"])
def test_a_name_that_asks_for_no_format_is_answered_with_the_formats(quick: Callable[..., Any], out: str) -> None:
    """All of them, with what the two without a telling name are."""
    if out == "":
        with pytest.raises(ExportError, match="no format to export to"):
            format_of(Path())
        return
    with pytest.raises(
        ExportError, match=r"no format to export to.*\.keras, \.onnx, \.tflite, \.xml \(OpenVINO\), \.joblib.*SavedModel"
    ):
        quick(out)


@pytest.mark.parametrize(("name", "modules"), [("onnx", ["onnx", "tf2onnx", "onnxruntime"]), ("openvino", ["openvino"])])
def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    quick: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, modules: list[str]
) -> None:
    """Before any work: which libraries are missing, and what to type."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExtraMissing, match=rf"^{name}: needs {', '.join(modules)}.*pip install 'featx\[{name}\]'"):
        quick(f"it{NETWORKS[name]}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by", [2e-4, -2e-4, float("nan")])
def test_an_export_that_predicts_something_else_is_not_kept(
    quick: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: float
) -> None:
    """One probability of one image is enough; the error has the difference, and an earlier export stays as it was."""
    first = quick()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run = export.run_pipeline

    def differing(path: Path, X: NDArray[np.floating]) -> NDArray[np.float64]:
        found = run(path, X)
        found[7, 1] += by
        return found

    monkeypatch.setattr("featx.verbs.export.export.run_pipeline", differing)
    said = "nan" if by != by else "0.0002"
    with pytest.raises(
        ExportError, match=rf"up to {said} on 20 sample images, and 0\.0001 is the most allowed\. It was not kept"
    ):
        quick(overwrite=True)
    with pytest.raises(ExportError, match="not kept"):
        quick("other.joblib")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert first.path.is_file()


def test_a_head_whose_features_are_not_rounded_would_be_noticed(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison is with featx's own way, rounding included: weights a little off fail it too."""
    from featx.heads.layers import Dense
    from featx.verbs.export.head_layers import plain_layers

    def off(head: Any, name: str) -> Any:
        *first, dense, last = plain_layers(head, name)
        assert isinstance(dense, Dense)
        return (*first, Dense(dense.kernel * 1.01, dense.bias), last)

    monkeypatch.setattr("featx.verbs.export.export.plain_layers", off)
    with pytest.raises(ExportError, match="not kept"):
        featx.export_model(workplace / "logreg-standard.featx", tmp_path / "it.keras")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced_only_when_asked(workplace: Path, quick: Callable[..., Any], tmp_path: Path) -> None:
    """Without ``overwrite`` it is named; with it, file and JSON file are the new model's."""
    first = quick()
    with pytest.raises(OutputError, match=r"it\.joblib: exists\. Give --overwrite"):
        quick()
    second = featx.export_model(workplace / "svm.featx", first.path, overwrite=True)
    assert json.loads(second.sidecar.read_text())["head"] == "svm"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it.joblib", "it.joblib.json"]


def test_a_folder_is_replaced_as_a_whole(workplace: Path, tmp_path: Path) -> None:
    """Nothing of the earlier SavedModel is left in the new one; an empty folder is taken."""
    out = tmp_path / "it"
    out.mkdir()
    featx.export_model(workplace / "dense.featx", out)
    featx.export_model(workplace / "svm.featx", out, overwrite=True)
    listed = json.loads((tmp_path / "it.json").read_text())
    assert listed["head"] == "svm"
    assert {str(path.relative_to(tmp_path)) for path in out.rglob("*") if path.is_file()} == set(listed["files"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it", "it.json"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"it: exists and is not, or no longer, what featx export wrote"):
        featx.export_model(workplace / "svm.featx", out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "folder", "json", "changed", "link", "dangling", "bin"])
def test_what_featx_did_not_write_is_never_replaced(quick: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    """Foreign files, folders and links, also in the places of the files beside, and an export that was changed since."""
    name = "it.xml" if kind == "bin" and is_there("openvino") else "it.joblib"
    place = tmp_path / {"json": f"{name}.json", "bin": "it.bin" if name == "it.xml" else name}.get(kind, name)
    if kind == "folder":
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    elif kind in ("link", "dangling"):
        (tmp_path / "mine").write_text("mine") if kind == "link" else None
        place.symlink_to(tmp_path / "mine")
    elif kind == "changed":
        quick()
        place.write_bytes(place.read_bytes() + b"mine")
    else:
        place.write_text('{"mine": 1}' if kind == "json" else "mine")
    before = {path.name: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}
    said = "is a link" if kind in ("link", "dangling") else r"(exists and is not|exists and was not written)"
    with pytest.raises(OutputError, match=said):
        quick(name, overwrite=True)
    assert {path.name: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")} == before


def test_a_place_that_cannot_be_written_is_told_before_any_work(quick: Callable[..., Any], tmp_path: Path) -> None:
    """A file where a folder should be; the folder that is missing is made otherwise."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        quick("file/it.joblib")
    assert quick("new/folder/it.joblib").path.is_file()


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    """As by every other verb."""
    with pytest.raises(ModelNotFound):
        featx.export_model(tmp_path / "none.featx", tmp_path / "it.keras")


def test_an_interrupted_replacement_leaves_the_earlier_export(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between putting the new folder in the old one's place and setting that aside: the old one is back."""
    out = tmp_path / "it"
    featx.export_model(workplace / "dense.featx", out)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name == "it":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        featx.export_model(workplace / "svm.featx", out, overwrite=True)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_under_another_keras_backend_a_process_with_tensorflow_converts(
    workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the same file's probabilities, and leaves none of the files that went between the two."""
    monkeypatch.setattr("keras.backend.backend", lambda: "another")
    elsewhere = formats._elsewhere
    asked = []
    monkeypatch.setattr(formats, "_elsewhere", lambda *a: asked.append(a[0]) or elsewhere(*a))
    result = featx.export_model(workplace / "conv.featx", tmp_path / "it.tflite")
    assert asked == ["tflite"]
    assert result.largest_difference < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it.tflite", "it.tflite.json"]


def test_a_converter_that_fails_is_told_in_one_line(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process and in another: what it said, and that another format may do; nothing is left."""

    def fails(*arguments: Any) -> None:
        raise RuntimeError("operator Foo is not known\nand a page of reasons")

    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    monkeypatch.setitem(formats._FORMATS, "tflite", (fails, formats._run_tflite))
    with pytest.raises(
        ExportError, match=r"^it\.tflite: cannot be written as tflite: RuntimeError: operator Foo is not known\. "
    ):
        featx.export_model(workplace / "svm.featx", tmp_path / "it.tflite")
    monkeypatch.setattr("keras.backend.backend", lambda: "another")
    monkeypatch.setattr(formats, "_PROGRAM", "raise SystemExit('no such thing')")
    with pytest.raises(ExportError, match="the process that converts it ended with 1: no such thing"):
        featx.export_model(workplace / "svm.featx", tmp_path / "it.tflite")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_wrote(run: Run, workplace: Path, tmp_path: Path) -> None:
    """As text, and as one JSON object with the difference and the size; a refusal is one line and exit code 1."""
    document = as_json(run("export", workplace / "svm.featx", "it.keras", "--json"))
    assert document["path"] == "it.keras"
    assert document["class_names"] == ["blue", "green", "red"]
    assert document["bytes"] == (tmp_path / "it.keras").stat().st_size
    assert document["largest_difference"] < 1e-4
    text = run("export", workplace / "svm.featx", "it.keras", "--overwrite").stdout
    assert "64 x 96 px to the probabilities of 3 classes" in text
    assert "on 20 sample images" in text
    refused = run("export", workplace / "knn.featx", "other.keras")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("featx: knn: judges an image by its distances")


@pytest.mark.parametrize("name", ["onnx", pytest.param("tflite", marks=pytest.mark.slow)])
def test_converters_write_nothing_on_the_terminal(workplace: Path, tmp_path: Path, name: str) -> None:
    """With --json there is one line on stdout and none on stderr, whatever the converter has to say."""
    need(name)
    program = "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); from featx.cli import main; main()"
    command = [sys.executable, "-c", program, json.dumps(sys.path), "export", workplace / "conv.featx", f"it{NETWORKS[name]}"]
    # TensorFlow, loaded by these tests, has left a level of its own in the environment.
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["format"] == name
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["sigmoid", "logreg-standard", "svm"])
def test_a_calibrated_model_is_exported_with_its_temperature(workplace: Path, tmp_path: Path, name: str) -> None:
    """The network divides by it, as the comparison with featx shows; scikit-learn has no place for it, and that is said."""
    model = dataclasses.replace(featx.load_model(workplace / f"{name}.featx"), temperature=2.5)
    save_model(model, tmp_path / "calibrated.featx")
    result = featx.export_model(tmp_path / "calibrated.featx", tmp_path / "it.keras")
    assert result.largest_difference <= 1e-5
    plain = featx.export_model(workplace / f"{name}.featx", tmp_path / "plain.keras")
    pixels = pixels_of(model, photos_of(workplace))
    sure, unsure = (keras.saving.load_model(one.path).predict_on_batch(pixels).max(axis=1) for one in (plain, result))
    assert (np.asarray(unsure) < np.asarray(sure)).all()
    with pytest.raises(ExportError, match=r"calibrated by a temperature of 2\.5, and no classifier of scikit-learn has one"):
        featx.export_model(tmp_path / "calibrated.featx", tmp_path / "it.joblib")
