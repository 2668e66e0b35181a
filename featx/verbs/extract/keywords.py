"""The options of an extract as keywords that an editor shows."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from featx.errors import RecipeError
from featx.images import ManifestKeywords
from featx.system.names import check_keywords, keywords_of
from featx.system.paths import StrPath
from featx.verbs.extract.options import ExtractOptions


class ExtractKeywords(ManifestKeywords, total=False):
    """Keywords of ``extract_features`` and ``plan_extract`` that decide which features come out; see ``ExtractOptions``.

    Examples
    --------
    >>> options: featx.ExtractKeywords = {"backbone": "stub", "image_size": 64}
    >>> featx.plan_extract("photos", "cache/none", **options).to_extract
    36
    """

    backbone: str | Path
    weights: str | Path
    layers: tuple[str, ...] | str | None
    preprocess: str
    image_size: tuple[int, int] | int | None
    resize: Literal["stretch", "crop", "pad"]
    background: tuple[int, int, int] | str
    exact_decode: bool
    allow_truncated: bool
    depth: Literal["auto", "8", "10", "12", "16", "min-max"]
    color_profile: Literal["ignore", "srgb"]
    precision: Literal["float32", "float16", "bfloat16", "int8"]
    calibration: StrPath | None
    augment: str | None
    views: int | None
    val_fraction: float
    test_fraction: float
    seed: int
    shard: str | tuple[int, int] | None
    group_from: str | None
    yes: bool


def read_options(function: Callable[..., Any], given: Mapping[str, Any]) -> ExtractOptions:
    """Return the options that a function received as keywords.

    Raises
    ------
    RecipeError
        If there is no such option, with the option that it looks like.
    ImageListError, AugmentError
        As for ``ExtractOptions``.
    """
    known = [field.name for field in dataclasses.fields(ExtractOptions)]
    check_keywords(given, known, RecipeError, "extract: has no option", beside=keywords_of(function))
    return ExtractOptions(**given)
