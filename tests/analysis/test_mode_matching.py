"""Modes that keep their samples from window to window are one."""

import numpy as np

from rdmtools.analysis.mode_matching import _pairs, matched_modes, window_edges


def two_modes(seed=0, noise=0.01):
    """Samples 0-5 move in the first 60 rows, samples 6-9 in the last 60, of 100; the last five never."""
    rng = np.random.default_rng(seed)
    losses = noise * rng.standard_normal((100, 15))
    losses[:60, :6] += rng.standard_normal((60, 1)).cumsum(axis=0)
    losses[40:, 6:10] += 3 * rng.standard_normal((60, 1)).cumsum(axis=0)
    return losses


def test_each_mode_is_followed_while_it_moves_though_another_overtakes_it():
    first, second = matched_modes(two_modes(), window_edges(100, 20), count=2)
    assert (first.first, first.last) == (0, 2)
    assert (second.first, second.last) == (2, 4)
    assert np.sum(first.loadings[:6] ** 2) > 0.95
    assert np.sum(second.loadings[6:10] ** 2) > 0.95
    assert min(first.overlap, second.overlap) > 0.95
    assert 0 <= second.best - 2 <= 2
    assert second.share > 0.5


def test_pairs_are_taken_by_overlap_each_mode_once_and_none_below_a_half():
    overlaps = np.array([[0.8, 0.9, 0.0], [0.7, 0.6, 0.49]])
    assert _pairs(overlaps) == {0: (1, 0.9), 1: (0, 0.7)}
    assert _pairs(np.array([[0.49]])) == _pairs(np.empty((0, 3))) == _pairs(np.empty((2, 0))) == {}


def test_noise_keeps_no_mode():
    losses = np.random.default_rng(1).standard_normal((400, 300))
    assert matched_modes(losses, window_edges(400, 20), count=3) == []


def test_the_order_of_samples_changes_no_track():
    losses = two_modes(2)
    order = np.random.default_rng(0).permutation(15)
    edges = window_edges(100, 20)
    for one, other in zip(
        matched_modes(losses, edges, count=2), matched_modes(losses[:, order], edges, count=2), strict=True
    ):
        assert (one.first, one.last, one.best) == (other.first, other.last, other.best)
        np.testing.assert_allclose(np.abs(other.loadings), np.abs(one.loadings[order]), atol=1e-9)


def test_losses_that_stand_still_and_one_sample_have_tracks_or_none():
    assert matched_modes(np.ones((60, 5)), window_edges(60, 20), count=3) == []
    walk = np.random.default_rng(0).standard_normal((60, 1)).cumsum(axis=0)
    (track,) = matched_modes(walk, window_edges(60, 20), count=3)
    assert (track.first, track.last) == (0, 2)
    np.testing.assert_allclose(track.share, 1)


def test_windows_end_with_the_run_and_are_no_more_than_128():
    assert window_edges(50, 20).tolist() == [10, 30, 50]
    assert window_edges(10, 20).tolist() == [10]
    edges = window_edges(1000, 4)
    assert len(edges) - 1 <= 128
    assert edges[-1] == 1000
