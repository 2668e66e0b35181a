"""Names of splits as people write them, and names that are one name written differently."""

import re
import unicodedata
from collections.abc import Iterable

_TRAIN = "train training trn"
_VAL = "val valid validation validate dev devel development"
_TEST = "test testing tests tst holdout"
_SPLIT_OF = {name: split for split, names in (("train", _TRAIN), ("val", _VAL), ("test", _TEST)) for name in names.split()}

# The test set where there is no other, as in Food-11 (training, validation, evaluation); else the validation set.
_EVALUATION = frozenset({"eval", "evaluation", "evaluate"})

# ``training_set``, ``Test Images``, ``val2017``, ``test1``.
_AFTER_NAME = re.compile("(?:sets?|data|datasets?|images?|imgs?|split|folder)?(?:1|(?:19|20)[0-9]{2})?$")
_SEPARATORS = re.compile(r"[\s_.\-]+")

KNOWN_SPLITS = "train (training, train_set), val (valid, validation, validate, dev) and test (testing, test_set, eval)"
"""What a split may be called, in words."""


def splits_called(names: Iterable[str]) -> dict[str, str]:
    """Return what each known name of a split stands for, among the names of one listing.

    Parameters
    ----------
    names : iterable of str
        Names of folders, or values of a split column, in any case.

    Returns
    -------
    splits : dict of str to str
        Those of the names that are known, to ``train``, ``val`` or ``test``.
    """
    plain = {name: _plain(name) for name in names}
    known = {name: _SPLIT_OF[word] for name, word in plain.items() if word in _SPLIT_OF}
    evaluation = "val" if "test" in known.values() else "test"
    return known | {name: evaluation for name, word in plain.items() if word in _EVALUATION}


def _plain(name: str) -> str:
    joined = _SEPARATORS.sub("", unicodedata.normalize("NFKC", name).casefold())
    return next((word for word in (*_SPLIT_OF, *_EVALUATION) if joined.startswith(word) and _is_whole(joined, word)), "")


def _is_whole(joined: str, word: str) -> bool:
    return _AFTER_NAME.match(joined, len(word)) is not None


def written_alike(name: str) -> str:
    """Return what names have in common that differ only in case, spaces, or the way that Unicode writes them."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def some_of(names: Iterable[str]) -> str:
    """Return the first names and how many more there are, for a message."""
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5:,} more" if len(listed) > 5 else "")
