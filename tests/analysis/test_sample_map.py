"""The map of samples: each on its own scale, in order of groups and half steps, and noise stays pale."""

import numpy as np
import pytest
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.analysis.sample_map import MOST_BLOCKS, MOST_ROWS


def stepping(rows=200, samples=6, **kwargs):
    """Sample n falls from n + 2 to 1 at row 30 * (n + 1), without noise."""
    fallen = np.arange(rows)[:, None] >= 30 * (np.arange(samples) + 1)
    losses = np.where(fallen, 1.0, np.arange(samples) + 2.0)
    return rdm.Run.from_arrays(np.arange(rows), losses, **kwargs)


def test_each_sample_has_its_own_scale_and_rows_come_by_half_step():
    run = stepping()
    backwards = rdm.Run.from_arrays(run.steps, run.losses[:, ::-1])
    for each, order in ((run, [0, 1, 2, 3, 4, 5]), (backwards, [5, 4, 3, 2, 1, 0])):
        drawn = rdm.analyze(each).sample_map
        assert drawn.order.tolist() == order
        np.testing.assert_allclose(drawn.high, np.arange(6) + 2)
        np.testing.assert_allclose(drawn.low, 1)
        for row, levels in enumerate(drawn.levels):
            assert np.flatnonzero(levels < 128)[0] == 30 * (row + 1)
            assert (levels[:20].min(), levels[-1]) == (255, 0)


def test_rows_are_sorted_by_the_column_that_explains_most():
    run = with_event(samples={"group": ["a", "b"] * 7, "kind": ["x"] * 8 + ["y"] * 6})
    drawn = rdm.analyze(run).sample_map
    assert drawn.column == "kind"
    assert drawn.groups == [("x", 8), ("y", 6)]
    assert sorted(drawn.order[:8].tolist()) == list(range(8))
    assert rdm.analyze(without_event()).sample_map.column == ""


def test_noise_stays_pale_and_a_change_does_not():
    quiet = rdm.analyze(without_event()).sample_map.levels
    assert quiet.min() > 40
    assert quiet.max() < 215
    moved = rdm.analyze(with_event()).sample_map
    learned = moved.levels[: dict(moved.groups)["learned"]]
    assert (learned.min(axis=1) == 0).all()
    assert (learned.max(axis=1) == 255).all()


@pytest.mark.parametrize("groups", [1, 3, 700])
def test_more_samples_than_rows_share_them_within_their_groups(groups):
    rows, samples = 60, 1500
    rng = np.random.default_rng(0)
    losses = rng.random((rows, samples)) + np.where(np.arange(rows) > 30, 0, 10)[:, None]
    run = rdm.Run.from_arrays(
        np.arange(rows), losses, samples={"group": [f"g{n % groups}" for n in range(samples)]}
    )
    drawn = rdm.analyze(run).sample_map
    assert sorted(drawn.order.tolist()) == list(range(samples))
    assert len(drawn.levels) == len(drawn.edges) - 1 <= MOST_ROWS
    codes = drawn.order % groups
    if groups == 3:
        assert all(len(set(few.tolist())) == 1 for few in np.split(codes, drawn.edges[1:-1]))
    (low, high), row = (drawn.low, drawn.high), 5
    few = drawn.order[drawn.edges[row] : drawn.edges[row + 1]]
    assert low[row] < losses[-1, few].mean() + 1 < high[row]


def test_long_runs_have_few_columns_and_extreme_losses_no_warning():
    losses = 1e300 * np.random.default_rng(1).standard_normal((3000, 2))
    drawn = rdm.analyze(rdm.Run.from_arrays(np.arange(3000), losses / 1e240)).sample_map
    assert drawn.levels.shape[1] <= MOST_BLOCKS
    assert drawn.steps[-1] == 2999
    frozen = rdm.analyze(rdm.Run.from_arrays(np.arange(40), np.zeros((40, 3)))).sample_map
    assert len(set(frozen.levels.ravel().tolist())) == 1
