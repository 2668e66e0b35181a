"""The registry: which backbones exist, what image sizes they take, which weights are meant."""

import dataclasses
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from featx.backbones import BACKBONES, backbone_spec, check_image_size, load_backbone, resolve_weights
from featx.backbones.stub import StubBackbone
from featx.errors import ImageSizeError, UnknownBackbone, WeightsError
from featx.recipe import Recipe

VGG16 = BACKBONES["vgg16"]
KERAS_FREE = "import sys\n{}\nprint([name for name in ('keras', 'tensorflow', 'jax', 'torch') if name in sys.modules])"


def recipe(weights: str, backbone: str = "vgg16", image_size: tuple[int, int] = (32, 32)) -> Recipe:
    """Make a recipe of which only weights, backbone and image size matter."""
    return Recipe(backbone, weights, ("block5_pool",), image_size, "caffe")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("vgg", "vgg19 or vgg16"),
        ("VGG16", "vgg16"),
        ("vgg-16", "vgg16"),
        ("ResNet_50", "resnet50"),
        ("stubb", "stub"),
        ("efficientnet-v2-s", "efficientnetv2s"),
    ],
)
def test_unknown_backbone_names_the_near_ones(typed: str, meant: str) -> None:
    """A typing error is answered with what was probably meant: one name, if only its way of writing was another."""
    with pytest.raises(UnknownBackbone, match=rf"'{typed}': unknown\. Did you mean {meant}\?"):
        backbone_spec(typed)


def test_unknown_backbone_far_from_all_says_where_they_are_listed() -> None:
    """Nothing near: the command that lists them."""
    with pytest.raises(UnknownBackbone, match=r"'qqqqqqqq': unknown\. featx backbones lists all 41\.$"):
        backbone_spec("qqqqqqqq")


@pytest.mark.parametrize("image_size", [(31, 32), (32, 31), (1, 1), (224, 16)])
def test_image_size_under_32_px_is_refused(image_size: tuple[int, int]) -> None:
    """Five halvings would leave nothing; the error says the size and the least one."""
    with pytest.raises(ImageSizeError, match=rf"image size {image_size[0]}x{image_size[1]}: vgg16 needs at least 32 px"):
        check_image_size(VGG16, image_size)
    with pytest.raises(ImageSizeError):
        load_backbone(recipe("random:0", image_size=image_size))


@pytest.mark.parametrize("image_size", [(32, 32), (32, 500), (224, 224)])
def test_image_size_from_32_px_is_taken(image_size: tuple[int, int]) -> None:
    """32 px is the smallest side, inclusive."""
    check_image_size(VGG16, image_size)


def test_imagenet_means_the_bundled_file_and_its_digest() -> None:
    """The digest written in the registry is the real SHA-256 of the file that comes with featx."""
    digest, path = resolve_weights(VGG16, "imagenet")
    assert path is not None
    assert digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert path.stat().st_size > 50_000_000


def test_random_weights_have_a_seed_and_no_file() -> None:
    """Their identity is the seed."""
    assert resolve_weights(VGG16, "random") == ("random:0", None)


def test_weights_file_is_known_by_its_content(tmp_path: Path) -> None:
    """The identity is the content's digest, the path is absolute."""
    file = tmp_path / "mine.weights.h5"
    file.write_bytes(b"some weights")
    assert resolve_weights(VGG16, str(file)) == (f"sha256:{hashlib.sha256(b'some weights').hexdigest()}", file.resolve())


@pytest.mark.parametrize("typed", ["nowhere.h5", "."])
def test_unreadable_weights_are_refused(tmp_path: Path, typed: str) -> None:
    """A missing file, and a folder: the error names the path and the choices."""
    with pytest.raises(WeightsError, match=r"cannot be read as weights: .+\. Give --weights imagenet, random or"):
        resolve_weights(VGG16, str(tmp_path / typed))


def test_stub_has_no_weights() -> None:
    """Whatever is asked for."""
    assert resolve_weights(BACKBONES["stub"], "imagenet") == ("none", None)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Copy the bundled weights with a single bit flipped in the middle."""
    assert VGG16.bundled is not None
    path = tmp_path / VGG16.bundled.name
    shutil.copy(VGG16.bundled, path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    return path


def test_damaged_bundled_weights_are_refused(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One flipped bit of 50 MB: refused by digest, before anything is computed with it."""
    monkeypatch.setitem(BACKBONES, "vgg16", dataclasses.replace(VGG16, bundled=damaged))
    with pytest.raises(WeightsError, match=rf"has digest sha256:\w+, but sha256:{VGG16.bundled_digest} was wanted"):
        load_backbone(recipe(f"sha256:{VGG16.bundled_digest}"))


def test_weights_file_changed_since_the_recipe_is_refused(damaged: Path) -> None:
    """The user's own file is held to the recipe's digest as well."""
    wanted = f"sha256:{'0' * 64}"
    with pytest.raises(WeightsError, match=f"but {wanted} was wanted"):
        load_backbone(recipe(wanted), damaged)


@pytest.mark.parametrize("name", [None, "gone.weights.h5"])
def test_weights_that_are_not_at_hand_are_asked_for(tmp_path: Path, name: str | None) -> None:
    """A recipe made elsewhere names weights that are not here: the error says which option gives them."""
    with pytest.raises(WeightsError, match=r"are not at hand .+ Give --weights FILE"):
        load_backbone(recipe(f"sha256:{'0' * 64}"), tmp_path / name if name else None)


@pytest.mark.parametrize("weights", ["random:x", "random:", "random:-1", "random:1.5"])
def test_random_weights_without_a_usable_seed_are_refused(weights: str) -> None:
    """A recipe comes from a file that anyone may have written: the error is featx's own."""
    with pytest.raises(WeightsError):
        load_backbone(recipe(weights))


@pytest.mark.parametrize(
    "statement",
    [
        "import featx.backbones",
        "from featx.backbones import *; check_image_size(backbone_spec('vgg16'), (64, 64))",
        "from featx.backbones import *; resolve_weights(backbone_spec('vgg16'), 'imagenet')",
        "from featx.backbones import *; from featx.recipe import *\n"
        "load_backbone(Recipe('stub', 'none', ('cells',), (64, 64), 'none'))",
    ],
)
def test_keras_is_not_loaded_before_a_network_is(statement: str) -> None:
    """Looking backbones and weights up, and the stub, cost no seconds of TensorFlow."""
    done = subprocess.run([sys.executable, "-c", KERAS_FREE.format(statement)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_stub_is_loaded_by_its_name() -> None:
    """The pipeline's tests ask for it as a user asks for a backbone."""
    assert isinstance(load_backbone(Recipe("stub", "none", ("cells",), (64, 64), "none")), StubBackbone)
