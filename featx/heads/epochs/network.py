"""The networks of the dense and the conv head in Keras, and how they are trained; nothing else here touches Keras."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.epochs.objectives import Objective, OfClasses, OfLabels, OfNumbers
from featx.heads.epochs.optimizer import build_optimizer
from featx.heads.epochs.settings import TrainingRules
from featx.system.keras_settings import plain_keras
from featx.system.quiet import quiet_loading, without_advice


def build_network(
    n_features: int,
    dtype: np.dtype[Any],
    scale: float,
    *,
    units: Sequence[int],
    dropout: float,
    seed: int,
    map_shape: Sequence[int] = (),
    filters: Sequence[int] = (),
    starts_flat: bool = False,
) -> Any:
    """Build the layers; the last gives logits.

    Seeds are given layer by layer: no global random state is touched.

    Parameters
    ----------
    n_features : int
        Width of a row.
    dtype : numpy dtype
        Of the rows. float16 is widened inside, which takes a third off the time of an epoch; all others come as float32.
    scale : float
        Rows are multiplied by it.
    units : sequence of int
        Units of the dense layers; all but the last have ReLU.
    dropout : float
        Share of inputs dropped before each dense layer.
    seed : int
        Of initial weights and dropout.
    map_shape : sequence of int
        (height, width, channels) of the map that a row is, for ``filters``.
    filters : sequence of int
        Filters of the convolutions before the dense layers, 3 x 3 with ReLU, each followed by 2 x 2 max pooling.
    starts_flat : bool
        Whether the last layer starts with kernels of zeros.

    Returns
    -------
    network : keras.Sequential
    """
    with quiet_loading():
        import keras  # here, not above: a fitted head predicts without it

    # Types are named throughout, so that a policy of mixed precision changes none of them.
    options = {"dtype": "float32"}
    layers: list[Any] = [
        keras.Input((n_features,), dtype="float16" if dtype == np.float16 else "float32"),
        keras.layers.Rescaling(scale, **options),
    ]
    if filters:
        layers.append(keras.layers.Reshape(tuple(map_shape), **options))
    for number, n_filters in enumerate(filters):
        shape = {"padding": "same", "data_format": "channels_last"} | options
        initializer = keras.initializers.GlorotUniform(seed=seed + number)
        layers.append(keras.layers.Conv2D(n_filters, 3, activation="relu", kernel_initializer=initializer, **shape))
        layers.append(keras.layers.MaxPooling2D(2, **shape))
    if filters:
        layers.append(keras.layers.Flatten(data_format="channels_last", **options))
    for number, n_units in enumerate(units, len(filters)):
        last = number == len(filters) + len(units) - 1
        if dropout:
            layers.append(keras.layers.Dropout(dropout, seed=seed + number, **options))
        initializer = "zeros" if last and starts_flat else keras.initializers.GlorotUniform(seed=seed + number)
        activation = None if last else "relu"
        layers.append(keras.layers.Dense(n_units, activation=activation, kernel_initializer=initializer, **options))
    return keras.Sequential(layers)


class KerasSteps:
    """A network that takes a step on each batch it is given.

    Keras' own ``fit`` sets up a new input pipeline every epoch, which costs more than the epoch of a head this small.

    Parameters
    ----------
    network : keras.Sequential
        From ``build_network``.
    rules : TrainingRules
        Loss and optimizer.
    objective : Objective or None
        What is made small; by default the loss of classes that the rules name.
    averaging : float
        What the running average of the weights keeps of itself in each step; 0 for no average.
    shares : sequence of float
        What the learning rate of each trainable variable is multiplied by, in the network's order; by default all are alike.
    """

    def __init__(
        self,
        network: Any,
        rules: TrainingRules,
        objective: Objective | None = None,
        averaging: float = 0.0,
        shares: Sequence[float] = (),
    ) -> None:
        import keras

        self._objective = objective or OfClasses(rules)
        with plain_keras():
            optimizer = build_optimizer(keras, rules, averaging, shares)
            self._compile(keras, network, optimizer, rules, self._objective)
        self._network = network
        self._n_classes = network.output_shape[-1]

    @staticmethod
    def _compile(keras: Any, network: Any, optimizer: Any, rules: TrainingRules, objective: Objective) -> None:
        # TensorFlow's convolutions are slower with XLA, and take seconds to compile.
        has_filters = any(isinstance(layer, keras.layers.Conv2D) for layer in _all_layers(network))
        is_slower = has_filters and keras.backend.backend() == "tensorflow"
        network.compile(
            optimizer,
            _loss_of(keras, rules, objective),
            metrics=_metrics_of(keras, objective),
            jit_compile=False if is_slower else "auto",
        )

    def one_thread(self) -> contextlib.AbstractContextManager[Any]:
        """Do nothing: Keras' backends know how to share out their work."""
        return contextlib.nullcontext()

    def weights(self) -> list[NDArray[np.float32]]:
        """Return copies of kernel and bias of each layer."""
        return [np.array(weight.numpy(), np.float32) for weight in self._network.weights]

    def set_learning_rate(self, rate: float) -> None:
        """Change the optimizer's step."""
        self._network.optimizer.learning_rate = rate

    @plain_keras()
    def state(self) -> list[NDArray[Any]]:
        """Return copies of everything that training changes: weights, seeds of dropout, and what the optimizer remembers."""
        return [np.array(variable.numpy()) for variable in self._variables()]

    @plain_keras()
    def restore(self, state: Sequence[NDArray[Any]]) -> None:
        """Take what ``state`` gave, in a network that was built alike."""
        for variable, array in zip(self._variables(), state, strict=True):
            variable.assign(array)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the running averages in the place of the weights, and the weights back at the end of the block."""
        optimizer, trained = self._network.optimizer, self._network.trainable_variables
        if not optimizer.use_ema or not int(optimizer.iterations):
            yield
            return
        with plain_keras():
            kept = [np.array(variable.numpy()) for variable in trained]
            optimizer.finalize_variable_values(trained)
        yield
        with plain_keras():
            for variable, array in zip(trained, kept, strict=True):
                variable.assign(array)

    def _variables(self) -> list[Any]:
        if not self._network.optimizer.built:
            self._network.optimizer.build(self._network.trainable_variables)
        return [*self._network.variables, *self._network.optimizer.variables]

    @plain_keras()
    def step(
        self, X: NDArray[np.floating], labels: NDArray[Any], row_weights: NDArray[np.float32] | None
    ) -> tuple[float, float]:
        """Learn from one batch; parameters and results as in ``LayerSteps``."""
        rows = X.astype(self._network.inputs[0].dtype, copy=False)
        with without_advice():
            values = self._network.train_on_batch(rows, self._targets(labels), sample_weight=row_weights, return_dict=True)
        return float(values["loss"]), float(values.get("accuracy", 0.0))

    def _targets(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        if labels.ndim == 2:
            return labels.astype(np.float32)
        targets = np.zeros((len(labels), self._n_classes), np.float32)
        targets[np.arange(len(labels)), labels] = 1
        return targets


def _all_layers(network: Any) -> list[Any]:
    """Return the layers of a network, and of those networks that are layers of it."""
    return [inner for layer in network.layers for inner in (_all_layers(layer) if hasattr(layer, "layers") else [layer])]


def _metrics_of(keras: Any, objective: Objective) -> list[Any]:
    """Return what is measured beside the loss."""
    if isinstance(objective, OfClasses):
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]
    if "accuracy" not in objective.figures:
        return []
    ops = keras.ops

    def right(targets: Any, logits: Any) -> Any:
        known = ops.logical_not(ops.isnan(targets))
        hits = ops.logical_and(ops.equal(ops.greater(logits, 0), ops.greater(targets, 0)), known)
        return ops.sum(ops.cast(hits, "float32"), axis=-1) / ops.sum(ops.cast(known, "float32"), axis=-1)

    return [keras.metrics.MeanMetricWrapper(right, name="accuracy")]


def _loss_of(keras: Any, rules: TrainingRules, objective: Objective) -> Any:
    """Return the loss of logits."""
    ops = keras.ops
    if isinstance(objective, OfClasses):
        return _cross_entropy(keras, rules)
    if isinstance(objective, OfNumbers):

        def squared_error(targets: Any, values: Any) -> Any:
            # The difference is taken of known cells alone: what is multiplied by 0 afterwards has a slope of NaN.
            error = values - ops.where(ops.isnan(targets), values, targets)
            return ops.mean(ops.square(error), axis=-1)

        return squared_error
    assert isinstance(objective, OfLabels), "there are no others"
    smoothing, weights = objective.smoothing, objective.cell_weights

    def of_labels(targets: Any, logits: Any) -> Any:
        known = ops.logical_not(ops.isnan(targets))
        own = ops.where(known, targets, 0.0)
        wanted = own * (1 - smoothing) + smoothing / 2
        each = ops.cast(known, "float32") * (ops.softplus(logits) - wanted * logits)
        if weights is not None:
            without, with_it = weights.astype(np.float32)
            each = each * ops.where(own > 0, with_it, without)
        return ops.mean(each, axis=-1)

    return of_labels


def _cross_entropy(keras: Any, rules: TrainingRules) -> Any:
    """Return the loss of logits: given probabilities, backends differ, and TensorFlow's takes any sigmoids for a softmax."""
    options = {"from_logits": True, "label_smoothing": rules.label_smoothing}

    def cross_entropy(targets: Any, logits: Any) -> Any:
        if rules.loss == "binary_crossentropy":
            return keras.losses.binary_crossentropy(targets, logits, **options)
        scores = logits if rules.activation == "softmax" else keras.ops.log_sigmoid(logits)
        return keras.losses.categorical_crossentropy(targets, scores, **options)

    return cross_entropy
