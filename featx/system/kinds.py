"""Which kind of value a setting is: one of another kind is refused with the setting's name."""

import reprlib
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from featx.errors import FeatxError

_LONGEST_SHOWN = 200


def shown(value: object) -> str:
    """Return what a message shows of a value: its repr, of something large its kind and beginning, 200 characters at most."""
    kind = type(value).__name__
    if isinstance(value, str | bytes | bytearray) and len(value) > _LONGEST_SHOWN // 4:
        unit = "characters" if isinstance(value, str) else "bytes"
        return f"{value[:20]!r}… ({len(value):,} {unit})"
    # An array's repr has many lines.
    if not isinstance(value, type) and (shape := getattr(value, "shape", None)) not in (
        None,
        (),
    ):
        return f"an array of {getattr(value, 'dtype', kind)} and shape {shape}"
    if isinstance(value, list | tuple | dict | set | frozenset) and len(value) > 20:
        return f"a {kind} of {len(value):,}"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        text = ", ".join(map(shown, value)) + ("," if kind == "tuple" and len(value) == 1 else "")
        text = f"[{text}]" if isinstance(value, list) else f"({text})"
    elif isinstance(value, dict | set | frozenset):
        text = reprlib.repr(value)
    else:
        text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"a value of type {kind}"


def as_texts(name: str, value: object, wanted: str, error: type[FeatxError]) -> list[str]:
    """Return the texts for an argument that takes one or many; parameters and errors as for ``check_kind``."""
    value = plain(value)
    given = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else None
    if given is None or isinstance(value, bytes | bytearray | Mapping) or not all(isinstance(one, str) for one in given):
        raise error(f"{name} must be {wanted}. Received: {shown(value)}.", wrong_value=True)
    return [str(one) for one in given]


def plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's own number, text or truth value, within lists and tuples too; all else as it is."""
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(map(plain, value))
    is_scalar = hasattr(value, "dtype") and getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if is_scalar else value


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number, NumPy's among them; a truth value is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_kind(name: str, value: object, kinds: type | tuple[type, ...], wanted: str, error: type[FeatxError]) -> None:
    """Refuse a value of another kind; a truth value passes for no number.

    Parameters
    ----------
    name : str
        Of the setting.
    value : object
        What was given for it.
    kinds : type or tuple of type
        What it may be.
    wanted : str
        The same in words, such as ``"a text"``.
    error : type of FeatxError
        What to raise.

    Raises
    ------
    FeatxError
        Of that type, with the rule and the value received.
    """
    numbers = kinds in (Integral, Real) or (isinstance(kinds, tuple) and not {Integral, Real}.isdisjoint(kinds))
    if not isinstance(value, kinds) or (numbers and isinstance(value, bool)):
        raise error(f"{name} must be {wanted}. Received: {shown(value)}.", wrong_value=True)
