"""Where do rules fire that state their rate of false alarms, and what could they see?

The product's own rule, `alarms.self_normalised`, at three rates, and each of its baselines at 5 %, a rule of
its own. Nothing is fitted: thresholds are those of `alarms.thresholds` for the run's own length. An alarm is
the row at which an event opens (`alarms.joined`), so that signals of one change alarm once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from rdmtools.alarms.joined import joined
from rdmtools.alarms.one_signal import Signal
from rdmtools.alarms.self_normalised import BASELINES, SHORTEST_WINDOW, SIGNALS, watched
from rdmtools.alarms.thresholds import HORIZONS, horizon_of, threshold

SELF_NORMALISED = "self_normalised"
RATES = (0.2, 0.05, 0.01)
RATE = 0.05
"""At which the baselines stand, and leads are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A rule by the share of runs that it says may alarm."""

    name: str
    rate: float
    signals: Sequence[Signal]


def _named(what: str, rate: float) -> str:
    return f"{what} at {rate:.0%}"


OURS = _named(SELF_NORMALISED, RATE)

STATED_RATES = (
    *(Stated(name=_named(SELF_NORMALISED, rate), rate=rate, signals=SIGNALS) for rate in RATES),
    *(Stated(name=_named(one.name, RATE), rate=RATE, signals=(one,)) for one in BASELINES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What one rule did in one run."""

    alarms: Bool[np.ndarray, " windows"]
    judged: Bool[np.ndarray, " windows"]
    """Where an alarm could have fired: neither before there is a past to judge by, nor during an event."""


def watches(
    energies: Mapping[str, Float64[np.ndarray, " rows"]], *, rows: int, window: int
) -> dict[str, Watch]:
    """What each rule with a stated rate did in one run, by its name.

    Parameters
    ----------
    energies
        u of each signal at each row; not asked of windows too short for the rules, which judge nothing there.
    rows, window
        Of the run, and of its windows.
    """
    if window < SHORTEST_WINDOW:
        nothing = Watch(alarms=np.zeros(rows - window + 1, bool), judged=np.zeros(rows - window + 1, bool))
        return {stated.name: nothing for stated in STATED_RATES}
    told: dict[str, Watch] = {}
    for stated in STATED_RATES:
        least = threshold(stated.rate, horizon_of(rows, window))
        found = watched(energies, window=window, threshold=least, signals=stated.signals)
        alarms = np.zeros(rows, dtype=bool)
        alarms[[event.alarm for event in joined(found.events, window)]] = True
        judged = np.any([course.judged for course in found.courses.values()], axis=0)
        told[stated.name] = Watch(alarms=alarms[window - 1 :], judged=judged[window - 1 :])
    return told


def stretches(windows: int, window: int) -> list[slice]:
    """The windows of a run, cut so that each part is no longer than a rate is stated for."""
    longest = int(HORIZONS[1] * window)
    return [slice(start, min(start + longest, windows)) for start in range(0, windows, longest)]
