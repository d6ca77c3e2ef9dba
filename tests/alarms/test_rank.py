"""A rank is a p-value: closed form, its rate over exchangeable runs, and the score that is ranked."""

from math import nan

import numpy as np
import pytest

from rdmtools.alarms.ranks import at_least, highest, highest_scores, needed, p_value
from rdmtools.alarms.self_normalised import watched
from rdmtools.analysis.log_energies import log_energies_of

W = 10


def noise(seed, rows=60, samples=8, rho=0.8):
    """AR(1) losses, of runs that are made alike."""
    made = np.random.default_rng(seed).standard_normal((rows, samples))
    for now in range(1, rows):
        made[now] += rho * made[now - 1]
    return 1 + 0.01 * made


def bursting(seed=0, rows=120, since=70):
    losses = noise(seed, rows)
    losses[since:, :4] -= 0.05 * np.arange(rows - since)[:, None]
    return losses


@pytest.mark.parametrize(
    ("score", "others", "m", "p"),
    [
        (1.0, [], 0, 1.0),
        (1.0, [0.5] * 19, 0, 0.05),
        (1.0, [1.0], 1, 1.0),
        (0.7, [0.1, 0.7, 0.9], 2, 3 / 4),
        (-0.1, [0.0, -0.2], 1, 2 / 3),
    ],
)
def test_p_is_the_rank_with_the_run_itself_counted(score, others, m, p):
    assert at_least(score, others) == m
    assert p_value(score, others) == p


@pytest.mark.parametrize(("rate", "runs"), [(0.2, 4), (0.05, 19), (0.01, 99), (0.03, 33), (0.1, 9)])
def test_so_many_are_needed_for_a_rate_and_no_fewer_do(rate, runs):
    assert needed(rate) == runs
    assert p_value(1.0, [0.0] * runs) <= rate < p_value(1.0, [0.0] * (runs - 1))


def test_of_ranks_of_equally_made_numbers_each_is_as_likely():
    """Without ties p takes k / (n + 1) for k = 1 ... n + 1, each once over all places of the run."""
    scores = np.random.default_rng(1).permutation(20).astype(float)
    ranks = [p_value(scores[k], np.delete(scores, k).tolist()) for k in range(20)]
    assert sorted(ranks) == pytest.approx([k / 20 for k in range(1, 21)])


def test_of_runs_of_noise_p_is_as_low_as_a_rate_no_more_often_than_that():
    """100 groups of ten runs, of which the first is ranked among the others: the share with p <= a is a."""
    scores = [highest_scores(log_energies_of(noise(seed, rows=40), W), W)[-1] for seed in range(1000)]
    ranks = [p_value(group[0], group[1:]) for group in np.reshape(scores, (100, 10)).tolist()]
    for rate in (0.1, 0.2, 0.5):
        share = np.mean(np.array(ranks) <= rate)
        error = np.sqrt(rate * (1 - rate) / 100)
        assert abs(share - rate) < 3 * error, (rate, share)


def test_the_score_is_that_of_the_rule_up_to_its_first_alarm_and_goes_on_after_it():
    values = log_energies_of(bursting(), W)
    found = watched(values, window=W, threshold=1.2)
    alarm = found.events[0].alarm
    so_far = highest_scores(values, W)
    np.testing.assert_array_equal(so_far[: alarm + 1], highest(found.score[: alarm + 1]))
    assert so_far[-1] > so_far[alarm] >= 1.2
    assert np.isfinite(so_far[alarm:]).all()


def test_a_highest_score_uses_nothing_after_its_row_and_never_falls():
    values = log_energies_of(bursting(), W)
    whole = highest_scores(values, W)
    for rows in (40, 75, 90):
        part = highest_scores({name: each[:rows] for name, each in values.items()}, W)
        np.testing.assert_array_equal(part, whole[:rows])
    known = whole[np.isfinite(whole)]
    assert (np.diff(known) >= 0).all()
    assert np.isnan(whole[: len(whole) - len(known)]).all()


def test_too_short_a_run_has_none():
    short = noise(0, rows=W // 2 + 3 * W // 2 - 2)
    assert np.isnan(highest_scores(log_energies_of(short, W), W)).all()
    assert np.isnan(highest(np.array([nan, nan]))).all()
    assert highest(np.array([nan, -0.2, nan, -0.4])).tolist()[1:] == [-0.2] * 3
