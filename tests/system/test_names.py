"""A misspelt name is refused with the one that was meant."""

from typing import Any

import pytest

from featx.errors import HeadError
from featx.system.names import check_keywords, did_you_mean, keywords_of


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("clas_weight", ["class_weight", "scale"], "Did you mean class_weight? "),
        ("c", ["C", "scale"], "Did you mean C? "),
        ("LOGREG", ["logreg", "ridge"], "Did you mean logreg? "),
        ("resnet50", ["ResNet50", "ResNet50V2"], "Did you mean ResNet50? "),
        ("epochs", ["alpha", "scale"], ""),
        ("x", [], ""),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case(name: str, known: list[str], hint: str) -> None:
    """A name that is there but for its case is the only one; names that look like nothing give no hint."""
    assert did_you_mean(name, known) == hint


def test_several_names_may_be_meant() -> None:
    """The likeliest first."""
    assert did_you_mean("vgg17", ["vgg16", "vgg19", "xception"], most=3) == "Did you mean vgg19 or vgg16? "


def test_keywords_are_those_of_the_signature() -> None:
    """Positional ones that can be named and keywords; not what ``*`` and ``**`` collect."""

    def function(cache: str, /, head: str, *rest: str, out: str = "", **settings: Any) -> None: ...

    assert keywords_of(function) == ["head", "out"]


def test_an_unknown_keyword_is_refused_and_known_ones_pass() -> None:
    """The message has the keyword, the one that is meant, be it beside them, and all that there are."""
    check_keywords(["scale"], ["scale", "alpha"], HeadError, "head ridge: has no setting")
    with pytest.raises(HeadError, match=r"^head ridge: has no setting 'scal'\. Did you mean scale\? It has: scale, alpha\.$"):
        check_keywords(["alpha", "scal"], ["scale", "alpha"], HeadError, "head ridge: has no setting")
    with pytest.raises(HeadError, match=r"'poolin'\. Did you mean pooling\? It has: scale\.$"):
        check_keywords(["poolin"], ["scale"], HeadError, "head ridge: has no setting", beside=["layer", "pooling"])
