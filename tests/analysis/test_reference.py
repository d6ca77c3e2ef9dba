"""A run among its reference runs: ranks in closed form, which of them count, and nothing after an alarm."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from helpers.quiet import EVERY, bursting, quiet, quiet_runs

import rdmtools as rdm
from rdmtools.alarms.ranks import highest_scores
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.analysis.reference import digest
from rdmtools.errors import ParameterError
from rdmtools.run.run import Run

W = 10


def among(run, reference, **changes):
    """The row of the table, of one window length."""
    (row,) = rdm.analyze(run, reference=reference, **({"window": W} | changes)).reference.to_dict("records")
    return row


def score_of(run, rows=None):
    return highest_scores(log_energies_of(np.asarray(run.losses)[:rows], W), W)[-1]


def test_the_rank_is_that_of_the_largest_scores():
    run, references = quiet(50), quiet_runs(19)
    as_much = sum(score_of(each) >= score_of(run) for each in references)
    row = among(run, references)
    assert 0 < as_much < 19
    assert (row["runs"], row["at_least"], row["needed"]) == (19, as_much, 19)
    assert row["p_value"] == (1 + as_much) / 20
    assert row["largest_score"] == pytest.approx(score_of(run), rel=1e-12)
    assert row["status"] == "ranked"


def test_a_run_above_all_of_them_has_the_least_p_that_they_show():
    references = quiet_runs(19)
    for count, status in ((19, "ranked"), (18, "too few reference runs")):
        row = among(bursting(), references[:count])
        assert (row["at_least"], row["p_value"], row["status"]) == (0, 1 / (count + 1), status)
    assert among(bursting(), references[:9], false_alarms=0.2)["status"] == "ranked"
    assert among(bursting(), references, false_alarms=0.01)["needed"] == 99


def test_without_reference_runs_no_p_is_given():
    found = rdm.analyze(bursting(), window=W)
    (row,) = found.reference.to_dict("records")
    assert (row["runs"], row["status"]) == (0, "no reference runs")
    assert pd.isna(row["p_value"])
    assert pd.isna(row["at_least"])
    assert row["largest_score"] == pytest.approx(score_of(bursting()), rel=1e-12)
    assert found.events["p_value"].isna().all()


def test_what_is_ranked_goes_on_after_an_alarm():
    found = rdm.analyze(bursting(), window=W, reference=quiet_runs(2))
    assert len(found.events) >= 1
    assert found.reference["largest_score"].iloc[0] > found.judged["threshold"].iloc[0] * 1.2


def test_the_p_of_an_event_uses_nothing_after_its_alarm():
    run, references = bursting(), [*quiet_runs(5), bursting(seed=3, since=105)]
    found = rdm.analyze(run, window=W, reference=references)
    assert found.reference["p_value"].iloc[0] == 1 / 7  # for it goes on to rise above the sixth
    whole = found.events
    alarm = whole["alarm_step"].iloc[0] // EVERY
    part = Run.from_arrays(run.steps[: alarm + 1], run.losses[: alarm + 1])
    first = rdm.analyze(part, window=W, reference=references).events
    assert first["p_value"].iloc[0] == whole["p_value"].iloc[0] == 2 / 7
    assert whole["p_value"].is_monotonic_decreasing


def test_a_run_is_known_by_its_content_and_left_out_of_its_own_references():
    references = quiet_runs(4)
    again = quiet(2, name="another name")
    row = among(again, references)
    assert (row["itself"], row["runs"], row["repeated"]) == (True, 3, 0)
    row = among(again, [*references, quiet(1, name="copy"), quiet(2)])
    assert (row["itself"], row["runs"], row["repeated"]) == (True, 3, 2)
    row = among(quiet(9), references)
    assert (row["itself"], row["runs"], row["repeated"]) == (False, 4, 0)


def test_a_digest_is_of_steps_and_losses():
    run = quiet(0)
    losses = np.array(run.losses)
    assert digest(Run.from_arrays(run.steps, losses, name="other", metadata={"a": 1})) == digest(run)
    assert digest(Run.from_arrays(run.steps + 1, losses)) != digest(run)
    losses[-1, 0] += 1e-9
    assert digest(Run.from_arrays(run.steps, losses)) != digest(run)


def test_those_too_short_to_judge_do_not_count():
    row = among(bursting(), [quiet(0), quiet(1, rows=2 * W - 3), quiet(2, rows=W - 2)])
    assert (row["runs"], row["unjudged"], row["p_value"]) == (1, 2, 0.5)
    row = among(bursting(), [quiet(1, rows=W)])
    assert (row["runs"], row["unjudged"], row["status"]) == (0, 1, "no reference runs")
    assert pd.isna(row["p_value"])


def test_windows_too_short_for_the_rule_rank_nothing():
    found = rdm.analyze(bursting(), windows=(4, W), reference=quiet_runs(2))
    assert found.reference["unjudged"].tolist() == [2, 0]
    assert found.reference["status"].tolist() == ["no reference runs", "too few reference runs"]


def test_a_run_too_short_to_judge_has_no_rank():
    row = among(quiet(0, rows=12), quiet_runs(3, first=1))
    assert (row["runs"], row["status"]) == (3, "too short to judge")
    assert pd.isna(row["p_value"])
    assert np.isnan(row["largest_score"])


def test_a_run_is_ranked_by_no_more_rows_than_the_shortest_reference_has():
    """Up to where the shortest ends, nothing has happened yet; so no event after that has a p."""
    run = bursting(since=80)
    references = [quiet(0), quiet(1, rows=70), quiet(2, rows=300)]
    found = rdm.analyze(run, window=W, reference=references)
    (row,) = found.reference.to_dict("records")
    assert row["rows"] == 70
    assert row["largest_score"] == pytest.approx(score_of(run, rows=70), rel=1e-12)
    assert row["largest_score"] < 1
    assert found.events["p_value"].isna().all()
    assert among(run, [quiet(2, rows=300)])["rows"] == run.shape[0]


def test_another_number_of_samples_is_counted():
    assert among(quiet(0), [quiet(1), quiet(2, samples=7)])["other_samples"] == 1


def test_each_window_length_has_its_rank():
    found = rdm.analyze(bursting(), windows=(10, 16), reference=quiet_runs(3))
    assert found.reference["window"].tolist() == [10, 16]
    assert found.reference["p_value"].tolist() == [0.25, 0.25]


def test_detrending_changes_no_score():
    """What the rule watches is about the mean, always: a reference holds for either."""
    references = rdm.reference(quiet_runs(3), window=W)
    rows = [among(quiet(5), references, detrend=detrend) for detrend in ("constant", "linear")]
    assert rows[0] == rows[1]


def test_an_executor_gives_the_same_bits():
    runs = quiet_runs(2)
    with ThreadPoolExecutor(2) as executor:
        shared = rdm.reference(runs, window=(8, W), executor=executor)
    assert shared.runs == rdm.reference(runs, window=(8, W)).runs


def test_progress_is_told_in_runs():
    told = []
    rdm.reference(quiet_runs(2), window=W, progress=lambda *now: told.append(now))
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ([], "no reference runs; needed at least one"),
        (3, "reference is a int; needed runs, paths or a saved reference"),
        ([None], "reference is a NoneType"),
    ],
)
def test_what_is_no_reference_is_told(reference, words):
    with pytest.raises(ParameterError, match=words):
        among(quiet(0), reference)


def test_a_reference_of_another_window_length_is_told_in_one_line():
    saved = rdm.reference(quiet_runs(2), window=(10, 12))
    words = "q0 has scores with windows of 10, 12 rows; needed 20; choose window=10, or make a reference"
    with pytest.raises(ParameterError, match=words):
        among(quiet(5), saved, window=20)


def test_the_rule_without_a_rate_ranks_nothing():
    words = 'rule="decades" has no score that reference runs could rank; needed rule="self_normalised"'
    with pytest.raises(ParameterError, match=re.escape(words)):
        among(quiet(5), quiet_runs(2), rule="decades")
    (row,) = rdm.analyze(quiet(5), window=W, rule="decades").reference.to_dict("records")
    assert (row["status"], row["runs"]) == ("no reference runs", 0)
    assert pd.isna(row["needed"])
