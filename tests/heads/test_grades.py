"""The grade in the middle of some probabilities."""

import numpy as np

from featx.heads import middle_grade


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
