"""At which windows does a rule fire? Many series and many thresholds in one pass over the rows.

The rule is that of `rdmtools.alarms.rule`: alarm where the level stands `threshold` above its running
minimum, armed again once it has come down by half as much from the peak. For a signal with a fixed floor the
alarm is where the level itself reaches the threshold, armed again at half of it. Strictly causal.
"""

import numpy as np
from jaxtyping import Bool, Float64


def find_alarms(
    levels: Float64[np.ndarray, "series windows"],
    thresholds: Float64[np.ndarray, "series thresholds"],
    *,
    fixed_floor: bool = False,
) -> Bool[np.ndarray, "series thresholds windows"]:
    """Where alarms fire, for each series and each of its thresholds.

    NaN and infinite levels neither set the floor nor fire nor end an event.
    """
    windows = levels.shape[1]
    shape = thresholds.shape
    fired = np.zeros((windows, *shape), dtype=bool)
    floor = np.full(shape, 0.0 if fixed_floor else np.inf)
    peak = np.full(shape, -np.inf)
    armed = np.ones(shape, dtype=bool)
    known = np.where(np.isfinite(levels), levels, np.nan)
    for now in range(windows):
        level = np.broadcast_to(known[:, now, None], shape)
        finite = ~np.isnan(level)
        if not fixed_floor:
            floor = np.where(armed & finite, np.minimum(floor, level), floor)
        alarm = armed & finite & (level - floor >= thresholds)
        peak = np.where(alarm, level, np.where(~armed & finite, np.maximum(peak, level), peak))
        low = level <= thresholds / 2 if fixed_floor else peak - level >= thresholds / 2
        again = ~armed & finite & low
        if not fixed_floor:
            floor = np.where(again, level, floor)
        armed = (armed & ~alarm) | again
        fired[now] = alarm
    return np.moveaxis(fired, 0, -1)


def largest_rise(
    levels: Float64[np.ndarray, "series windows"], *, fixed_floor: bool = False
) -> Float64[np.ndarray, " series"]:
    """The highest threshold at which a series fires at least once; -inf where it has no finite level."""
    known = np.where(np.isfinite(levels), levels, np.nan)
    floor = np.zeros_like(known) if fixed_floor else np.fmin.accumulate(known, axis=1)
    rise = np.where(np.isnan(known), -np.inf, known - floor)
    return rise.max(axis=1, initial=-np.inf)
