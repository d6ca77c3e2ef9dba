"""How are losses read that do not fit in memory? A group of rows at a time, or by shards of the samples.

Losses lie in groups, one after the other: row groups of files, rows of a journal, arrays. The group last read
is kept, so that consecutive blocks decode each once. Where the samples lie in several places, each is read by
itself: what the analysis needs is a sum over samples, and only rows that are asked for are put together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rdmtools.run.quality import Quality

_BLOCK_VALUES = 1 << 22


class Group(Protocol):
    """Losses of some rows, all read at once."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read_all(self) -> NDArray[Any]:
        """(rows, samples), not to be written to."""
        ...

    def elsewhere(self) -> "Group | None":
        """The same, for a process that works in another folder; None for what cannot be read from there."""
        ...


@dataclass(frozen=True, slots=True)
class _InMemory:
    """Losses that are here already, (rows, samples)."""

    losses: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        rows, samples = self.losses.shape
        return rows, samples

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.losses.dtype

    def read_all(self) -> NDArray[Any]:
        return self.losses

    def elsewhere(self) -> None:
        """What is in memory here is nowhere else."""


@dataclass(slots=True, kw_only=True)
class StoredLosses:
    """Losses in row groups one after the other, of which some rows and samples are chosen."""

    groups: Sequence[Group]
    rows: NDArray[np.intp]
    """Rows that are chosen, counted over all row groups."""
    samples: NDArray[np.intp] | None
    """Columns that are chosen, in their order; None for all as they are."""
    _starts: NDArray[np.intp] = field(init=False)
    _last: tuple[int, NDArray[Any]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._starts = np.cumsum([0, *(group.shape[0] for group in self.groups)])

    @property
    def shards(self) -> Sequence[Self]:
        return [self]

    @property
    def places(self) -> Sequence[Any]:
        """Columns of each shard's samples among all."""
        return [slice(None)]

    @property
    def nbytes(self) -> int:
        return sum(group.losses.nbytes for group in self.groups if isinstance(group, _InMemory))

    @classmethod
    def of(cls, losses: NDArray[Any]) -> Self:
        """Losses that are in memory."""
        return cls(groups=[_InMemory(losses)], rows=np.arange(len(losses)), samples=None)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), self.groups[0].shape[1] if self.samples is None else len(self.samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*{group.dtype for group in self.groups})

    def chosen(self, rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> Self:
        """Those that stay, of the rows and samples there are."""
        columns = self.samples
        if not samples.all():
            columns = np.flatnonzero(samples) if columns is None else columns[samples]
        return replace(self, rows=self.rows[rows], samples=columns)

    def first(self, rows: int, then: Self) -> Self:
        """The first `rows` of these losses, and those of `then`, which have the same samples."""
        later = then.groups
        if self.samples is not None or then.samples is not None:  # as they lie in the groups here
            back = slice(None) if self.samples is None else np.argsort(self.samples)
            later = [_InMemory(then.read(0, then.shape[0])[:, back])]
        every = np.concatenate([self.rows[:rows], then.rows + self._starts[-1]])
        return replace(self, groups=[*self.groups, *later], rows=every)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        rows = self.rows[start:stop]
        ends = enumerate(pairwise(np.searchsorted(rows, self._starts)))
        parts = [(index, slice(first, last)) for index, (first, last) in ends if first < last]
        if len(parts) == 1:
            return self._some_of(parts[0][0], rows)
        losses = np.empty((len(rows), self.shape[1]), self.dtype)
        for index, here in parts:
            losses[here] = self._some_of(index, rows[here])
        return losses

    def part(self, start: int, stop: int) -> Self:
        """Those rows: the row groups of files as they are, anything else as what is in it."""
        rows = self.rows[start:stop]
        first, last = np.searchsorted(self._starts, [rows[0], rows[-1]], side="right").tolist()
        groups = [there for group in self.groups[first - 1 : last] if (there := group.elsewhere())]
        if len(groups) < last - first + 1:
            return self.of(self.read(start, stop))
        return replace(self, groups=groups, rows=rows - self._starts[first - 1])

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All chosen losses, a row group at a time."""
        for first, last in pairwise(np.searchsorted(self.rows, self._starts)):
            yield self.read(int(first), int(last))

    def _some_of(self, index: int, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Losses of `rows`, which all lie in one row group; consecutive ones without a copy."""
        if self._last is None or self._last[0] != index:
            self._last = None  # never two at a time
            losses = self.groups[index].read_all().astype(self.dtype, copy=False)
            self._last = index, losses if self.samples is None else np.take(losses, self.samples, axis=1)
        rows = rows - self._starts[index]
        consecutive = len(rows) == rows[-1] - rows[0] + 1
        return self._last[1][slice(rows[0], rows[-1] + 1) if consecutive else rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedLosses:
    """Losses of shards over the same rows; samples in the order of their ids."""

    shards: Sequence[StoredLosses]
    places: Sequence[NDArray[np.intp]]
    """Columns of each shard's samples among all."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.shards[0].shape[0], sum(map(len, self.places))

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*{shard.dtype for shard in self.shards})

    @property
    def nbytes(self) -> int:
        return sum(shard.nbytes for shard in self.shards)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        losses = np.empty((stop - start, self.shape[1]), self.dtype)
        for shard, places in zip(self.shards, self.places, strict=True):
            losses[:, places] = shard.read(start, stop)
        return losses

    def part(self, start: int, stop: int) -> "ShardedLosses":
        return replace(self, shards=[shard.part(start, stop) for shard in self.shards])

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All losses, some rows at a time."""
        rows = max(_BLOCK_VALUES // self.shape[1], 1)
        for start in range(0, self.shape[0], rows):
            yield self.read(start, min(start + rows, self.shape[0]))

    def chosen(self, rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> "ShardedLosses":
        """Only the rows and samples that stay; a shard that none stays of is gone."""
        place = np.cumsum(samples) - 1
        kept = [
            (shard.chosen(rows, samples[places]), place[places[samples[places]]])
            for shard, places in zip(self.shards, self.places, strict=True)
            if samples[places].any()
        ]
        return ShardedLosses(shards=[shard for shard, _ in kept], places=[places for _, places in kept])

    def first(self, rows: int, then: StoredLosses) -> "ShardedLosses":
        """The first `rows` of these losses, and those of `then`, which have the same samples."""
        every, columns = np.ones(then.shape[0], np.bool_), np.arange(self.shape[1])
        shards = [
            shard.first(rows, then.chosen(every, np.isin(columns, places)))
            for shard, places in zip(self.shards, self.places, strict=True)
        ]
        return replace(self, shards=shards)


LossRows = StoredLosses | ShardedLosses
"""Losses of a run, wherever they lie.

``read(start, stop)`` gives rows in C order, not to be written to; ``part(start, stop)`` those rows alone, as
something that can be sent to another process, with `nbytes` on the way (0 for what stays in files). `shards`
are the parts of the probe set that lie apart, over the same rows: just these losses where none do.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Losses as found, before anybody asked whether they are finite."""

    steps: NDArray[np.int64]
    ids: NDArray[Any]
    stored: LossRows
    quality: Quality
