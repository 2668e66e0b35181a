"""How precise accuracy, balanced accuracy and macro F1 are, as so few images were measured."""

import numpy as np
from numpy.typing import NDArray

from featx.models import wilson

RESAMPLES = 2000
"""Of the bootstrap: its variances are then known to some three hundredths."""

_BLOCK = 4_000_000

Interval = tuple[float, float]


def measure_intervals(confusion: NDArray[np.int64], *, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Return 95 % intervals of accuracy, balanced accuracy and macro F1.

    Accuracy is a share of the images, and its interval is Wilson's. The other two are means over the classes: each gets
    Wilson's interval of a share with the same variance, which is that of the resampled images (the bootstrap). The resamples'
    own percentiles would tell nothing of mistakes that were not seen: from 1 to 1 where all images are right. There, and for
    balanced accuracy everywhere, k classes of n₁ … n_k images count as no more than k² / (1/n₁ + … + 1/n_k) images; macro F1
    counts as no more than all of them.

    In simulations of 2 to 60 classes with 4 to 200 images each, the intervals held the true value in 87 to 99 % of draws, the
    percentiles in 17 to 98 %.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes), int64
        Rows true, columns predicted; of one image at least.
    seed : int
        Of the resamples.
    resamples : int
        How many.

    Returns
    -------
    intervals : dict of str to (low, high)
        ``accuracy``, ``balanced_accuracy``, ``macro_f1``; the last two over the classes that have images.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data: the number of images that a variance is worth.
    """
    support, called, right = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    present = support > 0
    means = (
        float((right[present] / support[present]).mean()),
        float((2 * right[present] / (support + called)[present]).mean()),
    )
    balanced = float(present.sum() ** 2 / (1 / support[present]).sum())
    intervals = {"accuracy": wilson(int(right.sum()), int(support.sum()))}
    variances = _resampled(confusion, seed, resamples).var(axis=0)
    names, most = ("balanced_accuracy", "macro_f1"), (balanced, float(support.sum()))
    for name, mean, variance, limit in zip(names, means, variances.tolist(), most, strict=True):
        worth = min(limit, mean * (1 - mean) / variance) if variance > 0 and 0 < mean < 1 else balanced
        intervals[name] = wilson(mean * worth, worth)
    return intervals


def _resampled(confusion: NDArray[np.int64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Return balanced accuracy and macro F1 of resampled images (resamples, 2), each over the classes that it has images of.

    Both depend on the images through the confusion matrix alone. Drawing n images with replacement therefore is one
    multinomial draw over its cells, and only the cells that are not empty can be drawn.
    """
    true, predicted = np.nonzero(confusion)
    counts = confusion[true, predicted]
    n_images = int(counts.sum())
    rng = np.random.default_rng(seed)
    by_column = np.argsort(predicted, kind="stable")
    classes, row_starts = np.unique(true, return_index=True)
    columns, column_starts = np.unique(predicted[by_column], return_index=True)
    place = {int(label): position for position, label in enumerate(columns)}
    # Where each true class stands among those that were predicted; one past the end for a class that never was.
    found_at = np.array([place.get(int(label), len(columns)) for label in classes])
    hits = np.flatnonzero(true == predicted)
    hit_class = np.searchsorted(classes, true[hits])
    drawn: list[NDArray[np.float64]] = []
    for size in _sizes(resamples, max(1, _BLOCK // len(counts))):
        draws = rng.multinomial(n_images, counts / n_images, size=size)
        support = np.add.reduceat(draws, row_starts, axis=1)
        called = np.hstack([np.add.reduceat(draws[:, by_column], column_starts, axis=1), np.zeros((size, 1), np.int64)])
        right = np.zeros((size, len(classes)), np.int64)
        right[:, hit_class] = draws[:, hits]
        present = support > 0
        n_present = present.sum(axis=1)
        recall = np.divide(right, support, where=present, out=np.zeros(right.shape))
        f1 = np.divide(2 * right, support + called[:, found_at], where=present, out=np.zeros(right.shape))
        drawn.append(np.stack([recall.sum(axis=1) / n_present, f1.sum(axis=1) / n_present], axis=1))
    return np.concatenate(drawn)


def _sizes(total: int, most: int) -> list[int]:
    return [most] * (total // most) + [total % most] * (total % most > 0)
