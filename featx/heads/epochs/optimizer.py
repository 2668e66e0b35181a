"""The optimizers of Keras, each variable at its own share of the learning rate."""

from collections.abc import Sequence
from typing import Any

from featx.heads.epochs.settings import TrainingRules


def build_optimizer(keras: Any, rules: TrainingRules, averaging: float = 0.0, shares: Sequence[float] = ()) -> Any:
    """Build the optimizer that the rules name.

    Parameters
    ----------
    keras : module
        Loaded by the caller.
    rules : TrainingRules
        Optimizer, learning rate, momentum and weight decay.
    averaging : float
        What the running average of the weights keeps of itself in each step; 0 for no average.
    shares : sequence of float
        What the learning rate of each trainable variable is multiplied by, in their order; by default all are alike.

    Returns
    -------
    optimizer : keras.optimizers.Optimizer
    """
    optimizers = keras.optimizers
    builders = {
        "adam": optimizers.Adam,
        "adamw": optimizers.AdamW,
        "sgd": optimizers.SGD,
        "rmsprop": optimizers.RMSprop,
    }
    builder = builders[rules.optimizer]
    options: dict[str, Any] = {"weight_decay": rules.weight_decay}
    if rules.optimizer in ("sgd", "rmsprop"):
        options["momentum"] = rules.momentum
    if averaging:
        options |= {"use_ema": True, "ema_momentum": averaging}
    return (_at_shares(builder, shares) if len(set(shares)) > 1 else builder)(rules.learning_rate, **options)


def _at_shares(builder: Any, shares: Sequence[float]) -> Any:
    class AtShares(builder):  # type: ignore[misc] # a class of Keras, which ships no types
        """An optimizer whose variables learn at shares of its rate.

        Gradients that are multiplied by the shares would not do it: Adam divides by their size.
        """

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Move one variable."""
            super().update_step(gradient, variable, learning_rate * shares[self._get_variable_index(variable)])

    return AtShares
