"""The grade in the middle of some probabilities."""

import numpy as np
from sklearn.metrics import cohen_kappa_score

from featx.heads import answer_grades, choose_answer, middle_grade


def test_it_is_the_median_of_many_draws() -> None:
    """Of as many copies of each grade as its probability says: NumPy's lower median of them."""
    rng = np.random.default_rng(0)
    shares = rng.multinomial(101, [0.2, 0.3, 0.1, 0.4], size=50)
    wanted = [np.quantile(np.repeat(np.arange(4), row), 0.5, method="inverted_cdf") for row in shares]
    assert middle_grade(shares / 101).tolist() == wanted


def test_a_tie_and_what_is_no_number_are_the_lower_grade() -> None:
    """Half on one side is enough, whatever rounding adds; the most probable grade may be another."""
    assert middle_grade(np.array([[0.5, 0.0, 0.5], [0.1 + 0.2, 0.2, 0.5], [0.4, 0.25, 0.35]])).tolist() == [0, 1, 1]
    assert middle_grade(np.full((1, 3), np.nan)).tolist() == [0]


def test_the_answer_is_the_median_unless_the_most_probable_grade_does_better() -> None:
    """By quadratic kappa as scikit-learn has it; a head that is sure of nothing has its medians in the middle."""
    y = np.tile(np.arange(3), 8)
    torn = np.tile([[0.8, 0.1, 0.1], [0.4, 0.25, 0.35], [0.1, 0.1, 0.8]], (8, 1))
    unsure = np.tile([[0.4, 0.35, 0.25], [0.3, 0.4, 0.3], [0.25, 0.35, 0.4]], (8, 1))
    for shares, wanted in ((torn, "median"), (unsure, "most_probable")):
        kappas = {
            how: cohen_kappa_score(y, answer_grades(shares, how), weights="quadratic") for how in ("median", "most_probable")
        }
        assert choose_answer(shares, y) == max(kappas, key=kappas.__getitem__) == wanted
    both, true = np.concatenate([torn, unsure]), np.tile(y, 2)
    assert choose_answer(both, true, np.repeat([2.0, 0.1], len(y))) == "median"
    assert choose_answer(both, true, np.repeat([0.1, 2.0], len(y))) == "most_probable"
    assert choose_answer(unsure[:0], y[:0]) == choose_answer(unsure, y, np.zeros(len(y))) == "median"
