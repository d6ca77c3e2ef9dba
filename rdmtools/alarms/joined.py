"""Which alarms of several signals are one event? Those no more than 2 W rows after its first.

One change may fire SHC and the mean slope some rows apart. 2 W rows are the memory of the rule; an alarm
after that is of another change, even if the first still lasts, so that two events may last at once. An
event's alarm is its first, and it is over with the last of its signals. Causal: where an alarm belongs is
known at its row.
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
        if events and alarm.alarm - events[-1].alarm <= 2 * window:
            events[-1] = Event(warned=(*events[-1].warned, alarm))
        else:
            events.append(Event(warned=(alarm,)))
    return events
