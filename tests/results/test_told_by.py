"""What the verdict says of events: whose they are, which column tells them, one loud row, stillness."""

import numpy as np
import pytest
from helpers.runs import without_event

import rdmtools as rdm
from rdmtools.results.verdict import event_words, verdict


def run_of(losses, **samples):
    return rdm.Run.from_arrays(10 * np.arange(len(losses)), losses, samples=samples or None)


def noise(rows=120, samples=12, seed=0):
    return 2 + 0.01 * np.random.default_rng(seed).standard_normal((rows, samples))


def fall(rows=120, at=80.0, width=4.0):
    return 1 / (1 + np.exp(-(np.arange(rows) - at) / width))[:, None]


def words(run, **settings):
    return verdict(rdm.analyze(run, **settings))


def test_the_group_that_moved_is_told_with_its_shares():
    losses = noise()
    losses[:, :4] -= fall()
    told = words(run_of(losses, group=["a"] * 4 + ["b"] * 8))
    assert "group “a” moved (" in told
    assert "at the alarm, 33% of the samples), and its losses fell (−" in told
    assert "The change along it is told by “group” (100% of its variance over samples)" in told.replace(
        ">99.9%", "100%"
    )


def test_an_event_of_no_clear_group_names_those_it_may_be():
    losses = noise()
    losses -= fall()
    told = words(run_of(losses, group=["a", "b", "c"] * 4))
    assert "which group moved is unresolved: “" in told
    assert told.count("of all movement at the floor, ") == 2


def test_a_group_that_moved_most_before_is_told_as_such():
    losses = noise()
    losses[:, :4] = 2 + 50 * (losses[:, :4] - 2)
    losses[:, :4] -= 40 * fall()
    told = words(run_of(losses, group=["a"] * 4 + ["b"] * 8))
    assert "most of all movement is of group “a”, but that was so before (" in told
    assert "no group's part grew clearly" in told


def test_the_simplest_column_is_named_beside_the_group():
    answer = np.array([0, 1] * 12)
    losses = noise(samples=24) - fall() * (1 - answer)
    told = words(
        run_of(losses, group=["a", "a", "b", "b"] * 6, answer=answer, text=list("abcdefghijklmnopqrstuvwx"))
    )
    (run_line,) = [line for line in told.splitlines() if line.startswith("The change of each sample")]
    assert "is told by “answer” (" in run_line
    assert "of its variance over samples; “group” 0%)." in run_line
    assert told.count("told by “answer”") == 2
    assert "“text”" not in told


def test_a_pair_that_adds_is_told_beside_the_column():
    one, other = np.array([0, 1] * 20), np.repeat([0, 1], 20)
    losses = noise(samples=40) - fall() * (1 + one + 0.7 * other)
    assert "; by “one” and “other” together (" in words(run_of(losses, one=one, other=other)).replace(
        "), by", "); by"
    )


def test_noise_names_no_column():
    run = without_event(samples={"group": ["a", "b"] * 7})
    assert "told by" not in words(run)


def test_one_loud_row_is_said():
    losses = noise()
    losses[80] += 1
    analysis = rdm.analyze(run_of(losses), window=12)
    told = "One row alone carries it: without that of step 800 SHC never comes to where it is at the alarm."
    assert told in verdict(analysis)
    assert told in event_words(analysis, analysis.events.to_dict("records")[0])
    so_far = words(run_of(losses[:83]), window=12)
    assert "So far one row alone carries it: without that of step 800" in so_far


def test_a_run_that_begins_still_says_what_was_skipped():
    losses = noise()
    losses[:30] = losses[0]
    assert "SHC is 0 in the first 19 windows, to step 290: skipped" in words(run_of(losses), window=12)
    assert "SHC is 0 in the first window, to step 290: skipped" in words(run_of(losses), window=30)
    several = words(run_of(losses), windows=(40, 12, 20))
    assert "SHC is 0 in the first 19 windows of 12 rows, to step 290: skipped" in several
    thinned = words(run_of(losses), window=12, stride=6)
    assert "SHC is 0 in the first 19 windows, to step 290: skipped" in thinned


@pytest.mark.parametrize("losses", [noise(), np.ones((60, 4))], ids=["moving", "still"])
def test_other_runs_say_nothing_of_stillness(losses):
    assert "skipped" not in words(run_of(losses))


def test_words_of_the_users_stay_one_line():
    losses = noise()
    losses[:, :4] -= fall()
    run = run_of(losses, group=["a\nb"] * 4 + ["c"] * 8)
    assert "group “a b” moved" in words(run)
