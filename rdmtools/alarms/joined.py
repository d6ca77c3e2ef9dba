"""Which alarms of several signals are one event? Those close together, while the first of them lasts.

One change may fire SHC and the mean slope a few rows apart. An alarm joins the event that began no more than
2 W rows before it, the memory of the rule, if that lasts still; else it opens one. So an event of one
transition does not swallow the next, and two may last at once. Its alarm is its first, and it is over with
the last of its signals. Causal: where an alarm belongs is known at its row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rdmtools.alarms.one_signal import Warned


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event: the alarms of its signals, of which the first opened it. Rows count from 0."""

    warned: tuple[Warned, ...]

    @property
    def first(self) -> Warned:
        return self.warned[0]

    @property
    def alarm(self) -> int:
        return self.first.alarm

    @property
    def floor(self) -> int:
        return self.first.floor

    @property
    def end(self) -> int | None:
        """Row at which the last of its signals had come down; None while one lasts."""
        ends = [each.end for each in self.warned]
        return None if None in ends else max(end for end in ends if end is not None)


def joined(warned: Sequence[Warned], window: int) -> list[Event]:
    """The events that these alarms make up, by alarm; `warned` in that order."""
    events: list[Event] = []
    for alarm in warned:
        near = [place for place, event in enumerate(events) if _takes(event, alarm.alarm, window)]
        if near:
            events[near[-1]] = Event(warned=(*events[near[-1]].warned, alarm))
        else:
            events.append(Event(warned=(alarm,)))
    return events


def _takes(event: Event, row: int, window: int) -> bool:
    end = event.end
    return row - event.alarm <= 2 * window and (end is None or end > row)
