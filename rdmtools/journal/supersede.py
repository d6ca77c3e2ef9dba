"""Which losses make the run? Those at whole steps, before the first of any later start."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.format.stored import stored_groups
from rdmtools.journal.attempts import Attempt
from rdmtools.journal.segments import Shard

_BLOCK_VALUES = 1_000_000
_NEVER = 1 << 63  # above every step
_NO_STEPS = np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Start:
    """The losses of attempts that ran together, at the steps that all of their shards have."""

    shards: Sequence[Shard]
    ids: NDArray[Any]
    """Ids of the samples in order, by default all that the shards have."""
    steps: NDArray[np.int64]
    gaps: NDArray[np.int64]
    """Steps that some shard lacks, and how many samples each of them lacks, (2, steps)."""
    world_size: int
    """How many ranks it had; some may have left none."""

    @classmethod
    def join(cls, shards: Mapping[int, Shard], world_size: int = 1) -> "Start":
        """The start of the shards of some ranks. Raises FormatError where two have the same sample."""
        if len(shards) > 1:
            check_claims({rank: shard.ids for rank, shard in shards.items()})
        each = list(shards.values())
        steps = reduce(np.intersect1d, [shard.steps for shard in each])
        partly = np.setdiff1d(np.concatenate([shard.steps for shard in each]), steps)
        absent = sum(len(shard.ids) * np.isin(partly, shard.steps, invert=True) for shard in each)
        ids = np.sort(np.concatenate([shard.ids for shard in each]))
        gaps = np.stack([partly, absent])
        return cls(shards=each, ids=ids, steps=steps, gaps=gaps, world_size=world_size)

    @property
    def values(self) -> np.dtype[Any]:
        """Type of the losses."""
        return np.result_type(*(shard.values for shard in self.shards)).newbyteorder("=")

    @cached_property
    def _columns(self) -> list[tuple[NDArray[np.bool_] | slice, NDArray[np.intp]]]:
        """Which samples of each shard are among these, and where."""
        among = [np.isin(shard.ids, self.ids) for shard in self.shards]
        return [
            (slice(None) if some.all() else some, np.searchsorted(self.ids, shard.ids[some]))
            for shard, some in zip(self.shards, among, strict=True)
        ]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples)."""
        if len(self.shards) == 1 and len(self.shards[0].ids) == len(self.ids):
            return self.shards[0].read(first, last)
        losses = np.empty((last - first, len(self.ids)), self.values)
        for shard, (some, places) in zip(self.shards, self._columns, strict=True):
            rows = np.searchsorted(shard.steps, self.steps[first:last])
            losses[:, places] = shard.read(int(rows[0]), int(rows[-1]) + 1)[rows - rows[0]][:, some]
        return losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Consecutive rows of a start."""

    start: Start
    first: int
    last: int

    @property
    def steps(self) -> NDArray[np.int64]:
        return self.start.steps[self.first : self.last]

    @property
    def shape(self) -> tuple[int, int]:
        return self.last - self.first, len(self.start.ids)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.start.values

    def read_all(self) -> NDArray[Any]:
        """Losses (rows, samples), in order of the ids."""
        return self.start.read(self.first, self.last)

    def elsewhere(self) -> None:
        """A journal is read here alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """All that the starts of a training left, and what of it makes the run."""

    ids: NDArray[Any]
    """Ids of the samples in order; none where no attempt came to know them."""
    steps: NDArray[np.int64]
    starts: Sequence[Start]
    kept: Sequence[int]
    """How many rows of each start no later one supersedes."""
    superseded: int
    """Rows that a later start superseded."""
    dropped: int
    """Steps left out because some rank lacks them."""
    dropped_samples: int
    """Samples left out, instead, because their rank lacks some steps."""
    missing: int
    """Pairs of step and sample without a loss, all among what is left out."""

    @classmethod
    def of(
        cls,
        starts: Sequence[Start],
        ids: NDArray[Any] | None = None,
        *,
        dropped_samples: int = 0,
        missing: int = 0,
    ) -> "Logged":
        """What `starts` make of a run of the samples `ids`, by default those of the fullest start.

        Raises FormatError where two starts have other samples.
        """
        if ids is None:
            ids = max((start.ids for start in starts), key=len, default=np.empty(0, np.int64))
        starts = [_of_all(start, ids) for start in starts]
        steps = [start.steps for start in starts]
        kept = superseding(steps)
        gaps = [np.empty((2, 0), np.int64)]
        gaps += [start.gaps[:, start.gaps[0] < end] for start, end in zip(starts, _ends(steps), strict=True)]
        dropped, absent = np.concatenate(gaps, axis=1)
        dropped, firsts = np.unique(dropped, return_index=True)
        return cls(
            ids=ids,
            steps=np.concatenate([_NO_STEPS, *(own[:stay] for own, stay in zip(steps, kept, strict=True))]),
            starts=starts,
            kept=kept,
            superseded=sum(map(len, steps)) - sum(kept),
            dropped=len(dropped),
            dropped_samples=dropped_samples,
            missing=missing + int(absent[firsts].sum()),
        )

    def ranges(self) -> list[Rows]:
        """What is kept, in ranges small enough to be read at once, none across two pieces of one shard."""
        most = max(1, _BLOCK_VALUES // max(1, len(self.ids)))
        ranges: list[Rows] = []
        for start, stop in zip(self.starts, self.kept, strict=True):
            pieces = start.shards[0].bounds if len(start.shards) == 1 else ()
            bounds = sorted({0, stop, *(bound for bound in pieces if bound < stop)})
            ranges += [
                Rows(start=start, first=row, last=min(row + most, last))
                for first, last in pairwise(bounds)
                for row in range(first, last, most)
            ]
        return ranges


def _of_all(start: Start, ids: NDArray[Any]) -> Start:
    """`start` where it has all of `ids`; without a row where a rank of it left none."""
    if np.array_equal(start.ids, ids):
        return start
    if start.world_size == 1 or not np.isin(start.ids, ids).all():
        raise _other_samples(start.ids, ids)
    steps = np.union1d(start.steps, start.gaps[0])
    gaps = np.stack([steps, np.full(len(steps), len(ids) - len(start.ids))])
    return replace(start, ids=ids, steps=_NO_STEPS, gaps=gaps)


def check_claims(ids: Mapping[int, NDArray[Any]]) -> None:
    """Raise FormatError where two ranks have the same sample; `ids` of each are those it logs."""
    claimed: dict[Any, int] = {}
    kinds = {samples.dtype.kind: rank for rank, samples in ids.items() if len(samples)}
    if len(kinds) > 1:
        raise FormatError(
            f"sample ids are text on rank {kinds['O']} and integers on rank {kinds['i']}; "
            "needed one kind: pass samples="
        )
    for rank, samples in ids.items():
        for sample in samples.tolist():
            if claimed.setdefault(sample, rank) != rank:
                raise FormatError(
                    f"sample {sample!r} is logged by ranks {claimed[sample]} and {rank}; needed each sample "
                    "on one rank: pass each its own samples=, or log from one rank"
                )


def same_samples(ids: NDArray[Any], others: NDArray[Any]) -> None:
    """Raise FormatError where the two are not the same samples, in any order."""
    if ids.dtype.kind in "iu" and others.dtype.kind in "iu":  # of millions, sets would take gigabytes
        same = np.array_equal(np.sort(ids), np.sort(others))
    else:
        same = len(ids) == len(others) and set(ids.tolist()) == set(others.tolist())
    if not same:
        raise _other_samples(ids, others)


def _other_samples(ids: NDArray[Any], others: NDArray[Any]) -> FormatError:
    one = min(set(ids.tolist()) ^ set(others.tolist()), key=str)
    return FormatError(
        f"attempts have {len(ids)} and {len(others)} samples, not the same (one alone has {one!r}); "
        "needed one probe set: pass the same samples= each time"
    )


def superseding(starts: Sequence[Sequence[int] | NDArray[np.int64]]) -> list[int]:
    """How many of each start's steps, which rise, stay: those before the first step of all later starts."""
    return [bisect_left(steps, end) for steps, end in zip(starts, _ends(starts), strict=True)]


def _ends(starts: Sequence[Sequence[int] | NDArray[np.int64]]) -> list[int]:
    """The first step of all later starts, for each."""
    firsts = [int(steps[0]) if len(steps) else _NEVER for steps in starts]
    return [min(firsts[index + 1 :], default=_NEVER) for index in range(len(firsts))]


def losses(starts: Sequence[Sequence[Attempt]]) -> list[Start]:
    """The losses of each start, at the steps that all of its ranks have."""
    return [_joined(start) for start in _known(starts)]


def losses_of_whole_ranks(starts: Sequence[Sequence[Attempt]]) -> Logged:
    """All that the starts left, at every step of any rank, of the samples that have a loss at all of them.

    Raises FormatError where there is none.
    """
    known = _known(starts)
    every = [np.unique(np.concatenate([attempt.shard.steps for attempt in start])) for start in known]
    whole: list[Start] = []
    missing = 0
    for start, steps, stay in zip(known, every, superseding(every), strict=True):
        lacking = [int(np.isin(steps[:stay], each.shard.steps, invert=True).sum()) for each in start]
        missing += sum(len(each.shard.ids) * count for each, count in zip(start, lacking, strict=True))
        complete = [attempt for attempt, count in zip(start, lacking, strict=True) if not count]
        if stay and not complete:
            raise FormatError('no rank has every step; needed one that has; try missing="drop-steps"')
        whole += [_joined(complete)] if stay else []
    kept = reduce(np.intersect1d, [start.ids for start in whole]) if whole else np.empty(0, np.int64)
    if whole and not len(kept):
        raise FormatError('no sample has every step; needed one that has; try missing="drop-steps"')
    total = max((sum(len(attempt.shard.ids) for attempt in start) for start in known), default=0)
    chosen = [replace(start, ids=kept) for start in whole]
    return Logged.of(chosen, dropped_samples=total - len(kept), missing=missing)


def _known(starts: Sequence[Sequence[Attempt]]) -> list[list[Attempt]]:
    """Of each start the attempts that came to know their samples; without the starts that have none."""
    known = [[attempt for attempt in start if attempt.row_bytes] for start in starts]
    return [start for start in known if start]


def _joined(start: Sequence[Attempt]) -> Start:
    shards = {attempt.rank: attempt.shard for attempt in start}
    return Start.join(shards, max(attempt.manifest.world_size for attempt in start))


def file_start(path: Path, ids: NDArray[Any]) -> Start:
    """The run as it was merged before, as the start before all others. Raises FormatError."""
    groups = list(stored_groups(path, ids))
    values = np.result_type(*{group.losses.dtype for group in groups}) if groups else np.dtype(np.float32)
    return Start.join({0: Shard(ids=ids, values=values, pieces=groups)})
