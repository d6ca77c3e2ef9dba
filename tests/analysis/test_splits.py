"""Histories are split into two levels where two are better than one, and nowhere else."""

import numpy as np
import pytest
from scipy.signal import lfilter

from rdmtools.analysis import splits
from rdmtools.analysis.splits import ENOUGH_ROWS, split


def noise(seed, rows, series, rho):
    """Stationary AR(1) of variance 1 / (1 - rho**2)."""
    shocks = np.random.default_rng(seed).standard_normal((rows, series))
    shocks[0] /= np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], shocks, axis=0)


def naive(history):
    """Every split tried, one after another."""
    rows = len(history)
    left = [
        np.sum((history[:k] - history[:k].mean()) ** 2) + np.sum((history[k:] - history[k:].mean()) ** 2)
        for k in range(1, rows)
    ]
    k = int(np.argmin(left)) + 1
    residual = history - np.where(np.arange(rows) < k, history[:k].mean(), history[k:].mean())
    lag = np.sum(residual[1:] * residual[:-1]) / np.sum(residual**2)
    gain = np.sum((history - history.mean()) ** 2) - left[k - 1]
    return k, gain / (left[k - 1] / rows), lag + (4 + 4 * lag) / rows


def test_a_step_is_split_at_its_first_row_into_its_two_levels():
    series = np.full((40, 2), 3.0)
    series[13:, 0] = 1.0
    series[29:, 1] = 8.0
    series += np.where(np.arange(40) % 2, 0.1, -0.1)[:, None]

    found = split(series)

    assert found.index.tolist() == [13, 29]
    np.testing.assert_allclose(found.before, [3.0, 3.0], atol=0.01)
    np.testing.assert_allclose(found.after, [1.0, 8.0], atol=0.01)
    assert found.resolved.all()
    assert found.half_steps(10 * np.arange(40)).tolist() == [130.0, 290.0]


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_it_agrees_with_trying_every_split(rho):
    series = noise(3, 57, 9, rho) + np.where(np.arange(57) < 20, 0, np.linspace(-3, 3, 9)[:, None]).T
    found = split(series)
    expected = [naive(history) for history in series.T]
    rho = max(np.median([lag for _, _, lag in expected]), 0)

    assert found.index.tolist() == [k for k, _, _ in expected]
    assert found.rho == pytest.approx(rho, abs=1e-12)
    np.testing.assert_allclose(found.z, [z * (1 - rho) / (1 + rho) for _, z, _ in expected], rtol=1e-9)


def test_chunks_order_scale_and_offset_change_nothing(monkeypatch):
    series = noise(5, 60, 31, 0.5)
    series[25:, ::3] += 4
    whole = split(series)
    order = np.random.default_rng(0).permutation(31)
    scaled = split(1e-3 * series + 7)
    shuffled = split(series[:, order])
    monkeypatch.setattr(splits, "_CHUNK", 200)
    chunked = split(series)

    np.testing.assert_array_equal(chunked.z, whole.z)
    np.testing.assert_array_equal(shuffled.z, whole.z[order])
    np.testing.assert_array_equal(scaled.index, whole.index)
    np.testing.assert_allclose(scaled.z, whole.z, rtol=1e-6)


def test_what_never_moved_has_no_split():
    series = np.full((50, 3), 0.1)
    series[20:, 1] = 0.3
    found = split(series)

    assert found.resolved.tolist() == [False, True, False]
    assert found.index.tolist() == [0, 20, 0]
    assert found.z[[0, 2]].tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(found.before[[0, 2]], [0.1, 0.1])
    np.testing.assert_array_equal(found.after[[0, 2]], [0.1, 0.1])
    np.testing.assert_array_equal(found.half_steps(np.arange(50)), [np.nan, 20, np.nan])


@pytest.mark.parametrize("rows", [1, 2, 3, ENOUGH_ROWS - 1])
def test_short_histories_are_not_judged(rows):
    series = np.zeros((rows, 2))
    series[rows // 2 :] = [1.0, -1.0]
    assert not split(series).resolved.any()


@pytest.mark.parametrize(("rows", "rho"), [(20, 0.5), (30, 0.9), (100, 0.0), (100, 0.95), (400, 0.95)])
def test_noise_is_rarely_split(rows, rho):
    """Below 1 in 100 of 4,000 histories, and some would be at half of the threshold."""
    found = split(noise([rows, int(100 * rho)], rows, 4000, rho))
    assert found.resolved.mean() < 0.01
    assert (found.z > found.needed / 2).mean() > 0.01


def test_autocorrelated_noise_would_be_split_were_rows_taken_for_independent():
    found = split(noise(1, 400, 500, 0.95))
    assert (found.z * (1 + found.rho) / (1 - found.rho) > 20).mean() > 0.9
    assert found.rho == pytest.approx(0.95, abs=0.03)


def test_rows_of_its_own_are_those_cut_out_of_each_history(monkeypatch):
    rng = np.random.default_rng(8)
    series = noise(7, 70, 40, 0.3) + np.where(np.arange(70)[:, None] < rng.integers(20, 60, 40), 0, 2)
    start, stop = rng.integers(0, 30, 40), rng.integers(31, 71, 40)
    monkeypatch.setattr(splits, "_CHUNK", 700)
    found = split(series, start=start, stop=stop)
    alone = [split(series[a:b, [i]]) for i, (a, b) in enumerate(zip(start, stop, strict=True))]

    assert found.index.tolist() == [a + one.index[0] for a, one in zip(start, alone, strict=True)]
    np.testing.assert_allclose(found.before, [one.before[0] for one in alone], rtol=1e-12)
    np.testing.assert_allclose(found.after, [one.after[0] for one in alone], rtol=1e-12)


def test_histories_that_two_levels_fit_say_nothing_of_the_correlation():
    series = noise(9, 80, 31, 0.6)
    levels = np.where(np.arange(80)[:, None] < np.arange(20, 60), 1 / 3, 0.1 * np.arange(1, 41))

    assert split(np.hstack([series, levels])).rho == split(series).rho
