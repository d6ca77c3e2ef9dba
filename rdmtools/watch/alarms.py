"""Which rows open an event, while rows come? The rule of each signal, and what belongs together.

    u of each signal, one a row -> OneSignal -> alarms -> an event at the row that opens it, as in `joined`

Rows come one at a time, in the loop, or many, from a file: bits do not depend on that. Memory does not grow
with them: of rows that are gone the steps of the floors are kept, and of events the last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from rdmtools.alarms.one_signal import MOST_ROWS, Judged, OneSignal, Warned
from rdmtools.alarms.own_past import OUTSIDE, OwnPast
from rdmtools.alarms.self_normalised import SIGNALS
from rdmtools.watch.event import Event, Rate


class Opened(NamedTuple):
    """An event that begins, with its rows, counted from 0."""

    row: int
    floor: int
    event: Event


class Alarms:
    """The rule over the rows of one run, as they come."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.rows = 0
        """That were taken."""
        self.score = nan
        """J of the last row, the highest of the signals; NaN where none is judged."""
        self._threshold = rate.threshold
        self._rules = {each.name: OneSignal(each, rate.window, self._threshold) for each in SIGNALS}
        # Level and step of each armed stretch.
        self._floors: dict[str, tuple[float, int]] = dict.fromkeys(self._rules, (inf, 0))
        self._last_event: int | None = None  # row of its alarm
        self._own_past = {name: OwnPast(rate.window) for name in self._rules}
        self._outside: tuple[int, int] | None = None  # first row and step outside what was checked

    def extend(
        self, steps: Sequence[int], energies: Mapping[str, Float64[np.ndarray, " rows"]]
    ) -> list[Opened]:
        """Take the next rows: the events that they open."""
        events: list[Opened] = []
        for start in range(0, len(steps), MOST_ROWS):
            few = slice(start, start + MOST_ROWS)
            events += self._few(steps[few], {name: energies[name][few] for name in self._rules})
        return events

    def _few(self, steps: Sequence[int], energies: Mapping[str, Float64[np.ndarray, " few"]]) -> list[Opened]:
        scores, floors = [nan] * len(steps), dict[tuple[str, int], int]()
        alarms, first = list[Warned](), self.rows
        for name, rule in self._rules.items():
            rows, ended = rule.extend(energies[name])
            going_on = [] if rule.event is None else [rule.event]
            alarms += [each for each in [*ended, *going_on] if each.alarm >= first]
            scores = [_higher(known, row) for known, row in zip(scores, rows, strict=True)]
            floors |= self._lowest(name, rows, steps)
        self._check(steps, energies)
        self.rows += len(steps)
        self.score = scores[-1] if scores else self.score
        opened: list[Opened] = []
        for alarm in sorted(alarms, key=lambda each: each.alarm):
            if self._last_event is None or alarm.alarm - self._last_event > 2 * self.rate.window:
                self._last_event = alarm.alarm
                event = self._event(alarm, steps[alarm.alarm - first], floors[alarm.signal, alarm.alarm])
                opened.append(Opened(alarm.alarm, alarm.floor, event))
        return opened

    def _check(self, steps: Sequence[int], energies: Mapping[str, Float64[np.ndarray, " few"]]) -> None:
        """Note from which row on the run is outside what its rate was checked for, once it is."""
        if self._outside is not None:
            return
        rows = [
            place
            for name, past in self._own_past.items()
            for place, value in enumerate(energies[name].tolist())
            if past.update(value) >= OUTSIDE
        ]
        if rows:
            self._outside = self.rows + min(rows), int(steps[min(rows)])

    def _lowest(self, name: str, rows: Sequence[Judged], steps: Sequence[int]) -> dict[tuple[str, int], int]:
        """Steps of the floors of the alarms among these rows, by signal and row."""
        floors: dict[tuple[str, int], int] = {}
        level, step = self._floors[name]
        for place, row in enumerate(rows):
            if row.judged:
                if row.level < level:
                    level, step = row.level, int(steps[place])
                if row.event:
                    floors[name, self.rows + place] = step
                    level = inf
        self._floors[name] = level, step
        return floors

    def _event(self, alarm: Warned, step: int, floor: int) -> Event:
        return Event(
            signal=alarm.signal,
            statistic=alarm.statistic,
            alarm_step=int(step),
            floor_step=floor,
            window=self.rate.window,
            score=alarm.score,
            threshold=self._threshold,
            scatter=alarm.scatter,
            needed=alarm.needed,
            false_alarms=self.rate.false_alarms,
            horizon=self.rate.windows,
            outside_step=self._outside[1] if self._outside and self._outside[0] <= alarm.alarm else None,
        )

    def state(self) -> dict[str, Any]:
        """What it remembers, in lists, numbers and texts."""
        return {
            "rate": asdict(self.rate),
            "rows": self.rows,
            "score": self.score,
            "rules": {name: rule.state() for name, rule in self._rules.items()},
            "floors": {name: list(floor) for name, floor in self._floors.items()},
            "last_event": self._last_event,
            "own_past": {name: past.state() for name, past in self._own_past.items()},
            "outside": self._outside and list(self._outside),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state` of the same rate."""
        self.rows, self.score = state["rows"], state["score"]
        for name, rule in self._rules.items():
            rule.restore(state["rules"][name])
            self._own_past[name].restore(state["own_past"][name])
        self._floors = {name: (level, step) for name, (level, step) in state["floors"].items()}
        self._last_event = state["last_event"]
        self._outside = state["outside"] and (state["outside"][0], state["outside"][1])


def _higher(score: float, row: Judged) -> float:
    if not row.judged:
        return score
    return row.score if score != score else max(score, row.score)
