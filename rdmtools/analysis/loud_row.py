"""Does one row carry the event? SHC of its windows with that row left out.

A spike, one bad batch or a damaged checkpoint lifts every window that holds its row, and looks like an event
of a window's length. An event has *one loud row* where one and the same row, left out of the window at the
alarm and of the one at the peak, leaves both below the level of the alarm, and takes at least half of the
rule's decades from the peak. A change that lasts, even one between two rows, has other rows in the window at
its peak and keeps its alarm. The peak is so far, while the event lasts: a jump in the last row of a run
is one loud row, until more come.
"""

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.alarms.one_signal import DEAD_ZONE
from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.observables import spectral_heat_capacity

# A row that carries a window has much of its energy, and few rows can.
_CANDIDATES = 8


def loud_row(
    alarm_rows: Float[np.ndarray, "w samples"],
    peak_rows: Float[np.ndarray, "w samples"],
    *,
    later: int,
    floor: float,
    decades: float,
    detrend: str = "constant",
) -> int | None:
    """The row that alone carries the event, counted from the first of the window at the alarm; or None.

    Parameters
    ----------
    alarm_rows, peak_rows
        Losses of the windows that end at the alarm and at the peak.
    later
        Rows from the alarm to the peak.
    floor
        SHC at the floor.
    decades
        The rise at which the rule fires; or less, what SHC has risen where another signal fired first.

    Notes
    -----
    None for windows so short that one row less has no SHC, and where SHC has not risen.
    """
    window, degree = len(alarm_rows), DEGREES[detrend]
    if later >= window or window < degree + 3 or not decades > DEAD_ZONE:
        return None
    at_peak = _Window(peak_rows, degree)
    at_alarm: _Window | None = None  # seldom asked
    level = floor * 10**decades
    most = min(level, at_peak.shc() * 10 ** (-decades / 2))
    loudest: tuple[float, int] | None = None
    for row in at_peak.largest():
        if row + later >= window:
            continue
        left = at_peak.shc(without=row)
        if left >= (most if loudest is None else min(most, loudest[0])):
            continue
        at_alarm = at_alarm or _Window(alarm_rows, degree)
        if at_alarm.shc(without=row + later) < level:
            loudest = left, row + later
    return None if loudest is None else loudest[1]


class _Window:
    """Products of one window's rows, about their median, so that beside a loud row others keep digits."""

    def __init__(self, rows: Float[np.ndarray, "w samples"], degree: int) -> None:
        field = rows.astype(np.float64)
        field -= np.median(field, axis=0)
        self._products = field @ field.T
        self._samples = rows.shape[1]
        self._degree = degree

    def largest(self) -> list[int]:
        """Rows that are furthest from the median, at most a few, furthest first."""
        return np.argsort(-np.diag(self._products), kind="stable")[:_CANDIDATES].tolist()

    def shc(self, *, without: int | None = None) -> float:
        """SHC of the window, or of what is left of it."""
        rows = np.arange(len(self._products))
        kept = rows if without is None else np.delete(rows, without)
        trend, _ = np.linalg.qr(np.vander(kept - kept.mean(), self._degree + 1))
        projection: Float64[np.ndarray, "few few"] = np.eye(len(kept)) - trend @ trend.T
        gram = projection @ self._products[np.ix_(kept, kept)] @ projection
        gram /= len(kept) - 1 - self._degree
        trace, square = np.array([np.trace(gram)]), np.array([np.sum(gram * gram)])
        return float(spectral_heat_capacity(trace, square, self._samples)[0])
