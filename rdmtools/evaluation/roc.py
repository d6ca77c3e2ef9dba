"""How well does a signal tell transitions from quiet runs, at any threshold? ROC curves, their areas.

Everything is of odd seeds. A transition counts as found at a threshold where the rule fires in time for it; a
quiet run as a false alarm where it fires at all.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from rdmtools.evaluation.judging import judge
from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.rates import exact_interval, middle, resampled_weights, with_interval
from rdmtools.evaluation.rules import REFERENCE, alarms_at, score_of
from rdmtools.evaluation.signals import Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One signal in one setting at every threshold that tells negatives apart, odd seeds."""

    signal: Signal
    setting: str
    thresholds: Float64[np.ndarray, " thresholds"]
    """Rising; what one control reaches, and just above it."""
    leads: Float64[np.ndarray, "transitions thresholds"]
    """Lead as a share; NaN where not detected before T50."""
    runs: list[str]
    """The run of each transition."""
    quiet: Float64[np.ndarray, " negatives"]
    """The highest threshold at which each quiet run, of any setting, alarms; 0 where it never does."""
    quiet_runs: list[str]
    quiet_cells: list[str]
    hard: dict[str, Float64[np.ndarray, " _"]]
    """The same for each hard control of this setting."""

    def wins(
        self, negatives: Float64[np.ndarray, " negatives"]
    ) -> Float64[np.ndarray, "transitions negatives"]:
        """1 where a transition is detected just above what a control reaches; 1/2 where only at just that.

        Its mean is the area under the ROC curve. A rule may find a transition at a high threshold and not at
        a lower one, where it is not yet armed again: so each pair is told at the control's own threshold.
        """
        detected = ~np.isnan(self.leads)
        place = np.searchsorted(self.thresholds, negatives)
        at = np.where(negatives > 0, detected[:, place], True)
        above = detected[:, np.where(negatives > 0, place + 1, place)]
        return (at + above.astype(np.float64)) / 2


def sweep(runs: Sequence[Observed], setting: str, signal: Signal) -> Sweep | None:
    """The signal at every threshold worth trying; None without negatives or without transitions to judge.

    A transition whose run lacks the signal is never found; a control that lacks it tells nothing.
    """
    shown = [run for run in runs if run.entry.held_out]
    quiet = [run for run in shown if run.entry.kind == "quiet" and signal.name in run.levels]
    here = [run for run in shown if run.entry.setting == setting]
    positives = [run for run in here if run.entry.kind == "transition" and run.judged]
    if not quiet or not any(signal.name in run.levels for run in positives):
        return None
    hard: dict[str, list[float]] = {}
    for run in here:
        if run.entry.kind == "hard" and signal.name in run.levels:
            hard.setdefault(run.entry.control, []).append(max(score_of(run, signal), 0.0))
    reached = np.array([max(score_of(run, signal), 0.0) for run in quiet])
    known = np.concatenate([reached, *map(np.array, hard.values())])
    thresholds = np.unique([*known[known > 0], *np.nextafter(known, np.inf)])
    leads: list[np.ndarray] = []
    names: list[str] = []
    for run, alarms in zip(positives, alarms_at(positives, signal, thresholds.tolist()), strict=True):
        for transition in run.judged:
            names.append(run.entry.name)
            if alarms is None:
                leads.append(np.full(len(thresholds), np.nan))
                continue
            verdicts = [judge(transition, run.steps[fired], start=run.start) for fired in alarms]
            shares = [v.lead_share if v.outcome == "detected" else np.nan for v in verdicts]
            leads.append(np.array(shares, float))
    return Sweep(
        signal=signal,
        setting=setting,
        thresholds=thresholds,
        leads=np.array(leads),
        runs=names,
        quiet=reached,
        quiet_runs=[run.entry.name for run in quiet],
        quiet_cells=[f"{run.entry.setting}/{run.entry.control}" for run in quiet],
        hard={name: np.array(values) for name, values in hard.items()},
    )


def roc_table(sweeps: Sequence[Sweep]) -> pd.DataFrame:
    """One row per setting, signal and threshold: false-alarm rate, detection rate and median lead."""
    rows = [
        {
            "setting": curve.setting,
            "signal": curve.signal.name,
            "threshold": threshold,
            "false_alarm_rate": float((curve.quiet >= threshold).mean()),
            "detected": float((~np.isnan(leads)).mean()),
            "lead_share": float(np.median(np.nan_to_num(leads))),
        }
        for curve in sweeps
        for threshold, leads in zip(curve.thresholds, curve.leads.T, strict=True)
    ]
    columns = ["setting", "signal", "threshold", "false_alarm_rate", "detected", "lead_share"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def areas_table(sweeps: Sequence[Sweep]) -> pd.DataFrame:
    """One row per setting, signal and kind of control: the area under the ROC curve, and that less SHC's.

    Positives are transitions detected before T50, negatives are runs; both of odd seeds. Of a resample, whole
    runs are drawn again, quiet ones within their cells; a difference is taken within the resample.
    """
    areas = {
        (curve.setting, curve.signal.name, controls): _area(curve, controls)
        for curve in sweeps
        for controls in ("quiet", *curve.hard)
    }
    runs = {curve.setting: len(set(curve.runs)) for curve in sweeps}
    rows = []
    for (setting, signal, controls), (area, samples, names) in areas.items():
        interval = middle(samples)
        if area in (0.0, 1.0):
            # no resample differs: exact, for pairs vary no more than as many runs of the fewer kind
            pairs = min(runs[setting], len(names))
            interval = exact_interval(area * pairs, pairs)
        row = {"setting": setting, "signal": signal, "controls": controls}
        row |= with_interval("area", area, interval)
        shc, shc_samples, shc_names = areas.get((setting, REFERENCE, controls), (area, samples, None))
        if names == shc_names:
            row |= with_interval("less_shc", area - shc, middle(samples - shc_samples))
        rows.append(row)
    columns = ["setting", "signal", "controls", "area", "area_low", "area_high"]
    columns += ["less_shc", "less_shc_low", "less_shc_high"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _area(curve: Sweep, controls: str) -> tuple[float, np.ndarray, list[str]]:
    """The area, that of each resample, and the names of the controls."""
    if controls == "quiet":
        negatives, names, cells = curve.quiet, curve.quiet_runs, curve.quiet_cells
    else:  # all are of one cell, and a number is name enough
        negatives = curve.hard[controls]
        names, cells = [str(number) for number in range(len(negatives))], [controls] * len(negatives)
    wins = curve.wins(negatives)
    ours = resampled_weights(curve.runs, [curve.setting] * len(curve.runs))
    theirs = resampled_weights(names, cells, seed=1)
    samples = np.einsum("bp,pn,bn->b", ours, wins, theirs, optimize=True)
    return float(wins.mean()), samples / (ours.sum(axis=1) * theirs.sum(axis=1)), names
