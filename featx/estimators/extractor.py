"""Image files to features, as a transformer of scikit-learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from featx.errors import RecipeError
from featx.images import MAX_PIXELS, paths_given
from featx.models import Compute, Engine, Transform, given_engine
from featx.recipe import COLOR_PROFILES, FULL_DEPTH
from featx.store import check_pooling
from featx.system.kinds import check_kind
from featx.system.paths import StrPath
from featx.verbs.extract import ExtractOptions


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
    calibration : str, Path, FeatureCache, Model or None
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
        calibration: StrPath | None = None,
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
        check_kind("layer", self.layer, (str, type(None)), "the name of a layer, or None", RecipeError)
        layers, settings = (self.layer,) if self.layer else None, {name: getattr(self, name) for name in named}
        options = ExtractOptions(weights=self.weights, layers=layers, **settings)
        return Transform(
            given_engine(Engine(*options.make_recipe()), None if options.calibration is None else Path(options.calibration)),
            compute,
            self.pooling,
        )
