"""What did each process record, and which of them ran together?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, cmp_to_key
from pathlib import Path

import numpy as np

from rdmtools.errors import reading
from rdmtools.format.lock import holder
from rdmtools.format.read_table import StoredGroup, stored_about, stored_groups
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
from rdmtools.journal.segments import Segment, Shard, file_size, open_segment


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
        files = [parts(self.folder), *(self.segments(kind) for kind in Kind)]
        return sum(file_size(file) for numbered in files for file in numbered.values())

    def segments(self, kind: Kind) -> dict[int, Path]:
        """Its segments of one kind, by number, oldest first; those that were moved to its folder too."""
        return dict(sorted((segments(self.segments_folder, kind) | segments(self.folder, kind)).items()))

    def records(self, kind: Kind) -> Iterator[tuple[Path, Record]]:
        """Valid records of one kind, in the order written, each with the segment it is in."""
        for path in self.segments(kind).values():
            with reading(path):
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
            left += sum(file_size(path) for path in self.segments(kind).values())
            left -= sum(HEADER_BYTES + len(record.payload) for _, record in self.records(kind))
        return left + self.shard.bytes_left

    @cached_property
    def shard(self) -> Shard:
        """Its losses. Raises ChangedError where a file vanishes, FormatError where one does not read."""
        order = np.argsort(self.manifest.sample_ids, kind="stable")
        ids = self.manifest.sample_ids[order]
        pieces: list[StoredGroup | Segment] = []
        ended, left = [0.0], 0
        recorded = self.segments(Kind.LOSSES)
        compacted = parts(self.folder)  # after the segments: what is compacted meanwhile is in one of them
        for number, path in sorted((recorded | compacted).items()):
            if number in compacted:
                pieces += stored_groups(path, ids)
                ended.append(float(stored_about(path).get("ended", 0)))
            elif len(ids):
                segment = open_segment(path, self.manifest, order, hold=self.hold)
                pieces.append(segment)
                ended.append(segment.ended)
                left += segment.bytes_left
            else:
                left += file_size(path)
        left = 0 if self.live else left
        return Shard(ids=ids, values=self.manifest.values, pieces=pieces, ended=max(ended), bytes_left=left)


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
