"""What does the warning rule say of a run? Its events, what had to be crossed at each row, what was judged.

energies of half windows -> alarms.self_normalised -> events that state a rate
SHC of windows           -> alarms.rule            -> events that state none

Rows are those of the run, from 0. A value at a row, and an alarm, use nothing after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int

from rdmtools.alarms.joined import Event, joined
from rdmtools.alarms.one_signal import Warned
from rdmtools.alarms.own_past import outside_from
from rdmtools.alarms.rule import decades, find_rises
from rdmtools.alarms.self_normalised import BASELINES, SHORTEST_WINDOW, SIGNALS, Course, watched
from rdmtools.alarms.thresholds import WINDOWS, horizon_of, threshold
from rdmtools.analysis.settings import RULES, AnalysisSettings
from rdmtools.analysis.tables import typed

TOO_SHORT, EARLY, JUDGED = "too short to judge", "only large rises", "judged"

_COLUMNS = ("value", "level", "scatter", "line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the rule says of the windows of one length."""

    window: int
    threshold: float
    """Score that fires."""
    horizon: float | None
    """Windows for which the rate is stated; None where none is."""
    courses: Mapping[str, Course]
    """By signal, row by row."""
    events: Sequence[Event]
    baselines: Sequence[Warned] = ()
    """Alarms of each baseline, as a rule of its own at the same rate."""
    outside: int | None = None
    """First row from which the run's own past says that no rate was checked for the like of it."""

    @property
    def score(self) -> Float64[np.ndarray, " rows"]:
        """The highest over the signals; NaN where none is judged."""
        return np.fmax.reduce([course.score for course in self.courses.values()])

    def columns(self) -> dict[str, Float64[np.ndarray, " windows"]]:
        """Those of the table of observables, from the first whole window on."""
        of_signals = {
            f"{name}_{column}": getattr(self.courses[name], column) if name in self.courses else None
            for name in (signal.name for signal in SIGNALS)
            for column in _COLUMNS
        }
        score = self.score
        unwatched = np.full(len(score), nan)
        return {
            name: (unwatched if values is None else values)[self.window - 1 :]
            for name, values in {"score": score, **of_signals}.items()
        }


def judge(
    rows: int,
    window: int,
    energies: Mapping[str, Float64[np.ndarray, " late_rows"]],
    shc: Float64[np.ndarray, " windows"],
    settings: AnalysisSettings,
    *,
    baselines: bool = True,
) -> Judgement:
    """What the rule that the settings name says of windows of one length.

    Parameters
    ----------
    rows
        Of the run.
    energies
        u of each signal of half windows, from the first whole one on (`log_energies`); not asked of windows
        too short for the rule, of which no row is judged.
    shc
        Of whole windows.
    baselines
        Whether to ask these, too, which takes twice as long as the rule.
    """
    if settings.rule != RULES[0]:
        return _fixed(window, decades(shc), settings.decades)
    if window < SHORTEST_WINDOW:
        energies = {signal.name: np.full(rows - window // 2 + 1, nan) for signal in SIGNALS}
    horizon = horizon_of(rows, window) if settings.horizon is None else float(settings.horizon)
    least = threshold(settings.false_alarms, horizon)
    early = np.full(window // 2 - 1, nan)
    values = {name: np.concatenate([early, late]) for name, late in energies.items()}
    # Of windows too short for the rule nothing is known, and no row is judged.
    found = watched(values, window=max(window, SHORTEST_WINDOW), threshold=least)
    alone = [
        watched(values, window=window, threshold=least, signals=[baseline]).events
        for baseline in (BASELINES if baselines else ())
        if window >= SHORTEST_WINDOW
    ]
    return Judgement(
        window=window,
        threshold=least,
        horizon=horizon,
        courses=found.courses,
        events=joined(found.events, window),
        baselines=[warned for events in alone for warned in events],
        outside=outside_from(values, max(window, SHORTEST_WINDOW)),
    )


def _fixed(window: int, levels: Float64[np.ndarray, " windows"], rise: float) -> Judgement:
    """The rule of a fixed rise above the running minimum: of SHC alone, and without a scatter."""
    rows = len(levels) + window - 1
    value = np.concatenate([np.full(window - 1, nan), levels])
    event = np.zeros(rows, dtype=bool)
    level = np.full(rows, nan)
    warned: list[Warned] = []
    armed = 0
    for found in find_rises(levels, threshold=rise):
        floor, alarm, peak = (row + window - 1 for row in (found.floor, found.alarm, found.peak))
        end = None if found.end is None else found.end + window - 1
        event[alarm:end] = True
        level[armed : alarm + 1] = np.fmin.accumulate(value[armed : alarm + 1])
        armed = rows if end is None else end
        warned.append(
            Warned(
                signal="shc",
                statistic="level",
                floor=floor,
                alarm=alarm,
                peak=peak,
                end=end,
                score=float((value[alarm] - value[floor]) / rise),
                scatter=nan,
                needed=rise,
            )
        )
    level[armed:] = np.fmin.accumulate(value[armed:])
    course = Course(
        value=value,
        level=level,
        scatter=np.full(rows, nan),
        line=level + rise,
        score=(value - level) / rise,
        judged=np.isfinite(value - level),
        event=event,
    )
    return Judgement(
        window=window,
        threshold=1.0,
        horizon=None,
        courses={"shc": course},
        events=[Event(warned=(each,)) for each in warned],
    )


def judged_table(
    judgements: Sequence[Judgement], steps: Int[np.ndarray, " rows"], settings: AnalysisSettings
) -> pd.DataFrame:
    """What each window length could have seen: one row per length.

    Returns
    -------
    DataFrame
        `window`, `rule`; `false_alarms` and `horizon` (windows) of the rate stated, null where none is;
        `rate_checked`, whether windows of that length took part when it was; `threshold`, the score that
        fires; `first_step` from which on rows are judged, null of runs too short; `own_step`, from which on
        the run's own scatter counts and not the prior alone; `outside_step`, from which on the run's own past
        says that it is outside what the rate was checked for (`alarms.own_past`), else null; `judged_share`
        of all rows; `needed_first` and `needed_last`, decades by which the cheapest signal had to rise at the
        first and last judged row; `largest_score` and its step; `status`.
    """
    return typed("judged", [_row(each, steps, settings) for each in judgements])


def _row(judgement: Judgement, steps: Int[np.ndarray, " rows"], settings: AnalysisSettings) -> dict[str, Any]:
    window, courses = judgement.window, [*judgement.courses.values()]
    judged = np.any([course.judged | course.event for course in courses], axis=0)
    stated = judgement.horizon is not None
    own = np.zeros(len(judged), dtype=bool)
    for course in courses:
        own |= judged & (course.scatter != course.scatter[:1]) if stated else judged
    needed = np.fmin.reduce([course.line - course.level for course in courses])
    needed = needed[np.isfinite(needed)]
    score = judgement.score
    best = int(np.nanargmax(score)) if np.isfinite(score).any() else None
    return {
        "window": window,
        "rule": settings.rule,
        "false_alarms": settings.false_alarms if stated else None,
        "horizon": judgement.horizon,
        "rate_checked": stated and WINDOWS[0] <= window <= WINDOWS[1],
        "threshold": judgement.threshold,
        "first_step": _first(steps, judged),
        "own_step": _first(steps, own),
        "outside_step": None if judgement.outside is None else int(steps[judgement.outside]),
        "judged_share": float(judged.mean()),
        "needed_first": float(needed[0]) if len(needed) else nan,
        "needed_last": float(needed[-1]) if len(needed) else nan,
        "largest_score": nan if best is None else float(score[best]),
        "largest_score_step": None if best is None else int(steps[best]),
        "status": JUDGED if own.any() else EARLY if judged.any() else TOO_SHORT,
    }


def _first(steps: Int[np.ndarray, " rows"], where: np.ndarray) -> int | None:
    return int(steps[int(where.argmax())]) if where.any() else None


def baselines_table(judgements: Sequence[Judgement], steps: Int[np.ndarray, " rows"]) -> pd.DataFrame:
    """Each alarm of each baseline, a rule of its own with the same stated rate: one row each.

    Returns
    -------
    DataFrame
        `window`, `baseline`, `floor_step`, `alarm_step`, `end_step`, `score`; and the `event` during which,
        or no more than 2 W rows before which, it fired (the first such), with `lead_rows`: how many rows
        earlier than the event's own alarm; null where there is none.
    """
    rows: list[dict[str, Any]] = []
    before = 0
    for judgement in judgements:
        for warned in judgement.baselines:
            place = next(
                (n for n, event in enumerate(judgement.events) if _near(warned, event, judgement)), None
            )
            event = None if place is None else judgement.events[place]
            rows.append(
                {
                    "window": judgement.window,
                    "baseline": warned.signal,
                    "floor_step": int(steps[warned.floor]),
                    "alarm_step": int(steps[warned.alarm]),
                    "end_step": None if warned.end is None else int(steps[warned.end]),
                    "score": warned.score,
                    "event": None if place is None else before + place + 1,
                    "lead_rows": None if event is None else event.alarm - warned.alarm,
                }
            )
        before += len(judgement.events)
    return typed("baselines", rows)


def _near(warned: Warned, event: Event, judgement: Judgement) -> bool:
    early = event.alarm - 2 * judgement.window
    return early <= warned.alarm and (event.end is None or warned.alarm < event.end)


def alarms_table(judgements: Sequence[Judgement], steps: Int[np.ndarray, " rows"]) -> pd.DataFrame:
    """Each alarm of each signal: one row per event and alarm."""
    rows: list[dict[str, Any]] = []
    events = [(each.window, event) for each in judgements for event in each.events]
    for number, (window, event) in enumerate(events, start=1):
        for warned in event.warned:
            rows.append(
                {
                    "event": number,
                    "window": window,
                    "signal": warned.signal,
                    "statistic": warned.statistic,
                    "floor_step": int(steps[warned.floor]),
                    "alarm_step": int(steps[warned.alarm]),
                    "end_step": None if warned.end is None else int(steps[warned.end]),
                    "score": warned.score,
                    "scatter": warned.scatter if isfinite(warned.scatter) else nan,
                    "needed": warned.needed,
                }
            )
    return typed("alarms", rows)
