"""When does a series rise enough to call it an event?

The first rule: alarm where log10 of the series stands `decades` above its running minimum. The event ends,
and the rule is armed again with a new running minimum, once the series has come down from the event's peak by
half as much. Strictly causal: an alarm at index t depends on values up to t alone, and later values move only
the peak and the end of an event that is still open.

The threshold is not calibrated: it states no false-alarm rate.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """One event, as indices into the series."""

    floor: int
    """Where the running minimum stood when the alarm fired."""
    alarm: int
    peak: int
    """Largest value from the alarm to the end (so far, while the event lasts)."""
    end: int | None
    """First index that is half the threshold below the peak; None while the event lasts."""
    decades: float
    """log10 at the peak minus log10 at the floor."""


def find_rises(series: Float64[np.ndarray, " windows"], *, decades: float) -> list[Rise]:
    """Every rise of log10(series) by at least `decades` above its running minimum, in order.

    Zeros and NaN have no level on a log scale: they neither set the floor nor fire nor end an event.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return find_level_rises(np.log10(series), decades=decades)


def find_level_rises(level: Float64[np.ndarray, " windows"], *, decades: float) -> list[Rise]:
    """The same of levels, which are log10 of the series already."""
    rises: list[Rise] = []
    floor, alarm, peak = -1, -1, -1

    def rise(end: int | None) -> Rise:
        height = float(level[peak] - level[floor])
        return Rise(floor=floor, alarm=alarm, peak=peak, end=end, decades=height)

    for now in np.flatnonzero(np.isfinite(level)).tolist():
        if alarm < 0:
            if floor < 0 or level[now] < level[floor]:
                floor = now
            elif level[now] - level[floor] >= decades:
                alarm = peak = now
        elif level[now] > level[peak]:
            peak = now
        elif level[peak] - level[now] >= decades / 2:
            rises.append(rise(end=now))
            floor, alarm, peak = now, -1, -1
    if alarm >= 0:
        rises.append(rise(end=None))
    return rises
