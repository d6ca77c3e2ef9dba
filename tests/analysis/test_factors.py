"""Samples that move together are found without labels, and noise has no factor."""

import numpy as np
import pytest
from scipy.signal import lfilter

from rdmtools.analysis.factors import coarse, coarse_edges, core_samples, find_groups, noise_of, surrogate


def planted(seed, sizes, rows=400, alone=0, noise=1.0):
    """Walks that groups of samples share, as loud as the noise of each; the last samples are noise alone."""
    rng = np.random.default_rng(seed)
    walks = rng.standard_normal((rows, len(sizes))).cumsum(axis=0)
    walks = (walks - walks.mean(axis=0)) / walks.std(axis=0)
    labels = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    losses = 5 + noise * rng.standard_normal((rows, len(labels) + alone))
    losses[:, : len(labels)] += walks[:, labels - 1] * rng.choice([-1.0, 1.0], len(labels))
    return losses, np.append(labels, np.zeros(alone, int))


def autoregressive(seed, rows, samples, rho):
    drawn = np.random.default_rng(seed).standard_normal((rows + 200, samples))
    return lfilter([np.sqrt(1 - rho**2)], [1, -rho], drawn, axis=0)[200:]


def test_planted_courses_are_found_and_noise_is_in_none():
    losses, truth = planted(0, [30, 20, 11, 6], alone=15)
    groups = find_groups(losses)
    assert groups.labels.tolist() == truth.tolist()
    assert groups.count == 4
    assert np.isnan(groups.membership[truth == 0]).all()
    assert (groups.apart > 0.8).all()


def test_membership_is_signed_and_most_samples_are_with_their_factor():
    rng = np.random.default_rng(1)
    course = rng.standard_normal(200).cumsum()
    signs = np.repeat([1.0, -1.0, 1.0], [10, 6, 10])
    groups = find_groups(signs * course[:, None] + 0.5 * rng.standard_normal((200, 26)))
    assert groups.labels.tolist() == [1] * 26
    assert np.sign(groups.membership).tolist() == signs.tolist()
    assert np.abs(groups.membership).min() > 0.7


def test_one_course_of_all_samples_is_one_factor():
    rng = np.random.default_rng(2)
    course = 3 * np.exp(-np.arange(300) / 60)[:, None] * rng.uniform(0.5, 2, 40)
    groups = find_groups(course + 0.2 * rng.standard_normal((300, 40)))
    assert groups.labels.tolist() == [1] * 40
    assert np.isnan(groups.apart).tolist() == [True]


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.95])
def test_noise_of_each_sample_by_itself_has_no_factor(rho):
    found = [find_groups(autoregressive(seed, 300, 200, rho)).count for seed in range(8)]
    assert found == [0] * 8


def test_the_order_scale_and_offset_of_samples_change_no_factor():
    losses, truth = planted(3, [20, 12, 7], alone=9)
    order = np.random.default_rng(0).permutation(len(truth))
    groups, moved = find_groups(losses), find_groups(losses[:, order])
    assert moved.labels.tolist() == groups.labels[order].tolist()
    np.testing.assert_allclose(moved.membership, groups.membership[order], atol=1e-9)
    other = find_groups(losses * np.random.default_rng(1).uniform(0.1, 9, len(truth)) - 40)
    assert other.labels.tolist() == groups.labels.tolist()


def test_more_samples_than_are_compared_join_the_nearest_factor():
    losses, truth = planted(4, [700, 400, 200], rows=200, alone=300)
    assert len(core_samples(len(truth))) == 1024
    groups = find_groups(losses)
    same = groups.labels == truth
    assert same.mean() > 0.99
    assert np.isfinite(groups.membership).tolist() == (groups.labels > 0).tolist()


@pytest.mark.parametrize(
    "losses",
    [
        np.zeros((0, 3)),
        np.ones((300, 1)),
        np.random.default_rng(0).standard_normal((300, 1)),
        np.full((300, 12), 1e9 + 0.1),
        np.random.default_rng(0).standard_normal((300, 4)).cumsum(axis=0),
        planted(0, [20, 20], rows=19)[0],
    ],
    ids=["no rows", "a constant", "one sample", "constants", "four samples", "19 rows"],
)
def test_too_little_has_no_factor(losses):
    groups = find_groups(losses)
    assert groups.count == 0
    assert groups.labels.tolist() == [0] * losses.shape[1]


def test_blocks_are_equal_but_the_last_and_no_more_than_128():
    assert coarse_edges(128).tolist() == list(range(129))
    assert coarse_edges(300).tolist() == [*range(0, 300, 3), 300]
    edges = coarse_edges(1000)
    assert len(edges) - 1 == 125
    assert coarse_edges(259)[-2:].tolist() == [255, 259]
    losses = np.arange(259.0)[:, None]
    assert coarse(losses)[-1, 0] == np.mean([255, 256, 257, 258])
    assert coarse(losses)[0, 0] == 1.0


def test_noise_is_told_from_movement():
    rng = np.random.default_rng(5)
    noise = 0.3 * rng.standard_normal((20_000, 1))
    moving = 5 * np.sin(np.arange(20_000) / 500)[:, None]
    np.testing.assert_allclose(noise_of(noise + moving), 0.3, rtol=0.03)


def test_surrogates_keep_each_samples_spectrum_and_nothing_shared():
    rng = np.random.default_rng(6)
    field = rng.standard_normal((129, 1)).cumsum(axis=0) * np.ones(30)
    made = surrogate(field - field.mean(axis=0), rng)
    spectra = [np.abs(np.fft.rfft(np.diff(each, axis=0), axis=0))[1:] for each in (field, made)]
    np.testing.assert_allclose(spectra[1], spectra[0], rtol=1e-9)
    alike = np.corrcoef(np.diff(made, axis=0).T)[np.triu_indices(30, 1)]
    assert np.abs(alike).mean() < 0.15
