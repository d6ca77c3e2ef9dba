"""When does a level rise enough to call it an event? The one rule, of one series or of many at once.

Alarm where the level stands `threshold` above its running minimum, the floor. The event ends once the level
has come down from the event's peak by half as much; that arms the rule again, with a new running minimum.
With a fixed floor the alarm is where the level itself reaches the threshold, armed again at half of it.

Strictly causal: an alarm at index t depends on levels up to t alone, and later ones move only the peak and
the end of an event that is still open. NaN and infinite levels neither set the floor nor fire nor end an
event. The threshold, above 0, is not calibrated: it states no false-alarm rate.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """One event, as indices into the series."""

    floor: int
    """Where the running minimum stood when the alarm fired."""
    alarm: int
    peak: int
    """Largest level from the alarm to the end (so far, while the event lasts)."""
    end: int | None
    """First index that is half the threshold below the peak; None while the event lasts."""
    height: float
    """Level at the peak minus level at the floor."""


_Branching = tuple[Callable[[Any, Any, Any], Any], Callable[[Any], Any]]
_FLOATS: _Branching = (lambda condition, yes, no: yes if condition else no, bool)
_ARRAYS: _Branching = (np.where, np.any)


def find_rises(level: Float64[np.ndarray, " windows"], *, threshold: float) -> list[Rise]:
    """Every rise of one series by at least the threshold above its running minimum, in order."""
    levels: list[float] = _known(level).tolist()
    rises: list[Rise] = []
    floor = alarm = mark = -1
    way = 1.0

    def rise(end: int | None) -> Rise:
        height = levels[mark] - levels[floor]
        return Rise(floor=floor, alarm=alarm, peak=mark, end=end, height=height)

    for now, turned, way in _moves(levels, float(threshold)):
        if turned and way < 0:
            floor, alarm = mark, now
        elif turned:
            rises.append(rise(end=now))
        mark = now
    return [*rises, rise(end=None)] if way < 0 else rises


def find_alarms(
    levels: Float64[np.ndarray, "series windows"],
    thresholds: Float64[np.ndarray, "#series thresholds"],
    *,
    fixed_floor: bool = False,
) -> Bool[np.ndarray, "series thresholds windows"]:
    """Where alarms fire, for each series and each of its thresholds; one row of these serves all series."""
    alarms = np.zeros((levels.shape[1], len(levels), thresholds.shape[1]), dtype=bool)
    for now, turned, way in _moves(_known(levels).T[:, :, None], thresholds, fixed_floor=fixed_floor):
        alarms[now] = turned & (way < 0)
    return np.moveaxis(alarms, 0, -1)


def _moves(
    rows: Iterable[Any], threshold: Any, *, fixed_floor: bool = False
) -> Iterator[tuple[int, Any, Any]]:
    """The rule, window by window: each at which it moves, whether it turns there, and which way it looks now.

    Of floats, or of arrays in which each element goes its own way. Waiting for a rise (1) the rule looks up
    from the lowest level so far, the floor; during an event (-1) down from the highest, the peak: the same
    with the other sign. NaN moves nothing, for no comparison with it is true.
    """
    choose, some = _ARRAYS if np.ndim(threshold) else _FLOATS
    way, mark, limit, half = 1.0, 0.0 if fixed_floor else np.inf, threshold, threshold / 2
    for now, level in enumerate(rows):
        move = way * (level - mark)
        turned = move >= limit
        moved = turned if fixed_floor else turned | (move < 0)
        if not some(moved):
            continue
        if some(turned):
            way = choose(turned, -way, way)
            limit = choose(way > 0, threshold, half)
        # Where the floor is fixed it is at 0, and every peak counts as one at the threshold.
        mark = choose(way > 0, 0.0, threshold) if fixed_floor else choose(moved, level, mark)
        yield now, turned, way


def largest_rise(
    levels: Float64[np.ndarray, "*series windows"], *, fixed_floor: bool = False
) -> Float64[np.ndarray, "*series"]:
    """The highest threshold at which a series fires at least once; -inf where it has no finite level."""
    known = _known(levels)
    rise = known if fixed_floor else known - np.fmin.accumulate(known, axis=-1)
    return np.asarray(np.where(np.isnan(rise), -np.inf, rise).max(axis=-1, initial=-np.inf))


def decades(series: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Levels of a series on a log scale, log10; NaN for zeros and NaN, which have none there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _known(np.log10(series))


def _known(levels: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return np.where(np.isfinite(levels), levels, np.nan)
