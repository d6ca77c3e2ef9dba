"""Did the training start again within a table that says nothing of attempts? Its steps fall back, then rise.

    ... 205 210 203 208 213 ...      two starts; the second goes on from step 203

Rows in no order fall back all the time, and a table that is sorted by sample once for each; a training that
starts again falls back a few times, and logs samples that were there before. All rows are kept, and that is
told, unless a later start is to supersede.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.run.clean import Tidy
from rdmtools.run.quality import Quality
from rdmtools.run.rules import Rules

_MOST = 64
"""Times that steps fall back in a table that is in the order of its starts, and not in any order."""
_RISES = 3
"""Times that steps rise there, at least, for each time that they fall back."""
_LOOKED_AT = 1 << 16
"""Rows at the beginning of each start whose samples tell whether it is one."""


@dataclass(slots=True, kw_only=True)
class _Start:
    """Rows whose steps do not fall."""

    steps: NDArray[np.integer[Any]]
    """Distinct, rising."""
    samples: NDArray[np.integer[Any]]
    """Of the rows looked at."""
    looked_at: int

    def add(self, later: "_Start") -> None:
        """It goes on with those rows."""
        self.steps = np.union1d(self.steps, later.steps)
        if self.looked_at < _LOOKED_AT:
            self.samples = np.union1d(self.samples, later.samples)
            self.looked_at += later.looked_at

    def again(self, later: "_Start") -> bool:
        """Whether `later` has samples of this one at steps between those of this one.

        At the same steps its rows are doubles, which are counted as such.
        """
        inside = (later.steps >= self.steps[0]) & (later.steps <= self.steps[-1])
        between = ~np.isin(later.steps[inside], self.steps)
        return bool(between.any()) and self.shares_samples(later)

    def shares_samples(self, later: "_Start") -> bool:
        """Whether some sample is in both, as far as was looked."""
        return bool(np.isin(later.samples, self.samples).any())


@dataclass(slots=True, kw_only=True)
class Restarts:
    """Looks at tidy rows in the order of the table, some at a time."""

    supersede: bool
    """Whether each start is to be an attempt of its own."""
    _starts: list[_Start] = field(default_factory=list[_Start])
    _rises: int = 0

    @classmethod
    def of(cls, rules: Rules) -> Self:
        """One that has seen nothing yet."""
        return cls(supersede=rules.restarts == "supersede")

    def attempts(self, batches: Iterable[Tidy]) -> Iterator[Tidy]:
        """The same rows, with attempts where starts are to supersede and the table has none.

        Raises ParameterError where there is no telling which row came later.
        """
        for tidy in batches:
            if tidy.attempts is not None or len(self._starts) > _MOST:
                yield tidy
                continue
            numbers = self._look(tidy)
            yield replace(tidy, attempts=numbers) if self.supersede else tidy

    def quality(self) -> Quality:
        """How often the training started again, as far as the order of the rows tells."""
        if self.supersede or not self._in_order:
            return Quality()
        again = [(first, later) for first, later in pairwise(self._starts) if first.again(later)]
        return Quality(restarts=len(again))

    @property
    def _in_order(self) -> bool:
        falls = len(self._starts) - 1
        return falls <= min(_MOST, self._rises // _RISES)

    def _look(self, tidy: Tidy) -> NDArray[np.integer[Any]]:
        """The number of the start that each row is of."""
        steps = tidy.steps
        falls = np.flatnonzero(steps[1:] < steps[:-1]) + 1
        self._rises += int(np.count_nonzero(steps[1:] > steps[:-1]))
        numbers = np.full(len(steps), _MOST + 1, np.int64)
        for first, stop in pairwise([0, *falls[: _MOST + 1].tolist(), len(steps)]):
            rows, looked = steps[first:stop], min(stop, first + _LOOKED_AT)
            found = _Start(
                steps=rows[np.flatnonzero(np.append(rows[1:] != rows[:-1], True))].astype(np.int64),
                samples=np.unique(tidy.samples[first:looked]),
                looked_at=looked - first,
            )
            if first or not self._starts or rows[0] < self._starts[-1].steps[-1]:
                if self.supersede and self._starts and not self._starts[-1].shares_samples(found):
                    raise self._no_order()
                self._starts.append(found)
            else:
                self._rises += int(rows[0] > self._starts[-1].steps[-1])
                self._starts[-1].add(found)
            numbers[first:stop] = len(self._starts)
        if self.supersede and not self._in_order and len(falls):
            raise self._no_order()
        return numbers

    def _no_order(self) -> ParameterError:
        return ParameterError(
            "steps fall back where no start begins: the rows are in no order of time; needed them as they "
            'were logged; add a column attempt, or pass restarts="keep"'
        )


def looked_at(tidy: Tidy, rules: Rules) -> tuple[Tidy, Quality]:
    """The rows of a whole table, with attempts where starts are to supersede; and what is to be told."""
    restarts = Restarts.of(rules)
    [rows] = restarts.attempts([tidy])
    return rows, restarts.quality()
