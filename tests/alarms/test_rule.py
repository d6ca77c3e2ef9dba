"""When the rule fires, peaks, ends and arms again, of one series and of many; it never looks ahead."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import naive
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.alarms import rule
from rdmtools.alarms.rule import decades, find_alarms, find_rises, largest_rise

# Multiples of 1/8 make ties, and differences that are exact: a threshold may be reached to the bit.
LEVEL = st.one_of(
    st.integers(-24, 24).map(lambda k: k / 8), st.floats(-6, 6), st.sampled_from([np.nan, np.inf, -np.inf])
)
LEVELS = st.lists(LEVEL, max_size=80).map(np.array).map(lambda levels: levels.astype(float))
MANY = st.integers(0, 40).flatmap(
    lambda windows: st.lists(st.lists(LEVEL, min_size=windows, max_size=windows), min_size=1, max_size=4).map(
        lambda levels: np.array(levels, dtype=float)
    )
)
THRESHOLD = st.one_of(st.sampled_from([1 / 8, 0.25, 0.3, 1.0, 1.5, 4.0]), st.floats(0.01, 8))
THRESHOLDS = st.lists(THRESHOLD, min_size=1, max_size=3).map(np.array)


def tuples(rises):
    return [(rise.floor, rise.alarm, rise.peak, rise.end) for rise in rises]


def random_walks(seed, series=5, windows=300):
    rng = np.random.default_rng(seed)
    levels = np.cumsum(0.2 * rng.standard_normal((series, windows)), axis=1)
    levels[rng.random(levels.shape) < 0.1] = np.nan
    levels[rng.random(levels.shape) < 0.05] = np.inf
    return levels


def assert_alarms_are_those_of_rises(levels, thresholds):
    fired = find_alarms(levels, thresholds[None])
    for series, level in enumerate(levels):
        for place, threshold in enumerate(thresholds):
            rises = find_rises(level, threshold=threshold)
            assert np.flatnonzero(fired[series, place]).tolist() == [rise.alarm for rise in rises]
    return fired


# One series


def test_one_rise_from_floor_to_end():
    rises = find_rises(np.array([1, 0, 0.5, 1.4, 1.6, 3, 2.5, 2.2, 2]), threshold=1.5)
    assert tuples(rises) == [(1, 4, 5, 7)]
    assert rises[0].height == pytest.approx(3)


def test_fires_at_exactly_the_threshold_and_stays_quiet_below():
    assert tuples(find_rises(decades(np.array([1.0, 99.0])), threshold=2.0)) == []
    assert tuples(find_rises(decades(np.array([1.0, 100.0])), threshold=2.0)) == [(0, 1, 1, None)]


def test_an_open_event_has_no_end():
    assert tuples(find_rises(np.array([0, 2, 3, 2.5]), threshold=1.5)) == [(0, 1, 2, None)]


def test_arms_again_half_as_much_down_with_a_new_floor():
    rises = find_rises(np.array([0, 2, 1.25, 1.0, 2.6, 0]), threshold=1.5)
    assert tuples(rises) == [(0, 1, 1, 2), (3, 4, 4, 5)]


def test_of_equal_levels_the_first_is_floor_and_peak():
    assert tuples(find_rises(np.array([1, 0, 0, 2, 3, 3, 0.0]), threshold=1.5)) == [(1, 3, 4, 6)]


def test_rows_where_nothing_moves_have_no_level():
    series = np.array([0.0, np.nan, 1.0, 0.0, 40.0, 0.0, 80.0])
    assert tuples(find_rises(decades(series), threshold=1.5)) == [(2, 4, 6, None)]
    assert find_rises(decades(np.zeros(5)), threshold=1.5) == []
    assert find_rises(np.zeros(0), threshold=1.5) == []


def test_decades_are_log10_and_nan_where_there_is_none():
    levels = decades(np.array([[1000.0, 0.0, -1.0], [np.inf, np.nan, 0.1]]))
    np.testing.assert_array_equal(levels, [[3, np.nan, np.nan], [np.nan, np.nan, -1]])


@given(LEVELS, THRESHOLD)
def test_agrees_with_the_rule_in_words(levels, threshold):
    rises = find_rises(levels, threshold=threshold)
    assert tuples(rises) == naive.rises(levels, threshold)
    assert [rise.height for rise in rises] == [levels[rise.peak] - levels[rise.floor] for rise in rises]


@given(LEVELS, st.integers(0, 80), THRESHOLD)
def test_values_to_come_change_no_alarm_and_no_closed_event(levels, cut, threshold):
    whole, early = (find_rises(known, threshold=threshold) for known in (levels, levels[:cut]))
    assert [(r.floor, r.alarm) for r in early] == [(r.floor, r.alarm) for r in whole if r.alarm < cut]
    assert [r for r in early if r.end is not None] == [r for r in whole if r.end is not None and r.end < cut]


@given(st.lists(st.floats(-6, 6), min_size=2, max_size=60), st.floats(0.25, 4))
def test_a_change_of_unit_changes_no_alarm(levels, factor):
    # A factor of 2**k is exact in floating point, so that ties stay ties.
    series = 10.0 ** np.array(levels)
    same = find_rises(decades(series * 2.0 ** round(factor)), threshold=1.37)
    assert [r.alarm for r in same] == [r.alarm for r in find_rises(decades(series), threshold=1.37)]


# Many series and thresholds at once


@given(MANY, THRESHOLDS)
def test_alarms_are_those_of_the_rises_of_each(levels, thresholds):
    assert_alarms_are_those_of_rises(levels, thresholds)


@pytest.mark.parametrize("seed", range(3))
def test_so_they_are_on_random_walks_with_gaps(seed):
    fired = assert_alarms_are_those_of_rises(random_walks(seed), np.array([0.4, 1.1, 2.3]))
    assert fired.sum() > 30


@given(MANY, THRESHOLDS, st.booleans())
def test_many_agree_with_the_rule_in_words(levels, thresholds, fixed_floor):
    fired = find_alarms(levels, thresholds[None], fixed_floor=fixed_floor)
    for series, level in enumerate(levels):
        for place, threshold in enumerate(thresholds):
            expected = naive.alarms(level, threshold, fixed_floor=fixed_floor)
            assert fired[series, place].tolist() == expected


def test_each_series_may_have_thresholds_of_its_own():
    levels = np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]])
    fired = find_alarms(levels, np.array([[1.0, 2.0], [4.0, 5.0]]))
    assert fired.argmax(axis=2).tolist() == [[1, 2], [2, 0]]
    assert fired.sum(axis=2).tolist() == [[1, 1], [1, 0]]


@given(MANY, THRESHOLDS, st.integers(0, 40), st.booleans())
def test_windows_to_come_change_no_alarm(levels, thresholds, cut, fixed_floor):
    whole, early = (
        find_alarms(known, thresholds[None], fixed_floor=fixed_floor) for known in (levels, levels[:, :cut])
    )
    np.testing.assert_array_equal(early, whole[..., :cut])


# The largest rise


@given(MANY, st.booleans())
def test_the_largest_rise_is_the_highest_threshold_that_fires(levels, fixed_floor):
    rises = largest_rise(levels, fixed_floor=fixed_floor)
    for level, rise in zip(levels, rises, strict=True):
        assert rise == naive.largest_rise(level, fixed_floor=fixed_floor)
        thresholds = np.array([[rise, np.nextafter(rise, np.inf)]] if rise > 0 else [[5e-324]])
        fired = find_alarms(level[None], thresholds, fixed_floor=fixed_floor).any(axis=2)
        assert fired.tolist() == ([[True, False]] if rise > 0 else [[False]])


def test_the_largest_rise_is_exact_where_levels_are_rounded():
    levels = random_walks(3, series=40)
    rises = largest_rise(levels)
    assert find_alarms(levels, rises[:, None]).any(axis=(1, 2)).all()
    assert not find_alarms(levels, np.nextafter(rises, np.inf)[:, None]).any()
    for level, rise in zip(levels, rises, strict=True):
        assert find_rises(level, threshold=rise)
        assert find_rises(level, threshold=np.nextafter(rise, np.inf)) == []


def test_a_series_that_never_has_a_level_never_fires():
    nothing = np.full((2, 5), np.nan)
    assert largest_rise(nothing).tolist() == [-np.inf, -np.inf]
    assert largest_rise(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]
    assert not find_alarms(nothing, np.array([[5e-324]])).any()
    assert largest_rise(np.array([[3.0, 2.0, 1.0]])).tolist() == [0.0]


def test_the_largest_rise_of_one_series_is_one_number():
    assert float(largest_rise(np.array([1.0, 0.0, np.inf, 2.5]))) == 2.5


def test_the_rule_stands_on_numpy_alone():
    lines = Path(rule.__file__).read_text().splitlines()
    imports = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    packages = {name.partition(".")[0] for name in imports}
    assert packages - sys.stdlib_module_names == {"jaxtyping", "numpy"}
