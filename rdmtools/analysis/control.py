"""What did a control do over the same steps? The SHC and score of one named run, to stand beside this one's.

A control is a run made as this one is, but for what is thought to cause the change. Nothing is computed with
it: its course is drawn, and whether it alarms is told. Ranks among many are `analysis.reference`.
"""

from dataclasses import dataclass

import pandas as pd

from rdmtools.analysis.tables import typed
from rdmtools.run.run import Run


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Control:
    """What is kept of a control, for any number of runs."""

    source: str | None
    """Where it was read from; None of one in memory, and without one."""
    table: pd.DataFrame
    """One row per window length and window; empty without one."""


def no_control() -> Control:
    return Control(source=None, table=typed("control", []))


def control_of(run: Run, observables: pd.DataFrame, events: pd.DataFrame) -> Control:
    """The course of a control, of what was found in it with the settings of the runs beside it.

    Its table has `run`, the control's name; `window`; `step`, of the window's last row; `shc`; `score`, NaN
    where nothing is judged; `alarm`, whether an event's alarm is there.
    """
    table = observables[["window", "step", "shc", "score"]]
    alarms = pd.MultiIndex.from_frame(events[["window", "alarm_step"]])
    at_alarm = pd.MultiIndex.from_frame(table[["window", "step"]]).isin(alarms)
    return Control(
        source=None if run.source is None else str(run.source),
        table=typed("control", table.assign(run=run.name, alarm=at_alarm)),
    )
