"""How far has a run been opened? In bytes of its rows, each of which is looked at more than once."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from numpy.typing import NDArray

from rdmtools.format.read_table import ParquetPart
from rdmtools.run.losses import ShardedLosses, StoredLosses

Progress = Callable[[int, int], None]


class Opening:
    """Tells `report` of (bytes done, bytes in all), the first of which never falls, as rows are looked at."""

    def __init__(self, report: Progress | None, size: int) -> None:
        self._report = report
        self._size = size
        self._told = self._seen = self._left = 0

    def left(self, rows: int) -> None:
        """So many rows are still to be looked at; of those looked at twice, twice as many."""
        self._left = rows

    def expect(self, parts: Iterable[ParquetPart], *, looks: int) -> None:
        """All rows of the parts are still to be looked at, so many times."""
        self.left(looks * sum(part.rows for part in parts))

    def seen(self, rows: int) -> None:
        """So many more rows were looked at."""
        self._seen += rows
        self._left = max(0, self._left - rows)
        if self._report is not None and self._seen:
            self._told = max(self._told, self._size * self._seen // (self._seen + self._left))
            self._report(self._told, self._size)

    def counted(self, losses: StoredLosses | ShardedLosses) -> Iterator[NDArray[Any]]:
        """The losses a row group at a time, all of which are still to be looked at."""
        self.left(math.prod(losses.shape))
        for block in losses.blocks():
            yield block
            self.seen(block.size)
