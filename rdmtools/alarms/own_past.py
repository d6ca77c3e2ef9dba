"""Does a run's own past say that it is outside of what the rate was checked for? A wave of two windows does.

A wave of period 2 W lets u, an energy, go up and down once per W. The scatter of `self_normalised`, second
differences at lag W, sees nothing of it and fades, until the wave itself looks like a rise. Differences at
half that lag see all of it. With q the 80 % quantile of all second differences at a lag so far,

    beat = q at lag W // 2 / q at lag W

is about 1 where nothing recurs and 4 and more for waves of 1.75 to 2.25 W, among them those that break the
rate, of 1.9 to 2.1 W; 1.6 W and 2.75 W have 1.6 and less. It is known from 5 W values on; a run is outside
once it is at least 2.5 in any signal. Waves of 2 W first alarm after 16 windows and more.

What else breaks the rate is not told from what keeps it by 20 windows of a run's own past: memory of two
windows from memory of one, bursts (GARCH) from noise that wanders (`benchmarks/warning_own_past.py`).

Strictly causal, the same bits row by row or all at once; memory does not grow with the rows.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

import numpy as np
from jaxtyping import Float64

from rdmtools.alarms.one_signal import Signal
from rdmtools.alarms.scatter import Scatter
from rdmtools.alarms.self_normalised import SIGNALS

OUTSIDE = 2.5
"""Beat from which on a run is outside."""

KNOWN_FROM = 5
"""Windows of values."""

_LEAST = 0.03
"""Decades of scatter at lag W that count: less is far below the dead zone of the rule."""


class OwnPast:
    """The check of one signal while rows come."""

    def __init__(self, window: int) -> None:
        self._window, self._half = window, window // 2
        self._past = [nan] * (2 * window)
        self._at_window, self._at_half = (
            Scatter(lag, prior=0.0, prior_windows=0.0) for lag in (window, window // 2)
        )
        self._number = 0  # of finite values

    def update(self, value: float) -> float:
        """Take the next row's u: the beat so far; NaN before 5 W finite ones. A gap keeps what was known."""
        past = self._past
        past.append(value)
        for lag, scatter in ((self._window, self._at_window), (self._half, self._at_half)):
            difference = abs(past[-1 - lag] - 0.5 * (value + past[-1 - 2 * lag]))
            if isfinite(difference):
                scatter.add(difference)
        del past[0]
        self._number += isfinite(value)
        if self._number < KNOWN_FROM * self._window:
            return nan
        return self._at_half.sigma / max(self._at_window.sigma, _LEAST)

    def state(self) -> dict[str, Any]:
        """What it remembers, in lists and numbers."""
        return {
            "past": self._past.copy(),
            "at_window": self._at_window.state(),
            "at_half": self._at_half.state(),
            "number": self._number,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state` of as long a window."""
        self._past, self._number = list(state["past"]), state["number"]
        self._at_window.restore(state["at_window"])
        self._at_half.restore(state["at_half"])


def beat(values: Float64[np.ndarray, " rows"], window: int) -> Float64[np.ndarray, " rows"]:
    """What `OwnPast.update` says of each row, to the bit."""
    check = OwnPast(window)
    return np.array([check.update(value) for value in values.tolist()], dtype=np.float64)


def outside_from(
    values: Mapping[str, Float64[np.ndarray, " rows"]], window: int, signals: Sequence[Signal] = SIGNALS
) -> int | None:
    """The first row from which on a run is outside what its rate was checked for; None where it is not.

    Parameters
    ----------
    values, window, signals
        As `watched` has them.
    """
    rows = [np.flatnonzero(beat(values[signal.name], window) >= OUTSIDE) for signal in signals]
    return min((int(those[0]) for those in rows if len(those)), default=None)
