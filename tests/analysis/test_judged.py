"""What the rule says of a run: tables of what was judged, columns for what had to be crossed, both rules."""

import re

import numpy as np
import pytest

import rdmtools as rdm
from rdmtools.alarms.own_past import outside_from
from rdmtools.alarms.rule import find_rises
from rdmtools.alarms.self_normalised import BASELINES, watched
from rdmtools.alarms.thresholds import threshold
from rdmtools.analysis.log_energies import log_energies_of
from rdmtools.results.verdict import event_words
from rdmtools.run.run import Run

W = 20


def noise(rows=400, samples=12, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, samples)) * 0.01 + 1


def bursting(rows=400, samples=12, since=250):
    losses = noise(rows, samples)
    losses[since:, :4] -= 0.05 * np.arange(rows - since)[:, None]
    return losses


def run_of(losses, every=10):
    return Run.from_arrays(every * np.arange(len(losses)), losses, name="made")


def test_alarms_are_those_of_the_rule_on_the_energies():
    losses = bursting()
    found = rdm.analyze(run_of(losses), horizon=20)
    events = watched(log_energies_of(losses, W), window=W, threshold=threshold(0.05, 20)).events
    assert len(events) >= 1
    assert found.alarms["alarm_step"].tolist() == [10 * event.alarm for event in events]
    assert found.alarms["signal"].tolist() == [event.signal for event in events]
    assert found.events["alarm_step"].iloc[0] == 10 * events[0].alarm


def test_an_alarm_is_where_a_score_reaches_the_threshold_of_the_table():
    found = rdm.analyze(run_of(bursting()))
    (judged,) = found.judged.to_dict("records")
    table = found.observables.set_index("step")
    alarm = found.events["alarm_step"].iloc[0]
    before = table.loc[: alarm - 1, "score"].dropna()
    assert (before < judged["threshold"]).all()
    assert table.loc[alarm, "score"] >= judged["threshold"]
    assert judged["largest_score"] == table["score"].max()
    signal = found.events["signal"].iloc[0]
    if found.alarms["statistic"].iloc[0] == "mean":
        assert table.loc[alarm, f"{signal}_value"] >= table.loc[alarm, f"{signal}_line"]
    lines = table[f"{signal}_line"] - table[f"{signal}_level"]
    assert (lines.dropna() >= 0.3).all()


def test_of_a_quiet_run_it_is_told_how_near_it_came():
    found = rdm.analyze(run_of(noise()))
    assert found.events.empty
    assert found.alarms.empty
    (judged,) = found.judged.to_dict("records")
    assert judged["status"] == "judged"
    assert (judged["first_step"], judged["judged_share"]) == (10 * (W // 2 - 1 + 3 * W // 2 - 1), 362 / 400)
    assert judged["own_step"] > 10 * 3 * W
    assert judged["largest_score"] < judged["threshold"] == threshold(0.05, 20)
    assert "No event: the highest score was" in found.summary()["verdict"]
    assert "at most 5% of runs alarm within 400 rows" in found.summary()["verdict"]


def test_a_run_shorter_than_two_windows_is_too_short_and_one_below_four_has_no_scatter():
    def told(rows):
        found = rdm.analyze(run_of(noise(rows)))
        (judged,) = found.judged.to_dict("records")
        return judged, found.summary()["verdict"]

    short, words = told(2 * W - 2)
    assert short["status"] == "too short to judge"
    assert np.isnan(short["largest_score"])
    assert "Too short to judge: 38 rows, and the rule needs 40" in words
    first, words = told(3 * W)
    assert first["status"] == "only large rises"
    assert first["needed_first"] == pytest.approx(0.3 + 1.18 * 3.9 * 0.45)
    assert "Only large rises are judged, of at least 2.4 decades" in words


def test_windows_too_short_for_the_rule_are_not_judged():
    found = rdm.analyze(run_of(bursting()), window=4)
    assert found.judged["status"].tolist() == ["too short to judge"]
    assert found.observables["score"].isna().all()
    assert "Windows of 4 rows are too short to judge; needed 6" in found.summary()["verdict"]


def test_a_rate_that_was_not_judged_at_that_window_is_said_so():
    found = rdm.analyze(run_of(noise()), windows=(8, 20))
    assert found.judged["rate_checked"].tolist() == [False, True]
    assert "judged with windows of 10 to 64 rows, not of 8" in found.summary()["verdict"]


def test_longer_runs_state_the_rate_for_any_80_windows_and_a_horizon_may_be_named():
    rows = 81 * 6
    losses = noise(rows, 3)
    found = rdm.analyze(run_of(losses), window=6)
    assert found.judged["horizon"].tolist() == [80]
    assert "within any 80 windows (480 rows)" in found.summary()["verdict"]
    assert rdm.analyze(run_of(losses), window=6, horizon=20).judged["horizon"].tolist() == [20]


def test_with_a_horizon_named_rows_that_come_change_nothing_of_before():
    losses = bursting()
    whole = rdm.analyze(run_of(losses), horizon=80)
    part = rdm.analyze(run_of(losses[:330]), horizon=80)
    columns = ["score", *(f"{s}_{c}" for s in ("shc", "mean_slope") for c in ("value", "level", "line"))]
    early = whole.observables[whole.observables["step"] <= 3290].reset_index(drop=True)
    assert part.observables[columns].equals(early[columns])
    assert len(part.events) == 1
    same = ["alarm_step", "floor_step", "score", "kind", "movement", "overlap", "pr_at_alarm"]
    assert part.events[same].equals(whole.events.iloc[:1][same])


def test_the_fixed_rule_is_a_choice_and_states_no_rate():
    losses = bursting()
    found = rdm.analyze(run_of(losses), rule="decades", decades=1.0)
    level = np.log10(found.observables["shc"].to_numpy())
    rises = find_rises(level, threshold=1.0)
    assert len(rises) >= 1
    steps = found.observables["step"].to_numpy()
    assert found.events["alarm_step"].tolist() == [steps[rise.alarm] for rise in rises]
    assert found.events["shc_peak_step"].tolist() == [steps[rise.peak] for rise in rises]
    assert found.events["rise_decades"].tolist() == pytest.approx([rise.height for rise in rises])
    (judged,) = found.judged.to_dict("records")
    assert (judged["threshold"], judged["rate_checked"]) == (1.0, False)
    assert "not calibrated and states no false-alarm rate" in found.summary()["verdict"]
    table = found.observables
    armed = np.maximum.accumulate(np.where(np.isin(steps, found.events["alarm_step"]), 1, 0)) == 0
    assert np.allclose(table["shc_level"][armed], np.minimum.accumulate(level)[armed])
    assert np.allclose((table["score"] * 1.0 + table["shc_level"])[armed], level[armed])


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"false_alarms": 0.5}, "false_alarms=0.05"),
        ({"false_alarms": "few"}, "choose false_alarms=0.05"),
        ({"horizon": 7}, "horizon=80"),
        ({"rule": "mine"}, "choose one of self_normalised, decades"),
    ],
)
def test_what_has_no_rate_is_refused_in_a_line_that_mends_it(changes, needed):
    with pytest.raises(rdm.ParameterError, match=re.escape(needed)) as caught:
        rdm.analyze(run_of(noise(100)), **changes)
    assert "\n" not in str(caught.value)


def test_one_sample_has_no_shc_and_is_watched_by_its_slope():
    losses = bursting(samples=1)
    found = rdm.analyze(run_of(losses))
    assert found.events["signal"].tolist()[:1] == ["mean_slope"]
    assert found.observables["shc_value"].isna().all()


def test_baselines_are_rules_of_their_own_and_told_beside_the_event():
    losses = bursting()
    found = rdm.analyze(run_of(losses), horizon=20)
    energies, lam = log_energies_of(losses, W), threshold(0.05, 20)
    for baseline in BASELINES:
        events = watched(energies, window=W, threshold=lam, signals=[baseline]).events
        mine = found.baselines[found.baselines["baseline"] == baseline.name]
        assert mine["alarm_step"].tolist() == [10 * event.alarm for event in events]
    first = found.baselines.drop_duplicates("baseline")
    assert first["event"].tolist() == [1] * len(BASELINES)
    alarm = found.events["alarm_step"].iloc[0]
    assert (10 * first["lead_rows"] == alarm - first["alarm_step"]).all()
    words = event_words(found, found.events.to_dict("records")[0])
    assert re.search(r"At the same rate .*total variance at \d,\d+.* alone would have fired", words)


def test_a_baseline_that_fires_where_there_is_no_event_has_none():
    rows = np.arange(400)
    losses = noise(samples=40)
    losses[:, 0] -= 0.02 * np.maximum(rows - 250, 0) ** 1.5
    losses[:, 1] += 0.02 * np.maximum(rows - 250, 0) ** 1.5
    found = rdm.analyze(run_of(losses))
    early = found.baselines["event"].isna()
    assert found.baselines.loc[early, "lead_rows"].isna().all()
    fixed = rdm.analyze(run_of(losses), rule="decades")
    assert fixed.baselines.empty
    assert "same rate" not in event_words(fixed, fixed.events.to_dict("records")[0])


def test_a_wave_of_two_windows_is_outside_what_the_rate_was_checked_for():
    rows = np.arange(600)
    wave = noise(600) + 0.2 * np.sin(np.pi * rows / W)[:, None]
    found = rdm.analyze(run_of(wave))
    (judged,) = found.judged.to_dict("records")
    expected = outside_from(log_energies_of(wave, W), W)
    assert judged["outside_step"] == 10 * expected
    assert f"From step {10 * expected:,} on the run swings" in found.summary()["verdict"]
    quiet = rdm.analyze(run_of(noise(600)))
    assert quiet.judged["outside_step"].isna().all()
    assert "swings" not in quiet.summary()["verdict"]
