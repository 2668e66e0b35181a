"""featx inside scikit-learn: the transformer gives what a cache holds, the classifier what a head says, both keep the rules."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import featx
import featx.estimators
from featx import FeatureExtractor, HeadClassifier
from featx.errors import CacheError, FeatxError, ImageListError, ImageSizeError, RecipeError, UnknownBackbone, UnknownLayer
from featx.heads import make_head
from featx.heads.classical.linear import LogregHead
from tests.conftest import COLOURS, write_image

STUB: dict[str, Any] = {"backbone": "stub", "image_size": (64, 64), "batch_size": 8}

# scikit-learn runs next to none of its checks on transformers of anything but tables of numbers: X are paths here. These are
# the ones that hand no numbers to ``transform``. The others that it has for transformers do so, and cannot apply:
# - fit_score_takes_y, estimators_dtypes, pipeline_consistency, estimators_pickle, f_contiguous_array_estimator,
#   array_api_input, transformer_general, transformer_preserve_dtypes, transformers_unfitted_stateless, fit_idempotent,
#   methods_sample_order_invariance, methods_subset_invariance, dict_unchanged, dont_overwrite_parameters: the tests below
#   hold the same with images, where there is something to hold;
# - fit2d_1sample, fit2d_1feature, estimator_sparse_tag, estimator_sparse_array: about the shape of numbers given to ``fit``,
#   which does not look at X, as that of scikit-learn's own HashingVectorizer.
EXTRACTOR_CHECKS = (
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_estimators_overwrite_params",
    "check_estimators_fit_returns_self",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_n_features_in_after_fitting",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_fit_check_is_fitted",
)


@pytest.fixture
def files(photos: Path) -> list[Path]:
    """Three files of each colour, the colours taking turns."""
    return [photos / colour / f"{number}.png" for number in range(3) for colour in COLOURS]


@pytest.fixture
def colours() -> NDArray[np.str_]:
    """The colour of each of ``files``."""
    return np.array([*COLOURS] * 3)


@pytest.fixture
def batches_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images in each batch that the stub backbone is given."""
    run: list[int] = []
    load = featx.models.compute.load_backbone

    def load_counted(*arguments: Any, **options: Any) -> Callable[..., Any]:
        backbone = load(*arguments, **options)

        def counted(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
            run.append(len(images))
            return backbone(images)

        return counted

    featx.models.transform.ready_backbone.cache_clear()
    monkeypatch.setattr(featx.models.compute, "load_backbone", load_counted)
    return run


@pytest.fixture(autouse=True)
def _no_backbone_is_left() -> Any:
    """The next test loads its own backbone."""
    yield
    featx.models.transform.ready_backbone.cache_clear()


def cached(cache: Path, pooling: str) -> tuple[list[Path], NDArray[np.floating]]:
    """Return the files that a cache lists and their features."""
    store = featx.FeatureCache.open(cache)
    catalog = store.catalog
    return [Path(catalog.source) / path for path in catalog.paths], store.features(catalog.rows(), pooling=pooling)


def made_rows(n: int = 60) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return overlapping classes 0, 1 and 2 of twelve features."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    return (y[:, None] + rng.normal(0, 1, (n, 12))).astype(np.float32), y


# ---- FeatureExtractor


@pytest.mark.parametrize("pooling", ["flatten", "avg", "max", "avgmax"])
def test_features_are_those_of_a_cache(stub_cache: Path, pooling: str) -> None:
    """Bit by bit, in the order of the files that were given, whatever it is."""
    paths, wanted = cached(stub_cache, pooling)
    order = np.random.default_rng(0).permutation(len(paths))
    found = FeatureExtractor(**STUB, pooling=pooling).fit_transform([paths[row] for row in order])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted[order])


@pytest.mark.parametrize("options", [{"resize": "crop"}, {"resize": "pad"}, {"image_size": (64, 96)}], ids=str)
def test_settings_mean_what_they_mean_to_extract(
    photos: Path, extract: Callable[..., Any], options: dict[str, Any], stub_cache: Path, tmp_path: Path
) -> None:
    """Other settings than the defaults give the features of a cache made with them, and not those of the defaults."""
    paths, wanted = cached(extract(photos, tmp_path / "other", **options).cache, "flatten")
    found = FeatureExtractor(**STUB | options, pooling="flatten").transform(paths)
    np.testing.assert_array_equal(found, wanted)
    assert not np.array_equal(wanted, cached(stub_cache, "flatten")[1])


def test_vgg16_features_are_those_of_a_cache(photos: Path, extract: Callable[..., Any]) -> None:
    """Random weights, 64 px: the same bits, whole and pooled, for all files and for a few, and a name for each column."""
    options: dict[str, Any] = {"backbone": "vgg16", "weights": "random"}
    cache = extract(photos, **options).cache
    few = [30, 2, 17]
    for pooling in ("flatten", "avgmax"):
        paths, wanted = cached(cache, pooling)
        extractor = FeatureExtractor(**STUB | options, pooling=pooling)
        np.testing.assert_array_equal(extractor.transform(paths), wanted)
        np.testing.assert_array_equal(extractor.transform([paths[row] for row in few]), wanted[few])
        assert len(set(extractor.get_feature_names_out())) == wanted.shape[1]
    assert extractor.get_feature_names_out()[[17, 512 + 17]].tolist() == ["block5_pool_avg_17", "block5_pool_max_17"]
    deeper = FeatureExtractor(**STUB | options, layer="block3_pool", pooling="avg")
    assert deeper.transform(paths[:2]).shape == (2, 256)
    assert deeper.get_feature_names_out()[-1] == "block3_pool_avg_255"
    with pytest.raises(UnknownLayer, match="block9"):
        deeper.set_params(layer="block9").transform(paths[:2])


def test_features_do_not_depend_on_the_company(files: list[Path]) -> None:
    """Order and number of the files are nothing to each single one."""
    extractor = FeatureExtractor(**STUB)
    whole = extractor.transform(files)
    np.testing.assert_array_equal(extractor.transform(files[::-1]), whole[::-1])
    np.testing.assert_array_equal(np.concatenate([extractor.transform([file]) for file in files]), whole)


def test_each_path_is_computed_once(files: list[Path], batches_run: list[int]) -> None:
    """Rows that stand several times are copies; the backbone sees each path once, as text or as Path."""
    rows = np.array([4, 0, 4, 4, 1, 0])
    extractor = FeatureExtractor(**STUB)
    found = extractor.transform([files[4], files[0], str(files[4]), files[4], files[1], files[0]])
    assert batches_run == [3]
    np.testing.assert_array_equal(found, extractor.transform(files)[rows])


def test_paths_may_come_in_any_container(files: list[Path]) -> None:
    """Lists and arrays of str and Path, flat or as the column that scikit-learn hands on."""
    texts = [str(file) for file in files]
    extractor = FeatureExtractor(**STUB)
    wanted = extractor.transform(files)
    containers = (
        texts,
        tuple(files),
        np.array(texts),
        np.array(files, object),
        np.array(texts)[:, None],
        np.array(files, object)[:, None],
        [[text] for text in texts],
    )
    for container in containers:
        np.testing.assert_array_equal(extractor.transform(container), wanted)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ("a.png", "list of files. Received: 'a.png'"),
        (Path("a.png"), "list of files"),
        ([], "there are none"),
        (np.empty((0, 1), object), "there are none"),
        ([["a.png", "b.png"]], r"shape \(1, 2\)"),
        (["a.png", 3], "Received: 3 at row 1"),
        (np.zeros((2, 1)), "Received: 0.0 at row 0"),
        (["a.png", None], "Received: None at row 1"),
        ([["a.png"], ["b.png", "c.png"]], "at row 0"),
    ],
    ids=str,
)
def test_what_is_no_list_of_paths_is_refused(X: Any, said: str) -> None:
    """One path alone, several columns, numbers, nothing: the message says what was found and what to give."""
    with pytest.raises(ImageListError, match=f"{said}.*Give a sequence of paths"):
        FeatureExtractor(**STUB).transform(X)


def test_files_without_pixels_are_all_told_and_nothing_is_returned(
    files: list[Path], tmp_path: Path, batches_run: list[int]
) -> None:
    """Ten of them by name with the reason, the others by number; the backbone stops, as its work would be for nothing."""
    for number in range(11):
        (tmp_path / f"{number}.png").write_text("no image")
    broken = [tmp_path / f"{number}.png" for number in range(11)]
    with pytest.raises(ImageListError) as caught:
        FeatureExtractor(**STUB).transform([*files[:8], *broken, tmp_path / "missing.png", *files])
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("12 of 21 files give no features")
    assert [line.split(":")[0].strip() for line in lines[1:-1]] == [str(path) for path in broken[:10]]
    assert all(line.split(": ")[1] for line in lines[1:-1])
    assert lines[-1].strip() == "and 2 more"
    assert batches_run == [8]


def test_larger_images_than_allowed_are_refused(files: list[Path]) -> None:
    """``max_pixels`` is the loader's."""
    with pytest.raises(ImageListError, match=f"2 of 2 files .*\n  {files[0]}: .*\n  {files[1]}: [^\n]*$"):
        FeatureExtractor(**STUB, max_pixels=100).transform(files[:2])


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"backbone": "vgg61"}, UnknownBackbone),
        ({"pooling": "min"}, CacheError),
        ({"resize": "squash"}, RecipeError),
        ({"image_size": (16, 64)}, ImageSizeError),
        ({"image_size": "64 px"}, RecipeError),
        ({"image_size": ("64", "64")}, RecipeError),
        ({"layer": 5}, RecipeError),
        ({"layer": ["cells"]}, RecipeError),
        ({"weights": None}, RecipeError),
        ({"calibration": 5, "precision": "int8"}, RecipeError),
        ({"batch_size": 0}, RecipeError),
        ({"batch_size": None}, RecipeError),
        ({"workers": 0}, RecipeError),
        ({"max_pixels": 1.5}, RecipeError),
        ({"backbone": "vgg16", "weights": "/nowhere/w.h5"}, FeatxError),
    ],
    ids=str,
)
def test_settings_are_refused_by_fit_and_not_before(settings: dict[str, Any], error: type[FeatxError]) -> None:
    """As scikit-learn wants it: the constructor only stores."""
    extractor = FeatureExtractor(**STUB | settings)
    with pytest.raises(error):
        extractor.fit(["a.png"])
    with pytest.raises(error):
        extractor.transform(["a.png"])


@pytest.mark.parametrize("pooling", ["flatten", "avg", "max", "avgmax"])
def test_a_columns_name_says_what_is_in_it(tmp_path: Path, pooling: str) -> None:
    """In an image of which one cell is not black, these are the columns that are not 0."""
    from PIL import Image

    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[32:, 64:, 1] = 120  # cell y 1, x 2 is green
    Image.fromarray(pixels).save(tmp_path / "cell.png")
    extractor = FeatureExtractor(backbone="stub", image_size=(64, 96), pooling=pooling)
    names = extractor.get_feature_names_out()
    values = dict(zip(names, extractor.transform([tmp_path / "cell.png"])[0].tolist(), strict=True))
    wanted = {"flatten": {"cells_y1_x2_c1": 120.0}, "avg": {"cells_avg_1": 20.0}, "max": {"cells_max_1": 120.0}}
    wanted["avgmax"] = wanted["avg"] | wanted["max"]
    assert {name: value for name, value in values.items() if value} == wanted[pooling]
    assert len(values) == {"flatten": 18, "avg": 3, "max": 3, "avgmax": 6}[pooling]


def test_the_container_of_the_output_can_be_chosen(files: list[Path]) -> None:
    """``set_output`` as every transformer has it: arrays by default."""
    found = FeatureExtractor(**STUB).set_output(transform="default").fit_transform(files)
    assert isinstance(found, np.ndarray)


def test_pandas_frames_go_in_and_come_out(files: list[Path]) -> None:
    """A column of a frame, by itself and in a ColumnTransformer; the output has its index and the names of the features."""
    pandas = pytest.importorskip("pandas", reason="featx does without pandas")
    from sklearn.compose import ColumnTransformer

    frame = pandas.DataFrame({"file": [str(file) for file in files]}, index=range(100, 100 + len(files)))
    extractor = FeatureExtractor(**STUB)
    wanted = extractor.transform(files)
    for column in (frame["file"], frame[["file"]]):
        np.testing.assert_array_equal(extractor.transform(column), wanted)
    framed = clone(extractor).set_output(transform="pandas").fit_transform(frame[["file"]])
    assert framed.columns.tolist() == extractor.get_feature_names_out().tolist()
    assert framed.index.tolist() == frame.index.tolist()
    np.testing.assert_array_equal(framed.to_numpy(), wanted)
    for columns in ("file", ["file"]):
        transformer = ColumnTransformer([("image", FeatureExtractor(**STUB), columns)])
        np.testing.assert_array_equal(transformer.fit_transform(frame), wanted)
        assert transformer.get_feature_names_out()[0] == "image__cells_avg_0"


def test_the_tags_say_what_the_transformer_is() -> None:
    """Texts in, nothing validated by scikit-learn, no y, no state."""
    tags = get_tags(FeatureExtractor())
    assert tags.input_tags.string
    assert tags.no_validation
    assert not tags.target_tags.required
    assert not tags.requires_fit
    assert tags.transformer_tags.preserves_dtype == []


@pytest.mark.parametrize("check", EXTRACTOR_CHECKS)
def test_the_transformer_keeps_scikit_learns_rules(check: str) -> None:
    """Its own checks, as far as they apply to paths."""
    getattr(estimator_checks, check)("FeatureExtractor", FeatureExtractor(backbone="stub"))


def test_a_transformer_has_no_state(files: list[Path]) -> None:
    """No attribute is added; a clone and a pickled copy, never fitted, give the same features."""
    extractor = FeatureExtractor(**STUB, pooling="max")
    before = dict(vars(extractor))
    found = extractor.fit(files).transform(files)
    assert vars(extractor) == before
    for copy in (clone(extractor), pickle.loads(pickle.dumps(extractor))):
        assert copy.get_params() == extractor.get_params()
        np.testing.assert_array_equal(copy.transform(files), found)


def test_a_transformer_pickled_before_depth_was_a_setting_decodes_as_it_did(files: list[Path]) -> None:
    """It has the settings of its day, and the defaults of those that came later."""
    extractor = FeatureExtractor(**STUB)
    old = FeatureExtractor.__new__(FeatureExtractor)
    old.__setstate__({name: value for name, value in vars(extractor).items() if name not in ("depth", "color_profile")})
    np.testing.assert_array_equal(clone(old).transform(files), extractor.transform(files))


def test_tensorflow_is_loaded_by_the_first_pixels_alone(tmp_path: Path) -> None:
    """Making, fitting, cloning and printing a VGG16 extractor does without, as does a list of files that are no images."""
    code = """
import sys
assert "sklearn" not in sys.modules
import featx
assert "sklearn" not in sys.modules
from sklearn.base import clone
extractor = clone(featx.FeatureExtractor()).set_params(pooling="avg").fit(["a.png"])
repr(extractor)
try:
    extractor.transform(["a.png"])
except featx.errors.ImageListError:
    pass
featx.HeadClassifier("svm").fit([[0.0], [1.0], [0.1], [0.9]], ["a", "b", "a", "b"]).predict([[0.0]])
assert not {"tensorflow", "keras", "jax", "torch"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- HeadClassifier


# conv is not among them: it takes maps of the shape that its settings give, and these checks make rows of any width.
@parametrize_with_checks([*map(HeadClassifier, ("logreg", "svm", "ridge", "knn")), HeadClassifier("dense", {"epochs": 3})])
def test_classifiers_keep_scikit_learns_rules(estimator: HeadClassifier, check: Callable[[Any], None]) -> None:
    """All of its checks, without an exception: those of weights and of decision functions too."""
    check(estimator)


@pytest.mark.parametrize(
    ("head", "settings"),
    [
        ("logreg", None),
        ("logreg", {"C": 1.0, "class_weight": "balanced"}),
        ("svm", {"kernel": "rbf"}),
        ("ridge", None),
        ("knn", {"neighbors": 3, "scale": "l2"}),
        ("dense", {"epochs": 3, "hidden": [4]}),
        ("conv", {"epochs": 2, "map_shape": [2, 2, 3]}),
    ],
    ids=str,
)
def test_probabilities_are_those_of_the_head(head: str, settings: dict[str, Any] | None) -> None:
    """The adapter changes labels only: columns stand in the order of ``classes_``, whatever the labels are."""
    X, y = made_rows()
    wanted = make_head(head, **settings or {}).fit(X, y).predict_proba(X)
    for names in (np.array(["ash", "oak", "yew"]), np.array([-5, 7, 30]), np.array(["ash", "oak", "yew"], object)):
        classifier = HeadClassifier(head, settings).fit(X, names[y])
        assert classifier.classes_.tolist() == names.tolist()
        np.testing.assert_array_equal(classifier.predict_proba(X), wanted)
        np.testing.assert_array_equal(classifier.predict(X), names[wanted.argmax(axis=1)])
        assert classifier.score(X, names[y]) == (wanted.argmax(axis=1) == y).mean()
        assert classifier.n_features_in_ == 12


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_features_keep_their_precision(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head is given what it would be given without the adapter: half precision is not widened, double not cut off."""
    X, y = made_rows()
    X = (X.astype(np.float64) / 3).astype(dtype)
    wanted = make_head("logreg").fit(X, y).predict_proba(X)
    given = []
    fit = LogregHead.fit
    monkeypatch.setattr(LogregHead, "fit", lambda head, X, y, **how: given.append(X.dtype) or fit(head, X, y, **how))
    np.testing.assert_array_equal(HeadClassifier().fit(X, y).predict_proba(X), wanted)
    assert given == [np.dtype(dtype)]


@pytest.mark.parametrize(
    ("head", "settings", "said"),
    [
        ("logrge", None, "Did you mean logreg"),
        (None, None, "head must be a str. Received: None"),
        ("logreg", {"c": 1}, "no setting 'c'"),
        ("logreg", {"C": -1.0}, "C must be a number above 0"),
        ("logreg", [1], "settings must be a Mapping. Received: [1]"),
        ("logreg", list(range(10**5)), "settings must be a Mapping. Received: a list of 100,000."),
        (np.zeros((300, 300)), None, "head must be a str. Received: an array of float64 and shape (300, 300)."),
    ],
    ids=str,
)
def test_settings_of_a_head_are_refused_as_scikit_learn_does(head: Any, settings: Any, said: str) -> None:
    """A ValueError, by fit and not before, with the head's own words."""
    classifier = HeadClassifier(head, settings)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 # the message is looked at below, brackets and all
        classifier.fit(*made_rows())
    assert said in str(caught.value)


LINEAR: list[tuple[str, dict[str, Any]]] = [
    ("logreg", {}),
    ("logreg", {"scale": "none"}),
    ("svm", {"C": 0.1}),
    ("ridge", {}),
    ("dense", {"epochs": 3}),
    ("dense", {"epochs": 3, "activation": "sigmoid"}),
]
BY_LENGTH: list[tuple[str, dict[str, Any]]] = [("logreg", {"scale": "l2"}), ("ridge", {"scale": "sqrt"})]
"""Planes, but of rows that are brought to one length: what a feature adds depends on the others."""
NOT_LINEAR: list[tuple[str, dict[str, Any]]] = [
    ("knn", {}),
    ("svm", {"kernel": "rbf"}),
    ("dense", {"hidden": [4], "epochs": 1}),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("head", "settings"), LINEAR + BY_LENGTH, ids=str)
def test_the_decision_function_is_what_the_probabilities_are_made_of(
    head: str, settings: dict[str, Any], n_classes: int
) -> None:
    """Its largest value is the class; softmax or sigmoids of it are the probabilities; coefficients give it."""
    X, y = made_rows()
    X, y = X[y < n_classes], y[y < n_classes]
    classifier = HeadClassifier(head, settings).fit(X, np.array(["yew", "ash", "oak"])[y])
    values, probabilities = classifier.decision_function(X), classifier.predict_proba(X)
    if n_classes == 2:
        assert values.shape == (len(X),)
        np.testing.assert_array_equal(classifier.classes_[(values > 0).astype(int)], classifier.predict(X))
        if settings.get("activation") != "sigmoid":
            np.testing.assert_allclose(1 / (1 + np.exp(-values)), probabilities[:, 1], rtol=0, atol=1e-6)
    else:
        assert values.shape == (len(X), n_classes)
        np.testing.assert_array_equal(classifier.classes_[values.argmax(axis=1)], classifier.predict(X))
        is_softmax = head == "logreg" or (head == "dense" and "activation" not in settings)
        shares = np.exp(values) if is_softmax else 1 / (1 + np.exp(-values))
        np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), probabilities, rtol=0, atol=1e-6)
    if (head, settings) in BY_LENGTH:
        assert not hasattr(classifier, "coef_")
        assert not hasattr(classifier, "intercept_")
        return
    planes = 1 if n_classes == 2 else n_classes
    assert (classifier.coef_.shape, classifier.intercept_.shape) == ((planes, 12), (planes,))
    by_hand = X.astype(np.float64) @ classifier.coef_.T + classifier.intercept_
    np.testing.assert_allclose(by_hand[:, 0] if n_classes == 2 else by_hand, values, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_coefficients_are_those_of_scikit_learn_on_the_features_themselves(n_classes: int, scale: str) -> None:
    """Of a pipeline of StandardScaler and LogisticRegression, the scaler worked into the planes."""
    X, y = made_rows()
    X, y = 100 * X[y < n_classes].astype(np.float64) + 7, y[y < n_classes]
    classifier = HeadClassifier("logreg", {"C": 0.3, "scale": scale}).fit(X, y)
    scaler = StandardScaler(with_mean=scale == "standard", with_std=scale == "standard").fit(X)
    reference = LogisticRegression(C=0.3, max_iter=2000).fit(scaler.transform(X), y)
    coef = reference.coef_ / (scaler.scale_ if scale == "standard" else 1)
    np.testing.assert_allclose(classifier.coef_, coef, rtol=0, atol=1e-4 * np.abs(coef).max())
    np.testing.assert_allclose(
        classifier.decision_function(X), reference.decision_function(scaler.transform(X)), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize(("head", "settings"), LINEAR + NOT_LINEAR, ids=str)
def test_only_linear_heads_have_a_decision_function(head: str, settings: dict[str, Any]) -> None:
    """Before the fit and after it; what is wrong has none, and a second fit with another head leaves none behind."""
    X, y = made_rows()
    classifier = HeadClassifier(head, settings)
    wanted = (head, settings) in LINEAR
    assert hasattr(classifier, "decision_function") == wanted
    assert not hasattr(classifier, "coef_")
    classifier.fit(X, y)
    for name in ("decision_function", "coef_", "intercept_"):
        assert hasattr(classifier, name) == wanted, name
    assert not hasattr(classifier.set_params(head="knn", settings=None).fit(X, y), "coef_")
    assert not hasattr(HeadClassifier("logrge"), "decision_function")
    assert not hasattr(HeadClassifier("svm", {"kernel": "poly"}), "decision_function")
    with pytest.raises(AttributeError, match="no coef_: it is not fitted, its head 'logreg' is not linear"):
        HeadClassifier("logreg").coef_  # noqa: B018


def test_each_setting_is_a_parameter() -> None:
    """Set and searched by name, cloned, and listed with its default; copies do not share them."""
    classifier = HeadClassifier("svm", {"C": 0.5})
    parameters = classifier.get_params()
    assert (
        parameters.items() >= {"head": "svm", "settings": {"C": 0.5}, "settings__C": 0.5, "settings__kernel": "linear"}.items()
    )
    assert "settings__neighbors" not in parameters
    assert set(classifier.get_params(deep=False)) == {"head", "settings"}
    other = clone(classifier).set_params(settings__kernel="rbf", settings__C=2.0)
    assert other.settings == {"C": 2.0, "kernel": "rbf"}
    assert classifier.settings == {"C": 0.5}
    assert clone(other).settings == other.settings
    assert HeadClassifier("knn").set_params(settings__neighbors=1, head="knn").settings == {"neighbors": 1}
    assert HeadClassifier("knn").set_params(settings={"neighbors": 9}, settings__scale="l2").settings == {
        "neighbors": 9,
        "scale": "l2",
    }
    assert HeadClassifier("logrge").get_params() == {"head": "logrge", "settings": None}
    with pytest.raises(ValueError, match="no setting 'neighbors'"):
        HeadClassifier("svm").set_params(settings__neighbors=3).fit(*made_rows())
    with pytest.raises(ValueError, match="settings must be a Mapping"):
        HeadClassifier("svm", [1]).set_params(settings__C=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid parameter 'C'"):
        HeadClassifier("svm").set_params(C=3)


def test_a_search_takes_settings_by_name() -> None:
    """Inside a pipeline too: the same scores as with whole dicts of settings, whatever else is set."""
    X, y = made_rows()
    names = np.array(["yew", "ash", "oak"])[y]
    pipeline = make_pipeline(StandardScaler(), HeadClassifier("logreg", {"scale": "none"}))
    values = [1e-4, 0.01, 1.0]
    found = GridSearchCV(pipeline, {"headclassifier__settings__C": np.array(values)}, cv=3, scoring="neg_log_loss")
    whole = [{"scale": "none", "C": C} for C in values]
    wanted = GridSearchCV(pipeline, {"headclassifier__settings": whole}, cv=3, scoring="neg_log_loss")
    np.testing.assert_array_equal(
        found.fit(X, names).cv_results_["mean_test_score"], wanted.fit(X, names).cv_results_["mean_test_score"]
    )
    assert found.best_estimator_[-1].settings == wanted.best_params_["headclassifier__settings"]
    assert len(set(found.cv_results_["mean_test_score"])) == 3


@pytest.mark.parametrize("head", ["logreg", "svm", "ridge", "knn", "dense"])
def test_weights_reach_the_head(head: str) -> None:
    """As texts stand for labels: the same probabilities as the head's own; a class that weighs nothing is no class."""
    X, y = made_rows()
    settings = {"epochs": 2} if head == "dense" else {}
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    names = np.array(["yew", "ash", "oak"])[y]
    classifier = HeadClassifier(head, settings).fit(X, names, sample_weight=weights.tolist())
    labels = np.unique(names, return_inverse=True)[1]
    wanted = make_head(head, **settings).fit(X, labels, sample_weight=weights).predict_proba(X)
    np.testing.assert_array_equal(classifier.predict_proba(X), wanted)
    left = HeadClassifier(head, settings).fit(X, names, sample_weight=(names != "oak") * 2)
    assert left.classes_.tolist() == ["ash", "yew"]
    assert left.predict_proba(X).shape == (60, 2)
    with pytest.raises(ValueError, match=r"sample_weight must be a finite number from 0.*-1\.0 in row 0"):
        HeadClassifier(head, settings).fit(X, names, sample_weight=-np.ones(60))
    if head == "knn":
        with pytest.raises(ValueError, match="knn: takes whole numbers as weights"):
            HeadClassifier(head).fit(X, names, sample_weight=np.full(60, 0.5))


def test_weights_are_handed_on_in_a_cross_validation() -> None:
    """Each fold has the weights of its rows: where those of half the rows are 0, the folds learn from the others."""
    X, y = made_rows()
    weights = np.repeat([0.0, 1.0], 30)
    found = cross_val_predict(HeadClassifier("ridge"), X, y, cv=3, method="predict_proba", params={"sample_weight": weights})
    folds = StratifiedKFold(3)
    for train, held_out in folds.split(X, y):
        kept = train[weights[train] > 0]
        np.testing.assert_array_equal(found[held_out], HeadClassifier("ridge").fit(X[kept], y[kept]).predict_proba(X[held_out]))


def test_wrong_input_is_refused_in_scikit_learns_words() -> None:
    """Not fitted, one class, fewer rows than labels, labels that are none, NaN, other features; and what a head refuses."""
    X, y = made_rows()
    classifier = HeadClassifier()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        classifier.predict(X)
    with pytest.raises(ValueError, match="at least 2 classes in the data, but the data contains only one class: 'a'"):
        classifier.fit(X, ["a"] * len(X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier.fit(X[1:], y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classifier.fit(X, y + 0.5)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        classifier.fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(ValueError, match="X has 11 features, but HeadClassifier is expecting 12"):
        classifier.fit(X, y).predict_proba(X[:, 1:])
    with pytest.raises(ValueError, match=r"svm: needs at least 2 training images in each class.*1 of"):
        HeadClassifier("svm").fit(X[:4], y[:4])
    labels = ["cat", "cat", "dog", "dog", "a lone bird"]
    with pytest.raises(ValueError, match="Received: 1 of class 'a lone bird'"):
        HeadClassifier("svm").fit(X[:5], labels)


# ---- both together


def test_a_pipeline_tells_colours(files: list[Path], colours: NDArray[np.str_], photos: Path) -> None:
    """From files to class names, on images that it has not seen."""
    new = [photos / colour / "11.png" for colour in COLOURS]
    pipeline = make_pipeline(FeatureExtractor(**STUB), HeadClassifier("ridge")).fit(files, colours)
    assert pipeline.predict(new).tolist() == [*COLOURS]
    np.testing.assert_allclose(pipeline.predict_proba(new).sum(axis=1), 1)
    assert pipeline.score(files, colours) == 1


@pytest.mark.parametrize("classifier", [LogisticRegression(), HeadClassifier("knn", {"neighbors": 1})], ids=str)
def test_pipelines_can_be_cross_validated(classifier: Any, files: list[Path], colours: NDArray[np.str_]) -> None:
    """Lists of paths are cut into folds as rows are."""
    pipeline = make_pipeline(FeatureExtractor(**STUB), classifier)
    assert cross_val_score(pipeline, files, colours, cv=3).tolist() == [1, 1, 1]
    assert cross_val_score(pipeline, np.array(files, object)[:, None], colours, cv=3).tolist() == [1, 1, 1]


def test_clones_share_one_backbone(files: list[Path], colours: NDArray[np.str_], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cross-validation does not build the network again in every fold; other settings do get their own."""
    loaded: list[Any] = []
    load = featx.models.compute.load_backbone
    monkeypatch.setattr(
        featx.models.compute, "load_backbone", lambda *given, **how: loaded.append(given) or load(*given, **how)
    )
    pipeline = make_pipeline(FeatureExtractor(**STUB), HeadClassifier("ridge"))
    cross_val_score(pipeline, files, colours, cv=3)
    assert len(loaded) == 1
    cross_val_score(pipeline.set_params(featureextractor__image_size=(64, 96)), files, colours, cv=3)
    assert [recipe.image_size for recipe, _, _ in loaded] == [(64, 64), (64, 96)]


def test_settings_can_be_searched(files: list[Path], colours: NDArray[np.str_], tmp_path: Path) -> None:
    """Poolings, and numbers of neighbours as NumPy counts them; what is wrong loses, as 9 neighbours of 6 images do."""
    pipeline = make_pipeline(FeatureExtractor(**STUB), HeadClassifier("knn"))
    grid = {
        "featureextractor__pooling": ["avg", "flatten"],
        "headclassifier__settings": [{"neighbors": number} for number in np.array([9, 1])],
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(files, colours)
    assert search.best_params_["headclassifier__settings"] == {"neighbors": 1}
    assert search.best_estimator_.predict([files[1]]).tolist() == ["green"]
    write_image(tmp_path / "new.png", COLOURS["blue"], seed=999)
    assert search.predict([tmp_path / "new.png"]).tolist() == ["blue"]
