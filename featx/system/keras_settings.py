"""Keras' settings for the whole process, as featx needs them for a while: features must not depend on a user's keras.json."""

import contextlib
import sys
from collections.abc import Iterator

_POLICIES = {"float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}


@contextlib.contextmanager
def plain_keras(precision: str = "float32") -> Iterator[None]:
    """Build and run networks as the recipe defines them, whatever ``keras.json`` or the caller has set; also a decorator.

    The user's settings are back afterwards. Keras must be loaded.

    Parameters
    ----------
    precision : str
        ``float16`` and ``bfloat16`` let layers that are built inside compute in that type; their weights stay float32.
    """
    config = sys.modules["keras"].config
    before = config.floatx(), config.image_data_format(), config.dtype_policy()
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_dtype_policy(_POLICIES.get(precision, "float32"))
    try:
        yield
    finally:
        config.set_floatx(before[0])
        config.set_image_data_format(before[1])
        config.set_dtype_policy(before[2])
