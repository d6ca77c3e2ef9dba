"""Average linkage is SciPy's, with its heights and flat groups; and in closed form."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.spatial.distance import squareform

from rdmtools.analysis.average_linkage import average_linkage, flat_groups


def distances(samples, seed, rank=6):
    moves = np.random.default_rng(seed).standard_normal((rank, samples))
    moves /= np.linalg.norm(moves, axis=0)
    apart = 1 - np.abs(moves.T @ moves)
    np.fill_diagonal(apart, 0.0)
    return apart


def partition(names):
    return {frozenset(np.flatnonzero(names == name).tolist()) for name in set(names.tolist())}


def test_three_samples_in_closed_form():
    apart = np.array([[0, 1, 4], [1, 0, 2], [4, 2, 0.0]])
    np.testing.assert_array_equal(average_linkage(apart), [[0, 1, 1, 2], [2, 3, 3, 3]])
    assert flat_groups(average_linkage(apart), 1.0).tolist() in ([0, 0, 1], [1, 1, 0])
    assert len(set(flat_groups(average_linkage(apart), 0.5).tolist())) == 3
    assert len(set(flat_groups(average_linkage(apart), 3.0).tolist())) == 1


@pytest.mark.parametrize("seed", range(8))
def test_it_is_scipys(seed):
    samples = (5, 6, 17, 40, 88, 120, 33, 64)[seed]
    apart = distances(samples, seed)
    ours, theirs = average_linkage(apart), linkage(squareform(apart, checks=False), "average")
    np.testing.assert_allclose(ours[:, 2:], theirs[:, 2:], rtol=1e-12)
    np.testing.assert_allclose(cophenet(ours), cophenet(theirs), rtol=1e-12)
    for most in (0.1, 0.3, 0.5, 0.7):
        assert partition(flat_groups(ours, most)) == partition(fcluster(theirs, most, "distance"))


def test_samples_that_are_alike_join_at_nothing():
    apart = distances(6, 3)[np.ix_([0, 0, 1, 1, 1, 2], [0, 0, 1, 1, 1, 2])]
    tree = average_linkage(apart)
    assert np.count_nonzero(tree[:, 2] < 1e-12) == 3
    assert partition(flat_groups(tree, 1e-9)) == {frozenset({0, 1}), frozenset({2, 3, 4}), frozenset({5})}
    assert apart[0, 0] == 0  # what is given stays as it is
