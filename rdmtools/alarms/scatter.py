"""How much does a signal scatter of itself, when nothing happens to it? Second differences, window by window.

Of values u, one a row, the second difference at lag W that is known at row t is

    d = |u_{t-2W} - (u_{t-W} + u_{t-3W}) / 2|

It sees neither a descent nor a decay, nor a rise that is over. With q the 80 % quantile of all d so far,
as the standard deviation of independent normal u, and nu their number in windows,

    sigma**2 = (w s**2 + nu q**2) / (w + nu)

starts from the prior scatter s, which counts like w windows. Differences are rounded to 1/1024 decade and
counted: memory does not grow with the run, and an insertion takes as long after a million rows.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

# The quantile of |d| of independent normal u with standard deviation 1, of which d has variance 3/2.
_RANK, _OF = 4, 5
_NORMAL = 1.2815515655446004 * math.sqrt(1.5)

_GRID = 1024


class Scatter:
    """The scatter of one signal in decades, from its second differences so far."""

    def __init__(self, window: int, *, prior: float, prior_windows: float) -> None:
        self._window = window
        self._prior = prior
        self._prior_windows = prior_windows
        self._values: list[int] = []  # differences on the grid, each once, in order
        self._counts: list[int] = []
        self._number = 0
        self._place = 0  # of the quantile among the values
        self._below = 0  # differences that are less
        self.sigma = prior

    def add(self, difference: float) -> None:
        """Take one more difference, finite and at least 0."""
        value = round(difference * _GRID)
        at = bisect_left(self._values, value)
        if at == len(self._values) or self._values[at] != value:
            self._values.insert(at, value)
            self._counts.insert(at, 0)
            self._place += at <= self._place and self._number > 0
        self._counts[at] += 1
        self._below += at < self._place
        self._number += 1
        if self._number >= max(self._window // 2, 1):
            self.sigma = self._blended(self._quantile() / _NORMAL)

    def state(self) -> dict[str, Any]:
        """What it remembers, in lists and numbers."""
        return {"values": self._values.copy(), "counts": self._counts.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state` of a scatter with the same parameters."""
        self._values, self._counts = list(state["values"]), list(state["counts"])
        self._number, self._place, self._below = sum(self._counts), 0, 0
        self.sigma = self._prior
        if self._number >= max(self._window // 2, 1):
            self.sigma = self._blended(self._quantile() / _NORMAL)

    def _blended(self, own: float) -> float:
        windows = self._number / self._window
        energy = self._prior_windows * self._prior * self._prior + windows * own * own
        return math.sqrt(energy / (self._prior_windows + windows))

    def _quantile(self) -> float:
        """Linear between order statistics, in decades."""
        rank, fifths = divmod(_RANK * (self._number - 1), _OF)
        while self._below > rank:
            self._place -= 1
            self._below -= self._counts[self._place]
        while self._below + self._counts[self._place] <= rank:
            self._below += self._counts[self._place]
            self._place += 1
        low = high = self._values[self._place]
        if fifths and self._below + self._counts[self._place] == rank + 1:
            high = self._values[self._place + 1]
        return (low + fifths / _OF * (high - low)) / _GRID
