"""Which samples move, and which way: eigenvectors against the definition, signs, groups, directions."""

import numpy as np
import pytest
from helpers import naive

from rdmtools.analysis.modes import direction, group_shares, samples_carrying, top_mode, window_modes


def losses_of(rows, samples, seed=0):
    return 2 + np.cumsum(np.random.default_rng(seed).standard_normal((rows, samples)), axis=0)


@pytest.mark.parametrize("detrend", ["constant", "linear"])
@pytest.mark.parametrize(("rows", "samples"), [(9, 14), (14, 5)])
def test_loadings_are_eigenvectors_of_the_covariance(rows, samples, detrend):
    degree = ("constant", "linear").index(detrend)
    window = losses_of(rows, samples)
    modes = window_modes(window, count=3, detrend=detrend)
    covariance = naive.covariance(window, degree)
    for value, vector in zip(modes.eigenvalues, modes.loadings, strict=False):
        np.testing.assert_allclose(covariance @ vector, value * vector, atol=1e-11)
    np.testing.assert_allclose(modes.loadings @ modes.loadings.T, np.eye(3), atol=1e-12)
    assert modes.loadings.shape == modes.loss_change.shape == (3, samples)
    assert modes.time_courses.shape == (rows, 3)
    assert len(modes.eigenvalues) == min(samples, rows - 1 - degree)


def test_largest_loading_is_positive():
    for seed in range(20):
        modes = window_modes(losses_of(8, 6, seed), count=4)
        largest = np.argmax(np.abs(modes.loadings), axis=1)
        assert np.all(modes.loadings[np.arange(4), largest] > 0)


def test_loss_change_of_a_ramp_is_the_change():
    # One direction, falling for the first two samples and rising for the third, on top of fixed levels.
    weights = np.array([-1.0, -0.5, 0.25, 0.0])
    window = 5 + np.arange(11)[:, None] / 10 * weights
    modes = window_modes(window, count=1)
    np.testing.assert_allclose(modes.loss_change[0], window[-1] - window[0], atol=1e-14)
    np.testing.assert_allclose(window_modes(window[::-1], count=1).loss_change[0], -weights, atol=1e-14)


def test_loss_change_follows_its_formula_and_ignores_the_sign():
    window = losses_of(12, 7)
    modes = window_modes(window, count=3)
    freedom = 11
    times = np.arange(12) - 5.5
    for k in range(3):
        slope = times @ modes.time_courses[:, k] / (times @ times)
        expected = np.sqrt(freedom * modes.eigenvalues[k]) * modes.loadings[k] * slope * 11
        np.testing.assert_allclose(modes.loss_change[k], expected, atol=1e-12)


def test_loss_changes_of_all_modes_add_up_to_the_fitted_change():
    window = losses_of(10, 6)
    modes = window_modes(window, count=99)
    times = np.arange(10) - 4.5
    fitted = times @ window / (times @ times) * 9
    np.testing.assert_allclose(modes.loss_change.sum(axis=0), fitted, atol=1e-12)


def test_a_removed_line_still_counts_as_change():
    rng = np.random.default_rng(3)
    wiggle = np.outer(rng.standard_normal(15), [1.0, 1.0, 0.0])
    window = np.arange(15)[:, None] * np.array([-0.4, -0.4, 0.0]) + wiggle
    change = window_modes(window, count=1, detrend="linear").loss_change[0]
    slope = np.polyfit(np.arange(15), window[:, 0], 1)[0]
    np.testing.assert_allclose(change, [14 * slope, 14 * slope, 0], atol=1e-9)


def test_nothing_moves():
    modes = window_modes(np.full((6, 4), 1.5), count=2)
    assert np.all(modes.eigenvalues == 0)
    assert np.all(np.isnan(modes.shares))
    assert np.all(modes.loss_change == 0)


def test_group_shares():
    loadings = np.array([0.8, 0.0, 0.6, 0.0, 0.0])
    change = np.array([-2.0, 0.0, -1.0, 0.0, 3.0])
    b, a = group_shares(loadings, change, ["b", "b", "a", "a", "a"])
    assert (b.group, b.samples, b.sample_share) == ("b", 2, 0.4)
    assert (b.mode_share, b.loss_change) == (pytest.approx(0.64), -1.0)
    assert (a.mode_share, a.loss_change) == (pytest.approx(0.36), pytest.approx(2 / 3))


def test_samples_carrying():
    assert samples_carrying(np.array([1.0, 0.0, 0.0])) == 1
    assert samples_carrying(np.full(10, np.sqrt(0.1))) == 9
    assert samples_carrying(np.sqrt([0.5, 0.3, 0.2])) == 3


def test_direction():
    assert direction(np.array([-5.0, -3.0, 1.0])) == "falling"
    assert direction(np.array([5.0, 3.0, -1.0])) == "rising"
    assert direction(np.array([5.0, -3.0])) == "mixed"
    assert direction(np.zeros(3)) == "mixed"


@pytest.mark.parametrize("detrend", ["constant", "linear"])
@pytest.mark.parametrize("samples", [3, 40])
def test_the_top_mode_alone_is_the_first_of_all(samples, detrend):
    window = losses_of(12, samples, 5)
    alone, all_of_them = top_mode(window, detrend=detrend), window_modes(window, count=1, detrend=detrend)

    for name in ("loadings", "loss_change", "time_courses"):
        np.testing.assert_allclose(getattr(alone, name), getattr(all_of_them, name), atol=1e-12)
    assert alone.eigenvalues == pytest.approx(all_of_them.eigenvalues[:1], rel=1e-12)


def test_the_top_mode_of_what_stands_still_is_nothing():
    still = top_mode(np.full((6, 4), 1.5))

    assert still.eigenvalues.tolist() == [0.0]
    assert not still.loss_change.any()
