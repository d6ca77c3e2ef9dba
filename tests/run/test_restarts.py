"""A table of several starts is told from one in any order, and batches tell what the whole does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdmtools.errors import ParameterError
from rdmtools.run.clean import Tidy
from rdmtools.run.restarts import Restarts, looked_at
from rdmtools.run.rules import Rules

SAMPLES = 3


def tidy(steps, order=None):
    """Rows of whole steps, in that order."""
    order = slice(None) if order is None else order
    rows = np.repeat(np.asarray(steps), SAMPLES)[order], np.tile(np.arange(SAMPLES), len(steps))[order]
    return Tidy(steps=rows[0], samples=rows[1], losses=np.zeros(len(rows[0])))


def restarts(rows):
    return looked_at(rows, Rules())[1].restarts


def naive(starts):
    """Attempts of rows whose steps fall back where a start ends."""
    return np.concatenate([[number] * SAMPLES * len(steps) for number, steps in enumerate(starts, 1)])


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        (range(0, 60, 5), 0),
        ([*range(0, 60, 5), *range(48, 90, 5)], 1),
        ([*range(0, 60, 5), *range(48, 90, 5), *range(71, 120, 5)], 2),
        ([*range(0, 60, 5), *range(50, 90, 5)], 0),  # at the same steps they are doubles, told as such
        ([*range(100, 160, 5), *range(0, 60, 5)], 0),  # parts in another order
    ],
)
def test_starts_at_other_steps_are_counted(steps, count):
    assert restarts(tidy(list(steps))) == count


def test_a_table_in_any_order_or_by_sample_has_no_starts():
    steps = list(range(0, 200, 5))
    shuffled = np.random.default_rng(0).permutation(SAMPLES * len(steps))
    assert restarts(tidy(steps, shuffled)) == 0
    by_sample = np.argsort(np.tile(np.arange(SAMPLES), len(steps)), kind="stable")
    assert restarts(tidy(steps, by_sample)) == 0
    with pytest.raises(ParameterError, match=r"steps fall back where no start begins: .*restarts=.keep."):
        looked_at(tidy(steps, shuffled), Rules(restarts="supersede"))


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(4, 9), min_size=1, max_size=4),
    back=st.lists(st.integers(1, 30), min_size=4, max_size=4),
    size=st.integers(1, 40),
    supersede=st.booleans(),
)
def test_batches_tell_what_the_whole_table_does(lengths, back, size, supersede):
    starts, first = [], 0
    for length, fall in zip(lengths, back, strict=False):
        starts.append([*range(first, first + 7 * length, 7)])
        first = starts[-1][-1] - fall
    rows = tidy([step for start in starts for step in start])
    whole, told = looked_at(rows, Rules(restarts="supersede" if supersede else "keep"))
    parts = Restarts(supersede=supersede)
    slices = [np.arange(len(rows.steps)) // size == part for part in range(len(rows.steps) // size + 1)]
    found = [*parts.attempts(rows.where(part) for part in slices if part.any())]
    assert parts.quality() == told
    if supersede:
        np.testing.assert_array_equal(whole.attempts, naive(starts))
        np.testing.assert_array_equal(np.concatenate([part.attempts for part in found]), whole.attempts)
