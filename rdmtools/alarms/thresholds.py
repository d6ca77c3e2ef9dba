"""At which score does an alarm fire, for a stated rate of false alarms?

The rate is the share of runs with at least one alarm within a horizon of H windows while training goes on as
before: a descent at a constant or falling pace, a noise level that wanders by a fifth, and noise of any tail
that has a variance, which remembers no more than a window. Acceleration, bursts and switches of data are no
part of that, and do alarm. No rate is stated for noise without a variance (t2) or whose size comes in bursts
(GARCH) or rises by half for good, for waves of about two windows, nor for what remembers two windows.

The table is made: the least thresholds that keep a rate in the worst of the worlds promised, rounded up, and
judged on runs of other seeds. More in `benchmarks/warning_rates.py`:

    for window in 10 20 40 64; do for windows in 20 80; do
      python benchmarks/warning_rates.py make FOLDER --runs 2000 --window $window --windows $windows
    done; done
    python benchmarks/warning_rates.py fit FOLDER
    python benchmarks/warning_rates.py judge FOLDER --rate 0.05
"""

import math

from rdmtools.errors import ParameterError

THRESHOLDS = {
    20: {0.20: 0.98, 0.05: 1.18, 0.01: 1.42},
    80: {0.20: 1.15, 0.05: 1.40, 0.01: 1.70},
}
"""By horizon, in windows, and rate."""

WINDOWS = 10, 64
"""Shortest and longest window, in rows, of the runs that it was judged on."""

HORIZONS = min(THRESHOLDS), max(THRESHOLDS)
RATES = min(THRESHOLDS[20]), max(THRESHOLDS[20])


def threshold(rate: float, horizon: float) -> float:
    """The score that fires in at most that share of runs within that many windows of noise.

    Linear in the log of the rate between those of the table, then in the log of the horizon.

    Raises
    ------
    ParameterError
        For a rate or a horizon outside what was judged.
    """
    _within("a false-alarm rate", rate, RATES, "false_alarms=0.05")
    _within("a horizon in windows", horizon, HORIZONS, "horizon=80, and state the rate per 80 windows")
    short, long = (_at_rate(of_horizon, rate) for of_horizon in THRESHOLDS.values())
    share = math.log(horizon / HORIZONS[0]) / math.log(HORIZONS[1] / HORIZONS[0])
    return short + share * (long - short)


def horizon_of(rows: int, window: int) -> float:
    """Windows in a run, no fewer and no more than were judged: longer runs state the rate per 80 windows."""
    return min(max(rows / window, HORIZONS[0]), HORIZONS[1])


def _within(what: str, value: float, judged: tuple[float, float], fix: str) -> None:
    low, high = judged
    if not low <= value <= high:
        raise ParameterError(f"{what} of {value:g}; judged from {low:g} to {high:g}; take {fix}")


def _at_rate(of_horizon: dict[float, float], rate: float) -> float:
    known = sorted(of_horizon)
    above = next(each for each in known if rate <= each)
    below = max((each for each in known if each <= rate), default=above)
    if below == above:
        return of_horizon[above]
    share = math.log(rate / below) / math.log(above / below)
    return of_horizon[below] + share * (of_horizon[above] - of_horizon[below])
