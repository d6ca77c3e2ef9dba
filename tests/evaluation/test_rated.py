"""Rules with a stated rate in the contest: where they alarm, whether they keep the rate, who is earlier."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.corpora import SPACING, WINDOWS, observed, step_up, transition, watch

from rdmtools.alarms.rule import find_rises
from rdmtools.analysis.findings import find
from rdmtools.analysis.log_energies import NAMES
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.evaluation.contest import contest_table, false_alarms_table, rates_table, transitions_table
from rdmtools.evaluation.paired import paired_table
from rdmtools.evaluation.rated import OURS, RATES, STATED_RATES, stretches, watches
from rdmtools.evaluation.rates import exact_interval
from rdmtools.evaluation.realised import realised_table
from rdmtools.evaluation.roc import areas_table
from rdmtools.evaluation.rules import Rule, alarms_of, fit_rules
from rdmtools.evaluation.signals import Measured
from rdmtools.run.run import Run

ROWS, WINDOW, AT = 400, 20, 50
MEANS, HALF = 3 * WINDOW // 2, WINDOW // 2


def stepped(*signals, height=6.0, rows=ROWS):
    """u of every signal: 0, but for those named, which stand up at row AT."""
    energies = {name: np.zeros(rows) for name in NAMES}
    for name in signals:
        energies[name][AT:] = height
    for values in energies.values():
        values[: HALF - 1] = np.nan
    return energies


def alarm_rows(watched):
    return {name: (np.flatnonzero(one.alarms) + WINDOW - 1).tolist() for name, one in watched.items()}


def walk(seed, *, rows=ROWS, samples=12, rho=0.9):
    """Stationary noise with memory."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((rows, samples))
    for row in range(1, rows):
        noise[row] = rho * noise[row - 1] + np.sqrt(1 - rho**2) * noise[row]
    return noise


def measured(losses):
    return Measured(run=Run.from_arrays(np.arange(len(losses)), losses), window=WINDOW)


class TestWatches:
    def test_the_row_of_an_alarm_is_that_of_the_formula(self):
        found = alarm_rows(watches(stepped("shc"), rows=ROWS, window=WINDOW))
        for rate, score in ((0.2, 0.98), (0.05, 1.18), (0.01, 1.42)):
            # The highest third is left out of the mean: a step shows once that third is full of it.
            needed = 0.3 + score * 3.9 * 0.45
            rows = MEANS // 3 + np.ceil(needed / 6 * (MEANS - MEANS // 3))
            assert found[f"self_normalised at {rate:.0%}"] == [AT + rows - 1]
        assert found["total_variance at 5%"] == found["mean_slope at 5%"] == []

    def test_baselines_are_rules_of_their_own(self):
        found = alarm_rows(watches(stepped("total_variance"), rows=ROWS, window=WINDOW))
        needed = 0.3 + 1.18 * 3.5 * 0.45
        assert found.pop("total_variance at 5%") == [AT + np.ceil(needed / 6 * MEANS) - 1]
        assert not any(found.values())

    def test_two_signals_of_one_change_are_one_alarm_the_first(self):
        alone = [
            alarm_rows(watches(stepped(name), rows=ROWS, window=WINDOW))[OURS]
            for name in ("shc", "mean_slope")
        ]
        both = alarm_rows(watches(stepped("shc", "mean_slope"), rows=ROWS, window=WINDOW))[OURS]
        assert sorted(alone)[0] == both
        assert alone[0] != alone[1]

    @pytest.mark.parametrize("rate", RATES)
    def test_alarms_are_those_of_the_product(self, rate):
        losses = 3 + 0.01 * walk(1)
        losses[200:240] += np.linspace(0, 5, 40)[:, None]
        losses[240:] += 5
        run = Run.from_arrays(7 * np.arange(ROWS), losses)
        of_run = Measured(run=run, window=WINDOW)
        told = watches(of_run.energies, rows=ROWS, window=WINDOW)[f"self_normalised at {rate:.0%}"]
        product = find(run, AnalysisSettings(windows=(WINDOW,), false_alarms=rate))
        assert run.steps[WINDOW - 1 :][told.alarms].tolist() == product.events["alarm_step"].tolist()
        assert told.alarms.any()
        first = int(run.steps[WINDOW - 1 :][told.judged][0])
        assert first == product.judged["first_step"].iloc[0]

    def test_rows_to_come_change_no_alarm(self):
        losses = 3 + 0.01 * walk(2)
        losses[150:] += np.linspace(0, 60, ROWS - 150)[:, None] ** 2
        whole = watches(measured(losses).energies, rows=ROWS, window=WINDOW)
        assert sum(one.alarms.sum() for one in whole.values()) >= len(whole) - 1
        for rows in (WINDOW, 39, 160, 200, ROWS - 1):
            early = watches(measured(losses[:rows]).energies, rows=rows, window=WINDOW)
            for name, one in early.items():
                np.testing.assert_array_equal(one.alarms, whole[name].alarms[: rows - WINDOW + 1])
                np.testing.assert_array_equal(one.judged, whole[name].judged[: rows - WINDOW + 1])

    def test_an_alarm_is_at_a_row_that_was_judged(self):
        for one in watches(stepped(*NAMES), rows=ROWS, window=WINDOW).values():
            assert one.alarms.any()
            assert one.judged[one.alarms].all()
            assert not one.judged.all()

    def test_too_short_a_run_and_too_short_a_window_judge_nothing(self):
        short = 2 * WINDOW - 2
        for one in watches(stepped(rows=short), rows=short, window=WINDOW).values():
            assert (one.judged.any(), one.alarms.any(), len(one.judged)) == (False, False, short - WINDOW + 1)
        whole = watches(stepped(rows=short + 1), rows=short + 1, window=WINDOW)
        assert whole[OURS].judged[-1]
        narrow = measured(walk(0)[:60])
        narrow = replace(narrow, window=5)
        for one in watches(narrow.energies, rows=60, window=5).values():
            assert (one.judged.any(), len(one.judged)) == (False, 56)


def ours(*at, seed=1, kind="quiet", judged=slice(None), windows=WINDOWS, **known):
    """A run in which the rule at 5 % fires at these windows."""
    run = observed({"shc": np.zeros(windows)}, seed=seed, kind=kind, **known)
    return replace(run, rated={OURS: watch(at, windows, judged)})


def realised(*runs):
    rules = [rule for rule in fit_rules([]) if rule.name in (OURS, "shc at 1.5 decades")]
    return realised_table(runs, rules).set_index("controls")


class TestRealised:
    def test_cells_stand_beside_the_pooled_rate_and_even_seeds_count(self):
        runs = [ours(seed=1), ours(30, seed=2), ours(seed=3), ours(20, 50, seed=1, setting="other")]
        runs += [ours(5, seed=1, kind="hard"), observed({"shc": np.zeros(9)}, transition())]
        table = realised(*runs)
        assert set(table["rule"]) == {OURS}
        assert list(table.index) == ["quiet", "toy: quiet (quiet)", "other: quiet (quiet)", "toy: hard"]
        assert table["alarmed"].tolist() == [2, 1, 1, 1]
        assert table["runs"].tolist() == [4, 3, 1, 1]
        assert (table["stated_rate"] == 0.05).all()
        assert table.loc["quiet", ["rate", "rate_low"]].tolist() == [0.5, pytest.approx(0.0676, abs=1e-4)]

    def test_a_cell_is_above_where_its_interval_is(self):
        def alarmed(hits, runs):
            return bool(realised(*(ours(*[9] * (k < hits), seed=k) for k in range(runs)))["above"].iloc[0])

        assert [alarmed(hits, 20) for hits in (0, 1, 3, 4)] == [False, False, False, True]
        assert exact_interval(3, 20)[0] < 0.05 < exact_interval(4, 20)[0]

    def test_a_run_that_was_not_judged_tells_nothing(self):
        table = realised(ours(seed=1, judged=slice(0, 0)), ours(10, seed=2, judged=slice(0, 30)))
        names = ["runs", "not_judged", "alarmed", "rate", "judged_share"]
        assert table.loc["quiet", names].tolist() == [1, 1, 1, 1.0, 0.5]
        none = realised(ours(seed=1, judged=slice(0, 0))).loc["quiet"]
        assert [none["runs"], none["rate_low"], none["rate_high"], none["above"]] == [0, 0, 1, False]
        assert np.isnan(none["rate"])

    def test_of_long_runs_the_rate_is_of_80_windows(self):
        windows = 700  # of 4 rows: 320 rows are 80 windows
        assert [part.stop for part in stretches(windows, 4)] == [320, 640, 700]
        row = realised(ours(5, 6, 650, windows=windows)).loc["quiet"]
        assert row[["runs", "stretches", "alarmed", "rate"]].tolist() == [1, 3, 2, 2 / 3]
        assert [row["rate_low"], row["rate_high"]] == list(exact_interval(2 / 3, 1))

    def test_noise_with_memory_alarms_no_more_often_than_stated(self):
        runs, fixed = [], 0
        for seed in range(40):
            of_run = measured(3 + 0.1 * walk(seed))
            fixed += bool(find_rises(of_run.levels["shc"][0], threshold=0.5))
            run = observed({"shc": of_run.levels["shc"]}, seed=seed, kind="quiet")
            rated = watches(of_run.energies, rows=ROWS, window=WINDOW)
            runs.append(replace(run, rated=rated, window=WINDOW))
        table = realised_table(runs, fit_rules([]))
        pooled = table[table["controls"] == "quiet"]
        assert pooled["rule"].tolist() == [each.name for each in STATED_RATES]
        assert (pooled["rate"] <= pooled["stated_rate"]).all()
        assert (pooled["judged_share"] > 0.9).all()
        assert fixed > 20


def rising(seed, at, other, *, t50=400, **known):
    """The rule fires at one window, SHC stands up at another; T50 is at window 40."""
    levels = {"shc": np.zeros(WINDOWS) if other is None else step_up(2, other)}
    run = observed(levels, transition(t50), seed=seed, **known)
    return replace(run, rated={OURS: watch([] if at is None else [at])})


RULES = [
    Rule(name="shc", signal="shc", threshold=1.0, stated=False),
    Rule(name=OURS, signal="", threshold=np.nan, stated=True, stated_rate=0.05),
]


def judged(runs, rules=RULES):
    alarms = {rule.name: alarms_of(runs, rule) for rule in rules}
    return transitions_table(runs, rules, alarms), false_alarms_table(runs, rules, alarms)


class TestPaired:
    def test_differences_are_of_what_both_detected(self):
        runs = [rising(1, 10, 20), rising(3, 20, 24), rising(5, 30, 28)]
        runs += [rising(7, 10, None), rising(9, None, 10), rising(11, None, 42), rising(13, None, None)]
        runs += [rising(2, 1, 39)]  # of an even seed
        row = paired_table(RULES, judged(runs)[0]).iloc[0]
        assert row[["setting", "rule", "other", "transitions", "runs"]].tolist() == ["toy", OURS, "shc", 7, 7]
        assert row[["both", "only_rule", "only_other", "neither"]].tolist() == [3, 1, 1, 2]
        assert row[["earlier", "later"]].tolist() == [2, 1]
        assert row["lead_difference"] == pytest.approx(4 * SPACING / 400)  # median of 10, 4 and -2 windows
        assert [row["lead_difference_low"], row["lead_difference_high"]] == pytest.approx([-0.05, 0.25])

    def test_modes_of_one_run_are_drawn_together(self):
        second = transition(550, watched_from=441)

        def of_two(seed, early, late):
            run = observed({"shc": step_up(2, 20)}, transition(400), second, seed=seed)
            run.levels["shc"][0, 42:46] = 0
            return replace(run, rated={OURS: watch([early, late])})

        alike = paired_table(RULES, judged([of_two(1, 10, 50), of_two(3, 10, 50)])[0]).iloc[0]
        assert alike["both"] == 4
        assert alike["lead_difference_low"] == alike["lead_difference_high"] == alike["lead_difference"]
        one = paired_table(RULES, judged([of_two(1, 10, 50)])[0]).iloc[0]
        assert np.isnan([one["lead_difference_low"], one["lead_difference_high"]]).all()
        assert one["lead_difference"] == alike["lead_difference"]

    def test_nothing_in_common_has_no_difference(self):
        row = paired_table(RULES, judged([rising(1, 10, None), rising(3, None, 10)])[0]).iloc[0]
        assert row[["both", "only_rule", "only_other"]].tolist() == [0, 1, 1]
        assert np.isnan([row["lead_difference"], row["lead_difference_low"]]).all()

    def test_no_transition_no_pair(self):
        assert paired_table(RULES, judged([ours(seed=1)])[0]).empty


class TestNotJudged:
    def test_a_transition_before_the_rule_judges_is_missed_and_said_so(self):
        blind = rising(1, 50, 10)
        blind = replace(blind, rated={OURS: watch([50], judged=slice(40, None))})  # T50 is at window 40
        seeing = replace(
            blind, rated={OURS: watch([50], judged=slice(39, None))}, entry=rising(3, 1, 1).entry
        )
        table, false = judged([blind, seeing])
        told = table[table["rule"] == OURS].set_index("seed")["outcome"]
        assert told.to_dict() == {1: "not judged", 3: "missed"}
        contest = contest_table(RULES, table, rates_table(false), areas_table([])).set_index("rule")
        assert contest.loc[OURS, ["missed", "detected", "stated_rate"]].tolist() == [1, 0, 0.05]
        assert contest.loc["shc", "detected"] == 1

    def test_an_event_that_lasts_judges_nothing(self):
        second = transition(550, watched_from=441)
        run = observed({"shc": np.zeros(WINDOWS)}, transition(400), second, seed=1)
        run = replace(run, rated={OURS: watch([30], judged=slice(0, 31))})
        table, _ = judged([run], RULES[1:])
        assert table["outcome"].tolist() == ["detected", "not judged"]
