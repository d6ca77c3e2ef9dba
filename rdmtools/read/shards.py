"""How are losses read whose samples lie in several files? Each file by itself: they are never put together.

What the analysis needs of losses is a sum over samples, so every shard is read on its own. Where rows of all
samples are asked for, they are put side by side, just those rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.read.parquet import ParquetPart, StoredLosses, open_whole_steps

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedLosses:
    """Losses of shards over the same rows; samples in the order of their ids."""

    shards: Sequence[StoredLosses]
    places: Sequence[NDArray[np.intp]]
    """Columns of each shard's samples among all."""
    shape: tuple[int, int] = field(init=False)
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        samples = sum(map(len, self.places))
        object.__setattr__(self, "shape", (self.shards[0].shape[0], samples))
        object.__setattr__(self, "dtype", np.result_type(*{shard.dtype for shard in self.shards}))

    @property
    def nbytes(self) -> int:
        return sum(shard.nbytes for shard in self.shards)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        losses = np.empty((stop - start, self.shape[1]), self.dtype)
        for shard, places in zip(self.shards, self.places, strict=True):
            losses[:, places] = shard.read(start, stop)
        return losses

    def part(self, start: int, stop: int) -> "ShardedLosses":
        return ShardedLosses(shards=[shard.part(start, stop) for shard in self.shards], places=self.places)

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
        every = np.ones(then.shape[0], np.bool_)
        columns = np.arange(self.shape[1])
        shards = [
            shard.first(rows, then.chosen(every, np.isin(columns, places)))
            for shard, places in zip(self.shards, self.places, strict=True)
        ]
        return ShardedLosses(shards=shards, places=self.places)


def open_shards(
    parts: Sequence[ParquetPart], columns: Mapping[str, str] | None, seen: Callable[[int], None]
) -> tuple[NDArray[np.int64], NDArray[Any], ShardedLosses] | None:
    """Steps, ids and losses of parts of whole steps with other samples each; None for any other layout.

    Parts with the same samples follow each other in time, and together are one shard. All shards must have
    the same steps, and no sample may be in two. `seen` is told of the rows whose ids were looked at.
    """
    by_ids: dict[tuple[Any, ...], list[ParquetPart]] = {}
    for part in parts:
        if (opened := open_whole_steps([part], columns, seen)) is None:
            return None
        by_ids.setdefault(tuple(opened[1].tolist()), []).append(part)
    found = [open_whole_steps(several, columns, seen) for several in by_ids.values()]
    shards = [each for each in found if each is not None]
    if len(shards) < max(len(found), 2):
        return None
    steps = shards[0][0]
    ids = np.concatenate([each[1] for each in shards])
    order = np.argsort(ids, kind="stable")
    if (ids[order][1:] == ids[order][:-1]).any():
        return None
    if not all(np.array_equal(each[0], steps) for each in shards):
        return None
    place = np.argsort(order, kind="stable")
    ends = np.cumsum([len(each[1]) for each in shards])[:-1]
    losses = ShardedLosses(shards=[each[2] for each in shards], places=np.split(place, ends))
    return steps, ids[order], losses
