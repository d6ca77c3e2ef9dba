"""What did each process record, and which of them ran together?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, cmp_to_key
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from rdmtools.errors import FormatError, reading
from rdmtools.format.lock import holder
from rdmtools.format.marks import segments_beside
from rdmtools.format.ours import is_file
from rdmtools.format.records import (
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
from rdmtools.format.stored import StoredGroup, stored_about, stored_groups
from rdmtools.format.trusted import is_number
from rdmtools.journal.segments import Segment, Shard, file_size, open_segment

_NO_STEPS = np.empty(0, np.int64)
_FEW_SAMPLES = 1 << 24  # their ids take no more than 128 MB
_MOST_PACKED = 1 << 10  # of samples to a byte of a part


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
    notes: Sequence[str] = ()
    """What had to be mended in its manifest, a line each."""

    @property
    def scratch(self) -> Path | None:
        """The folder elsewhere that has segments of it; None where there is none, or it is another's."""
        return segments_beside(self.folder, self.manifest)

    @property
    def out_of_reach(self) -> bool:
        """Whether there may be segments on a machine that is not this one."""
        if self.manifest.accepted is not None or self.manifest.segments is None or self.scratch is not None:
            return False
        return not segments(self.folder, Kind.LOSSES)  # brought home, and then killed

    @property
    def identity(self) -> str:
        """What tells it from any other attempt of the run."""
        return identity(self.folder, self.manifest)

    @property
    def created(self) -> float:
        """When it began, in seconds since the epoch."""
        created = datetime.fromisoformat(self.manifest.created)
        return (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()

    @property
    def size(self) -> int:
        """Bytes of all that it recorded."""
        files = [parts(self.folder), *(self.segments(kind) for kind in Kind)]
        return sum(file_size(file) for numbered in files for file in numbered.values())

    def segments(self, kind: Kind) -> dict[int, Path]:
        """Its segments of one kind, by number, oldest first; those that were moved to its folder too."""
        found: dict[int, Path] = {}
        scratch = self.scratch
        if scratch is not None:  # first, for what is moved meanwhile; no links, which lead anywhere
            found = {number: path for number, path in segments(scratch, kind).items() if is_file(path)}
        return dict(sorted((found | segments(self.folder, kind)).items()))

    def records(self, kind: Kind) -> Iterator[tuple[Path, Record]]:
        """Valid records of one kind, in the order written, each with the segment it is in."""
        last: int | None = None
        for path in self.segments(kind).values():
            with reading(path):
                for record in read_records(path, kind, self.row_bytes, last):
                    last = record.step
                    yield path, record

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of one row of losses; 0 while the samples are not known.

        So is a count of samples of which no file of it can have a row: no ids are made on its word alone.
        """
        samples = self.manifest.samples
        if not isinstance(samples, int) or samples <= _FEW_SAMPLES:
            return self.manifest.row_bytes
        kinds = self.segments(Kind.LOSSES), self.segments(Kind.DRAWS)
        recorded = max((file_size(path) for kind in kinds for path in kind.values()), default=0)
        compacted = max(map(file_size, parts(self.folder).values()), default=0)
        fits = recorded >= HEADER_BYTES + self.manifest.row_bytes or compacted * _MOST_PACKED >= samples
        return self.manifest.row_bytes if fits else 0

    def count(self, kind: Kind) -> int:
        """How many records of one kind can be read; of losses, those in parts too."""
        if kind is Kind.LOSSES:
            return len(self.shard.steps) if self.row_bytes else 0
        return sum(1 for _ in self.records(kind))

    @cached_property
    def bytes_left(self) -> int:
        """Bytes of the segments from their first bad records on; 0 while the logger is open."""
        if self.live:
            return 0
        left = 0
        for kind in (Kind.SCALARS, Kind.DRAWS):
            left += sum(file_size(path) for path in self.segments(kind).values())
            with suppress(FormatError):  # what does not read is left, and blocks no losses
                for _, record in self.records(kind):
                    left -= HEADER_BYTES + len(record.payload)
        return left + self.shard.bytes_left

    @cached_property
    def shard(self) -> Shard:
        """Its losses. Raises ChangedError where a file vanishes, FormatError where one does not read."""
        named = self.manifest.sample_ids if self.row_bytes else np.empty(0, np.int64)
        order = np.argsort(named, kind="stable")
        ids = named[order]
        pieces: list[StoredGroup | Segment] = []
        ended, left, last = [0.0], 0, None
        recorded = self.segments(Kind.LOSSES)
        compacted = parts(self.folder)  # after the segments: what is compacted meanwhile is in one of them
        for number, path in sorted((recorded | compacted).items()):
            if number in compacted and len(ids):
                groups = list(stored_groups(path, ids))
                last = _last_step(path, groups, last)
                pieces += groups
                ended.append(_time(stored_about(path).get("ended")))
            elif number in recorded and len(ids):
                segment = open_segment(path, self.manifest, order, hold=self.hold, after=last)
                pieces.append(segment)
                last = int(segment.steps[-1]) if len(segment.steps) else last
                ended.append(segment.ended)
                left += segment.bytes_left
            else:
                left += file_size(path)
        left = 0 if self.live else left
        return Shard(ids=ids, values=self.manifest.values, pieces=pieces, ended=max(ended), bytes_left=left)


def _last_step(path: Path, groups: Sequence[StoredGroup], last: int | None) -> int | None:
    """The last step of a part. Raises FormatError where its steps do not rise from the `last` one before."""
    steps = np.concatenate([_NO_STEPS, *(group.steps for group in groups)])
    if len(steps) and ((last is not None and steps[0] <= last) or (steps[1:] <= steps[:-1]).any()):
        raise FormatError(f"{path} has steps that do not rise; needed the part of a journal as it was logged")
    return int(steps[-1]) if len(steps) else last


def _time(ended: Any) -> float:
    """When the last row was written, as a part says."""
    return float(ended) if is_number(ended) and isfinite(ended) else 0.0


def read_attempts(journal: Path, *, hold: bool = False) -> list[Attempt]:
    """Attempts under ``run.rdm/journal/``. Raises FormatError where one cannot be read."""
    return [_read(folder, rank, number, hold) for (number, rank), folder in attempt_folders(journal).items()]


def _read(folder: Path, rank: int, number: int, hold: bool) -> Attempt:
    notes: list[str] = []
    live = holder(folder) is not None
    manifest = read_manifest(folder, notes.append)
    return Attempt(
        folder=folder, rank=rank, number=number, live=live, manifest=manifest, hold=hold, notes=notes
    )


def together(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Attempts that ran together, by rank, in the order of their starts.

    Each notes which others were open when it began; those are of its start. One that neither notes another
    nor is noted (its file system has no locks) joins the start during which it ran, by the clock.
    """
    starts: list[dict[int, Attempt]] = []
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
            several.append(home := {})
        home[attempt.rank] = attempt
    return [[start[rank] for rank in sorted(start)] for start in sorted(several, key=cmp_to_key(_order))]


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
