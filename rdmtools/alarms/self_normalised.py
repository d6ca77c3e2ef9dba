"""When does a signal rise more than its own past allows? A warning rule with a stated false-alarm rate.

A signal is one number a row: u, the log10 of an energy (loss**4) of the last h = W // 2 rows, W the window.
Each goes its own way. With v the mean of its last 3 W / 2 values, L the lowest v since the rule was armed,
and sigma its `Scatter`, the score is the highest of

    J = (x - L - 0.3) / sigma / cost

over its statistics x: v itself; `jump`, the mean of the last W / 4 values; `ramp`, the lower end of a line
through the last h, its value at the last row less twice the scatter about it. An alarm is the first row with
J at or above the threshold, which `thresholds` has for a rate. It opens an event, which ends, not before
W / 2 rows, once u has come down from its peak by half of the rise of v that had been needed; v and L begin
afresh, judged again after W values. Neither an event nor the rise before it nor the 3 W rows after it teach
sigma.

Means of logs are geometric means of energies, which take their force from heavy tails. SHC, the square of a
square, needs more: the highest third of the values is left out of its v, for one row far out stays in u for h
rows and is gone before the rest has moved. A jump has no such rest, so that SHC does without. The 0.3 decades
are a noise level a fifth up. A value that is not finite repeats the last one, and neither fires nor teaches.
Before 3 W / 2 values a run is too short to judge.

Strictly causal: a row's score depends on values up to it alone, and has the same bits whether rows come one
at a time or all at once. No random numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from jaxtyping import Bool, Float64

from rdmtools.alarms.one_signal import MOST_ROWS, Judged, OneSignal, Signal, Warned
from rdmtools.errors import ParameterError

SHORTEST_WINDOW = 6

SIGNALS = (
    Signal(name="shc", prior=0.45, costs={"mean": 3.9}, trimmed=3),
    Signal(name="mean_slope", prior=0.9, costs={"mean": 2.9, "ramp": 3.85}),
)

BASELINES = (
    Signal(name="total_variance", prior=0.45, costs={"mean": 3.5}),
    Signal(name="drift_energy", prior=0.6, costs={"mean": 3.0}),
    Signal(name="mean_slope", prior=0.9, costs={"mean": 2.6}),
    Signal(name="mean_loss_variance", prior=0.9, costs={"mean": 2.75}),
)
"""What SHC has to beat, each a rule of its own, `signals=[baseline]`, with the thresholds of the rule.

Their costs keep 20 and 5 % in every promised world at W = 20, and in walks as smooth as is promised at W = 64
(`benchmarks/warning_rates.py`). At 1 %, total variance and drift alarm in 3 % of runs of t3 noise over 80
windows. Priors are those that found most in runs of the odd seeds.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What the rule says of one row."""

    row: int
    """Counted from 0."""
    signals: Mapping[str, Judged]
    began: Sequence[Warned]
    """Events whose alarm is here."""
    ended: Sequence[Warned]
    """Events that end here."""

    @property
    def score(self) -> float:
        """The highest over the signals; NaN where none is judged."""
        return max((one.score for one in self.signals.values() if one.judged), default=nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One signal row by row, as `Judged` has it."""

    value: Float64[np.ndarray, " rows"]
    level: Float64[np.ndarray, " rows"]
    scatter: Float64[np.ndarray, " rows"]
    line: Float64[np.ndarray, " rows"]
    score: Float64[np.ndarray, " rows"]
    judged: Bool[np.ndarray, " rows"]
    event: Bool[np.ndarray, " rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the rule says of a run."""

    courses: Mapping[str, Course]
    """By signal."""
    events: Sequence[Warned]
    """By alarm."""

    @property
    def score(self) -> Float64[np.ndarray, " rows"]:
        """The highest over the signals; NaN where none is judged."""
        return np.fmax.reduce([course.score for course in self.courses.values()])


class SelfNormalised:
    """The rule while rows come. Memory does not grow with them.

    Parameters
    ----------
    window
        Rows W of a window, at least 6.
    threshold
        Score that fires, above 0, from `thresholds.threshold`; with infinity nothing does.
    signals
        What is watched.

    Raises
    ------
    ParameterError
        Where the window is too short, or the threshold is not above 0.
    """

    def __init__(self, window: int, threshold: float, signals: Sequence[Signal] = SIGNALS) -> None:
        _checked(window, threshold)
        self._rules = {signal.name: OneSignal(signal, window, threshold) for signal in signals}
        self._row = 0

    def update(self, values: Mapping[str, float]) -> Now:
        """Take the next row's u of each signal; NaN where it has none."""
        signals: dict[str, Judged] = {}
        ended: list[Warned] = []
        for name, rule in self._rules.items():
            (signals[name],), over = rule.extend(np.array([values[name]], dtype=np.float64))
            ended += over
        row, self._row = self._row, self._row + 1
        events = (rule.event for rule in self._rules.values())
        began = [event for event in events if event is not None and event.alarm == row]
        return Now(row=row, signals=signals, began=began, ended=ended)


def watched(
    values: Mapping[str, Float64[np.ndarray, " rows"]],
    *,
    window: int,
    threshold: float,
    signals: Sequence[Signal] = SIGNALS,
) -> Watched:
    """The rule over all rows of a run: what `SelfNormalised.update` says row by row, to the bit.

    Parameters
    ----------
    values
        u of each signal by name, one a row; NaN where a row has none, as before row h - 1.
    window, threshold, signals
        As `SelfNormalised` has them.
    """
    _checked(window, threshold)
    courses: dict[str, Course] = {}
    events: list[Warned] = []
    for signal in signals:
        rule = OneSignal(signal, window, threshold)
        course = _empty(len(values[signal.name]))
        for start in range(0, len(course.score), MOST_ROWS):
            rows, ended = rule.extend(values[signal.name][start : start + MOST_ROWS])
            for name, column in zip(Judged._fields, zip(*rows, strict=True), strict=True):
                getattr(course, name)[start : start + len(rows)] = column
            events += ended
        courses[signal.name] = course
        events += [rule.event] if rule.event else []
    return Watched(courses=courses, events=sorted(events, key=lambda event: event.alarm))


def _empty(rows: int) -> Course:
    value, level, scatter, line, score = np.empty((5, rows))
    judged, event = np.empty((2, rows), dtype=bool)
    return Course(
        value=value, level=level, scatter=scatter, line=line, score=score, judged=judged, event=event
    )


def _checked(window: int, threshold: float) -> None:
    if window < SHORTEST_WINDOW:
        raise ParameterError(
            f"a window of {window} rows; warnings need at least {SHORTEST_WINDOW}; choose window=20"
        )
    if not threshold > 0:
        raise ParameterError(
            f"a threshold of {threshold:g}; needed above 0; choose threshold=thresholds.threshold(0.05, 20)"
        )
