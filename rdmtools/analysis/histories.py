"""How did each sample's loss go, over the whole run? Means over blocks of rows, few enough to keep.

Whatever looks back over a whole run, such as which samples were learned and what was lost, stands on these;
the losses themselves are read once, for these and for the windows together.

A block is one row of a run of up to 1,024 rows. Longer runs have blocks of 2, 4, 8, ... rows, so that at most
1,024 are kept, and fewer where there are very many samples. Blocks are anchored at absolute rows and summed
in a fixed order: a run that is cut into spans has the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

MOST_BLOCKS = 1024
_FEWEST_BLOCKS = 64
# Of all blocks and samples together: 256 MiB, and more only where there are more than half a million samples.
_MOST_VALUES = 1 << 25

# Blocks are summed up from units of so many rows, at multiples of which readers begin.
_UNIT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """Each sample's losses over the run."""

    steps: Int64[np.ndarray, " blocks"]
    """Step of each block's last row."""
    edges: Int64[np.ndarray, " edges"]
    """Rows at which blocks begin, and the end of the last: one more than there are blocks."""
    losses: Float64[np.ndarray, "blocks samples"]
    """Mean over the block's rows, in loss. Each sample's lie side by side, as they are worked on."""
    first: Float64[np.ndarray, " samples"]
    """Losses of the first row."""
    last: Float64[np.ndarray, " samples"]
    """Losses of the last row."""

    @property
    def block_rows(self) -> int:
        """Rows of each block but the last, which may have fewer."""
        return int(self.edges[1] - self.edges[0])


def rows_per_block(rows: int, samples: int) -> int:
    """Rows of a block: a power of two, the least with which few enough blocks are left."""
    most = min(max(_MOST_VALUES // samples, _FEWEST_BLOCKS), MOST_BLOCKS)
    size = 1
    while rows > size * most:
        size *= 2
    return size


class BlockMeans:
    """Means of the blocks of rows `start` to `stop`, as rows come: of a few samples at a time, in order."""

    def __init__(self, start: int, stop: int, samples: int, size: int) -> None:
        self._start, self._stop, self._size = start, stop, size
        # Each sample's side by side from the beginning: to turn them around later would take longer.
        self._means = np.zeros((-(-(stop - start) // size), samples), order="F")
        self._ends = np.zeros((2, samples))

    def take(self, row: int, losses: NDArray[Any], columns: Any) -> None:
        """Losses of rows from `row` on, of samples in those columns; rows before the start are left out."""
        losses = losses[max(self._start - row, 0) :]
        place = max(row - self._start, 0)
        if not len(losses):
            return
        if place == 0:
            self._ends[0, columns] = losses[0]
        if place + len(losses) == self._stop - self._start:
            self._ends[1, columns] = losses[-1]
        unit = min(self._size, _UNIT)
        whole = len(losses) // unit * unit
        if whole:
            self._add(place, [losses[number:whole:unit] for number in range(unit)], columns)
        if whole < len(losses):
            self._add(place + whole, [losses[number, None] for number in range(whole, len(losses))], columns)

    def _add(self, place: int, rows: Sequence[NDArray[Any]], columns: Any) -> None:
        """Units of rows, the first row of each, then the second, and so on."""
        sums = rows[0].astype(np.float64)
        for each in rows[1:]:
            sums += each
        share, first = 1 / self._size, place // self._size  # a power of two: nothing is rounded
        if self._size <= _UNIT:  # a unit is a block
            self._means[first : first + len(sums), columns] = share * sums
            return
        for number, unit in enumerate(sums):
            self._means[(place + number * _UNIT) // self._size, columns] += share * unit

    def result(self) -> "Blocks":
        count = self._stop - self._start - self._size * (len(self._means) - 1)
        if count < self._size:
            self._means[-1] = self._means[-1] * self._size / count
        return Blocks(means=self._means, ends=self._ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """What there is of some rows: block means, and the losses of the first and of the last row."""

    means: Float64[np.ndarray, "blocks samples"]
    ends: Float64[np.ndarray, "2 samples"]


def joined_blocks(parts: Sequence[Blocks]) -> Blocks:
    """Those of consecutive rows, one after another."""
    if len(parts) == 1:
        return parts[0]
    ends = np.stack([parts[0].ends[0], parts[-1].ends[1]])
    return Blocks(means=np.concatenate([part.means for part in parts]), ends=ends)


def histories(blocks: Blocks, steps: Int64[np.ndarray, " rows"]) -> Histories:
    """The histories that the blocks of all rows make."""
    rows = len(steps)
    size = rows_per_block(rows, blocks.means.shape[1])
    edges = np.append(np.arange(0, rows, size), rows)
    first, last = blocks.ends
    return Histories(steps=steps[edges[1:] - 1], edges=edges, losses=blocks.means, first=first, last=last)


def histories_of(losses: NDArray[Any], steps: Any) -> Histories:
    """Histories of losses in memory, (rows, samples)."""
    rows, samples = losses.shape
    means = BlockMeans(0, rows, samples, rows_per_block(rows, samples))
    means.take(0, losses, slice(None))
    return histories(means.result(), np.asarray(steps, np.int64))
