"""Was a transition announced, and how long before? Were there alarms for nothing?

    watched from ---------- T10 --- T50 --- T90 ---- a window later ----------- end
    |  first alarm here: detected    | late  |       | alarms here are false, or warn of the next

Lead is step of T50 less step of the alarm, and 0 where logging cannot tell the two apart. Alarms before the
cause (`since`) are false as well, and every alarm of a control is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from rdmtools.evaluation.truth import Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule said of one transition."""

    outcome: str
    """Either "detected" before T50, with a lead; "late" up to T90; else "missed"."""
    alarm_step: int | None
    lead_steps: int | None
    """T50 less the alarm; 0 where late, None where missed."""
    lead_share: float | None
    """Lead as a share of the way from the cause to T50."""
    before_t10: bool
    alarms: int
    """Alarms before T50: of more than one, those after the first tell nothing new."""


def judge(transition: Transition, alarm_steps: Int64[np.ndarray, " alarms"], *, start: int) -> Verdict:
    """What these alarms, in order, said of a judged transition whose cause was there from `start` on."""
    assert transition.t10 is not None
    assert transition.t50 is not None
    assert transition.t90 is not None
    after = alarm_steps[(alarm_steps >= transition.watched_from) & (alarm_steps <= transition.t90)]
    alarm = int(after[0]) if len(after) else None
    lead = None if alarm is None else transition.t50 - alarm
    if lead is not None and lead < transition.resolution:
        lead = 0
    return Verdict(
        outcome="missed" if lead is None else "detected" if lead else "late",
        alarm_step=alarm,
        lead_steps=lead,
        lead_share=None if lead is None else lead / max(transition.t50 - start, 1),
        before_t10=alarm is not None and alarm < transition.t10,
        alarms=int((after < transition.t50).sum()),
    )


def idle_rows(
    steps: Int64[np.ndarray, " rows"], transitions: Sequence[Transition], *, window: int, start: int
) -> np.ndarray:
    """Which window ends, (rows - window + 1,), lie in a stretch without a transition.

    Before the cause, and after the last transition, once the window holds nothing of it. Without
    a transition, as in a control, all.
    """
    ends = steps[window - 1 :]
    real = [transition for transition in transitions if transition.real]
    if not real:
        return np.ones(len(ends), dtype=bool)
    idle = ends < start
    last = max(transition.t90 or steps[-1] for transition in real)
    over = int(np.searchsorted(steps, last)) + window
    if over < len(steps):
        idle |= ends >= steps[over]
    return idle
