"""What a run's own past tells of itself: a wave of about two windows, and nothing of noise."""

import numpy as np
import pytest
from helpers import naive

from rdmtools.alarms.own_past import KNOWN_FROM, OUTSIDE, OwnPast, beat, outside_from
from rdmtools.alarms.self_normalised import SIGNALS
from rdmtools.analysis.log_energies import log_energies_of

W = 20


def wave(period, rows=400, samples=12, noise=0.1, seed=0):
    """Losses along one direction, and noise."""
    rng = np.random.default_rng(seed)
    swing = np.sin(2 * np.pi * np.arange(rows)[:, None] / period)
    return swing * rng.random(samples) + noise * rng.standard_normal((rows, samples))


def test_what_recurs_once_a_window_is_seen_at_half_of_it_alone():
    u = 0.8 * np.sin(2 * np.pi * np.arange(300) / W)
    values = beat(u, W)
    assert np.isnan(values[: KNOWN_FROM * W - 1]).all()
    # At lag W / 2 the difference is u - (-u) = 2 u; at lag W it is 0, where .03 decades stand for it.
    times = np.arange(300 - W)
    seen = np.round(np.abs(2 * 0.8 * np.sin(2 * np.pi * (times + W // 2) / W)) * 1024) / 1024
    expected = np.quantile(seen, 0.8) / (1.2815515655446004 * 1.5**0.5) / 0.03
    assert values[-1] == pytest.approx(expected, rel=1e-6)
    assert outside_from({"shc": u}, W, SIGNALS[:1]) == KNOWN_FROM * W - 1


def test_independent_values_have_a_beat_of_about_1_and_a_line_has_none():
    rng = np.random.default_rng(1)
    assert beat(rng.standard_normal(5000), W)[-1] == pytest.approx(1.0, abs=0.1)
    assert outside_from({"shc": 0.1 * np.arange(400.0)}, W, SIGNALS[:1]) is None


@pytest.mark.parametrize("window", [6, 7, 20])
def test_agrees_with_the_words(window):
    rng = np.random.default_rng(2)
    u = np.convolve(rng.standard_normal(300), np.ones(5), "valid")
    u[rng.random(len(u)) < 0.03] = np.nan
    np.testing.assert_allclose(beat(u, window), naive.beat(u, window), rtol=1e-9)


@pytest.mark.parametrize("period", [1.9 * W, 2 * W, 2.1 * W])
@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_waves_of_about_two_windows_are_outside_long_before_they_alarm(period, noise):
    row = outside_from(log_energies_of(wave(period, noise=noise), W), W)
    assert row is not None
    assert row < 8 * W


def test_noise_slow_waves_and_one_change_are_inside():
    rng = np.random.default_rng(3)
    losses = rng.standard_normal((800, 12))
    fall = 5 / (1 + np.exp((np.arange(800) - 400) / 10))[:, None]
    for each in (losses, np.cumsum(losses, axis=0), losses + fall, wave(5 * W, 800)):
        assert outside_from(log_energies_of(each, W), W) is None


def test_rows_to_come_change_nothing_and_memory_does_not_grow():
    u = np.convolve(np.random.default_rng(4).standard_normal(900), np.ones(10), "valid")
    np.testing.assert_array_equal(beat(u[:400], W), beat(u, W)[:400])
    check = OwnPast(W)
    for value in u.tolist():
        check.update(value)
    assert len(vars(check)["_past"]) == 2 * W


def test_before_five_windows_nothing_is_told():
    u = 9 * np.sin(2 * np.pi * np.arange(KNOWN_FROM * W) / W)
    assert outside_from({"shc": u[:-1]}, W, SIGNALS[:1]) is None
    assert outside_from({"shc": u}, W, SIGNALS[:1]) == KNOWN_FROM * W - 1
    assert OUTSIDE > 1
