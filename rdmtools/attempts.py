"""Which rows do the starts of a training leave, over all its ranks? The rule, for who reads or merges them.

    attempt   what one process recorded between its start and its end: parts and segments, in order
    start     the attempts of all ranks that ran together; each has its shard of the samples
    journal   the starts in order; each supersedes what earlier ones logged from its first step on

Only steps that every shard of a start has are rows of the run. Losses, scalars and draws go each by their own
steps. Nothing here is held in memory but the steps; what holds the losses reads them when asked. pyarrow and
NumPy alone, because a training job merges its own journal.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, cmp_to_key, partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError
from rdmtools.journal import (
    HEADER_BYTES,
    Kind,
    Manifest,
    Record,
    attempt_folders,
    identity,
    parts,
    read_manifest,
    read_records,
    segments,
)
from rdmtools.lock import holder
from rdmtools.schema import DRAW, SAMPLES_FILE, STEP
from rdmtools.table import StoredGroup, join_samples, read_table, stored_about, stored_groups

Scalars = dict[str, float]
_BLOCK_VALUES = 1_000_000
_NEVER = 1 << 63  # above every step
_NO_STEPS = np.empty(0, np.int64)


def in_order(losses: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    """The samples so ordered; as they are, without a copy, where they lie in that order."""
    return losses if (order[1:] > order[:-1]).all() else losses[:, order]


class Piece(Protocol):
    """Consecutive rows of losses that lie in one place."""

    @property
    def steps(self) -> NDArray[np.int64]:
        """(rows,), rising."""
        ...

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples) in order of their ids."""
        ...


@dataclass(slots=True)
class Part:
    """A row group of a table in canonical order; the last one read is kept."""

    group: StoredGroup
    _losses: NDArray[Any] | None = field(default=None, init=False)

    @property
    def steps(self) -> NDArray[np.int64]:
        return self.group.keys[0]

    def read(self, first: int, last: int) -> NDArray[Any]:
        if self._losses is None:
            self._losses = self.group.read()
        losses = self._losses[first:last]
        if last == len(self.steps):  # read in order, as a merge does, no two row groups are ever held
            self._losses = None
        return losses


@dataclass(slots=True, kw_only=True)
class Segment:
    """Records of losses, all of the same length, so that each has its place."""

    path: Path
    values: np.dtype[Any]
    order: NDArray[np.intp]
    """What sorts the samples by their ids, (samples,)."""
    steps: NDArray[np.int64]
    held: NDArray[Any] | None = None

    def read(self, first: int, last: int) -> NDArray[Any]:
        if self.held is not None:
            return self.held[first:last]
        record = np.dtype([("header", f"V{HEADER_BYTES}"), ("losses", self.values, (len(self.order),))])
        with _present():
            found = np.fromfile(self.path, record, last - first, offset=first * record.itemsize)
        return in_order(found["losses"], self.order)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What one process recorded between its start and its end."""

    folder: Path
    rank: int
    number: int
    manifest: Manifest
    live: bool
    """Whether its logger is open: what follows the last whole record is then no damage, but being written."""
    hold: bool
    """Whether the losses of its segments are read with their steps: what is compacted meanwhile is here."""

    @property
    def segments_folder(self) -> Path:
        """Where its segments are."""
        return self.folder if self.manifest.segments is None else Path(self.manifest.segments)

    @property
    def out_of_reach(self) -> bool:
        """Whether there may be segments on a machine that is not this one."""
        if self.manifest.accepted is not None or self.segments_folder.is_dir():
            return False
        return not segments(self.folder, Kind.LOSSES)  # brought home, and then killed

    @property
    def identity(self) -> str:
        """What tells it from any other attempt of the run."""
        return identity(self.folder, self.manifest)

    @property
    def created(self) -> float:
        """When it began, in seconds since the epoch."""
        return datetime.fromisoformat(self.manifest.created).timestamp()

    @property
    def size(self) -> int:
        """Bytes of all that it recorded."""
        files = [*parts(self.folder).values()]
        files += [path for kind in Kind for path in self.segments(kind).values()]
        return sum(_size(file) for file in files)

    def segments(self, kind: Kind) -> dict[int, Path]:
        """Its segments of one kind, by number, oldest first; those that were moved to its folder too."""
        found = segments(self.segments_folder, kind) | segments(self.folder, kind)
        return dict(sorted(found.items()))

    def records(self, kind: Kind) -> Iterator[tuple[Path, Record]]:
        """Valid records of one kind, in the order written, each with the segment it is in."""
        for path in self.segments(kind).values():
            with _present():
                for record in read_records(path, kind, self.manifest.row_bytes):
                    yield path, record

    def count(self, kind: Kind) -> int:
        """How many records of one kind can be read; of losses, those in parts too."""
        if kind is Kind.LOSSES:
            return len(self.shard.steps) if self.manifest.row_bytes else 0
        return sum(1 for _ in self.records(kind))

    @cached_property
    def bytes_left(self) -> int:
        """Bytes of the segments from their first bad records on; 0 while the logger is open."""
        if self.live:
            return 0
        left = 0
        for kind in (Kind.SCALARS, Kind.DRAWS):
            left += sum(_size(path) for path in self.segments(kind).values())
            left -= sum(HEADER_BYTES + len(record.payload) for _, record in self.records(kind))
        return left + self.shard.bytes_left

    @cached_property
    def shard(self) -> "Shard":
        """Its losses. Raises ChangedError where a file vanishes, FormatError where one does not read."""
        return _shard(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The losses of one attempt, rows in the order written, samples in that of their ids."""

    ids: NDArray[Any]
    steps: NDArray[np.int64]
    pieces: Sequence[Piece]
    bounds: NDArray[np.intp]
    """First row of each piece, and the end."""
    values: np.dtype[Any]
    ended: float
    """When the last row was written, in seconds since the epoch; 0 without one."""
    bytes_left: int

    @classmethod
    def of(
        cls,
        ids: NDArray[Any],
        pieces: Sequence[Piece],
        values: np.dtype[Any],
        ended: float = 0,
        bytes_left: int = 0,
    ) -> "Shard":
        """The pieces one after the other."""
        return cls(
            ids=ids,
            steps=np.concatenate([_NO_STEPS, *(piece.steps for piece in pieces)]),
            pieces=pieces,
            bounds=np.cumsum([0, *(len(piece.steps) for piece in pieces)]),
            values=values,
            ended=ended,
            bytes_left=bytes_left,
        )

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples)."""
        found = [
            piece.read(max(first, start) - start, min(last, stop) - start)
            for piece, (start, stop) in zip(self.pieces, pairwise(self.bounds.tolist()), strict=True)
            if start < last and first < stop
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)


def _shard(attempt: Attempt) -> Shard:
    order = np.argsort(attempt.manifest.sample_ids, kind="stable")
    ids = attempt.manifest.sample_ids[order]
    pieces: list[Piece] = []
    ended, left = 0.0, 0
    recorded = attempt.segments(Kind.LOSSES)
    compacted = parts(attempt.folder)  # after the segments: what is compacted meanwhile is in one of them
    for number in sorted(recorded.keys() | compacted.keys()):
        if number in compacted:
            path = compacted[number]
            pieces += [Part(group) for group in stored_groups(path, ids)]
            ended = max(ended, float(stored_about(path).get("ended", 0)))
        elif len(ids):
            segment, last, unread = open_segment(recorded[number], attempt.manifest, order, hold=attempt.hold)
            pieces.append(segment)
            ended, left = max(ended, last), left + unread
        else:
            left += _size(recorded[number])
    return Shard.of(ids, pieces, attempt.manifest.values, ended, 0 if attempt.live else left)


def _size(path: Path) -> int:
    with _present():
        return path.stat().st_size


def open_segment(
    path: Path,
    manifest: Manifest,
    order: NDArray[np.intp],
    *,
    hold: bool = False,
    pace: Callable[[], None] = lambda: None,
) -> tuple[Segment, float, int]:
    """A segment of losses, when its last record was written, and how many bytes follow that.

    `order` sorts the samples by their ids; `pace` is called after each record.
    """
    size = _size(path)
    most = size // (HEADER_BYTES + manifest.row_bytes)
    with _present():
        steps = np.empty(most, np.int64)
        # An upper bound, filled in place: pages that are never touched cost nothing.
        held = np.empty((most, len(order)), manifest.values) if hold else None
        rows, ended = 0, 0.0
        for record in read_records(path, Kind.LOSSES, manifest.row_bytes):
            if rows == most:  # a live logger went on after the size was taken
                break
            steps[rows] = record.step
            if held is not None:
                held[rows] = np.frombuffer(record.payload, manifest.values)[order]
            rows, ended = rows + 1, record.time
            pace()
    segment = Segment(
        path=path,
        values=manifest.values,
        order=order,
        steps=steps[:rows],
        held=None if held is None else held[:rows],
    )
    return segment, ended, size - rows * (HEADER_BYTES + manifest.row_bytes)


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
            all_rows = np.arange(len(shard.steps))
            return cls(
                ids=shard.ids,
                steps=shard.steps,
                shards=shards,
                world_size=world_size,
                places=[np.arange(len(shard.ids))],
                rows=[all_rows],
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
        losses = np.empty(
            (last - first, len(self.ids)), np.result_type(*(shard.values for shard in self.shards))
        )
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


def _of_all(start: Start, ids: NDArray[Any]) -> Start:
    """`start` where it has all of `ids`; without a row where a rank of it left none."""
    if np.array_equal(start.ids, ids):
        return start
    if start.world_size > 1 and np.isin(start.ids, ids).all():
        return start.lacked(ids)
    raise _other_samples(start.ids, ids)


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


def read_attempts(journal: Path, *, hold: bool = False) -> list[Attempt]:
    """Attempts under ``run.rdm/journal/``. Raises FormatError where one cannot be read."""
    return [
        Attempt(
            folder=folder,
            rank=rank,
            number=number,
            live=holder(folder) is not None,
            manifest=read_manifest(folder),
            hold=hold,
        )
        for (number, rank), folder in attempt_folders(journal).items()
    ]


def together(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Attempts that ran together, by rank, in the order of their starts.

    Each notes which others were open when it began; those are of its start. One that neither notes another
    nor is noted (its file system has no locks) joins the start during which it ran, by the clock.
    """
    starts: list[dict[int, Attempt]] = []
    alone: list[Attempt] = []
    for attempt in sorted(attempts, key=lambda each: (each.created, each.number)):
        mine = [start for start in starts if _noted(attempt, start)]
        joined = {rank: other for start in mine for rank, other in start.items()} | {attempt.rank: attempt}
        starts = [start for start in starts if start not in mine]
        starts.append(joined)
    several = [start for start in starts if len(start) > 1 or _world_size(start) == 1]
    alone = [attempt for start in starts if start not in several for attempt in start.values()]
    for attempt in alone:
        home = next((start for start in several if _overlap(attempt, start)), None)
        if home is None:
            several.append({attempt.rank: attempt})
        else:
            home[attempt.rank] = attempt
    ordered = sorted(several, key=cmp_to_key(_order))
    return [[start[rank] for rank in sorted(start)] for start in ordered]


def _noted(attempt: Attempt, start: Mapping[int, Attempt]) -> bool:
    """Whether the attempt and one of the start were open at once."""
    return attempt.rank not in start and any(
        other.identity in attempt.manifest.beside or attempt.identity in other.manifest.beside
        for other in start.values()
    )


def _world_size(start: Mapping[int, Attempt]) -> int:
    return max(attempt.manifest.world_size for attempt in start.values())


def _overlap(attempt: Attempt, start: Mapping[int, Attempt]) -> bool:
    """Whether the attempt began before the start had ended, and the other way round."""
    if attempt.rank in start or _world_size(start) == 1:
        return False
    others = start.values()
    ended, began = max(map(_ended, others)), min(other.created for other in others)
    return attempt.created <= ended and began <= _ended(attempt)


def _order(start: Mapping[int, Attempt], other: Mapping[int, Attempt]) -> int:
    """Which of two starts came first: a rank of both tells by its numbers, without one the clock."""
    for rank in start.keys() & other.keys():
        return start[rank].number - other[rank].number
    began = [min(attempt.created for attempt in each.values()) for each in (start, other)]
    return -1 if began[0] < began[1] else 1


def _ended(attempt: Attempt) -> float:
    if attempt.live:
        return float("inf")
    return max(attempt.manifest.closed or attempt.shard.ended, attempt.created)


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
    names = [set(start.ids.tolist()) for start in whole]
    kept = set.intersection(*names) if names else set[Any]()
    if whole and not kept:
        raise FormatError('no sample has every step; needed one that has; try missing="drop-steps"')
    total = max((sum(len(each.shard.ids) for each in start) for start in known), default=0)
    chosen = [start.only(start.ids[[sample in kept for sample in start.ids.tolist()]]) for start in whole]
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
    values = np.result_type(*{group.values for group in groups}) if groups else np.dtype(np.float32)
    return Start.join([Shard.of(ids, [Part(group) for group in groups], values)], [0])


def scalars(start: Sequence[Attempt]) -> list[Scalars]:
    """Scalars of one start, a row a step, in order; of what several ranks tell, the lowest's counts."""
    rows: dict[int, Scalars] = {}
    for attempt in start:
        own: dict[int, Scalars] = {}
        for _, record in attempt.records(Kind.SCALARS):
            own.setdefault(record.step, {STEP: record.step}).update(json.loads(record.payload))
        rows = {step: row | rows.get(step, {}) for step, row in own.items()} | {
            step: row for step, row in rows.items() if step not in own
        }
    return [rows[step] for step in sorted(rows)]


@dataclass(frozen=True, slots=True)
class Draws:
    """Losses of one step under draws of the parameters; they stay where they lie until asked for."""

    step: int
    read: Callable[[], NDArray[Any]]
    """(draws, samples) in order of the ids."""


class _Drawn(NamedTuple):
    """One record of draws in a segment."""

    path: Path
    offset: int
    draws: int
    manifest: Manifest


def draws(start: Sequence[Attempt]) -> tuple[list[Draws], int]:
    """Draws of one start, at the steps at which every shard has as many; and how many others there are."""
    shards = [_drawn(attempt) for attempt in start if attempt.manifest.row_bytes]
    every = sorted(set(chain.from_iterable(shards)))
    whole: list[Draws] = []
    for step in every:
        found = [shard[step] for shard in shards if step in shard]
        if len(found) == len(shards) and len({each.draws for each in found}) == 1:
            whole.append(Draws(step, partial(_read_drawn, found)))
    return whole, len(every) - len(whole)


def _drawn(attempt: Attempt) -> dict[int, _Drawn]:
    found: dict[int, _Drawn] = {}
    ends: dict[Path, int] = {}
    for path, record in attempt.records(Kind.DRAWS):
        offset = ends.get(path, 0) + HEADER_BYTES
        ends[path] = offset + len(record.payload)
        count = len(record.payload) // attempt.manifest.row_bytes
        found[record.step] = _Drawn(path, offset, count, attempt.manifest)
    return found


def _read_drawn(shards: Sequence[_Drawn]) -> NDArray[Any]:
    found: list[NDArray[Any]] = []
    with _present():
        for path, offset, count, manifest in shards:
            size = count * len(manifest.sample_ids)
            found.append(np.fromfile(path, manifest.values, size, offset=offset).reshape(count, -1))
    ids = np.concatenate([each.manifest.sample_ids for each in shards])
    return np.concatenate(found, axis=1)[:, np.argsort(ids, kind="stable")]


def stored_draws(path: Path, ids: NDArray[Any]) -> list[Draws]:
    """Draws of the run as it was merged before. Raises FormatError."""
    found: dict[int, list[tuple[Part, int, int]]] = {}
    for group in stored_groups(path, ids, (STEP, DRAW)):
        steps, part = group.keys[0], Part(group)
        bounds = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
        for first, last in pairwise(bounds):
            found.setdefault(int(steps[first]), []).append((part, first, last))
    return [Draws(step, partial(_read_parts, pieces)) for step, pieces in found.items()]


def _read_parts(pieces: Sequence[tuple[Part, int, int]]) -> NDArray[Any]:
    return np.concatenate([part.read(first, last) for part, first, last in pieces])


def samples(folder: Path, starts: Sequence[Sequence[Attempt]]) -> Any:
    """What the companion `folder` and the attempts know of the samples, a pyarrow table; None if nothing."""
    files = [folder / SAMPLES_FILE, *(attempt.folder / SAMPLES_FILE for attempt in chain(*starts))]
    return join_samples([read_table(file) for file in files if file.exists()])


@contextmanager
def _present() -> Generator[None]:
    """A file that vanishes while it is read was compacted, or its logger closed."""
    try:
        yield
    except FileNotFoundError as error:
        raise ChangedError(f"{error.filename} vanished while it was read; read the run again") from error
