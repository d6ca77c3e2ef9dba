"""Where does one signal fire, what had to be crossed at each row, and when does its event end?

The rule of `self_normalised`, of one signal. Rows come in any number at once: sums over the last values, from
the newest to the oldest one after another, are taken for many rows together, and the rest goes row by row. So
bits do not depend on how rows are cut, and memory does not grow with them.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, dataclass, replace
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from rdmtools.alarms.scatter import Scatter

DEAD_ZONE = 0.3
"""Decades of loss**4 that a rise may have for nothing: 4 log10(1.2) is 0.317."""

MOST_ROWS = 512
"""That are taken at once."""


# Statistics besides v: name, cost, and one value per row.
_Others = list[tuple[str, float, list[float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What is watched, and by how many sigma its statistics rise at a score of 1, their costs."""

    name: str
    prior: float
    """Scatter of u in decades, before the run has told its own."""
    costs: Mapping[str, float]
    """Of the statistics that are used, by name: "mean", always, "jump" and "ramp"."""
    trimmed: int = 0
    """One in so many of the last values, the highest of them, is left out of v; with 0 none is."""
    prior_windows: float = 1.0
    """How many windows of its own differences the prior counts like."""
    pause: int = 3
    """Windows after an event that do not teach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """One event of one signal; rows count from 0, the first that was given."""

    signal: str
    statistic: str
    """Which had the highest score at the alarm: "mean", "jump" or "ramp"."""
    floor: int
    """Row at which v was lowest."""
    alarm: int
    peak: int
    """Row of the largest u from the alarm to the end (so far, while the event lasts)."""
    end: int | None
    """Row at which u had come down; None while the event lasts."""
    score: float
    """J at the alarm."""
    scatter: float
    """sigma at the alarm, decades."""
    needed: float
    """Rise of v above L that fires at the alarm's sigma, decades."""


class Judged(NamedTuple):
    """One signal at one row; NaN where nothing is judged, but for the scatter."""

    value: float
    """v, decades of loss**4."""
    level: float
    """L, this row included."""
    scatter: float
    """sigma, decades."""
    line: float
    """What v had to reach."""
    score: float
    """J, the highest of all statistics: an alarm where it reaches the threshold."""
    judged: bool
    """Whether an alarm could fire."""
    event: bool
    """Whether the row belongs to an event, from its alarm to its end."""


class OneSignal:
    """The rule of one signal, and what it remembers: 3 W values, its scatter, its level or its event."""

    def __init__(self, signal: Signal, window: int, threshold: float) -> None:
        self._signal = signal
        self._window = window
        self._many, self._few, self._half = 3 * window // 2, window // 4, window // 2
        # Of each row, places of the last values in what is remembered and new, the newest first.
        self._newest = np.arange(MOST_ROWS)[:, None] + 3 * window - np.arange(self._many)
        self._threshold = threshold
        self._price = signal.costs["mean"] * threshold  # of v, in sigma
        self._scatter = Scatter(window, prior=signal.prior, prior_windows=signal.prior_windows)
        self._past = [nan] * (3 * window)  # repeats stand for what was not finite
        self._teaches = [False] * (3 * window)
        self._teach_from = 0
        self._row = 0  # the next
        self._since: int | None = None  # first row of the armed stretch; None before the first value
        self._enough = self._many  # values of the stretch before it is judged
        self._level, self._floor = inf, -1
        self.event: Warned | None = None
        """While it lasts."""
        self._top = -inf  # largest u of the event

    def extend(self, values: Float64[np.ndarray, " few"]) -> tuple[list[Judged], list[Warned]]:
        """Take the next values, `MOST_ROWS` or fewer: what is said of each row, and the events that end."""
        rows, ended = list[Judged](), list[Warned]()
        lag, past = self._window, 3 * self._window
        known = np.isfinite(values).tolist()
        u, teaches = self._past, self._teaches + known
        for value, finite in zip(values.tolist(), known, strict=True):
            u.append(value if finite else u[-1])
        sums, others = self._statistics(u)
        for now, finite in enumerate(known):
            new = now + past
            if self._since is None and finite:
                self._since = self._row
            if teaches[now] and teaches[now + lag] and teaches[now + 2 * lag]:
                self._scatter.add(abs(u[now + lag] - 0.5 * (u[now + 2 * lag] + u[now])))
            teaches[new] = finite and self.event is None and self._row >= self._teach_from
            if self.event is None:
                row = self._watched(u, sums, others, now) if finite else self._unjudged(event=False)
                if row.event:
                    self._top = u[new]
                    teaches[new - self._many + 1 : new + 1] = [False] * self._many
            else:
                row = self._unjudged(event=True)
                if finite:
                    self.event = self._lasting(self.event, u[new])
                if self.event.end is not None:
                    ended.append(self.event)
                    self._arm()
            rows.append(row)
            self._row += 1
        self._past, self._teaches = u[-past:], teaches[-past:]
        return rows, ended

    def state(self) -> dict[str, Any]:
        """What it remembers, in lists, numbers and texts."""
        names = ("past", "teaches", "teach_from", "row", "since", "enough", "level", "floor", "top")
        held = {name: copy(getattr(self, f"_{name}")) for name in names}
        event = None if self.event is None else asdict(self.event)
        return held | {"event": event, "scatter": self._scatter.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state` of the same rule: the same signal, window and threshold."""
        for name, value in state.items():
            if name not in ("event", "scatter"):
                setattr(self, f"_{name}", copy(value))
        self.event = None if state["event"] is None else Warned(**state["event"])
        self._scatter.restore(state["scatter"])

    def _statistics(self, u: list[float]) -> tuple[NDArray[np.float64], _Others]:
        """For each new row: sums of the last 1, 2, ... values; and the statistics that need no more."""
        newest = np.array(u)[self._newest[: len(u) - 3 * self._window]]
        sums = np.cumsum(newest, axis=1)  # one after another, whatever the shape
        costs, few, half = self._signal.costs, self._few, self._half
        others: _Others = []
        if "jump" in costs:
            others.append(("jump", costs["jump"], (sums[:, few - 1] / few).tolist()))
        if "ramp" in costs:
            ramp = _ramp(newest[:, :half], sums[:, half - 1] / half)
            others.append(("ramp", costs["ramp"], ramp.tolist()))
        return sums, others

    def _mean(self, u: list[float], newest: int, sums: NDArray[np.float64], have: int) -> float:
        """v: of the last values up to that place."""
        if not self._signal.trimmed:
            return float(sums[have - 1]) / have
        lowest = sorted(u[newest - have + 1 : newest + 1])[: have - have // self._signal.trimmed]
        return sum(lowest) / len(lowest)

    def _watched(self, u: list[float], sums: NDArray[np.float64], others: _Others, now: int) -> Judged:
        """An armed row whose value is finite."""
        have = self._row - (self._since or 0) + 1
        if have < self._enough:
            return self._unjudged(event=False)
        value = self._mean(u, now + 3 * self._window, sums[now], min(have, self._many))
        sigma = self._scatter.sigma
        if value < self._level:
            self._level, self._floor = value, self._row
        base = self._level + DEAD_ZONE
        score, statistic = (value - base) / sigma / self._signal.costs["mean"], "mean"
        for name, cost, values in others:
            other = (values[now] - base) / sigma / cost
            if other > score:
                score, statistic = other, name
        needed = DEAD_ZONE + self._price * sigma
        if score >= self._threshold:
            self.event = Warned(
                signal=self._signal.name,
                statistic=statistic,
                floor=self._floor,
                alarm=self._row,
                peak=self._row,
                end=None,
                score=score,
                scatter=sigma,
                needed=needed,
            )
        return Judged(value, self._level, sigma, self._level + needed, score, True, self.event is not None)

    def _unjudged(self, *, event: bool) -> Judged:
        return Judged(nan, nan, self._scatter.sigma, nan, nan, False, event)

    def _lasting(self, event: Warned, level: float) -> Warned:
        """The event with one more value, which may be its new peak or its end."""
        if level > self._top:
            self._top = level
            return replace(event, peak=self._row)
        long_enough = self._row - event.alarm >= self._window // 2
        down = self._top - level >= event.needed / 2
        return replace(event, end=self._row) if long_enough and down else event

    def _arm(self) -> None:
        """Begin afresh with the next row."""
        self.event, self._since, self._enough = None, self._row + 1, self._window
        self._level, self._floor = inf, -1
        self._teach_from = self._since + self._signal.pause * self._window


def _ramp(
    newest: Float64[np.ndarray, "rows h"], mean: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """Lower end of the line through values, newest first: there, less twice the scatter about it."""
    half: int = newest.shape[1]
    times = (half - 1) / 2 - np.arange(half)
    slope = np.cumsum(newest * times, axis=1)[:, -1] / (half * (half * half - 1) / 12)
    about = newest - mean[:, None] - slope[:, None] * times
    scatter = np.sqrt(np.cumsum(about * about, axis=1)[:, -1] / (half - 2))
    return mean + slope * times[0] - 2.0 * scatter
