"""Who won, and what was not judged? The sentences of a score's page, made from its tables.

A rule competes with SHC where its threshold was fitted in the same way and it alarms in no more of the quiet
runs. Of medians of the lead alone no one wins: the paired difference must not hold 0.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from rdmtools.results.words import listed, percent, shown
from rdmtools.run.quality import counted

if TYPE_CHECKING:
    from rdmtools.evaluation.scoring import ScoreTables

SHC, TOTAL_VARIANCE = "shc", "total_variance"
QUIET = "quiet"
NO_INTERVAL = "no interval"


def name_of(text: Any) -> str:
    """A rule, signal, setting or control as a person reads it."""
    words = shown(text, 60).replace("_", " ")
    return "PR" if words == "pr" else words.replace("shc", "SHC")


def intro(score: "ScoreTables") -> list[str]:
    """How much was judged, and what the numbers on the page are of."""
    runs = score.truth.drop_duplicates("run")
    kinds = Counter(runs["kind"])
    odd_kinds = Counter(runs.loc[runs["seed"] % 2 == 1, "kind"])
    judged = score.truth[(score.truth["kind"] == "transition") & score.truth["status"].eq("judged")]
    odd = judged[judged["seed"] % 2 == 1]
    settings = counted(runs["setting"].nunique(), "setting")
    fitted = kinds[QUIET] - odd_kinds[QUIET]
    lines = [
        f"{counted(score.runs, 'run')} of {settings}, in windows of {score.window} logged rows:"
        f" {counted(kinds['transition'], 'run')} with {counted(len(judged), 'judged transition')},"
        f" {counted(kinds[QUIET], 'quiet control run')}, in which nothing happens, and"
        f" {counted(kinds['hard'], 'hard control run')}, in which something milder does.",
        "A threshold named in decades was stated before these runs were made."
        f" What is shown is of odd seeds alone: {counted(len(odd), 'transition')} in"
        f" {counted(odd['run'].nunique(), 'run')}, {counted(odd_kinds[QUIET], 'quiet run')},"
        f" {counted(odd_kinds['hard'], 'hard run')}.",
    ]
    if fitted:
        lines.insert(
            1,
            f"Thresholds are fitted to the {counted(fitted, 'quiet run')} of even seeds, each as the lowest"
            " at which at most 5% of them alarm.",
        )
    return lines


def limits(score: "ScoreTables") -> list[str]:
    """What is not covered, and what there is no number for."""
    truth = score.truth
    lines: list[str] = []
    mine, controls = truth[truth["kind"] == "transition"], truth[truth["kind"] != "transition"]
    if len(mine):
        lines.append(f"Truths of runs with a transition: {_statuses(mine)}. Only judged ones are scored.")
    else:
        lines.append("No run has a transition: nothing to detect, and no lead.")
    if len(controls):
        lines.append(f"Truths of controls: {_statuses(controls)}.")
        happened = controls[~controls["status"].str.startswith("no transition")]
        if len(happened):
            named = [
                _happened(f"{setting}/{control}", here)
                for (setting, control), here in happened.groupby(["setting", "control"], sort=False)
            ]
            lines.append(
                f"In {counted(happened['run'].nunique(), 'control run')} the truth says that something did"
                f" happen, and alarms there count as false all the same: {'; '.join(named)}."
            )
    quiet = truth[truth["kind"] == QUIET]
    if quiet.empty:
        lines.append(
            "No quiet controls: no threshold is fitted, and there is no false-alarm rate and no ROC curve."
        )
    else:
        if not (quiet["seed"] % 2 == 0).any():
            lines.append("No quiet run of an even seed: no threshold is fitted, only stated ones are shown.")
        if not (quiet["seed"] % 2 == 1).any():
            lines.append("No quiet run of an odd seed: there is no false-alarm rate and no ROC curve.")
    if len(mine):
        contested = set(score.contest["setting"])
        lines += [
            f"{name_of(setting)}: no judged transition of an odd seed, so no rule is shown on it."
            for setting in dict.fromkeys(truth["setting"])
            if setting not in contested
        ]
        alone = score.contest.loc[score.contest["runs"] == 1, "setting"]
        lines += [
            f"{name_of(setting)}: one run of an odd seed, so no interval can be made: needed two."
            for setting in dict.fromkeys(alone)
        ]
    unseen = {
        "abstained": "Not logged, and so counted as missed",
        "not judged": "No row before T50 was judged, for too short a run or an event that lasted, and so"
        " counted as missed",
    }
    shown = score.transitions[score.transitions["held_out"]]
    for outcome, why in unseen.items():
        told = [
            f"{name_of(rule)} in {counted(here['run'].nunique(), 'run')} of {name_of(setting)}"
            for (setting, rule), here in shown[shown["outcome"] == outcome].groupby(
                ["setting", "rule"], sort=False
            )
        ]
        if told:
            lines.append(f"{why}: {listed(told)}.")
    return lines


def _statuses(truths: pd.DataFrame) -> str:
    counts = Counter(_plain(status) for status in truths["status"])
    return ", ".join(f"{count} {status}" for status, count in counts.most_common())


def _plain(status: str) -> str:
    """Without the numbers that make each one different."""
    if status.startswith("no transition: creeps"):
        return "without a transition (creeps)"
    if status.startswith("no transition: "):
        return f"without a transition ({status.removeprefix('no transition: ')})"
    if "rows before T50" in status:
        return "not covered (too few rows before T50)"
    return f"not covered ({status.removeprefix('not covered: ')})" if ":" in status else status


def _happened(control: str, truths: pd.DataFrame) -> str:
    """Which seeds of a control, and how their truths are judged."""
    seeds = list(dict.fromkeys(truths["seed"].astype(str)))
    return f"{shown(control, 80)}, seed{'s' * (len(seeds) > 1)} {listed(seeds)} ({_statuses(truths)})"


def winners(score: "ScoreTables", setting: str) -> list[str]:
    """Who has the longest lead at SHC's price in false alarms, and whether that is SHC."""
    rows = score.contest[score.contest["setting"] == setting]
    fitted = rows[rows["rule"].isin(score.rules.loc[~score.rules["stated"], "name"])]
    by_rule = {row["rule"]: row for row in fitted.to_dict("records")}
    if SHC not in by_rule:
        return ["SHC has no fitted threshold here, so no rule is compared with it at the same price."]
    shc = by_rule[SHC]
    if math.isnan(shc["false_alarm_rate"]):
        return ["There is no false-alarm rate, so no rule is compared with SHC at the same price."]
    if 0 < shc["detected"] <= shc["chance_hard"]:
        return [
            f"Nobody wins: SHC alarms in {percent(shc['chance_hard'])} of the hard controls between the same"
            f" steps, and detects {percent(shc['detected'])} of the transitions.",
            "The alarm is of their common cause, such as a switch of data, not of what comes of it.",
        ]
    rivals = [row for row in by_rule.values() if row["false_alarm_rate"] <= shc["false_alarm_rate"] + 1e-12]
    best = max(rivals, key=lambda row: (row["lead_share"], row["rule"] == SHC))
    lines = _headline(best, rivals)
    simpler = by_rule.get(TOTAL_VARIANCE)
    if simpler is not None and best["rule"] != TOTAL_VARIANCE:
        lines.append(
            f"Total variance, which fixes SHC together with PR, alarmed in"
            f" {percent(simpler['false_alarm_rate'])} of quiet runs and has {_lead(simpler)};"
            f" {_difference(simpler)}."
        )
    return lines


def _headline(best: dict[Any, Any], rivals: Sequence[dict[Any, Any]]) -> list[str]:
    """What it comes to, and the numbers, where `rivals` are SHC and whoever alarms no more often."""
    shc = next(row for row in rivals if row["rule"] == SHC)
    others = [row for row in rivals if row["rule"] != SHC]
    name = name_of(best["rule"])
    price = (
        f"{counted(len(rivals), 'signal')} alarmed in at most as many quiet runs as SHC at fitted thresholds"
        f" ({percent(shc['false_alarm_rate'])})"
    )
    if best["lead_share"] <= 0:
        return [
            "Nobody wins: no signal at the price of SHC in false alarms has a median lead above 0.",
            f"{price}.",
        ]
    if not others:
        return ["SHC has no rival: no other signal alarms as seldom.", f"SHC has {_lead(shc)}."]
    if best["rule"] != SHC:
        numbers = f"{price}; of these, {name} has {_lead(best)}, SHC {_share(shc)}; {_difference(best)}."
        if best["less_shc_lead_low"] > 0:
            return [f"SHC does not win: {name} warns earlier, with no more false alarms.", numbers]
        return [
            f"SHC does not win: {name} has the longest lead with no more false alarms, though not clearly.",
            numbers,
        ]
    second = max(others, key=lambda row: row["lead_share"])
    numbers = (
        f"{price}; of these, SHC has {_lead(shc)}, and next {name_of(second['rule'])} {_share(second)};"
        f" {_difference(second)}."
    )
    if second["less_shc_lead_high"] < 0:
        return ["SHC wins: no signal with as few false alarms warns earlier.", numbers]
    return ["SHC has the longest lead at its price in false alarms, but does not clearly win.", numbers]


def _lead(row: dict[Any, Any]) -> str:
    return f"a median lead of {_share(row)} of the way to T50"


def _share(row: dict[Any, Any]) -> str:
    interval = between(row, "lead_share")
    return f"{percent(row['lead_share'])} ({_no_interval(row) if interval == NO_INTERVAL else interval})"


def _difference(row: dict[Any, Any]) -> str:
    low, high = row["less_shc_lead_low"], row["less_shc_lead_high"]
    held = "" if low > 0 or high < 0 else ", which holds 0"
    interval = f"{points(low)} to {points(high)}{held}" if math.isfinite(low) else _no_interval(row)
    return (
        f"paired by transition, its lead less that of SHC is {points(row['less_shc_lead'])} points"
        f" ({interval})"
    )


def _no_interval(row: dict[Any, Any]) -> str:
    """Why there is none: it is of runs that are drawn again, and one run drawn again is itself."""
    return f"one seed: {NO_INTERVAL}" if row.get("runs") == 1 else NO_INTERVAL


def between(row: dict[Any, Any], name: str) -> str:
    """The interval of a share, as 69–100%, or that there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if not math.isfinite(low):
        return NO_INTERVAL
    joint = " to " if high > 0.9995 and high < 1 else "–"  # no dash before >99.9%
    return f"{percent(low).removesuffix('%')}{joint}{percent(high)}"


def points(difference: float) -> str:
    """A difference of shares in points of 100, with a sign."""
    if not math.isfinite(difference):
        return "–"
    text = f"{100 * difference:+.1f}"
    return "0" if float(text) == 0 else text.replace("-", "−")
