"""What kind of change is it, at the alarm: drift or fluctuation, more of the same or a new direction?

With d the drift share of the window at the alarm, the part of its movement that is each sample's line:

    drift        d is at least 1/2
    fluctuation  less, and without lines SHC rose by 0.3 decades from the floor's window to the alarm's
    unresolved   else

With v the top mode of the window at the alarm and V the three leading modes of the window at the floor, the
overlap |V v|**2 is the part of v's direction in which the losses moved before:

    amplitude      at least 1/2: more movement along the same directions
    new direction  less, and less than of any two windows W rows apart up to the floor (at most 4 pairs)
    unresolved     else: directions changed as much before, or there are fewer than 3 pairs

Causal: no row after the alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.modes import modes_by_products
from rdmtools.analysis.moments import residual
from rdmtools.analysis.observables import spectral_heat_capacity

UNRESOLVED = "unresolved"
DRIFT, FLUCTUATION = "drift", "fluctuation"
AMPLITUDE, NEW_DIRECTION = "amplitude", "new direction"

_HALF = 0.5
_RISE = 0.3
_LEADING = 3
_FEWEST_PAIRS = 3
PAST_WINDOWS = 5
"""That end at the floor, one after another: four pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeKind:
    kind: str
    """"drift", "fluctuation" or "unresolved"."""
    movement: str
    """"amplitude", "new direction" or "unresolved"."""
    overlap: float
    """Part of the top mode's direction at the alarm in that of the floor's window, 0 to 1."""
    past_overlap: float
    """The median of the same in the run's own past; NaN without three pairs."""


def change_kind(
    past: Float[np.ndarray, "rows samples"],
    alarm_rows: Float[np.ndarray, "w samples"],
    *,
    drift_share: float,
    detrend: str,
) -> ChangeKind:
    """What kind of change an alarm tells of.

    Parameters
    ----------
    past
        Losses of the rows up to the floor, at least one window, at most five.
    alarm_rows
        Of the window that ends at the alarm.
    drift_share
        Of the window at the alarm; NaN where nothing moves.
    detrend
        Of the modes.
    """
    degree = DEGREES[detrend]
    window = len(alarm_rows)
    stops = range(len(past), window - 1, -window)
    leading = [_leading(past[stop - window : stop], degree) for stop in stops]
    overlap = _overlap(leading[0], _leading(alarm_rows, degree)[0])
    overlaps = [_overlap(before, after[0]) for after, before in pairwise(leading)]
    told = len(overlaps) >= _FEWEST_PAIRS
    return ChangeKind(
        kind=_kind(past[-window:], alarm_rows, drift_share),
        movement=_movement(overlap, overlaps if told else []),
        overlap=overlap,
        past_overlap=float(np.median(overlaps)) if told else nan,
    )


def _movement(overlap: float, past: Sequence[float]) -> str:
    if overlap >= _HALF:
        return AMPLITUDE
    return NEW_DIRECTION if past and overlap < min(past) else UNRESOLVED


def _leading(window_rows: Float[np.ndarray, "w samples"], degree: int) -> Float64[np.ndarray, "few samples"]:
    return modes_by_products(residual(window_rows, degree), _LEADING)[1]


def _overlap(before: Float64[np.ndarray, "few samples"], mode: Float64[np.ndarray, " samples"]) -> float:
    along = before @ mode
    return min(float(along @ along), 1.0)


def _kind(
    floor_rows: Float[np.ndarray, "w samples"], alarm_rows: Float[np.ndarray, "w samples"], drift_share: float
) -> str:
    if drift_share >= _HALF or len(alarm_rows) < 3:  # two rows are all line
        return DRIFT
    floor, alarm = (_linear_shc(window_rows) for window_rows in (floor_rows, alarm_rows))
    return FLUCTUATION if alarm > 0 and alarm >= floor * 10**_RISE else UNRESOLVED


def _linear_shc(window_rows: Float[np.ndarray, "w samples"]) -> float:
    field = residual(window_rows, degree=1)
    gram = field @ field.T / (len(field) - 2)
    trace, square = np.array([np.trace(gram)]), np.array([np.sum(gram * gram)])
    return float(spectral_heat_capacity(trace, square, window_rows.shape[1])[0])
