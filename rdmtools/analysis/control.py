"""What did a control do over the same steps? The SHC and score of one named run, to stand beside this one's.

A control is a run made as this one is, but for what is thought to cause the change. Nothing is computed with
it: its course is drawn, and whether it alarms is told. Ranks among many are `analysis.reference`.
"""

import pandas as pd

from rdmtools.analysis.tables import AnalysisTables, typed


def control_table(name: str | None, found: AnalysisTables | None) -> pd.DataFrame:
    """One row per window length and window of the control's: empty without one.

    Parameters
    ----------
    name, found
        The control's name, and its analysis with the settings of the run's.

    Returns
    -------
    DataFrame
        `run`, the name; `window`; `step`, of the window's last row; `shc`; `score`, NaN where nothing is
        judged; `alarm`, whether an event's alarm is there.
    """
    if found is None:
        return typed("control", pd.DataFrame(columns=["run", "window", "step", "shc", "score", "alarm"]))
    table = found.observables[["window", "step", "shc", "score"]]
    alarms = pd.MultiIndex.from_frame(found.events[["window", "alarm_step"]])
    at_alarm = pd.MultiIndex.from_frame(table[["window", "step"]]).isin(alarms)
    return typed("control", table.assign(run=name, alarm=at_alarm))
