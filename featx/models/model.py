"""What a fitted model is."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from featx.backbones import QuantizedNetwork
from featx.errors import ModelError, WeightsError
from featx.heads import Calibration, Conformal, GradeAnswer, Head, Isotonic, NumberIntervals, OperatingPoint, best_epoch
from featx.images import MAX_PIXELS, as_sources
from featx.models.answers import Answers
from featx.models.familiarity import Familiarity
from featx.models.live import LiveNetwork
from featx.models.settings import Compute
from featx.models.tail import FineTuned
from featx.recipe import Recipe
from featx.system.paths import WEIGHTS, StrPath, as_path_or_none
from featx.task import Task

TRAINED_ON_BYTES = 8
"""How much of a training image's digest a model keeps, which later reveals whether an image was among them."""


@dataclasses.dataclass(frozen=True, repr=False)
class Model(Answers):
    """A head, and everything needed to use it on new images.

    Parameters
    ----------
    recipe : Recipe
        How its features were made.
    layer, pooling : str
        Which cached layer it starts from, and how the head's features are pooled.
    head_name : str
        Name of the head.
    head : Head
        Fitted; its label i is ``class_names[i]``.
    class_names : tuple of str
        In natural order, only those that had training images.
    history : dict of str to list of float
        Loss and accuracy by epoch, for heads with epochs.
    metrics : dict
        What was measured while fitting: ``train_images``, ``val_images``, ``val_accuracy``, ``seconds``.
    network : dict
        ``parameters`` and ``layers`` of the backbone.
    source : dict
        ``cache``, ``images`` and ``weights_file``: paths, as a hint where to look.
    versions : dict of str to str
        Of the libraries that made it.
    trained_on : ndarray of shape (n_train, 8), uint8
        Beginnings of the content digests of the training images.
    views : dict
        How the views of each training image were made: ``augment``, ``seed`` and ``count``, the clean one included.
    tuning : list of dict
        Every setting that a search tried, the best first: ``pooling``, ``settings``, ``accuracy``, ``log_loss``,
        ``seconds``; empty without a search.
    tail : FineTuned or None
        Layers between ``layer`` and the head; None where the head takes ``layer`` itself.
    temperature : float
        What the logarithms of the head's probabilities are divided by; 1 leaves them as they are.
    quantized : QuantizedNetwork or None
        The network that its features were made with, if they are int8.
    isotonic : Isotonic or None
        The curve that its probabilities are bent by, in place of a temperature.
    conformal : Conformal or None
        Scores of the validation images, which sets of classes are made by; None without any.
    familiarity : Familiarity or None
        What tells how strange an image is; None in models of an earlier version.
    point : OperatingPoint or None
        Of two classes, from which probability on an image is called the positive one; None for the more probable class.
    task : Task
        What it answers. Of labels and grades, ``class_names`` are these; of numbers there are none.
    points : tuple of OperatingPoint
        Of each label, from which probability on an image is said to have it; none for 0.5.
    intervals : NumberIntervals or None
        Of numbers: errors on the validation images.
    grade_answer : str
        Of grades: ``median``, or ``most_probable`` where that had the larger kappa on the validation images.

    Examples
    --------
    >>> model = featx.load_model("models/photos-logreg.featx")
    >>> model.head_name, model.layer, model.pooling, model.class_names
    ('logreg', 'cells', 'avgmax', ('blue', 'green', 'red'))

    It classifies images, and keeps its network until it is closed:

    >>> with model:
    ...     model.predict(["photos/blue/0.png", "photos/red/0.png"]).tolist()
    ['blue', 'red']
    """

    recipe: Recipe
    layer: str
    pooling: str
    head_name: str
    head: Head
    class_names: tuple[str, ...]
    history: dict[str, list[float]]
    metrics: dict[str, Any]
    network: dict[str, Any]
    source: dict[str, Any]
    versions: dict[str, str]
    trained_on: NDArray[np.uint8]
    views: dict[str, Any] = dataclasses.field(default_factory=lambda: {"augment": "", "seed": 0, "count": 1})
    tuning: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    tail: FineTuned | None = None
    temperature: float = 1.0
    quantized: QuantizedNetwork | None = None
    isotonic: Isotonic | None = None
    conformal: Conformal | None = None
    familiarity: Familiarity | None = None
    point: OperatingPoint | None = None
    task: Task = Task()  # noqa: RUF009 - frozen
    points: tuple[OperatingPoint, ...] = ()
    intervals: NumberIntervals | None = None
    grade_answer: GradeAnswer = "median"
    _live: LiveNetwork = dataclasses.field(default_factory=LiveNetwork, init=False, repr=False, compare=False)
    _file: Path | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    def __fspath__(self) -> str:
        """Stand for the file that it was read from, wherever the path of a model is wanted.

        Raises
        ------
        ModelError
            If it was read from none.
        """
        if self._file is None:
            raise ModelError("model: was not read from a file. Give a model file, or what load_model returns.")
        return str(self._file)

    @property
    def cached_recipe(self) -> Recipe:
        """The recipe of the cached features that it starts from: without the fine-tuned layers."""
        return dataclasses.replace(self.recipe, tail="")

    def outputs(self, X: object) -> NDArray[np.float64]:
        """Return what it gives for images, or features: probabilities, or of numbers the numbers.

        The network is loaded by the first call with images and kept; a further call costs decoding and the forward pass.
        Several threads may call at once: they decode side by side, and take turns at the network.

        Parameters
        ----------
        X : path, bytes, PIL image, array, or iterable of these
            One image or many: paths (str or Path); the content of image files (bytes); PIL images; uint8 arrays of shape
            (height, width, 3) or (n_images, height, width, 3), RGB. Or features as the head takes them: an array of shape
            (n_samples, n_features) that is not uint8.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_columns), float64
            In the order of ``column_names``; for one image, too, a row. For files those of ``predict_images``.

        Raises
        ------
        ImageRejected
            If an image gives no features: with its position in ``X``. ``predict_images`` answers for the others all the same.
        ImageListError
            If ``X`` holds neither images nor features.
        HeadError
            If features have another width than the head was fitted on.
        BackboneError
            If the backbone's weights are not at hand, or there is no such device.
        """
        if (sources := as_sources(X, "X")) is None:
            return self._of_features(X)
        outputs = np.zeros((len(sources), len(self.column_names)))
        for positions, features in self._live.features(self, sources):
            outputs[positions] = self._of_features(features)
        return outputs

    def _of_features(self, X: object) -> NDArray[np.float64]:
        given = self.head.outputs(X)  # type: ignore[arg-type] # the head refuses what it cannot take
        return self.calibration(given) if self.task.has_classes else given

    def predict_proba(self, X: object) -> NDArray[np.float64]:
        """Return probabilities of images, or of features: the head's, calibrated; parameters and errors as for ``outputs``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            In the order of ``class_names``; of labels each by itself.

        Raises
        ------
        TaskError
            If the model answers numbers.
        """
        if error := self.task.refuse("predict_proba", ("classes", "labels", "grades"), "model", "Use predict."):
            raise error
        return self.outputs(X)

    def predict(self, X: object) -> NDArray[Any]:
        """Return the answer for each image, or row of features; parameters and errors as for ``outputs``.

        Returns
        -------
        answers : ndarray
            Of classes their names, of shape (n_samples,): the most probable class, or what the operating point makes of the
            probabilities. Of grades the names of their medians. Of labels (n_samples, n_labels), int64: 1 for each that the
            image is said to have. Of numbers (n_samples, n_targets), float64.
        """
        outputs = self.outputs(X)
        if self.task.has_classes:
            return np.array(self.class_names)[self.decide(outputs)]
        return outputs if not self.task.has_probabilities else self.called(outputs).astype(np.int64)

    def using(
        self,
        *,
        weights: StrPath | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        max_pixels: int = MAX_PIXELS,
        device: str | None = None,
    ) -> "Model":
        """Return the same model with other settings for its network, which is not shared; see ``predict_images`` for them.

        Raises
        ------
        RecipeError, DeviceError, WeightsError
            If a value is of another kind, or outside its range.
        """
        same = copy.copy(self)
        file = as_path_or_none("weights", weights, WeightsError, WEIGHTS)
        live = LiveNetwork(file, Compute(batch_size, workers, max_pixels, device))
        object.__setattr__(same, "_live", live)
        return same

    def close(self) -> None:
        """Free the network that ``predict`` and ``predict_proba`` loaded; a later call loads it again."""
        self._live.close()

    def __enter__(self) -> Self:
        """Use the model; the network is freed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the network."""
        self.close()

    @property
    def calibration(self) -> Calibration:
        """How the head's probabilities are changed."""
        return Calibration(self.temperature, self.isotonic)

    @property
    def parameters(self) -> dict[str, int]:
        """Counts: ``total``, ``trainable`` (the head's, and of fine-tuned layers) and ``frozen`` (the backbone's).

        Neighbours are training rows that are looked up, which nothing trains: they count as none.
        """
        tuned = self.tail.n_parameters if self.tail else 0
        learned = 0 if self.head_name == "knn" else self.head.n_parameters
        frozen, trainable = int(self.network.get("parameters", 0)) - tuned, learned + tuned
        return {"total": frozen + trainable, "trainable": trainable, "frozen": frozen}

    @property
    def best_epoch(self) -> int:
        """The epoch that was kept, from 1: the best by the monitored value, or the last; 0 for heads without epochs."""
        return best_epoch(self.history, self.head.settings().get("monitor", "val_loss"))

    def saw_in_training(self, digests: Sequence[bytes]) -> NDArray[np.bool_]:
        """Return which images, by content, the head was fitted on."""
        seen = {row.tobytes() for row in self.trained_on}
        return np.array([digest[:TRAINED_ON_BYTES] in seen for digest in digests], np.bool_)
