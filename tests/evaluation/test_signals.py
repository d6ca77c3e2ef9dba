"""What each signal is, by a slower way; that none looks ahead; and what a gap in a run does to it."""

import numpy as np
import pytest
from helpers import naive
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, linregress

from rdmtools.alarms.rule import largest_rise
from rdmtools.evaluation.signals import SIGNALS, TAU_WINDOWS, decades, measure, rolling_tau
from rdmtools.evaluation.truth import COVERED_WINDOWS
from rdmtools.run.run import Run

ROWS, SAMPLES, WINDOW, EVERY = 61, 13, 5, 10
STEPS = EVERY * np.arange(ROWS)
GROUPS = ["a"] * 4 + ["b"] * 9


def a_run(rows=ROWS, *, dtype=np.float64, seed=0, width=SAMPLES, **known):
    rng = np.random.default_rng(seed)
    losses = 3 + 0.1 * rng.standard_normal((ROWS, width)).cumsum(axis=0)
    scalars = {"step": STEPS, "gradient_norm": rng.lognormal(size=ROWS), "weight_norm": 5 + STEPS / 100}
    about = {"scalars": {name: values[:rows] for name, values in scalars.items()}}
    about["samples"] = {"sample_id": np.arange(width), "group": (GROUPS * width)[:width]}
    return Run.from_arrays(STEPS[:rows], losses[:rows].astype(dtype), name="toy", **(about | known))


def of_windows(levels, name):
    (series,) = levels[name]
    return series


def test_every_signal_has_a_column_for_each_window():
    levels = measure(a_run(), window=WINDOW)
    assert set(levels) == {signal.name for signal in SIGNALS}
    both_ways = {"pr": 2, "weight_norm": 2, "group_mean_loss": 4}
    for name, series in levels.items():
        assert series.shape == (both_ways.get(name, 1), ROWS - WINDOW + 1), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("samples", [SAMPLES, 700])
def test_rows_to_come_change_no_level_by_a_bit(dtype, samples):
    whole = measure(a_run(dtype=dtype, width=samples), window=WINDOW)
    for rows in (WINDOW, 23, ROWS - 1):
        early = measure(a_run(rows, dtype=dtype, width=samples), window=WINDOW)
        assert set(early) == set(whole)
        for name, series in early.items():
            np.testing.assert_array_equal(series, whole[name][:, : rows - WINDOW + 1], err_msg=name)


def test_levels_are_the_definitions_again():
    run = a_run()
    levels = measure(run, window=WINDOW)
    for last in (WINDOW - 1, 30, ROWS - 1):
        window, at = run.rows(last - WINDOW + 1, last + 1), last - WINDOW + 1
        plain, straight = naive.observables(window, 0), naive.observables(window, 1)
        mean = naive.mean_baselines(window, run.steps[at : last + 1], 0)
        for name in ("shc", "total_variance"):
            assert of_windows(levels, name)[at] == pytest.approx(np.log10(plain[name]), abs=1e-9)
        assert levels["pr"][:, at] == pytest.approx(np.log10(plain["pr"]) * np.array([1, -1]), abs=1e-9)
        assert of_windows(levels, "shc_detrended")[at] == pytest.approx(np.log10(straight["shc"]), abs=1e-9)
        assert of_windows(levels, "autocorrelation")[at] == pytest.approx(plain["autocorrelation"])
        assert of_windows(levels, "autocorrelation_detrended")[at] == pytest.approx(
            straight["autocorrelation"], abs=1e-9
        )
        variance = of_windows(levels, "mean_loss_variance")[at]
        assert variance == pytest.approx(np.log10(mean["mean_loss_variance"]), abs=1e-9)
        for row, group in ((0, slice(0, 4)), (2, slice(4, None))):
            level = np.log10(run.losses[last, group].mean())
            assert levels["group_mean_loss"][row : row + 2, at] == pytest.approx([level, -level])


def test_the_slope_of_the_mean_stands_beside_its_standard_error():
    run = a_run()
    level = of_windows(measure(run, window=WINDOW), "mean_loss_slope")
    for at in (0, 25, ROWS - WINDOW):
        line = linregress(run.steps[at : at + WINDOW], run.losses[at : at + WINDOW].mean(axis=1))
        assert level[at] == pytest.approx(np.log10(np.hypot(line.slope, line.stderr)), abs=1e-9)


def test_a_slope_that_passes_zero_is_no_floor_to_rise_from():
    losses = 3 + 0.1 * np.random.default_rng(1).standard_normal((4000, 3))
    quiet = Run.from_arrays(np.arange(4000), losses, name="toy")
    assert largest_rise(measure(quiet, window=20)["mean_loss_slope"]).max() < 1.2


def test_drift_energy_is_the_squared_sum_of_squared_slopes():
    run = a_run()
    energy = of_windows(measure(run, window=WINDOW), "drift_energy")
    slopes = np.array(
        [np.polyfit(np.arange(WINDOW), run.losses[at : at + WINDOW], 1)[0] for at in range(ROWS - WINDOW + 1)]
    )
    squares = np.log10(np.sum(slopes**2, axis=1) ** 2)
    assert np.ptp(energy - squares) < 1e-8
    assert np.ptp(squares) > 1


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40, unique=True), st.integers(2, 12))
def test_tau_is_kendalls_of_the_last_values(values, length):
    tau = rolling_tau(np.array(values), length)
    assert np.isnan(tau[: length - 1]).all()
    for end in range(length, len(values) + 1):
        expected = kendalltau(np.arange(length), values[end - length : end]).statistic
        assert tau[end - 1] == pytest.approx(expected, abs=1e-12)


def test_ties_count_for_neither_side():
    assert rolling_tau(np.array([1.0, 1.0, 2.0]), 3)[-1] == pytest.approx(2 / 3)
    assert rolling_tau(np.ones(7), 4)[-1] == 0
    assert rolling_tau(np.arange(9.0), 4)[-1] == 1


def test_tau_comes_back_once_a_gap_is_behind():
    values = np.random.default_rng(0).standard_normal(60)
    values[[3, 4, 20]] = np.nan
    tau = rolling_tau(values, 8)
    for end in range(8, 61):
        known = values[end - 8 : end]
        if np.isnan(known).any():
            assert np.isnan(tau[end - 1])
        else:
            assert tau[end - 1] == pytest.approx(kendalltau(np.arange(8), known).statistic, abs=1e-12)
    assert np.isfinite(tau).sum() > 30


def test_tau_needs_its_length_of_windows():
    tau = of_windows(measure(a_run(), window=WINDOW), "kendall_tau")
    assert np.flatnonzero(np.isfinite(tau))[0] == TAU_WINDOWS * WINDOW - 1


def test_every_signal_has_a_value_before_the_earliest_t50_that_is_judged():
    levels = measure(a_run(COVERED_WINDOWS * WINDOW), window=WINDOW)
    assert all(np.isfinite(series).any(axis=1).all() for series in levels.values())


def test_a_run_that_stands_still_has_no_levels_where_it_does():
    losses = np.random.default_rng(0).standard_normal((ROWS, SAMPLES)) + 9
    losses[:20] = losses[0]
    levels = measure(Run.from_arrays(STEPS, losses), window=WINDOW)
    for name in ("shc", "total_variance", "drift_energy", "shc_detrended", "pr", "autocorrelation"):
        assert np.isnan(levels[name][:, : 20 - WINDOW + 1]).all(), name
        assert np.isfinite(levels[name][:, 20:]).all(), name
    assert np.isfinite(levels["kendall_tau"][:, 20 + TAU_WINDOWS * WINDOW :]).all()


def test_no_losses_that_move_at_all():
    levels = measure(Run.from_arrays(STEPS, np.ones((ROWS, SAMPLES))), window=WINDOW)
    assert np.isnan(levels["shc"]).all()
    assert levels["group_mean_loss"].tolist() == [[0.0] * (ROWS - WINDOW + 1)] * 2


def test_a_scalar_that_was_not_logged_is_left_out():
    levels = measure(a_run(scalars=None), window=WINDOW)
    assert {"gradient_norm", "weight_norm"}.isdisjoint(levels)
    levels = measure(a_run(scalars={"step": STEPS, "weight_norm": STEPS + 1.0}), window=WINDOW)
    assert "gradient_norm" not in levels
    np.testing.assert_allclose(levels["weight_norm"][0], np.log10(STEPS[WINDOW - 1 :] + 1.0))


def gradient_levels(norms, steps=STEPS):
    levels = measure(a_run(scalars={"step": steps, "gradient_norm": norms}), window=WINDOW)
    return of_windows(levels, "gradient_norm")


def test_the_gradient_norm_is_its_mean_over_the_window():
    norms = np.random.default_rng(1).lognormal(size=ROWS)
    means = [norms[at : at + WINDOW].mean() for at in range(ROWS - WINDOW + 1)]
    np.testing.assert_allclose(gradient_levels(norms), np.log10(means), atol=1e-12)


def test_a_spike_of_the_gradient_norm_is_forgotten_with_its_window():
    norms = np.full(ROWS, 1e-3)
    norms[10] = 1e18
    level = gradient_levels(norms)
    np.testing.assert_allclose(level[11:], -3, atol=1e-12)
    np.testing.assert_allclose(level[: 10 - WINDOW + 1], -3, atol=1e-12)


def test_a_gradient_norm_that_is_missing_here_and_there_is_the_mean_of_the_others():
    norms = np.linspace(1, 4, ROWS)
    norms[[7, 30, 31]] = np.nan
    level = gradient_levels(norms)
    means = [np.nanmean(norms[at : at + WINDOW]) for at in range(ROWS - WINDOW + 1)]
    np.testing.assert_allclose(level, np.log10(means), atol=1e-12)
    norms[:] = np.nan
    assert np.isnan(gradient_levels(norms)).all()


def test_a_gradient_norm_logged_at_every_other_row_has_levels():
    level = gradient_levels(np.full(len(STEPS[::2]), 100.0), STEPS[::2])
    np.testing.assert_allclose(level, 2)


def test_samples_without_a_group_are_a_group():
    groups = ["a"] * 4 + [None] * 9
    run = a_run(samples={"sample_id": np.arange(SAMPLES), "group": groups})
    series = measure(run, window=WINDOW)["group_mean_loss"]
    for row, samples in ((0, slice(0, 4)), (2, slice(4, None))):
        np.testing.assert_allclose(
            10 ** series[row], run.losses[WINDOW - 1 :, samples].mean(axis=1), rtol=1e-12
        )


def test_what_has_no_logarithm_has_no_level():
    np.testing.assert_array_equal(decades(np.array([100.0, 0.0, -1.0, np.nan, np.inf])), [2] + [np.nan] * 4)
