"""Which kind of value a setting is: one of another kind is refused with the setting's name."""

from numbers import Integral, Real

from featx.errors import FeatxError


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
        raise error(f"{name} must be {wanted}. Received: {value!r}.", wrong_value=True)
