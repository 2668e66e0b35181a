"""featx inside scikit-learn: image files to features as a transformer, any head as a classifier."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from featx.errors import HeadError, RecipeError, TooFewImages
from featx.heads import head_spec
from featx.images import MAX_PIXELS, paths_given
from featx.models import Compute, Engine, Transform, given_engine
from featx.recipe import COLOR_PROFILES, FULL_DEPTH
from featx.store import check_pooling
from featx.verbs.extract import ExtractOptions

# What heads take as it is; anything else becomes the first. float16 stays what it is: wide features are read so.
_DTYPES = (np.float64, np.float32, np.float16)


class FeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """Transform image files into features: what a feature cache made with the same settings holds for them.

    Nothing is learned or written. Inside a search or a cross-validation the same images go through the
    backbone in every fold: for more than a few hundred, transform them once beforehand, or use ``featx.extract_features``.

    Parameters
    ----------
    backbone : str or Path
        Name of the backbone, or the file of a network of your own.
    weights : str or Path
        ``imagenet``, ``random`` or a weights file.
    image_size : tuple of int or None
        (height, width) [px]; by default the backbone's own.
    layer : str or None
        Where the features are taken; by default the last layer that a cache keeps.
    pooling : str
        ``flatten``, ``avg``, ``max`` or ``avgmax``.
    resize : str
        ``stretch``, ``crop`` or ``pad``.
    batch_size : int
        Images a forward pass, and fewer are padded: that way an image has the same features in any company. Give 1 where
        images come one by one.
    workers : int or None
        Decoding processes; by default one for each core.
    max_pixels : int
        Larger images are rejected [px].
    precision : str
        Arithmetic of the backbone: ``float32``, ``float16``, ``bfloat16``, or ``int8`` with a calibration.
    calibration : str, Path or None
        For int8: the cache or model whose quantized network is used.
    device : str or None
        Where the backbone computes: ``cpu``, ``gpu``, ``gpu:1`` …; by default an accelerator if Keras finds one.
    depth : str
        What the numbers of files of 16 bits a sample mean: ``16``, ``12``, ``10`` or ``8`` bits, ``auto`` or ``min-max``.
    color_profile : str
        ``ignore`` colour profiles, or convert to ``srgb``.
    preprocess : str
        How pixels are scaled: ``auto``, as the backbone was trained; by name; or ``mean=R,G,B std=R,G,B``.

    Examples
    --------
    >>> from pathlib import Path
    >>> extractor = featx.FeatureExtractor(backbone="stub", image_size=(64, 64), pooling="avg")
    >>> extractor.fit_transform(sorted(Path("photos/red").iterdir())).shape
    (12, 3)
    """

    depth, color_profile, preprocess = FULL_DEPTH, COLOR_PROFILES[0], "auto"  # of the class too, for what was pickled before

    def __init__(
        self,
        backbone: str | Path = "vgg16",
        weights: str | Path = "imagenet",
        image_size: tuple[int, int] | None = None,
        layer: str | None = None,
        pooling: str = "avgmax",
        resize: str = "stretch",
        batch_size: int = 32,
        workers: int | None = None,
        max_pixels: int = MAX_PIXELS,
        precision: str = "float32",
        calibration: str | Path | None = None,
        device: str | None = None,
        depth: str = FULL_DEPTH,
        color_profile: str = COLOR_PROFILES[0],
        preprocess: str = "auto",
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.image_size = image_size
        self.layer = layer
        self.pooling = pooling
        self.resize = resize
        self.batch_size = batch_size
        self.workers = workers
        self.max_pixels = max_pixels
        self.precision = precision
        self.calibration = calibration
        self.device = device
        self.depth = depth
        self.color_profile = color_profile
        self.preprocess = preprocess

    # The argument is called X and not paths: scikit-learn takes every other name for metadata to be routed.
    def fit(self, X: object, y: object = None) -> Self:
        """Check the settings; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored
            Taken because every transformer takes them.

        Raises
        ------
        RecipeError, ImageSizeError, BackboneError, CacheError
            If a setting is unknown or outside its range.
        """
        self._transform()
        return self

    def transform(self, X: Sequence[str | Path] | ArrayLike) -> NDArray[np.float32]:
        """Decode the files and run the backbone on them.

        Parameters
        ----------
        X : sequence or ndarray of shape (n_files,), or of shape (n_files, 1); str or Path
            Image files. A file that is listed several times is computed once.

        Returns
        -------
        features : ndarray of shape (n_files, n_features), float32
            In the order of X; in another container where ``set_output`` asks for it.

        Raises
        ------
        ImageListError
            If X is no list of paths, or files in it give no pixels: it names up to ten, and why.
        RecipeError, ImageSizeError, BackboneError, CacheError
            If a setting is unknown or outside its range, or the backbone's weights are not at hand.
        """
        return self._transform().rows(paths_given(X))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the columns by layer, pooling and channel, whole maps by position too; loads the backbone.

        Parameters
        ----------
        input_features : ignored
            Taken because every transformer takes it.

        Returns
        -------
        names : ndarray of shape (n_features,), object
            Such as ``block5_pool_avg_17``, ``block5_pool_max_17`` or, with ``flatten``, ``block5_pool_y0_x3_c17``.

        Raises
        ------
        RecipeError, ImageSizeError, BackboneError, CacheError
            As for ``transform``.
        """
        return np.array(self._transform().names(), object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        # A column of paths is taken, but no table of numbers, which is what this tag promises.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []  # always float32
        tags.no_validation = True
        tags.requires_fit = False
        return tags

    def _transform(self) -> Transform:
        """Check the settings; return what they make of files."""
        check_pooling(self.pooling)
        if self.batch_size is None:  # elsewhere that means as many as memory allows: here it would change with the machine
            raise RecipeError("batch_size must be a whole number from 1. Received: None.")
        compute = Compute(self.batch_size, self.workers, self.max_pixels, self.device)
        named = ("backbone", "image_size", "resize", "depth", "color_profile", "precision", "calibration", "preprocess")
        layers, settings = (self.layer,) if self.layer else None, {name: getattr(self, name) for name in named}
        options = ExtractOptions(weights=str(self.weights), layers=layers, **settings)
        calibration = None if self.calibration is None else Path(self.calibration)
        return Transform(given_engine(Engine(*options.make_recipe()), calibration), compute, self.pooling)


class HeadClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """A head as a scikit-learn classifier.

    Parameters
    ----------
    head : str
        ``logreg``, ``svm``, ``ridge``, ``knn``, ``dense`` or ``conv``. The last two run all their epochs: there are no
        validation images to stop by.
    settings : dict or None
        The head's own, such as ``{"C": 0.1, "seed": 3}``; by default those of the head. A search takes them whole:
        ``{"settings": [{"C": 0.01}, {"C": 0.1}]}``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels seen, ascending: the order of the probability columns.
    head_ : Head
        Fitted; its label i is ``classes_[i]``. ``head_.notes_`` holds remarks on the fit.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.

    Examples
    --------
    >>> X, y = [[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]], ["left", "left", "right", "right"]
    >>> classifier = featx.HeadClassifier("ridge").fit(X, y)
    >>> classifier.predict([[0.0, 0.8]]).tolist()
    ['left']
    """

    def __init__(self, head: str = "logreg", settings: Mapping[str, Any] | None = None) -> None:
        self.head = head
        self.settings = settings

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels: numbers or texts.

        Raises
        ------
        ValueError
            If X or y are not what a classifier takes, y holds a single class, or the head cannot be made with these settings
            or cannot learn from so few or so many samples.
        """
        features, targets = validate_data(self, X, y, dtype=_DTYPES)
        check_classification_targets(targets)
        classes, labels = np.unique(targets, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes in the data, but the data contains only one class: "
                f"{classes.tolist()[0]!r}"
            )
        try:
            unfitted = head_spec(_checked("head", self.head, str)).make(**self._plain_settings())
            self.head_ = unfitted.fit(features, labels)
        except HeadError as error:  # as ValueError, which callers of a scikit-learn estimator expect
            named = error.named(classes.tolist()) if isinstance(error, TooFewImages) else error
            raise ValueError(str(named)) from error
        self.classes_ = classes
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each row (n_samples,), as ``fit`` was given it; else as ``predict_proba``."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If X is not what ``fit`` was given.
        """
        check_is_fitted(self)
        probabilities: NDArray[np.float64] = self.head_.predict_proba(validate_data(self, X, dtype=_DTYPES, reset=False))
        return probabilities

    def _plain_settings(self) -> dict[str, Any]:
        settings = _checked("settings", {} if self.settings is None else self.settings, Mapping)
        # A grid made by NumPy holds its numbers; a head's settings are JSON types.
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}


def _checked(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"HeadClassifier: {name} must be a {kind.__name__}. Received: {value!r}.")
    return value
