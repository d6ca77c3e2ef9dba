"""How early was each alarm? Its distance to the half-way step of a scalar that is named as the truth.

    lead = T50 of the scalar - step of the alarm

The peak of SHC is no time of the transition, so that without a truth there is no lead. A truth is named as

| text | T10, T50, T90 are |
|---|---|
| `test_acc` | first values at 10, 50, 90 % of its largest rise, if that is more than noise (`splits`) |
| `test_acc=0..1` | of the way from 0 to 1; `error=1..0` falls |
| `test_acc@0.9` | T50 alone: the first value on the other side of 0.9 |

    alarm --------- T10 --------- T50 --------- T90 ------ end of the event
    | "before T10"  | "before T50" | "late"     |

An alarm belongs to a transition where its event is on, from alarm to end, at some step from T10 to T90: what
was over before is no warning of it, so that each of several transitions has its own. Looks back over the run.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rdmtools.analysis.crossings import Crossings, crossings
from rdmtools.analysis.splits import split
from rdmtools.analysis.tables import typed
from rdmtools.errors import ParameterError
from rdmtools.run.run import Run

BEFORE_T10, BEFORE_T50, UNRESOLVED, LATE, MISSED = "before T10", "before T50", "unresolved", "late", "missed"
NOT_COVERED, NO_TRANSITION, NOT_ASKED = "not covered", "no transition", "not asked"
TOO_EARLY = f"{NOT_COVERED}: half-way before the first window with a floor"

_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*"
_RISE = re.compile(rf"(.+)=({_NUMBER})\.\.({_NUMBER})", re.DOTALL)
_LEVEL = re.compile(rf"(.+)@({_NUMBER})", re.DOTALL)
# A scalar that falls this many times as far as it rises is no rise.
_FALLS = 2
# Values above this are scaled down, so that their squares can be held.
_LARGEST = 1e100


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One scalar that is named as the truth, and when it crossed."""

    text: str
    """As it was named."""
    found: Crossings
    began: int | None
    """Step at which it had moved 10 %: T10, or that of the scalar's own rise where the truth is a level."""


def find_truths(run: Run, texts: Sequence[str]) -> list[Truth]:
    """When each of the scalars that are named as truths crossed.

    Raises
    ------
    ParameterError
        Where the run has no such scalar, or a truth goes nowhere.
    """
    return [_truth(run, text) for text in texts]


def _truth(run: Run, text: str) -> Truth:
    column, low, high, level = _parsed(text, [str(name) for name in run.scalars.columns[1:]])
    table = run.scalars[["step", column]]
    table = table[np.isfinite(table[column].to_numpy(np.float64))]
    steps, values = table["step"].to_numpy(np.int64), table[column].to_numpy(np.float64)
    if level is not None:
        above = values >= level
        found = crossings(steps, (above != above[:1].any()).astype(np.float64), run.steps)
        began = _own_rise(steps, values if above[-1:].any() else -values, run.steps).t10
        return Truth(text=text, found=replace(found, t10=None, t90=None), began=began)
    if high is None or low is None:
        found = _own_rise(steps, values, run.steps)
    else:
        with np.errstate(over="ignore"):
            shares = (values - low) / (high - low)
        found = crossings(steps, shares, run.steps)
    return Truth(text=text, found=found, began=found.t10)


def _parsed(text: str, known: Sequence[str]) -> tuple[str, float | None, float | None, float | None]:
    """Column, low, high and level of a truth; a column may itself be called "hits@10"."""
    column, low, high, level = text, None, None, None
    if text not in known:
        if match := _RISE.fullmatch(text):
            column, low, high = match[1], float(match[2]), float(match[3])
        elif match := _LEVEL.fullmatch(text):
            column, level = match[1], float(match[2])
    if column not in known:
        there = f'found {", ".join(known)}; choose truth="{known[-1]}"' if known else "found none; log one"
        raise ParameterError(f"no scalar {column!r} for the truth; {there}")
    if low is not None and high is not None and not 0 < abs(high - low) < np.inf:
        raise ParameterError(
            f"truth {text!r} goes from {low:g} to {high:g}; "
            f'needed two values apart, such as truth="{column}=0..1"'
        )
    return column, low, high, level


def _own_rise(steps: np.ndarray, values: np.ndarray, rows: np.ndarray) -> Crossings:
    """Crossings of the largest rise, from the lowest value before the highest."""
    never = Crossings(t10=None, t50=None, t90=None, status=f"{NO_TRANSITION}: never risen")
    if not len(values):
        return never
    unit = max(float(np.abs(values).max()) / _LARGEST, 1.0)
    values = values / unit
    rises = values - np.minimum.accumulate(values)
    falls = np.maximum.accumulate(values) - values
    top, bottom = int(rises.argmax()), int(falls.argmax())
    rise, fall = float(rises[top]), float(falls[bottom])
    if fall > _FALLS * rise:
        ends = f"{unit * values[: bottom + 1].max():.3g}..{unit * values[bottom]:.3g}"
        return replace(never, status=f"{NO_TRANSITION}: it falls; name its ends, as NAME={ends}")
    if not rise > 0:
        return never
    start = int(values[: top + 1].argmin())
    shares = (values[start:] - values[start]) / rise
    found = crossings(steps[start:], shares, rows)
    if found.status.startswith(NO_TRANSITION) or split(values[:, None]).resolved[0]:
        return found
    # Noise has a largest rise as well.
    return replace(never, status=f"{NO_TRANSITION}: no more than its noise; name its ends, as NAME=0..1")


def leads_table(
    run: Run, truths: Sequence[Truth], events: pd.DataFrame, windows: Sequence[int]
) -> pd.DataFrame:
    """How early each alarm was: one row per truth, window length and event that warned of it, or one without.

    Parameters
    ----------
    truths
        As `find_truths` gives them.
    events
        The table of events: `event`, `window`, `alarm_step`.

    Returns
    -------
    DataFrame
        `truth`; `event` (null where none warned); `window`; `t10`, `t50`, `t90` in steps; `alarm_step`; the
        lead in steps, logged rows, windows and as a share of the way from the first row to T50. A lead below
        the logging interval counts as 0, `outcome` "unresolved"; a late alarm has a negative lead.
    """
    return typed(
        "leads", [row for truth in truths for each in windows for row in _rows(run, truth, events, each)]
    )


def _rows(run: Run, truth: Truth, events: pd.DataFrame, window: int) -> Iterator[dict[str, Any]]:
    found = truth.found
    row = {"truth": truth.text, "window": window, "t10": found.t10, "t50": found.t50, "t90": found.t90}
    if found.t50 is None or found.status.startswith(NO_TRANSITION):
        yield row | {"outcome": found.status}
        return
    if found.t50 <= run.steps[window - 1]:
        yield row | {"outcome": TOO_EARLY}
        return
    first = found.t50 if truth.began is None else min(truth.began, found.t50)
    last = run.steps[-1] if found.t90 is None and found.t10 is not None else found.t90 or found.t50
    on = (events["alarm_step"] <= last) & ~(events["end_step"] < first).fillna(False).astype(bool)
    warned = events[on & (events["window"] == window)]
    if warned.empty:
        yield row | {"outcome": MISSED}
    for event, alarm in zip(warned["event"].tolist(), warned["alarm_step"].tolist(), strict=True):
        yield row | {"event": event} | _lead(run, found, alarm, found.t50, window)


def _lead(run: Run, found: Crossings, alarm: int, t50: int, window: int) -> dict[str, Any]:
    steps, t10 = t50 - alarm, found.t10
    rows = int(np.searchsorted(run.steps, t50) - np.searchsorted(run.steps, alarm))
    if abs(steps) < found.resolution:
        steps, rows, outcome = 0, 0, UNRESOLVED
    elif steps < 0:
        outcome = LATE
    else:
        outcome = BEFORE_T10 if t10 is not None and alarm < t10 else BEFORE_T50
    return {
        "alarm_step": alarm,
        "lead_steps": steps,
        "lead_rows": rows,
        "lead_windows": rows / window,
        "lead_share": steps / max(t50 - int(run.steps[0]), 1),
        "outcome": outcome,
    }


def first_leads(leads: pd.DataFrame) -> pd.DataFrame:
    """One row per truth and window length: that of the first alarm."""
    return leads.drop_duplicates(["truth", "window"], ignore_index=True)
