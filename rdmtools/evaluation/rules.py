"""Which rules enter, and at which rows does each alarm?

A threshold is fitted as the lowest at which at most 5 % of the quiet runs of even seeds alarm at all, pooled
over settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from rdmtools.alarms.rule import find_alarms, largest_rise
from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.rated import STATED_RATES
from rdmtools.evaluation.signals import SIGNALS, Signal

ALLOWED_FALSE = 0.05
"""Share of quiet runs that may alarm, when a threshold is fitted."""
STATED = (("shc", 1.5), ("total_variance", 0.75))
"""Thresholds stated before these runs were made, in decades: SHC is a square, total variance is not."""
REFERENCE = "shc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A signal and the threshold at which it alarms, or the rate that it states."""

    name: str
    signal: str
    """Empty of rules that know none, and of those with a stated rate."""
    threshold: float
    stated: bool
    """Whether it was stated beforehand, rather than fitted to the quiet runs of even seeds."""
    stated_rate: float = np.nan
    """Share of runs that may alarm while training goes on as before; NaN where none is stated."""


Alarms = dict[str, list[Bool[np.ndarray, " windows"] | None]]
"""Of each rule by its name, where it alarms in each run; None where the run lacks the signal."""

ALWAYS, NEVER = "always alarm", "never alarm"


def fit_rules(runs: Sequence[Observed]) -> list[Rule]:
    """The rules of the contest: those stated beforehand, by threshold or by rate, one fitted for each signal,
    and two without any.

    Without quiet runs of even seeds there is nothing to fit to, and only the stated ones remain.
    """
    rules = [
        Rule(name=f"{signal} at {threshold:g} decades", signal=signal, threshold=threshold, stated=True)
        for signal, threshold in STATED
    ]
    rules += [
        Rule(name=each.name, signal="", threshold=np.nan, stated=True, stated_rate=each.rate)
        for each in STATED_RATES
    ]
    quiet = [run for run in runs if run.entry.kind == "quiet" and not run.entry.held_out]
    for signal in SIGNALS:
        rises = np.sort([score_of(run, signal) for run in quiet if signal.name in run.levels])[::-1]
        if len(rises):
            allowed = int(ALLOWED_FALSE * len(rises) + 1e-9)
            threshold = float(np.nextafter(max(rises[allowed], 0.0), np.inf))
            rules.append(Rule(name=signal.name, signal=signal.name, threshold=threshold, stated=False))
    without = [Rule(name=name, signal="", threshold=np.nan, stated=True) for name in (ALWAYS, NEVER)]
    return rules + without


def score_of(run: Observed, signal: Signal) -> float:
    """The highest threshold at which the signal alarms in the run."""
    return float(largest_rise(run.levels[signal.name], fixed_floor=signal.fixed_floor).max())


def alarms_of(runs: Sequence[Observed], rule: Rule) -> list[Bool[np.ndarray, " windows"] | None]:
    """Where the rule alarms in each run; None where the run lacks the signal."""
    if rule.name in (ALWAYS, NEVER):
        return [np.full(len(run.steps), rule.name == ALWAYS) for run in runs]
    if not np.isnan(rule.stated_rate):
        return [run.rated[rule.name].alarms if rule.name in run.rated else None for run in runs]
    signal = next(signal for signal in SIGNALS if signal.name == rule.signal)
    return [None if alarms is None else alarms[0] for alarms in alarms_at(runs, signal, [rule.threshold])]


def alarms_at(
    runs: Sequence[Observed], signal: Signal, thresholds: Sequence[float]
) -> list[Bool[np.ndarray, "thresholds windows"] | None]:
    """Where a signal alarms in each run at each threshold; of several series, where any does."""
    levels = [run.levels[signal.name] for run in runs if signal.name in run.levels]
    if not levels:
        return [None] * len(runs)
    longest = max(series.shape[1] for series in levels)
    stacked = np.full((sum(map(len, levels)), longest), np.nan)
    ends = np.cumsum([len(series) for series in levels]).tolist()
    for series, end in zip(levels, ends, strict=True):
        stacked[end - len(series) : end, : series.shape[1]] = series
    alarms = find_alarms(stacked, np.array([thresholds], dtype=np.float64), fixed_floor=signal.fixed_floor)
    of_runs = iter(np.split(alarms, ends[:-1]))
    return [
        np.any(next(of_runs)[..., : len(run.steps)], axis=0) if signal.name in run.levels else None
        for run in runs
    ]
