"""When the rule fires, peaks, ends and arms again; and that it never looks ahead."""

import numpy as np
import pytest
from helpers import naive
from hypothesis import given
from hypothesis import strategies as st

from rdmtools.alarms.rule import find_rises

LEVELS = st.lists(st.one_of(st.floats(-6, 6), st.just(-np.inf), st.just(np.nan)), max_size=80)


def as_series(levels):
    return 10.0 ** np.array(levels, dtype=float)


def tuples(rises):
    return [(rise.floor, rise.alarm, rise.peak, rise.end) for rise in rises]


def test_one_rise_from_floor_to_end():
    rises = find_rises(as_series([1, 0, 0.5, 1.4, 1.6, 3, 2.5, 2.2, 2]), decades=1.5)
    assert tuples(rises) == [(1, 4, 5, 7)]
    assert rises[0].decades == pytest.approx(3)


def test_fires_at_exactly_the_threshold_and_stays_quiet_below():
    assert tuples(find_rises(np.array([1.0, 99.0]), decades=2.0)) == []
    assert tuples(find_rises(np.array([1.0, 100.0]), decades=2.0)) == [(0, 1, 1, None)]


def test_an_open_event_has_no_end():
    assert tuples(find_rises(as_series([0, 2, 3, 2.5]), decades=1.5)) == [(0, 1, 2, None)]


def test_arms_again_half_as_much_down_with_a_new_floor():
    rises = find_rises(as_series([0, 2, 1.25, 1.0, 2.6, 0]), decades=1.5)
    assert tuples(rises) == [(0, 1, 1, 2), (3, 4, 4, 5)]


def test_rows_where_nothing_moves_have_no_level():
    series = np.array([0.0, np.nan, 1.0, 0.0, 40.0, 0.0, 80.0])
    assert tuples(find_rises(series, decades=1.5)) == [(2, 4, 6, None)]
    assert find_rises(np.zeros(5), decades=1.5) == []
    assert find_rises(np.zeros(0), decades=1.5) == []


@given(LEVELS, st.sampled_from([0.5, 1.5, 3.0]))
def test_agrees_with_the_rule_in_words(levels, decades):
    series = as_series(levels)
    assert tuples(find_rises(series, decades=decades)) == naive.rises(series, decades)


@given(LEVELS, st.integers(0, 80))
def test_values_to_come_change_no_alarm_and_no_closed_event(levels, cut):
    series = as_series(levels)
    whole, early = (find_rises(values, decades=1.5) for values in (series, series[:cut]))
    assert [(r.floor, r.alarm) for r in early] == [(r.floor, r.alarm) for r in whole if r.alarm < cut]
    assert [r for r in early if r.end is not None] == [r for r in whole if r.end is not None and r.end < cut]


@given(st.lists(st.floats(-6, 6), min_size=2, max_size=60), st.floats(0.25, 4))
def test_a_change_of_unit_changes_no_alarm(levels, factor):
    # A factor of 2**k is exact in floating point, so that ties stay ties.
    series = as_series(levels)
    same = find_rises(series * 2.0 ** round(factor), decades=1.37)
    assert [r.alarm for r in same] == [r.alarm for r in find_rises(series, decades=1.37)]
