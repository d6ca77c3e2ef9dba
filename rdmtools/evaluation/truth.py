"""When did the transition happen? Where a scalar that is not the loss crosses 10, 50 and 90 % of its rise.

Crossings and what is no transition are those of `analysis.crossings`; what comes too early, or into another
transition, cannot be judged. Each truth says which.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rdmtools.analysis.crossings import CROSSED, crossings
from rdmtools.errors import FormatError
from rdmtools.evaluation.corpus import Truth
from rdmtools.run.run import Run

COVERED_WINDOWS = 5
"""A transition is judged where at least so many windows of rows come before its T50."""

JUDGED = "judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One truth of one run: its crossings in steps, and whether it is judged, or why it is not."""

    truth: Truth
    t10: int | None
    t50: int | None
    t90: int | None
    status: str
    """Either "judged"; "no transition: ..." with the reason; or "not covered: ..."."""
    watched_from: int
    """Alarms at or after this step and before T50 warn of it."""
    resolution: int = 1
    """Steps below which a lead counts as 0: those between the rows, or the scalar's values, on both sides of
    T50, whichever are further apart."""

    @property
    def judged(self) -> bool:
        return self.status == JUDGED

    def row(self) -> dict[str, object]:
        """What a table says of it: the scalar, and its crossings."""
        return {"truth": self.truth.column, "t10": self.t10, "t50": self.t50, "t90": self.t90}

    @property
    def real(self) -> bool:
        """Whether something happened, judged or not."""
        return not self.status.startswith("no transition")


def find_transitions(
    run: Run, truths: Sequence[Truth], *, window: int, since: int | None
) -> list[Transition]:
    """The transitions of one run in the order of their T50, those without one last.

    Parameters
    ----------
    window
        Rows of the windows that are to warn of it: `COVERED_WINDOWS` of them must come before T50.
    since
        Step from which the cause was there; shares and watches begin at it.

    Raises
    ------
    FormatError
        Where the run has no such scalar.
    """
    start = int(run.steps[0]) if since is None else since
    transitions: list[Transition] = []
    watched_from, endless = start, False
    alone = [_crossed(run, truth, start) for truth in truths]
    for transition in sorted(alone, key=lambda one: np.inf if one.t50 is None else one.t50):
        status = transition.status
        if status == JUDGED and transition.t50 is not None:
            before = int(np.searchsorted(run.steps, transition.t50))
            if before < COVERED_WINDOWS * window:
                status = f"not covered: {before} rows before T50, needed {COVERED_WINDOWS * window}"
            elif endless or transition.t50 <= watched_from:
                status = "not covered: begins before the one before it is over"
        transition = replace(transition, status=status, watched_from=watched_from)
        transitions.append(transition)
        if transition.real and transition.t90 is not None:
            watched_from = max(watched_from, _left_behind(run.steps, transition.t90, window))
        elif transition.real:
            endless = True
    return transitions


def _left_behind(steps: np.ndarray, step: int, window: int) -> int:
    """The first step whose window holds nothing up to `step`; one past the last where there is none."""
    row = int(np.searchsorted(steps, step)) + window
    return int(steps[row]) if row < len(steps) else int(steps[-1]) + 1


def _crossed(run: Run, truth: Truth, start: int) -> Transition:
    """The truth's crossings, judged by themselves alone."""
    if truth.column not in run.scalars.columns[1:]:
        known = ", ".join(map(str, run.scalars.columns[1:])) or "none"
        raise FormatError(f"no scalar {truth.column!r}, its truth; found {known}; log it")
    known = run.scalars[["step", truth.column]].dropna()
    known = known[known["step"] >= start]
    share = (known[truth.column].to_numpy(np.float64) - truth.low) / (truth.high - truth.low)
    found = crossings(known["step"].to_numpy(np.int64), share, run.steps)
    return Transition(
        truth=truth,
        t10=found.t10,
        t50=found.t50,
        t90=found.t90,
        status=JUDGED if found.status == CROSSED else found.status,
        watched_from=start,
        resolution=found.resolution,
    )
