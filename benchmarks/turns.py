"""How long does one thing take beside another, on a machine that has moods? They take turns, in one run.

A round is each contender once, and whoever was first is last in the next, so that the moods fall on all
alike. What is told is a ratio: the median over the rounds, each compared within itself, and the least and the
most. Absolute times belong to the machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

AS_LONG = "× as long"

Seconds = Mapping[str, Sequence[float]]
Contenders = dict[str, tuple[Callable[[], object], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured thing, mostly beside another."""

    size: str
    what: str
    beside: str
    values: Sequence[float]
    """One per round; as a ratio, the first's time over the other's."""
    unit: str = AS_LONG
    most: float | None = None
    """No more than this is aimed at."""

    @property
    def found(self) -> str:
        """The median, then the least and the most."""
        return f"{self._told(median(self.values))} ({self._range()})"

    @property
    def aim(self) -> str:
        """In words, and whether it is missed; empty where there is none."""
        if self.most is None:
            return ""
        missed = " (missed)" if median(self.values) > self.most else ""
        return f"{'at least' if self._faster(self.most) else 'at most'} {self._told(self.most)}{missed}"

    def __str__(self) -> str:
        other = f", beside {self.beside}" if self.beside else ""
        aim = f"; aim: {self.aim}" if self.aim else ""
        return f"  {self.what}{other}: {self.found}{aim}"

    def _faster(self, value: float) -> bool:
        return self.unit == AS_LONG and value < 0.9

    def _told(self, value: float) -> str:
        if self._faster(value):
            return f"{_digits(1 / value)} × faster"
        return f"{_digits(value)} {self.unit}".rstrip()

    def _range(self) -> str:
        ends = min(self.values), max(self.values)
        if self._faster(median(self.values)):
            ends = 1 / ends[1], 1 / ends[0]
        return " to ".join(map(_digits, ends))


def _digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def take_turns(contenders: Contenders, rounds: int, clock: Callable[[], float] = perf_counter) -> Seconds:
    """Seconds of each in each round, each call's multiplied by its scale.

    A scale turns a call on a few windows into all of them, or one product into as many flops as are needed.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders.items())
    for work, _ in contenders.values():
        work()  # libraries load, caches and pools fill
    for _ in range(rounds):
        order.append(order.pop(0))
        for name, (work, scale) in order:
            begin = clock()
            work()
            taken[name].append(scale * (clock() - begin))
    return taken


def beside(taken: Seconds, what: str, other: str, *, size: str, most: float | None = None) -> Figure:
    """Two of the contenders, one over the other in each round."""
    values = [mine / theirs for mine, theirs in zip(taken[what], taken[other], strict=True)]
    return Figure(size=size, what=what, beside=other, values=values, most=most)


def print_times(taken: Seconds, title: str) -> None:
    """A line for each contender: median, least and most, in milliseconds."""
    print(f"\n{title}: ms, median of {len(next(iter(taken.values())))} rounds (least to most)")
    for name, times in taken.items():
        low, middle, high = (1e3 * each for each in (min(times), median(times), max(times)))
        print(f"  {name:52}{middle:12.2f}  ({low:.2f} to {high:.2f})", flush=True)
