"""The networks of the dense and the conv head in Keras, and how they are trained; nothing else here touches Keras."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.heads.batches import Batch
from featx.quiet import quiet_loading


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
) -> Any:
    """Build the layers; the last one gives logits.

    Seeds are given layer by layer: nobody's global random state is touched.

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

    Returns
    -------
    network : keras.Sequential
    """
    with quiet_loading():
        import keras  # here, not above: a fitted head predicts without it

    # Types are named throughout: whoever fine-tunes may have set a global policy of mixed precision.
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
        initializer = keras.initializers.GlorotUniform(seed=seed + number)
        activation = None if last else "relu"
        layers.append(keras.layers.Dense(n_units, activation=activation, kernel_initializer=initializer, **options))
    return keras.Sequential(layers)


def compile_network(
    network: Any,
    *,
    optimizer: str,
    learning_rate: float,
    momentum: float,
    weight_decay: float | None,
    activation: str,
    loss: str,
    label_smoothing: float,
) -> None:
    """Give a network that ends in logits its optimizer, loss and accuracy.

    Parameters
    ----------
    network : keras.Sequential
        From ``build_network``.
    optimizer : str
        ``adam``, ``adamw``, ``sgd`` or ``rmsprop``.
    learning_rate : float
        Its step.
    momentum : float
        Of sgd and rmsprop.
    weight_decay : float or None
        Share of each weight taken off a step, times the learning rate.
    activation, loss, label_smoothing
        As for ``row_losses``.
    """
    import keras

    builders = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
    }
    options: dict[str, Any] = {"weight_decay": None if weight_decay is None else float(weight_decay)}
    if optimizer in ("sgd", "rmsprop"):
        options["momentum"] = float(momentum)

    # From logits: given probabilities, backends differ in how they bound them, and TensorFlow's takes sigmoids for softmax.
    def cross_entropy(targets: Any, logits: Any) -> Any:
        if loss == "binary_crossentropy":
            return keras.losses.binary_crossentropy(targets, logits, from_logits=True, label_smoothing=label_smoothing)
        scores = logits if activation == "softmax" else keras.ops.log_sigmoid(logits)
        return keras.losses.categorical_crossentropy(targets, scores, from_logits=True, label_smoothing=label_smoothing)

    # XLA makes the step of dense layers a quarter faster. TensorFlow's convolutions are slower with it, and take seconds to
    # compile.
    has_filters = any(isinstance(layer, keras.layers.Conv2D) for layer in network.layers)
    is_slower = has_filters and keras.backend.backend() == "tensorflow"
    network.compile(
        builders[optimizer](float(learning_rate), **options),
        cross_entropy,
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=False if is_slower else "auto",
    )


def train_epoch(
    network: Any,
    batches: Iterable[Batch],
    labels: NDArray[np.integer],
    n_classes: int,
    class_weights: NDArray[np.float64] | None,
) -> dict[str, float]:
    """Take a step on each batch.

    Keras' own ``fit`` sets up a new input pipeline every epoch, which costs more than the epoch of a head this small.

    Parameters
    ----------
    network : keras.Sequential
        Compiled.
    batches : iterable of (positions, X)
        Of the epoch.
    labels : ndarray of shape (n_samples,), int
        Column of every row there is.
    n_classes : int
        Columns.
    class_weights : ndarray of shape (n_classes,) or None
        What each row's loss is multiplied by, after its class.

    Returns
    -------
    values : dict of str to float
        ``loss`` and ``accuracy``: means over the rows shown.
    """
    totals, n_rows, row_type = dict.fromkeys(("loss", "accuracy"), 0.0), 0, network.inputs[0].dtype
    for positions, X in batches:
        targets = np.zeros((len(positions), n_classes), np.float32)
        targets[np.arange(len(positions)), labels[positions]] = 1
        weights = None if class_weights is None else class_weights[labels[positions]].astype(np.float32)
        values = network.train_on_batch(X.astype(row_type, copy=False), targets, sample_weight=weights, return_dict=True)
        # Keras answers for this batch alone; the epoch's figure is the mean over all rows.
        for name in totals:
            totals[name] += float(values[name]) * len(positions)
        n_rows += len(positions)
    return {name: total / n_rows for name, total in totals.items()}
