"""One batch through a frozen Keras network: what Keras' ``predict_on_batch`` does, but for what featx cannot have of it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from numpy.typing import NDArray

from featx.system.quiet import without_advice

Forward = Callable[[NDArray[Any]], Any]
"""From an array of shape (n, …) to what a network gives."""


def forward_of(network: Any, precision: str = "float32") -> Forward:
    """Return what runs a network on one batch.

    Parameters
    ----------
    network : keras.Model
        Its weights may change between calls.
    precision : str
        That it was built in. In ``float32`` factors are not rounded to the 10 bits of TF32 either, as GPUs do with them
        unless they are told not to.

    Returns
    -------
    forward : callable
        Takes an array of shape (n, …); gives what NumPy can make an array of, or a dict of that.
    """
    exact = precision == "float32"
    rounding: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    match keras.backend.backend():
        case "jax":
            return _compiled_by_jax(network, exact)
        case "tensorflow" if exact:
            rounding = _tensorflow_rounds_nothing
        case "torch" if exact:
            rounding = _torch_rounds_nothing

    def forward(batch: NDArray[Any]) -> Any:
        with rounding(), without_advice():
            return network.predict_on_batch(batch)

    return forward


def _compiled_by_jax(network: Any, exact: bool) -> Forward:
    """Compile it as Keras does, but let it keep its weights.

    Keras lends them to the compiled function, to write its results over. Where memory runs out in there, they are gone, and
    no smaller batch could be run any more.
    """
    import jax

    @jax.jit
    def compiled(trainable: list[Any], others: list[Any], batch: Any) -> Any:
        with jax.default_matmul_precision("highest") if exact else contextlib.nullcontext():
            return network.stateless_call(trainable, others, batch, training=False)[0]

    def forward(batch: NDArray[Any]) -> Any:
        trainable, others = network.trainable_variables, network.non_trainable_variables
        return compiled([variable.value for variable in trainable], [variable.value for variable in others], batch)

    return forward


@contextlib.contextmanager
def _tensorflow_rounds_nothing() -> Iterator[None]:
    from tensorflow.config import experimental

    before = experimental.tensor_float_32_execution_enabled()
    experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        experimental.enable_tensor_float_32_execution(before)


@contextlib.contextmanager
def _torch_rounds_nothing() -> Iterator[None]:
    from torch.backends import cuda, cudnn

    before = cudnn.allow_tf32, cuda.matmul.allow_tf32
    cudnn.allow_tf32 = cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32, cuda.matmul.allow_tf32 = before
