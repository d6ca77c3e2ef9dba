"""Who warns earliest at the same price in false alarms? Every signal under the same rule, in one table.

    alarms of each rule -> verdicts on transitions, false alarms in controls -> rates -> contest

Everything shown is of odd seeds. Rates of runs have exact intervals; medians and differences are resampled by
run, for the modes of one run are not independent; differences are paired.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from rdmtools.evaluation.judging import judge
from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.rated import Watch
from rdmtools.evaluation.rates import exact_interval, median_with_interval, resampled_weights, with_interval
from rdmtools.evaluation.rules import REFERENCE, Alarms, Rule
from rdmtools.evaluation.truth import Transition

UNSEEN = ("abstained", "not judged")
"""Outcomes of transitions that a rule had no chance to announce."""

_PLACE = ("setting", "control", "seed", "kind", "held_out")


def transitions_table(runs: Sequence[Observed], rules: Sequence[Rule], alarms: Alarms) -> pd.DataFrame:
    """One row per judged transition and rule: outcome, alarm and lead.

    `chance` is the share of the quiet controls of the same setting and seed in which the rule alarms between
    the same steps, where nothing happens: what `detected` would be if the rule knew nothing. `chance_hard` is
    that of its hard controls: what `detected` would be if the rule told the cause, such as a switch of data,
    and not what comes of it. NaN without any. Outcomes besides those of `judging`: "abstained", where the run
    lacks the signal, and "not judged", where a rule with a stated rate judged no row before T50: too short a
    run, or an event that lasted. Both count as missed.
    """
    rows = []
    for rule in rules:
        alarm_steps = [
            None if fired is None else run.steps[fired]
            for run, fired in zip(runs, alarms[rule.name], strict=True)
        ]
        controls: defaultdict[tuple[str, int, str], list[np.ndarray]] = defaultdict(list)
        for run, steps in zip(runs, alarm_steps, strict=True):
            if steps is not None:
                controls[run.entry.setting, run.entry.seed, run.entry.kind].append(steps)
        for run, steps in zip(runs, alarm_steps, strict=True):
            if run.entry.kind != "transition":
                continue
            quiet, hard = (controls[run.entry.setting, run.entry.seed, kind] for kind in ("quiet", "hard"))
            for transition in run.judged:
                row = run.entry.row(*_PLACE) | transition.row() | {"rule": rule.name}
                if steps is None:
                    row |= {"outcome": "abstained", "before_t10": False}
                elif rule.name in run.rated and not _judged(run, run.rated[rule.name], transition):
                    row |= {"outcome": "not judged", "before_t10": False}
                else:
                    verdict = judge(transition, steps, start=run.start)
                    lead = verdict.lead_steps
                    row |= asdict(verdict) | {
                        "lead_windows": None if lead is None else lead / run.spacing / run.window,
                        "chance": chance_of(transition, quiet),
                        "chance_hard": chance_of(transition, hard),
                    }
                rows.append(row)
    columns = ["run", *_PLACE, "truth", "t10", "t50", "t90", "rule", "outcome", "alarm_step"]
    columns += ["lead_steps", "lead_windows", "lead_share", "before_t10", "alarms", "chance", "chance_hard"]
    table = pd.DataFrame(rows, columns=pd.Index(columns))
    whole = dict.fromkeys(["t10", "t50", "t90", "alarm_step", "lead_steps", "alarms"], "Int64")
    shares = dict.fromkeys(["lead_windows", "lead_share", "chance", "chance_hard"], "Float64")
    return table.astype({**whole, **shares, **dict.fromkeys(["before_t10", "held_out"], bool)})


def _judged(run: Observed, watch: Watch, transition: Transition) -> bool:
    """Whether there is a row before T50 at which the rule could have warned of it."""
    assert transition.t50 is not None
    ahead = (run.steps >= transition.watched_from) & (run.steps < transition.t50)
    return bool((watch.judged & ahead).any())


def chance_of(transition: Transition, partners: Sequence[np.ndarray]) -> float | None:
    """Share of the partners, each as the steps of its alarms, that alarm where a warning would count."""
    assert transition.t50 is not None
    last = transition.t50 - transition.resolution
    hits = [bool(((steps >= transition.watched_from) & (steps <= last)).any()) for steps in partners]
    return float(np.mean(hits)) if hits else None


def false_alarms_table(runs: Sequence[Observed], rules: Sequence[Rule], alarms: Alarms) -> pd.DataFrame:
    """One row per run and rule: alarms in its idle stretch, and how many rows that has.

    Of a control that is the whole run; of a run with transitions, what comes before their cause and after
    the last of them.
    """
    rows = []
    for rule in rules:
        for run, fired in zip(runs, alarms[rule.name], strict=True):
            if fired is not None:
                false = run.steps[fired & run.idle].tolist()
                row = run.entry.row(*_PLACE) | {"rule": rule.name, "idle_rows": int(run.idle.sum())}
                rows.append(row | {"false_alarms": len(false), "first_false_alarm": next(iter(false), None)})
    columns = ["run", *_PLACE, "rule", "idle_rows", "false_alarms", "first_false_alarm"]
    return pd.DataFrame(rows, columns=pd.Index(columns)).astype({"first_false_alarm": "Int64"})


def rates_table(false_alarms: pd.DataFrame) -> pd.DataFrame:
    """False alarms by rule: of quiet controls pooled, and of each hard one by itself.

    Runs of odd seeds alone. `rate` is the share of runs with any alarm, with its exact interval.
    """
    shown = false_alarms[false_alarms["held_out"] & (false_alarms["kind"] != "transition")]
    rows = []
    for rule, of_rule in shown.groupby("rule", sort=False):
        quiet, hard = (of_rule[of_rule["kind"] == kind] for kind in ("quiet", "hard"))
        cells = [("quiet", quiet)] if len(quiet) else []
        for of_kind, note in ((hard, ""), (quiet, " (quiet)")):
            by_control = of_kind.groupby(["setting", "control"], sort=False)
            cells += [(f"{setting}: {control}{note}", cell) for (setting, control), cell in by_control]
        for name, cell in cells:
            alarmed, runs = int((cell["false_alarms"] > 0).sum()), len(cell)
            row = {"rule": rule, "controls": name, "runs": runs, "alarmed": alarmed}
            row |= with_interval("rate", alarmed / runs, exact_interval(alarmed, runs))
            row["alarms_per_1000_rows"] = 1000 * cell["false_alarms"].sum() / cell["idle_rows"].sum()
            rows.append(row)
    columns = ["rule", "controls", "runs", "alarmed", "rate", "rate_low", "rate_high", "alarms_per_1000_rows"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def contest_table(
    rules: Sequence[Rule], transitions: pd.DataFrame, rates: pd.DataFrame, areas: pd.DataFrame
) -> pd.DataFrame:
    """The contest: one row per setting and rule, of odd seeds.

    Shares are of judged transitions, medians over all of them (one that is not detected has lead 0), `alarms`
    is the mean number before T50, `chance` the share of quiet controls of the same seeds that alarm between
    the same steps, `chance_hard` that of hard ones, `less_shc_lead` the median over transitions of the lead
    less that of SHC under the same kind of rule.
    """
    shown = transitions[transitions["held_out"]]
    quiet = {row["rule"]: row for row in rates[rates["controls"] == "quiet"].to_dict("records")}
    of_quiet = areas.loc[areas["controls"] == "quiet", ["setting", "signal", *_AREA]]
    area = {(row["setting"], row["signal"]): row for row in of_quiet.to_dict("records")}
    rows = []
    for setting, here in shown.groupby("setting", sort=False):
        leads = {
            rule: of_rule["lead_share"].fillna(0.0).to_numpy(np.float64)
            for rule, of_rule in here.groupby("rule", sort=False)
        }
        for rule in rules:
            of_rule = here[here["rule"] == rule.name]
            runs, count = of_rule["run"].nunique(), len(of_rule)
            detected = float((of_rule["outcome"] == "detected").mean())
            early = float(of_rule["before_t10"].mean())
            weights = resampled_weights(of_rule["run"].tolist(), [str(setting)] * count)
            lead = leads[rule.name]
            row = {
                "setting": setting,
                "rule": rule.name,
                "threshold": rule.threshold,
                "stated_rate": rule.stated_rate,
                "transitions": count,
                "runs": runs,
                "late": float((of_rule["outcome"] == "late").mean()),
                "missed": float(of_rule["outcome"].isin(["missed", *UNSEEN]).mean()),
                "lead_windows": float(of_rule["lead_windows"].fillna(0.0).median()),
                "lead_steps": float(of_rule["lead_steps"].fillna(0).median()),
                "alarms": float(of_rule["alarms"].fillna(0).mean()),
                "chance": float(of_rule["chance"].astype(float).mean()),
                "chance_hard": float(of_rule["chance_hard"].astype(float).mean()),
            }
            row |= with_interval("detected", detected, exact_interval(detected * runs, runs))
            row |= with_interval("before_t10", early, exact_interval(early * runs, runs))
            row |= median_with_interval("lead_share", lead, weights)
            reference = f"{REFERENCE} at 1.5 decades" if rule.stated else REFERENCE
            if reference in leads:
                row |= median_with_interval("less_shc_lead", lead - leads[reference], weights)
            if rule.name in quiet:
                row |= {ours: quiet[rule.name][theirs] for ours, theirs in _QUIET.items()}
            rows.append(row | area.get((setting, rule.signal), {}))
    return pd.DataFrame(rows, columns=pd.Index(_CONTEST))


_QUIET = {
    "false_alarm_rate": "rate",
    "false_alarm_low": "rate_low",
    "false_alarm_high": "rate_high",
    "false_alarms_per_1000_rows": "alarms_per_1000_rows",
}
_AREA = ("area", "area_low", "area_high", "less_shc", "less_shc_low", "less_shc_high")
_CONTEST = [
    *("setting", "rule", "threshold", "stated_rate", "transitions", "runs"),
    *("detected", "detected_low", "detected_high", "before_t10", "before_t10_low", "before_t10_high"),
    *("late", "missed", "lead_share", "lead_share_low", "lead_share_high", "lead_windows", "lead_steps"),
    *("alarms", "chance", "chance_hard", "less_shc_lead", "less_shc_lead_low", "less_shc_lead_high"),
    *_QUIET,
    *_AREA,
]
