"""Exact intervals against published ones and scipy's; resampling against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from rdmtools.evaluation.rates import exact_interval, middle, resampled_weights, weighted_median


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),  # 1 - 0.025**(1/10), and the tables of Clopper and Pearson (1934)
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (4, 20, 0.0573, 0.4366),  # Newcombe (1998) has this and the next
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
    ],
)
def test_published_intervals(hits, trials, low, high):
    assert exact_interval(hits, trials) == pytest.approx((low, high), abs=5.1e-5)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_whole_hits_are_the_exact_interval_of_scipy(counts):
    expected = binomtest(*counts).proportion_ci(method="exact")
    assert exact_interval(*counts) == pytest.approx((expected.low, expected.high), abs=1e-9)


SHARE = st.integers(0, 60).map(lambda k: k / 60)


@given(SHARE, SHARE, st.integers(1, 40))
def test_fractional_hits_rise_with_the_share(one, other, trials):
    few, many = sorted((one, other))
    low, high = exact_interval(few * trials, trials), exact_interval(many * trials, trials)
    assert low[0] <= high[0] + 1e-9
    assert low[1] <= high[1] + 1e-9
    assert 0 <= low[0] <= few + 1e-9
    assert few - 1e-9 <= low[1] <= 1


def test_no_trials_tell_nothing():
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_the_exact_interval_holds_the_rate_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [exact_interval(hits, 12) for hits in range(13)]
    for rate in (0.03, 0.3, 0.5):
        held = [low <= rate <= high for low, high in (intervals[k] for k in rng.binomial(12, rate, 2000))]
        assert np.mean(held) >= 0.945


RUNS = ["a", "a", "b", "c", "d", "d", "d", "e"]
STRATA = ["one", "one", "one", "one", "two", "two", "two", "two"]


def test_a_resample_draws_as_many_runs_as_there_are_from_each_stratum():
    weights = resampled_weights(RUNS, STRATA, resamples=400)
    assert weights.shape == (400, 8)
    per_run = weights[:, [0, 2, 3, 4, 7]]
    assert (per_run[:, :3].sum(axis=1) == 3).all()
    assert (per_run[:, 3:].sum(axis=1) == 2).all()
    assert np.abs(per_run.mean(axis=0) - 1).max() < 0.2
    assert per_run.std(axis=0).min() > 0.5


def test_rows_of_one_run_are_drawn_together():
    weights = resampled_weights(RUNS, STRATA, resamples=50)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 4], weights[:, 6])
    assert (weights[:, 0] != weights[:, 2]).any()


def test_the_same_seed_draws_the_same():
    one, two = (resampled_weights(RUNS, STRATA, resamples=9, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one != resampled_weights(RUNS, STRATA, resamples=9, seed=4)).any()


def test_one_run_tells_nothing_of_how_runs_differ():
    weights = resampled_weights(["a", "a", "a"], ["one"] * 3, resamples=5)
    assert np.isnan(weights).all()
    assert np.isnan(middle(weighted_median(np.arange(3.0), weights))).all()


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 4)), min_size=1, max_size=12).filter(
        lambda rows: any(weight for _, weight in rows)
    )
)
def test_the_weighted_median_is_that_of_values_repeated(rows):
    values, weights = np.array(rows).T
    expected = np.median(np.repeat(values, weights.astype(int)))
    assert weighted_median(values, weights[None])[0] == pytest.approx(expected, abs=1e-12)


def test_nothing_drawn_has_no_median():
    assert np.isnan(weighted_median(np.array([1.0, 2.0]), np.zeros((1, 2))))[0]


def test_the_middle_leaves_out_what_is_unknown():
    assert middle(np.array([np.nan, *range(41), -np.inf])) == pytest.approx((1.0, 39.0))
    assert np.isnan(middle(np.full(3, np.nan))).all()
