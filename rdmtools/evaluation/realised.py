"""Is the stated rate kept? How many controls alarmed, beside the rate that the rule states.

A rate is stated for a run, of runs of more than 80 windows for every 80 of them: such a run is cut into
stretches of at most 80 windows, each with an alarm or without. Its interval is exact, as of so many runs:
stretches of one run are not independent. A control in which the rule judged no row tells nothing, and is
counted apart.

Nothing was fitted to these runs, so that even seeds count as well as odd ones. A rate is stated of quiet
controls alone: in hard ones something does happen.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rdmtools.evaluation.observed import Observed
from rdmtools.evaluation.rated import stretches
from rdmtools.evaluation.rates import exact_interval, with_interval
from rdmtools.evaluation.rules import Rule

_COLUMNS = (
    *("rule", "stated_rate", "controls", "setting", "control", "kind", "runs", "not_judged", "judged_share"),
    *("stretches", "alarmed", "rate", "rate_low", "rate_high", "above"),
)

Cell = tuple[str, str, str, str]


def realised_table(runs: Sequence[Observed], rules: Sequence[Rule]) -> pd.DataFrame:
    """One row per rule that states a rate and set of controls: quiet ones pooled, then each cell by itself.

    Returns
    -------
    DataFrame
        `rule`, `stated_rate`; `controls`, as in `rates`, with `setting` and `control`, empty where pooled;
        `kind`; `runs` judged, and those `not_judged`; `judged_share`, the mean share of windows at which the
        rule could have fired; `stretches` of at most 80 windows, those `alarmed`, and their `rate` with
        its interval; `above`: the interval lies above the stated rate.
    """
    cells = _cells(runs)
    rows: list[dict[str, object]] = []
    for rule in rules:
        if np.isnan(rule.stated_rate):
            continue
        for (controls, setting, control, kind), here in cells.items():
            watched = [(run, run.rated[rule.name]) for run in here if rule.name in run.rated]
            judged = [(run, watch) for run, watch in watched if watch.judged.any()]
            alarmed = [
                bool(watch.alarms[part].any())
                for run, watch in judged
                for part in stretches(len(run.steps), run.window)
            ]
            row: dict[str, object] = {
                "rule": rule.name,
                "stated_rate": rule.stated_rate,
                "controls": controls,
                "setting": setting,
                "control": control,
                "kind": kind,
                "runs": len(judged),
                "not_judged": len(watched) - len(judged),
                "judged_share": np.mean([watch.judged.mean() for _, watch in judged]) if judged else np.nan,
                "stretches": len(alarmed),
                "alarmed": sum(alarmed),
            }
            rate = float(np.mean(alarmed)) if alarmed else np.nan
            interval = exact_interval(rate * len(judged), len(judged))
            row |= with_interval("rate", rate, interval)
            rows.append(row | {"above": interval[0] > rule.stated_rate})
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS)).astype({"above": bool})


def _cells(runs: Sequence[Observed]) -> dict[Cell, list[Observed]]:
    """Controls by what they are called: quiet ones pooled, each cell of these, and hard ones."""
    quiet, hard = ([run for run in runs if run.entry.kind == kind] for kind in ("quiet", "hard"))
    cells: dict[Cell, list[Observed]] = {("quiet", "", "", "quiet"): quiet} if quiet else {}
    for of_kind, note in ((quiet, " (quiet)"), (hard, "")):
        for run in of_kind:
            entry = run.entry
            cell = (f"{entry.setting}: {entry.control}{note}", entry.setting, entry.control, entry.kind)
            cells.setdefault(cell, []).append(run)
    return cells
