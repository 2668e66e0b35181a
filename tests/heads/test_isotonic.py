"""One rising curve for all probabilities, and the choice between it and a temperature."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from featx.heads import Calibration, Isotonic, fit_calibration, fit_temperature, scaled
from tests.heads.test_conformal import drawn


def bent(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities that no temperature mends: unsure ones are too modest, sure ones too sure."""
    p, y = drawn(n, seed, boast=1.0)
    worse = p ** np.where(p.max(axis=1, keepdims=True) > 0.5, 4.0, 0.5)
    return worse / worse.sum(axis=1, keepdims=True), y


def test_its_steps_are_scikit_learns() -> None:
    """The heights of scikit-learn's regression over all classes of all images, joined from mean to mean."""
    p, y = drawn(150, 0)
    right = np.eye(p.shape[1])[y]
    expected = IsotonicRegression(y_min=0, y_max=1).fit_transform(p.ravel(), right.ravel())
    found = Isotonic.fit(p, y)
    np.testing.assert_allclose(found.y, np.unique(expected), atol=1e-12)
    means = [p.ravel()[np.isclose(expected, height)].mean() for height in found.y]
    np.testing.assert_allclose(found.x, means, atol=1e-12)


def test_every_order_stays() -> None:
    """Strictly: no two classes of an image become equal, whatever step they fall on; each row sums to 1."""
    p, y = drawn(60, 0)
    new, _ = drawn(2000, 1)
    found = Isotonic.fit(p, y)(new)
    np.testing.assert_array_equal(np.argsort(found, axis=1), np.argsort(new, axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (np.diff(np.sort(found, axis=1), axis=1) > 0).all()


def test_it_can_be_taken_back() -> None:
    """From the shares alone: the rows that sum to 1."""
    p, y = drawn(200, 0)
    found = Isotonic.fit(p, y)
    new, _ = drawn(300, 1)
    np.testing.assert_allclose(found.undone(found(new)), new, atol=1e-9)
    calibration = Calibration(isotonic=found)
    np.testing.assert_allclose(calibration.undone(calibration(new)), new, atol=1e-9)


def test_votes_of_zero_get_a_probability() -> None:
    """Where unanimous votes are wrong now and then, no class is impossible for them."""
    shares, y = drawn(1120, 0, boast=1.0)
    votes = np.random.default_rng(1).multinomial(5, shares) / 5
    found = fit_calibration(votes[:120], y[:120])
    assert found is not None
    assert found.kind == "isotonic"
    calibrated = found(votes[120:])
    assert (calibrated.max(axis=1) < 0.99).all()
    heated = scaled(votes[120:], fit_temperature(votes[:120], y[:120]) or 1.0)
    assert log_loss(y[120:], calibrated, labels=range(6)) < log_loss(y[120:], heated, labels=range(6))


def test_the_better_of_the_two_is_taken_from_200_images_on() -> None:
    """Bent probabilities get the curve, boasts a temperature; of few images they all do, unless they are votes."""
    p, y = bent(600, 0)
    chosen = fit_calibration(p, y)
    assert chosen is not None
    assert chosen.kind == "isotonic"
    few = fit_calibration(p[:199], y[:199])
    assert few is not None
    assert (few.kind, few.temperature) == ("temperature", fit_temperature(p[:199], y[:199]))
    boasts = fit_calibration(*drawn(600, 0, boast=3.0))
    assert boasts is not None
    assert boasts.kind == "temperature"
    assert boasts.temperature == pytest.approx(3, rel=0.2)


def test_what_is_asked_for_is_fitted() -> None:
    """Whatever would have been better; nothing where every image is right."""
    p, y = bent(600, 0)
    for kind in ("temperature", "isotonic"):
        found = fit_calibration(p, y, kind)  # type: ignore[arg-type]
        assert found is not None
        assert found.kind == kind
    assert fit_calibration(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1]), "isotonic") is None


def test_the_curve_serves_new_images() -> None:
    """On bent probabilities of images that it was not fitted to, log loss falls further than by the best temperature."""
    p, y = bent(800, 0)
    new, right = bent(4000, 1)
    losses = {}
    for kind in ("temperature", "isotonic"):
        found = fit_calibration(p, y, kind)  # type: ignore[arg-type]
        assert found is not None
        losses[kind] = log_loss(right, found(new), labels=range(new.shape[1]))
    assert losses["isotonic"] < losses["temperature"] < log_loss(right, new, labels=range(new.shape[1]))
