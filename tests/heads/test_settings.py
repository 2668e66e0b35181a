"""The keywords that an editor shows are the settings that heads have."""

import inspect
import typing
from typing import Any

from featx.heads import HEADS_OF, HeadSettings


def test_the_typed_keywords_are_all_settings_of_all_heads() -> None:
    """But for the seed, which fit and compare take themselves; nothing is missing and nothing is made up."""
    settings = {setting for specs in HEADS_OF.values() for spec in specs.values() for setting in spec.settings()}
    assert HeadSettings.__annotations__.keys() == settings - {"seed"}
    assert not HeadSettings.__required_keys__


def test_their_types_hold_the_defaults() -> None:
    """A default of any head is a value that the keyword's type allows."""
    types = typing.get_type_hints(HeadSettings)
    for spec in [spec for specs in HEADS_OF.values() for spec in specs.values()]:
        for parameter in inspect.signature(type(spec.make())).parameters.values():
            if parameter.name != "seed":
                assert _allows(types[parameter.name], parameter.default), (spec.name, parameter.name)


def _allows(wanted: Any, value: object) -> bool:
    if typing.get_origin(wanted) is typing.Literal:
        return value in typing.get_args(wanted)
    if arguments := typing.get_args(wanted):
        plain = typing.get_origin(wanted)
        return isinstance(value, plain) if plain in (list, tuple) else any(_allows(one, value) for one in arguments)
    return isinstance(value, wanted)
