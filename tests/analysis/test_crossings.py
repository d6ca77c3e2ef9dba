"""Crossings of shares in closed form; `tests/evaluation/test_truth.py` has more of them."""

import numpy as np
import pytest

from rdmtools.analysis.crossings import CROSSED, crossings

STEPS = 10 * np.arange(101)


def ramp(start, stop):
    return np.clip((STEPS - start) / (stop - start), 0, 1)


def test_a_ramp_crosses_where_it_stands_at_the_share():
    found = crossings(STEPS, ramp(400, 600), STEPS)
    assert (found.t10, found.t50, found.t90) == (420, 500, 580)
    assert (found.status, found.resolution) == (CROSSED, 10)


@pytest.mark.parametrize(
    ("shares", "status"),
    [
        (ramp(400, 600) * 0.4, "no transition: never risen"),
        (ramp(400, 600) * 0.8, "not covered: never complete"),
        (ramp(0, 1000), "no transition: creeps, T90 - T10 is 1.6 of T50"),
        (0.2 + ramp(400, 600), "no transition: risen from the start"),
    ],
)
def test_what_is_no_transition_says_why(shares, status):
    assert crossings(STEPS, shares, STEPS).status == status


def test_a_scalar_without_values_never_rises():
    found = crossings(np.array([], dtype=np.int64), np.array([]), STEPS)
    assert (found.t50, found.status, found.resolution) == (None, "no transition: never risen", 1)


def test_the_resolution_is_that_of_the_coarser_of_rows_and_scalar():
    known = slice(0, None, 5)
    assert crossings(STEPS[known], ramp(400, 600)[known], STEPS).resolution == 50
    assert crossings(STEPS, ramp(400, 600), STEPS[known]).resolution == 50
