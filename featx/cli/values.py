"""Kinds of values that options take."""

import contextlib
from typing import Any

import click
from click.shell_completion import CompletionItem

from featx.recipe import COLOUR_FORMS, PREPROCESS_MODES, SCALING_FORMS, read_colour, read_scaling


class ImageSize(click.ParamType[tuple[int, int]]):
    """``224`` or ``HEIGHTxWIDTH``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read a value, or refuse it with the expected form."""
        if isinstance(value, tuple):
            return value
        sides = str(value).lower().split("x")
        if not (1 <= len(sides) <= 2 and all(side.isdecimal() and len(side) <= 4 and 0 < int(side) <= 8192 for side in sides)):
            self.fail(f"{value!r} is not a size: give 224, or HEIGHTxWIDTH such as 224x320.", param, ctx)
        return int(sides[0]), int(sides[-1])


class RayAddress(click.ParamType[str]):
    """``local``, ``auto`` or ``HOST:PORT``."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a value, or refuse it with the expected form."""
        if str(value) not in ("local", "auto") and ":" not in str(value):
            self.fail(f"{value!r} is no address: give --ray=auto or --ray=HOST:PORT, or --ray alone behind IMAGES.", param, ctx)
        return str(value)


class Fraction(click.ParamType[float]):
    """A number from 0 to 1; click's own range lets NaN through."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a value, or refuse it with the expected form."""
        with contextlib.suppress(ValueError):
            if 0 <= float(value) <= 1:
                return float(value)
        raise click.BadParameter(f"{value!r} is not a number from 0 to 1.", ctx, param)


class Level(click.ParamType[float]):
    """A number between 0 and 1, neither of them."""

    name = "level"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a value, or refuse it with the expected form."""
        with contextlib.suppress(ValueError):
            if 0 < float(value) < 1:
                return float(value)
        raise click.BadParameter(f"{value!r} is not a number between 0 and 1.", ctx, param)


class Parts(click.ParamType[tuple[int, int]]):
    """``I/N``: part I of N."""

    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read a value, or refuse it with the expected form."""
        if isinstance(value, tuple):
            return value
        numbers = [int(text) for text in str(value).split("/") if text.isdecimal() and len(text) < 7]
        if str(value).count("/") != 1 or len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
            self.fail(f"{value!r} is not part I of N, with I from 1 to N: give 2/8, say.", param, ctx)
        return numbers[0], numbers[1]


class Sizes(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas: ``256,128``."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read a value, or refuse it with the expected form."""
        if isinstance(value, tuple):
            return value
        if not all(size.isdecimal() and len(size) < 10 for size in str(value).split(",")):
            self.fail(f"{value!r} are not layer sizes: give whole numbers such as 256,128.", param, ctx)
        return tuple(int(size) for size in str(value).split(","))


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas: ``dense,svm``."""

    name = "names"

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        self._allowed = allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Read a value, or refuse it with the expected form."""
        names = value if isinstance(value, tuple) else tuple(name.strip() for name in str(value).split(","))
        for name in names:
            if not name or (self._allowed and name not in self._allowed):
                self.fail(
                    f"{name!r} is none of {', '.join(self._allowed)}." if self._allowed else "give names with commas.",
                    param,
                    ctx,
                )
        return names


class Preprocess(click.ParamType[str]):
    """``auto``, a mode, or means and deviations."""

    name = "scaling"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Show the modes."""
        return f"[auto|{'|'.join(PREPROCESS_MODES)}|'mean=R,G,B std=R,G,B']"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a value, or refuse it with the expected form."""
        if value == "auto":
            return "auto"
        scaling = read_scaling(str(value))
        if scaling is None:
            self.fail(f"{str(value)[:200]!r} is no scaling of pixels: give auto, {SCALING_FORMS}.", param, ctx)
        return str(scaling)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the modes."""
        return [CompletionItem(mode) for mode in ("auto", *PREPROCESS_MODES) if mode.startswith(incomplete)]


class Colour(click.ParamType[tuple[int, int, int]]):
    """``white``, ``#rrggbb`` or ``RED,GREEN,BLUE``."""

    name = "colour"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int, int]:
        """Read a value, or refuse it with the expected form."""
        if isinstance(value, tuple):
            return value
        colour = read_colour(str(value))
        if colour is None:
            self.fail(f"{value!r} is not a colour: give {COLOUR_FORMS}.", param, ctx)
        return colour
