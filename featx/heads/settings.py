"""The settings of all heads, as keywords that an editor can show."""

from typing import Literal, TypedDict


class HeadSettings(TypedDict, total=False):
    """Keywords of ``fit_head`` and ``compare_heads`` that go to the head; each head has some of them.

    What they mean and their defaults stand with the heads: ``EpochHead`` (dense, conv), ``ConvHead``, ``LogregHead``,
    ``SvmHead``, ``RidgeHead``, ``KnnHead``, and for labels and numbers with the heads of these.
    The seed is a keyword of the functions themselves.

    Examples
    --------
    >>> settings: featx.HeadSettings = {"C": 0.1, "class_weight": "balanced"}
    >>> featx.fit_head("cache/photos", "logreg", **settings).val_accuracy
    1.0
    """

    # dense, conv
    hidden: list[int] | tuple[int, ...]
    dropout: float
    activation: Literal["softmax", "sigmoid"]
    loss: Literal["categorical_crossentropy", "binary_crossentropy"] | None
    optimizer: Literal["adam", "sgd", "rmsprop", "adamw"]
    learning_rate: float | None
    momentum: float
    weight_decay: float | None
    epochs: int
    batch_size: int | None
    steps_per_epoch: int | None
    monitor: Literal["val_loss", "val_accuracy"]
    patience: int
    min_delta: float
    label_smoothing: float
    # conv
    map_shape: list[int] | tuple[int, ...] | None
    filters: list[int] | tuple[int, ...]
    # all but knn
    class_weight: Literal["balanced"] | None
    # logreg, svm, ridge, knn
    scale: Literal["standard", "l2", "sqrt", "none"]
    # logreg, svm
    C: float | None
    # svm
    kernel: Literal["linear", "rbf"]
    # svm, of numbers
    epsilon: float
    # ridge
    alpha: float | None
    # knn
    neighbors: int
