"""Rules, rates and ROC areas on corpora built by hand, where every number can be counted on fingers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.corpora import SPACING, WINDOW, WINDOWS, observed, step_up, transition

from rdmtools.evaluation.contest import contest_table, false_alarms_table, rates_table, transitions_table
from rdmtools.evaluation.judging import judge
from rdmtools.evaluation.rated import STATED_RATES
from rdmtools.evaluation.roc import Sweep, areas_table, roc_table, sweep
from rdmtools.evaluation.rules import ALWAYS, NEVER, Rule, alarms_at, alarms_of, fit_rules
from rdmtools.evaluation.signals import SIGNALS

OF_NAME = {signal.name: signal for signal in SIGNALS}
SHC, TOTAL, TAU, PR = (OF_NAME[name] for name in ("shc", "total_variance", "kendall_tau", "pr"))


def quiet(seed, height, *, signal="shc", kind="quiet", **known):
    """A control whose signal stands up once, at window 20."""
    return observed({signal: step_up(height, 20)}, seed=seed, kind=kind, **known)


def rising(seed, height, at=30, *, t50=400, signal="shc", **known):
    """A run with a transition whose signal stands up at a window; by itself 100 steps before T50."""
    return observed({signal: step_up(height, at)}, transition(t50), seed=seed, **known)


def rule(signal="shc", threshold=1.0, name=None):
    return Rule(name=name or signal, signal=signal, threshold=threshold, stated=False)


def tables(runs, rules):
    alarms = {each.name: alarms_of(runs, each) for each in rules}
    transitions = transitions_table(runs, rules, alarms)
    rates = rates_table(false_alarms_table(runs, rules, alarms))
    settings = dict.fromkeys(run.entry.setting for run in runs)
    sweeps = [found for s in settings for signal in SIGNALS if (found := sweep(runs, s, signal))]
    areas = areas_table(sweeps)
    return transitions, rates, areas, contest_table(rules, transitions, rates, areas)


def contest_of(runs, rules, setting="toy"):
    table = tables(runs, rules)[-1]
    return table[table["setting"] == setting].set_index("rule")


def thresholds(rules):
    return {each.name: each.threshold for each in rules if not each.stated}


class TestFit:
    def test_at_most_a_twentieth_of_the_quiet_runs_alarm(self):
        for runs in (1, 19, 20, 39, 40, 100):
            corpus = [quiet(2 * k, 0.5 + 0.01 * k) for k in range(runs)]
            (fitted,) = [each for each in fit_rules(corpus) if each.name == "shc"]
            alarmed = sum(alarms.any() for alarms in alarms_of(corpus, fitted))
            assert alarmed == runs // 20
            # and no lower threshold would do
            lower = replace(fitted, threshold=np.nextafter(fitted.threshold, 0))
            assert sum(alarms.any() for alarms in alarms_of(corpus, lower)) == runs // 20 + 1

    def test_ties_are_all_kept_out(self):
        corpus = [quiet(2 * k, 1.0) for k in range(40)]
        (fitted,) = [each for each in fit_rules(corpus) if each.name == "shc"]
        assert fitted.threshold == np.nextafter(1.0, 2)
        assert not any(alarms.any() for alarms in alarms_of(corpus, fitted))

    def test_only_quiet_runs_of_even_seeds_are_fitted_to(self):
        corpus = [quiet(2 * k, 0.5 + 0.01 * k) for k in range(10)]
        others = [quiet(1, 9.0), quiet(2, 9.0, kind="hard"), rising(4, 9.0), rising(3, 9.0)]
        assert thresholds(fit_rules(corpus)) == thresholds(fit_rules(corpus + others))
        moved = [*corpus[:-1], quiet(18, 9.0)]
        assert thresholds(fit_rules(corpus)) != thresholds(fit_rules(moved))

    def test_without_quiet_runs_nothing_is_fitted(self):
        for corpus in ([], [quiet(1, 1.0)], [quiet(2, 1.0, kind="hard")], [rising(2, 3.0)]):
            assert [each.name for each in fit_rules(corpus)] == [
                "shc at 1.5 decades",
                "total_variance at 0.75 decades",
                *(each.name for each in STATED_RATES),
                ALWAYS,
                NEVER,
            ]

    def test_quiet_runs_that_never_rise_leave_the_lowest_threshold(self):
        corpus = [observed({"shc": np.linspace(3, 0, WINDOWS)}, seed=0, kind="quiet")]
        corpus += [observed({"shc": np.full(WINDOWS, np.nan)}, seed=2, kind="quiet")]
        assert thresholds(fit_rules(corpus)) == {"shc": 5e-324}

    def test_a_signal_that_some_runs_lack_is_fitted_to_the_others(self):
        corpus = [quiet(0, 1.0), quiet(2, 2.0, signal="total_variance")]
        found = thresholds(fit_rules(corpus))
        assert found == {"shc": np.nextafter(1.0, 2), "total_variance": np.nextafter(2.0, 3)}


class TestAlarms:
    def test_runs_of_several_lengths_and_series_are_watched_as_if_alone(self):
        rng = np.random.default_rng(0)
        runs = [
            observed({"pr": rng.standard_normal((series, windows)).cumsum(axis=1)}, seed=windows)
            for series, windows in ((2, 50), (1, 17), (3, 31))
        ]
        runs.insert(1, quiet(1, 1.0))
        together = alarms_at(runs, PR, [0.8, 2.0])
        assert together[1] is None
        for run, found in zip(runs, together, strict=True):
            if found is not None:
                alone = alarms_at(
                    [replace(run, levels={"pr": row[None]}) for row in run.levels["pr"]], PR, [0.8, 2]
                )
                np.testing.assert_array_equal(found, np.any(alone, axis=0))
                assert found[0].any()

    def test_always_and_never(self):
        runs = [rising(1, 2.0), quiet(1, 0.1)]
        rules = fit_rules(runs)[-2:]
        table = contest_of(runs, rules)
        assert (
            table.loc[ALWAYS, ["detected", "before_t10", "lead_share", "false_alarm_rate"]].tolist()
            == [1] * 4
        )
        assert table.loc[ALWAYS, "alarms"] == 400 / SPACING
        assert table.loc[ALWAYS, "false_alarms_per_1000_rows"] == 1000
        assert (
            table.loc[NEVER, ["detected", "before_t10", "lead_share", "false_alarm_rate"]].tolist() == [0] * 4
        )
        assert table.loc[NEVER, "missed"] == 1
        assert table.loc[[ALWAYS, NEVER], "area"].isna().all()


class TestTransitions:
    def test_shares_and_medians_are_of_all_judged_transitions(self):
        # Detected 200 and 100 steps before, late, missed.
        runs = [rising(seed, 2.0, at) for seed, at in ((1, 20), (3, 30), (5, 42), (7, 50))]
        table = contest_of(runs, [rule()]).loc["shc"]
        assert table[["transitions", "runs", "detected", "late", "missed"]].tolist() == [
            4,
            4,
            0.5,
            0.25,
            0.25,
        ]
        assert table["lead_share"] == np.median([0.5, 0.25, 0, 0])
        assert table["lead_steps"] == 50
        assert table["lead_windows"] == 50 / SPACING / WINDOW
        assert table["alarms"] == 0.5
        assert table["detected_low"] == pytest.approx(0.0676, abs=1e-4)
        assert table["detected_high"] == pytest.approx(0.9324, abs=1e-4)
        assert table["lead_share_low"] <= table["lead_share"] <= table["lead_share_high"]
        assert table["less_shc_lead"] == 0

    def test_chance_is_what_quiet_controls_of_the_seed_do_between_the_same_steps(self):
        within, after = quiet(1, 2, control="a"), quiet(1, 2, control="b")
        after.levels["shc"][:] = step_up(2, 45)  # T50 is at window 40
        others = [quiet(3, 2), quiet(1, 2, setting="other"), quiet(1, 2, kind="hard")]
        runs = [rising(1, 2), rising(5, 2), within, after, *others]
        rows = tables(runs, [rule(), rule(name=ALWAYS)])[0].set_index(["rule", "seed"])["chance"]
        assert rows["shc", 1] == 0.5
        assert rows[ALWAYS, 1] == 1
        assert pd.isna(rows["shc", 5])  # no control of that seed
        # at the row where a lead would be too short to tell, an alarm would not have counted
        within.levels["shc"][:] = step_up(2, 40)
        assert tables(runs, [rule()])[0].set_index("seed")["chance"][1] == 0

    def test_hard_controls_between_the_same_steps_stand_beside_chance(self):
        early, none = (quiet(1, height, kind="hard", control=str(height)) for height in (2, 0.1))
        transitions, *_, contest = tables([rising(1, 2), rising(3, 2), early, none, quiet(1, 0.1)], [rule()])
        assert transitions.set_index("seed")["chance_hard"][1] == 0.5
        assert pd.isna(transitions.set_index("seed")["chance_hard"][3])
        assert contest["chance_hard"].tolist() == [0.5]
        assert contest["chance"].tolist() == [0]

    def test_what_is_not_judged_is_not_shown(self):
        none = observed({"shc": step_up(2, 30)}, transition(status="no transition: never risen"), seed=3)
        table, *_, contest = tables([rising(1, 2.0), none], [rule()])
        assert table["run"].unique().tolist() == ["toy/transition/1"]
        assert contest["transitions"].tolist() == [1]

    def test_even_seeds_are_in_the_table_and_not_in_the_contest(self):
        table, *_, contest = tables([rising(1, 2.0), rising(2, 0.5), rising(4, 0.5)], [rule()])
        assert table["outcome"].tolist() == ["detected", "missed", "missed"]
        assert contest["detected"].tolist() == [1.0]

    def test_another_run_changes_no_verdict_but_its_own(self):
        runs = [rising(1, 2.0), rising(3, 2.0), quiet(1, 0.2), quiet(2, 0.3)]
        changed = [runs[0], rising(3, 0.1), *runs[2:]]
        first, second = (tables(corpus, fit_rules(corpus))[0] for corpus in (runs, changed))
        same = first["seed"] != 3
        pd.testing.assert_frame_equal(first[same], second[same])
        assert not first[~same].equals(second[~same])

    def test_a_run_without_the_signal_abstains_which_counts_as_missed(self):
        runs = [rising(1, 2.0), rising(3, 2.0, signal="total_variance"), quiet(1, 0.1)]
        table, rates, areas, contest = tables(runs, [rule()])
        assert table["outcome"].tolist() == ["detected", "abstained"]
        assert contest[["detected", "missed", "lead_share"]].iloc[0].tolist() == [0.5, 0.5, 0.125]
        # Nor does its ROC curve leave it out: a transition that is never found scores half a win at best.
        assert areas.set_index("signal").loc["shc", "area"] == 0.5
        assert rates.loc[rates["controls"] == "quiet", "runs"].tolist() == [1]

    def test_a_corpus_without_transitions_has_an_empty_contest(self):
        table, rates, areas, contest = tables([quiet(1, 0.1), quiet(2, 0.1)], [rule()])
        assert len(table) == len(areas) == len(contest) == 0
        assert rates.loc[rates["controls"] == "quiet", "rate"].tolist() == [0.0]
        assert {"setting", "rule", "detected", "area"} <= set(contest.columns)

    def test_one_run_has_no_interval_of_its_median(self):
        table = contest_of([rising(1, 2.0), quiet(1, 0.1), quiet(3, 0.1)], [rule()]).loc["shc"]
        names = ["lead_share_low", "lead_share_high", "less_shc_lead_low", "less_shc_low"]
        assert table[names].isna().all()
        assert table[["detected_low", "detected_high"]].tolist() == [pytest.approx(0.025), 1.0]

    def test_modes_of_one_run_count_as_one_run(self):
        def of_two(seed, at):
            second = transition(550, watched_from=441)
            return observed({"shc": step_up(2, at)}, transition(400), second, seed=seed)

        table = contest_of([of_two(1, 30), of_two(3, 30)], [rule()]).loc["shc"]
        assert table[["transitions", "runs", "detected"]].tolist() == [4, 2, 0.5]
        # Clopper-Pearson of 1 in 2, not of 2 in 4.
        assert [table["detected_low"], table["detected_high"]] == pytest.approx([0.0126, 0.9874], abs=1e-4)
        # Each resample holds both modes of a run: half of them is found whichever runs are drawn.
        assert table["lead_share_low"] == table["lead_share_high"] == table["lead_share"] == 0.125

    def test_leads_are_compared_transition_by_transition(self):
        def both(seed, shc, total):
            levels = {"shc": step_up(2, shc), "total_variance": step_up(2, total)}
            return observed(levels, transition(400), seed=seed)

        runs = [both(1, 10, 6), both(3, 20, 16), both(5, 36, 32)]
        table = contest_of(runs, [rule(), rule("total_variance")])
        assert (
            table.loc["shc", ["less_shc_lead", "less_shc_lead_low", "less_shc_lead_high"]].tolist() == [0] * 3
        )
        assert table.loc["total_variance", ["less_shc_lead", "less_shc_lead_low"]].tolist() == pytest.approx(
            [0.1, 0.1]
        )

    def test_stated_rules_are_compared_with_the_stated_shc(self):
        levels = {"shc": step_up(1.2, 20), "total_variance": step_up(1.2, 20)}
        runs = [observed(levels, transition(400), seed=1), *(quiet(seed, 0.5) for seed in (2, 4))]
        table = contest_of(runs, fit_rules(runs))
        assert table.loc["total_variance at 0.75 decades", "less_shc_lead"] == 0.5
        assert table.loc["shc at 1.5 decades", "less_shc_lead"] == 0


class TestRates:
    def test_quiet_controls_are_pooled_and_hard_ones_stand_alone(self):
        runs = [quiet(1, 2.0), quiet(3, 0.1), quiet(1, 0.1, control="frozen"), quiet(1, 0.1, setting="other")]
        runs += [quiet(seed, 2.0, kind="hard", control="noise") for seed in (1, 3, 5)]
        runs += [quiet(2, 2.0), quiet(2, 2.0, kind="hard", control="noise"), rising(1, 2.0)]
        _, rates, areas, contest = tables(runs, [rule()])
        table = rates.set_index("controls")
        assert list(table.index) == [
            "quiet",
            "toy: noise",
            "toy: quiet (quiet)",
            "toy: frozen (quiet)",
            "other: quiet (quiet)",
        ]
        assert table["alarmed"].tolist() == [1, 3, 1, 0, 0]
        assert table["runs"].tolist() == [4, 3, 2, 1, 1]
        assert table.loc["quiet", "rate"] == contest["false_alarm_rate"].iloc[0] == 0.25
        assert table.loc["quiet", "alarms_per_1000_rows"] == 1000 / (4 * WINDOWS)
        assert table.loc["quiet", "rate_high"] == pytest.approx(0.8059, abs=1e-4)
        assert areas["controls"].tolist() == ["quiet", "noise"]
        assert areas["area"].tolist() == [pytest.approx((0.5 + 3) / 4), 0.5]

    def test_without_quiet_runs_there_is_no_rate_and_no_area(self):
        runs = [rising(1, 2.0), quiet(2, 0.1), quiet(1, 2.0, kind="hard", control="noise")]
        _, rates, areas, contest = tables(runs, [rule()])
        assert rates["controls"].tolist() == ["toy: noise"]
        assert len(areas) == 0
        names = ["false_alarm_rate", "false_alarm_low", "false_alarms_per_1000_rows", "area", "less_shc"]
        assert contest[names].isna().all(axis=None)
        assert contest["detected"].tolist() == [1.0]

    def test_false_alarms_are_those_of_idle_rows(self):
        run = rising(1, 2.0, 10)
        run = replace(run, idle=np.arange(WINDOWS) < 20)
        table = false_alarms_table([run], [rule()], {"shc": alarms_of([run], rule())})
        assert table[["idle_rows", "false_alarms", "first_false_alarm"]].iloc[0].tolist() == [20, 1, 100]
        run = replace(run, idle=~run.idle)
        table = false_alarms_table([run], [rule()], {"shc": alarms_of([run], rule())})
        assert table["false_alarms"].tolist() == [0]
        assert table["first_false_alarm"].isna().all()


def pair_by_pair(positives, negatives, signal):
    """Each transition against each control at just what the control reaches, and just above it."""
    wins = []
    for run in positives:
        for each in run.judged:
            for control in negatives:
                reached = max(largest_of(control, signal), 0.0)
                limits = [np.nextafter(reached, np.inf), *([reached] if reached > 0 else [])]
                found = alarms_at([run], signal, limits)[0]
                detected = [
                    judge(each, run.steps[row], start=run.start).outcome == "detected" for row in found
                ]
                wins.append(np.mean(detected if reached > 0 else [*detected, True]))
    return float(np.mean(wins))


def largest_of(run, signal):
    """By trying every threshold that could matter."""
    best = -np.inf
    for level in run.levels[signal.name]:
        rises = level if signal.fixed_floor else [b - a for k, b in enumerate(level) for a in level[: k + 1]]
        best = max([best, *(each for each in rises if np.isfinite(each))])
    return best


def random_corpus(seed, signal="shc", runs=5, ties=False):
    rng = np.random.default_rng(seed)

    def level():
        walk = 0.3 * rng.standard_normal((2, WINDOWS)).cumsum(axis=1)
        return {signal: np.round(walk * 2) / 2 if ties else walk}

    quiet = [observed(level(), seed=2 * k + 1, kind="quiet") for k in range(runs)]
    hard = [observed(level(), seed=2 * k + 1, kind="hard", control="noise") for k in range(3)]
    second = transition(550, watched_from=441)
    moved = [observed(level(), transition(400), second, seed=2 * k + 1) for k in range(runs)]
    return moved, quiet, hard


class TestAreas:
    @pytest.mark.parametrize("ties", [False, True])
    @pytest.mark.parametrize("signal", [SHC, TAU], ids=lambda each: each.name)
    def test_the_area_is_counted_pair_by_pair(self, signal, ties):
        for seed in range(2):
            moved, quiet_runs, hard = random_corpus(seed, signal.name, ties=ties)
            found = sweep([*moved, *quiet_runs, *hard], "toy", signal)
            table = areas_table([found]).set_index("controls")
            assert table.loc["quiet", "area"] == pytest.approx(pair_by_pair(moved, quiet_runs, signal))
            assert table.loc["noise", "area"] == pytest.approx(pair_by_pair(moved, hard, signal))
            assert (
                table.loc["quiet", "area_low"]
                <= table.loc["quiet", "area"]
                <= table.loc["quiet", "area_high"]
            )

    def test_the_area_is_that_under_the_points_of_the_roc_table(self):
        moved, quiet_runs, _ = random_corpus(5)
        found = sweep([*moved, *quiet_runs], "toy", SHC)
        curve = roc_table([found]).sort_values("threshold", ascending=False)
        false, detected = ([0.0, *curve[name], 1.0] for name in ("false_alarm_rate", "detected"))
        false[-1] = false[-2] = 1.0
        steps, heights = np.diff(false[:-1]), np.array(detected[:-1])
        area = steps @ (heights[1:] + heights[:-1]) / 2
        assert areas_table([found])["area"][0] == pytest.approx(area)

    def test_where_every_pair_is_won_the_interval_is_exact(self):
        moved = [rising(seed, 2.0) for seed in (1, 3, 5, 7)]
        controls = [quiet(seed, 1.0) for seed in range(1, 21, 2)]
        row = areas_table([sweep([*moved, *controls], "toy", SHC)]).iloc[0]
        assert (row["area"], row["area_high"]) == (1, 1)
        assert row["area_low"] == pytest.approx(0.025 ** (1 / 4))

    def test_closed_forms(self):
        quiet_runs = [quiet(seed, 1.0) for seed in (1, 3)]

        def area(*moved, signal=SHC, controls=quiet_runs):
            return areas_table([sweep([*moved, *controls], "toy", signal)])["area"][0]

        assert area(rising(1, 2.0)) == 1
        assert area(rising(1, 0.5)) == 0
        assert area(rising(1, 1.0)) == 0.5  # a tie
        assert area(rising(1, 2.0, 42)) == 0  # late
        assert area(rising(1, 2.0), rising(3, 0.5)) == 0.5
        flat = [observed({"shc": np.zeros(WINDOWS)}, seed=seed, kind="quiet") for seed in (1, 3)]
        assert area(rising(1, 0.0), controls=flat) == 0.5  # neither ever alarms
        assert area(rising(1, 0.1), controls=flat) == 1

    def test_a_height_at_its_ceiling_ties_with_a_control_at_it(self):
        controls = [quiet(seed, 1.0, signal="kendall_tau") for seed in (1, 3)]
        found = sweep([rising(1, 1.0, signal="kendall_tau"), *controls], "toy", TAU)
        assert areas_table([found])["area"][0] == 0.5

    def test_controls_below_the_floor_never_alarm(self):
        controls = [observed({"kendall_tau": np.full(WINDOWS, -0.3)}, seed=1, kind="quiet")]
        below = observed({"kendall_tau": np.full(WINDOWS, -0.9)}, transition(400), seed=1)
        assert areas_table([sweep([below, *controls], "toy", TAU)])["area"][0] == 0.5

    def test_found_at_a_high_threshold_is_not_found_at_a_low_one(self):
        # Watched from 200 on. At 1 the alarm is at 100, and the rule not armed again; at 3 it is in time.
        level = step_up(2, 10) + step_up(2, 30)
        moved = observed({"shc": level}, transition(400, watched_from=200), seed=1)
        controls = [quiet(1, 1.0), quiet(3, 3.0), quiet(5, 5.0)]
        table = areas_table([sweep([moved, *controls], "toy", SHC)])
        assert table["area"].tolist() == [pytest.approx(1 / 3)]

    def test_other_settings_give_quiet_runs_and_no_hard_ones(self):
        runs = [rising(1, 2.0), quiet(1, 1.0, setting="other")]
        runs += [quiet(1, 9.0, kind="hard", setting="other", control="noise")]
        found = sweep(runs, "toy", SHC)
        assert (found.quiet.tolist(), found.hard) == ([1.0], {})
        assert sweep(runs, "other", SHC) is None
        assert sweep(runs[:1], "toy", SHC) is None

    def test_the_same_signal_twice_differs_by_nothing(self):
        moved, quiet_runs, hard = random_corpus(1)
        runs = [
            replace(run, levels=run.levels | {"total_variance": run.levels["shc"]})
            for run in [*moved, *quiet_runs, *hard]
        ]
        table = areas_table([sweep(runs, "toy", signal) for signal in (SHC, TOTAL)])
        assert len(table) == 4
        assert (table[["less_shc", "less_shc_low", "less_shc_high"]] == 0).all(axis=None)

    def test_a_difference_is_of_the_same_controls_or_there_is_none(self):
        moved, quiet_runs, _ = random_corpus(1)
        runs = [
            replace(run, levels=run.levels | {"total_variance": run.levels["shc"]})
            for run in [*moved, *quiet_runs[1:]]
        ]
        table = areas_table([sweep([quiet_runs[0], *runs], "toy", each) for each in (SHC, TOTAL)])
        table = table.set_index("signal")
        assert table.loc["total_variance", "area"] > 0
        assert np.isnan(table.loc["total_variance", "less_shc"])

    def test_even_seeds_play_no_part(self):
        moved, quiet_runs, hard = random_corpus(2)
        odd = [*moved, *quiet_runs, *hard]
        even = [replace(run, entry=replace(run.entry, seed=run.entry.seed + 1)) for run in odd]
        one, two = (areas_table([sweep(runs, "toy", SHC)]) for runs in (odd, odd + even))
        pd.testing.assert_frame_equal(one, two)

    def test_rates_and_leads_of_the_roc_table(self):
        runs = [rising(1, 2.0, 30), rising(3, 4.0, 20), quiet(1, 1.0), quiet(3, 3.0)]
        table = roc_table([sweep(runs, "toy", SHC)])
        assert table["threshold"].tolist() == [1.0, np.nextafter(1, 2), 3.0, np.nextafter(3, 4)]
        assert table["false_alarm_rate"].tolist() == [1.0, 0.5, 0.5, 0.0]
        assert table["detected"].tolist() == [1.0, 1.0, 0.5, 0.5]
        assert table["lead_share"].tolist() == [0.375, 0.375, 0.25, 0.25]


@pytest.mark.parametrize(("shift", "truth", "runs"), [(1.0, 0.7602, 16), (3.0, 0.9831, 10)])
def test_the_interval_of_an_area_covers_it_where_modes_of_a_run_are_alike(shift, truth, runs):
    # Heights are normal, and a run's three share most of theirs. The area is P(N(shift, 1) > N(0, 1)).
    rng = np.random.default_rng(0)
    corpora, covered, above = 120, 0, 0
    for _ in range(corpora):
        low = 10 + rng.standard_normal(runs)
        shared, own = rng.standard_normal((runs, 1)), rng.standard_normal((runs, 3))
        heights = (10 + shift + np.sqrt(0.9) * shared + np.sqrt(0.1) * own).ravel()
        thresholds = np.unique([*low, *np.nextafter(low, np.inf)])
        found = Sweep(
            signal=SHC,
            setting="toy",
            thresholds=thresholds,
            leads=np.where(heights[:, None] >= thresholds, 0.5, np.nan),
            runs=[f"run {k // 3}" for k in range(3 * runs)],
            quiet=low,
            quiet_runs=[f"quiet {k}" for k in range(runs)],
            quiet_cells=["toy"] * runs,
            hard={},
        )
        row = areas_table([found]).iloc[0]
        assert row["area"] == np.mean(heights[:, None] > low)
        covered += row["area_low"] <= truth <= row["area_high"]
        above += row["area"] > truth
    assert 0.88 <= covered / corpora <= 1
    assert 0.4 <= above / corpora <= 0.75
