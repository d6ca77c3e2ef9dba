"""What kind of change is it, and whose? What the windows at an event's floor and alarm say, and no later row.

As in the table of events, for an event that is no older than its alarm: `kind`, `movement`, `drift_share`,
`top_group` and `group_status` are the same there; `direction` is that of the top mode at the alarm, where the
table has that of the peak.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.change_kind import PAST_WINDOWS, change_kind
from rdmtools.analysis.lift import Moved, group_lifts
from rdmtools.analysis.modes import Modes, direction, top_mode
from rdmtools.analysis.moments import movement, residual
from rdmtools.watch.event import Event
from rdmtools.watch.logged import Block

_CONSTANT = "constant"


LastRows = Callable[[int, int], Block]
"""``last_rows(step, count)``: the last so many rows of a run up to a step, or as many as there are."""


def at_alarm(event: Event, last_rows: LastRows, groups: Sequence[str]) -> dict[str, Any] | None:
    """Kind, direction and group of an event of the run; None where its rows are no longer there.

    Parameters
    ----------
    groups
        Of each sample; none where nobody names them.
    """
    window = event.window
    past = last_rows(event.floor_step, PAST_WINDOWS * window)
    last = last_rows(event.alarm_step, window)
    ends = [block.steps[-1] for block in (past, last) if len(block.steps) >= window]
    if ends != [event.floor_step, event.alarm_step]:
        return None
    floor_rows, alarm_rows = past.losses[-window:], last.losses
    at_floor, top = top_mode(floor_rows), top_mode(alarm_rows)
    share = _drift_share(alarm_rows)
    change = change_kind(past.losses, alarm_rows, drift_share=share, detrend=_CONSTANT)
    moved = Moved(
        loadings=np.stack([_loadings(at_floor), _loadings(top), _loadings(top)]),
        movement=np.stack([movement(each, _CONSTANT) for each in (floor_rows, alarm_rows)]),
    )
    (lifts,) = group_lifts([moved], groups)
    first = next((lift for lift in lifts if lift.resolved), None)
    return {
        "kind": change.kind,
        "movement": change.movement,
        "drift_share": share,
        "direction": direction(top.loss_change[0]),
        "top_group": None if first is None else first.group,
        "group_status": "no groups" if len(lifts) < 2 else "unresolved" if first is None else "resolved",
    }


def _drift_share(window_rows: Float[np.ndarray, "w samples"]) -> float:
    """Part of the window's movement that is each sample's line; NaN where nothing moves."""
    whole, about_lines = (float(np.sum(residual(window_rows, degree) ** 2)) for degree in (0, 1))
    return 1.0 - about_lines / whole if whole else float("nan")


def _loadings(modes: Modes) -> Float64[np.ndarray, " samples"]:
    return modes.loadings[0] * (modes.eigenvalues[0] > 0)
