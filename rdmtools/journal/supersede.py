"""Which losses make the run? Those at whole steps, before the first of any later start."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.format.read_table import stored_groups
from rdmtools.journal.attempts import Attempt
from rdmtools.journal.segments import Part, Shard

_BLOCK_VALUES = 1_000_000
_NEVER = 1 << 63  # above every step
_NO_STEPS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The losses of attempts that ran together, at the steps that all of their shards have."""

    ids: NDArray[Any]
    """Ids of the samples of all shards, in order."""
    steps: NDArray[np.int64]
    shards: Sequence[Shard]
    world_size: int
    """How many ranks it had; some may have left none."""
    places: Sequence[NDArray[np.intp]]
    """Where the samples of each shard stand among all."""
    rows: Sequence[NDArray[np.intp]]
    """Which row of each shard has each step."""
    chosen: Sequence[NDArray[np.intp] | None]
    """Which samples of each shard these are; None for all."""
    lacking: NDArray[np.int64]
    """Steps that some shard lacks."""
    absent: NDArray[np.intp]
    """How many samples each of these lacks."""

    @classmethod
    def join(cls, shards: Sequence[Shard], ranks: Sequence[int], world_size: int = 1) -> "Start":
        """Raises FormatError where two shards have the same sample."""
        if len(shards) == 1:
            [shard] = shards
            return cls(
                ids=shard.ids,
                steps=shard.steps,
                shards=shards,
                world_size=world_size,
                places=[np.arange(len(shard.ids))],
                rows=[np.arange(len(shard.steps))],
                chosen=[None],
                lacking=_NO_STEPS,
                absent=_NO_STEPS,
            )
        check_claims({rank: shard.ids for rank, shard in zip(ranks, shards, strict=True)})
        ids = np.concatenate([shard.ids for shard in shards])
        order = np.argsort(ids, kind="stable")
        place = np.argsort(order, kind="stable")
        bounds = np.cumsum([0, *(len(shard.ids) for shard in shards)]).tolist()
        every = np.unique(np.concatenate([shard.steps for shard in shards]))
        has = np.array([np.isin(every, shard.steps) for shard in shards])
        common = every[has.all(axis=0)]
        partly = ~has.all(axis=0)
        samples = np.array([len(shard.ids) for shard in shards])
        return cls(
            ids=ids[order],
            steps=common,
            shards=shards,
            world_size=world_size,
            places=[place[first:last] for first, last in pairwise(bounds)],
            rows=[np.searchsorted(shard.steps, common) for shard in shards],
            chosen=[None] * len(shards),
            lacking=every[partly],
            absent=(~has[:, partly] * samples[:, None]).sum(axis=0),
        )

    @property
    def values(self) -> np.dtype[Any]:
        """Type of the losses."""
        return np.result_type(*(shard.values for shard in self.shards)).newbyteorder("=")

    def only(self, ids: NDArray[Any]) -> "Start":
        """This start with no other samples than `ids`, all of which it has."""
        chosen = [np.flatnonzero(np.isin(shard.ids, ids)) for shard in self.shards]
        places = [
            np.searchsorted(ids, shard.ids[columns])
            for shard, columns in zip(self.shards, chosen, strict=True)
        ]
        return replace(self, ids=ids, places=places, chosen=chosen)

    def lacked(self, ids: NDArray[Any]) -> "Start":
        """This start where it was to have all of `ids`, and a rank left no logger: no step of it is whole."""
        steps = np.union1d(self.steps, self.lacking)
        return replace(
            self,
            ids=ids,
            steps=_NO_STEPS,
            rows=[_NO_STEPS] * len(self.shards),
            lacking=steps,
            absent=np.full(len(steps), len(ids) - len(self.ids)),
        )

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples)."""
        if len(self.shards) == 1 and self.chosen[0] is None:
            return self.shards[0].read(first, last)
        losses = np.empty((last - first, len(self.ids)), self.values)
        for shard, place, row, chosen in zip(self.shards, self.places, self.rows, self.chosen, strict=True):
            wanted = row[first:last]
            start = int(wanted[0])
            found = shard.read(start, int(wanted[-1]) + 1)[wanted - start]
            losses[:, place] = found if chosen is None else found[:, chosen]
        return losses

    def cuts(self, stop: int) -> Iterator[tuple[int, int]]:
        """Ranges of rows to read at once, up to `stop`: small ones, and none across two pieces of a shard."""
        bounds = {0, stop}
        if len(self.shards) == 1:
            bounds |= {bound for bound in self.shards[0].bounds.tolist() if bound < stop}
        most = max(1, _BLOCK_VALUES // max(1, len(self.ids)))
        for first, last in pairwise(sorted(bounds)):
            for begin in range(first, last, most):
                yield begin, min(begin + most, last)


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
        before = [start.lacking < limit for start, limit in zip(starts, _limits(steps), strict=True)]
        lacking = [start.lacking[some] for start, some in zip(starts, before, strict=True)]
        absent = [start.absent[some] for start, some in zip(starts, before, strict=True)]
        dropped, places = np.unique(np.concatenate([_NO_STEPS, *lacking]), return_index=True)
        missing += int(np.concatenate([_NO_STEPS, *absent])[places].sum())
        left = [found[:stay] for found, stay in zip(steps, kept, strict=True)]
        return cls(
            ids=ids,
            steps=np.concatenate([_NO_STEPS, *left]),
            starts=starts,
            kept=kept,
            superseded=sum(map(len, steps)) - sum(kept),
            dropped=len(dropped),
            dropped_samples=dropped_samples,
            missing=missing,
        )

    def ranges(self) -> list["Rows"]:
        """What is kept, in ranges small enough to be read at once."""
        return [
            Rows(start=start, first=first, last=last)
            for start, stop in zip(self.starts, self.kept, strict=True)
            for first, last in start.cuts(stop)
        ]


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


def _of_all(start: Start, ids: NDArray[Any]) -> Start:
    """`start` where it has all of `ids`; without a row where a rank of it left none."""
    if np.array_equal(start.ids, ids):
        return start
    if start.world_size > 1 and np.isin(start.ids, ids).all():
        return start.lacked(ids)
    raise _other_samples(start.ids, ids)


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
    if len(ids) != len(others) or set(ids.tolist()) != set(others.tolist()):
        raise _other_samples(ids, others)


def _other_samples(ids: NDArray[Any], others: NDArray[Any]) -> FormatError:
    more = set(ids.tolist()) ^ set(others.tolist())
    one = min(more, key=str)
    return FormatError(
        f"attempts have {len(ids)} and {len(others)} samples, not the same (one alone has {one!r}); "
        "needed one probe set: pass the same samples= each time"
    )


def superseding(starts: Sequence[Sequence[int] | NDArray[np.int64]]) -> list[int]:
    """How many of each start's steps, which rise, stay: those before the first step of all later starts."""
    limits = _limits(starts)
    return [bisect_left(steps, limit) for steps, limit in zip(starts, limits, strict=True)]


def _limits(starts: Sequence[Sequence[int] | NDArray[np.int64]]) -> list[int]:
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
    steps = [np.unique(np.concatenate([attempt.shard.steps for attempt in start])) for start in known]
    every = [found[: bisect_left(found, limit)] for found, limit in zip(steps, _limits(steps), strict=True)]
    whole: list[Start] = []
    missing = 0
    for start, needed in zip(known, every, strict=True):
        absent = [int((~np.isin(needed, attempt.shard.steps)).sum()) for attempt in start]
        missing += sum(lacking * len(each.shard.ids) for lacking, each in zip(absent, start, strict=True))
        if len(needed) and not all(absent):
            whole.append(_joined([each for each, lacking in zip(start, absent, strict=True) if not lacking]))
        elif len(needed):
            raise FormatError('no rank has every step; needed one that has; try missing="drop-steps"')
    kept = reduce(np.intersect1d, [start.ids for start in whole]) if whole else np.empty(0, np.int64)
    if whole and not len(kept):
        raise FormatError('no sample has every step; needed one that has; try missing="drop-steps"')
    total = max((sum(len(each.shard.ids) for each in start) for start in known), default=0)
    chosen = [start.only(kept) for start in whole]
    return Logged.of(chosen, dropped_samples=total - len(kept), missing=missing)


def _known(starts: Sequence[Sequence[Attempt]]) -> list[list[Attempt]]:
    """Of each start the attempts that came to know their samples; without the starts that have none."""
    known = [[attempt for attempt in start if attempt.manifest.row_bytes] for start in starts]
    return [start for start in known if start]


def _joined(start: Sequence[Attempt]) -> Start:
    return Start.join(
        [attempt.shard for attempt in start],
        [attempt.rank for attempt in start],
        max(attempt.manifest.world_size for attempt in start),
    )


def file_start(path: Path, ids: NDArray[Any]) -> Start:
    """The run as it was merged before, as the start before all others. Raises FormatError."""
    groups = list(stored_groups(path, ids))
    values = np.result_type(*{group.losses.dtype for group in groups}) if groups else np.dtype(np.float32)
    return Start.join([Shard.of(ids, [Part(group) for group in groups], values)], [0])
