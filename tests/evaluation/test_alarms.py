"""Alarms of many series and thresholds at once are those of the rule told one by one; none looks ahead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.alarms.rule import find_level_rises, find_rises
from rdmtools.evaluation.alarms import find_alarms, largest_rise

# Multiples of 1/8 make ties, and differences of thresholds that are exact.
LEVEL = st.one_of(st.integers(-24, 24).map(lambda k: k / 8), st.sampled_from([np.nan, np.inf, -np.inf]))
SERIES = st.integers(1, 40).flatmap(
    lambda windows: st.lists(st.lists(LEVEL, min_size=windows, max_size=windows), min_size=1, max_size=4)
)
THRESHOLDS = st.lists(st.sampled_from([1 / 8, 0.25, 0.3, 1.0, 1.5, 4.0]), min_size=1, max_size=3)


def alarms(levels, thresholds, **kind):
    levels = np.array(levels, dtype=float)
    return find_alarms(levels, np.tile(np.array(thresholds), (len(levels), 1)), **kind)


def alarms_above_a_fixed_floor(level, threshold):
    fired, armed = [], True
    for value in level:
        fires = bool(armed and np.isfinite(value) and value >= threshold)
        if fires:
            armed = False
        elif not armed and np.isfinite(value) and value <= threshold / 2:
            armed = True
        fired.append(fires)
    return fired


def random_walks(seed, series=5, windows=300):
    rng = np.random.default_rng(seed)
    levels = np.cumsum(0.2 * rng.standard_normal((series, windows)), axis=1)
    levels[rng.random(levels.shape) < 0.1] = np.nan
    levels[rng.random(levels.shape) < 0.05] = np.inf
    return levels


@given(SERIES, THRESHOLDS)
def test_alarms_are_those_of_the_rule_of_events(levels, thresholds):
    fired = alarms(levels, thresholds)
    for series, level in enumerate(np.array(levels)):
        for place, threshold in enumerate(thresholds):
            rises = find_level_rises(level, decades=threshold)
            assert np.flatnonzero(fired[series, place]).tolist() == [rise.alarm for rise in rises]


@pytest.mark.parametrize("seed", range(3))
def test_so_they_are_on_random_walks_with_gaps(seed):
    levels = random_walks(seed)
    fired = alarms(levels, [0.4, 1.1, 2.3])
    assert fired.sum() > 30
    for series, level in enumerate(levels):
        for place, threshold in enumerate([0.4, 1.1, 2.3]):
            rises = find_level_rises(level, decades=threshold)
            assert np.flatnonzero(fired[series, place]).tolist() == [rise.alarm for rise in rises]


def test_levels_are_log10_of_the_series_that_the_rule_of_events_takes():
    series = np.exp(np.random.default_rng(0).standard_normal(200).cumsum())
    assert find_rises(series, decades=0.7) == find_level_rises(np.log10(series), decades=0.7)


@given(SERIES, THRESHOLDS)
def test_a_fixed_floor_compares_the_level_itself(levels, thresholds):
    fired = alarms(levels, thresholds, fixed_floor=True)
    for series, level in enumerate(levels):
        for place, threshold in enumerate(thresholds):
            assert fired[series, place].tolist() == alarms_above_a_fixed_floor(level, threshold)


@given(SERIES, THRESHOLDS, st.integers(0, 40), st.booleans())
def test_windows_to_come_change_no_alarm(levels, thresholds, cut, fixed_floor):
    levels = np.array(levels, dtype=float)
    whole = alarms(levels, thresholds, fixed_floor=fixed_floor)
    early = alarms(levels[:, :cut], thresholds, fixed_floor=fixed_floor)
    np.testing.assert_array_equal(early, whole[..., :cut])


@given(SERIES, st.booleans())
def test_the_largest_rise_is_the_highest_threshold_that_fires(levels, fixed_floor):
    levels = np.array(levels, dtype=float)
    rises = largest_rise(levels, fixed_floor=fixed_floor)
    for level, rise in zip(levels, rises, strict=True):
        if rise > 0:
            thresholds = [rise, np.nextafter(rise, np.inf)]
            assert alarms([level], thresholds, fixed_floor=fixed_floor).any(axis=2).tolist() == [
                [True, False]
            ]
        else:
            assert not alarms([level], [5e-324], fixed_floor=fixed_floor).any()


def test_the_largest_rise_is_exact_where_levels_are_rounded():
    levels = random_walks(3, series=40)
    rises = largest_rise(levels)
    assert find_alarms(levels, rises[:, None]).any(axis=(1, 2)).all()
    assert not find_alarms(levels, np.nextafter(rises, np.inf)[:, None]).any()
    for level, rise in zip(levels, rises, strict=True):
        assert find_level_rises(level, decades=rise)
        assert find_level_rises(level, decades=np.nextafter(rise, np.inf)) == []


def test_a_series_that_never_has_a_level_never_fires():
    nothing = np.full((2, 5), np.nan)
    assert largest_rise(nothing).tolist() == [-np.inf, -np.inf]
    assert largest_rise(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]
    assert not alarms(nothing, [5e-324]).any()
    assert largest_rise(np.array([[3.0, 2.0, 1.0]])).tolist() == [0.0]
