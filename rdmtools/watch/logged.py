"""What has a logger left so far, and what comes in? Rows in the order of the run, each read once.

    run.parquet -> earlier starts -> the last start       as `read_run` puts them together
    `before`: nothing of it changes                `Incoming`: it may be going on

Rows of the last start are read from where the last look ended, whether they lie in segments or in the parts
that segments became meanwhile. Where anything else changes (another start, a merge), `find` begins anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, reading
from rdmtools.format.names import JOURNAL_FOLDER
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.records import HEADER_BYTES, Kind, listed, parts, read_records
from rdmtools.format.stored import stored_groups
from rdmtools.journal.attempts import Attempt, read_attempts, together
from rdmtools.read.journal import Starts, losses_of_starts, not_merged, upon
from rdmtools.read.paths import companion_of, has_journal, run_files
from rdmtools.read.tables import losses_of_files
from rdmtools.run.losses import LossRows, Opened
from rdmtools.run.progress import Opening
from rdmtools.run.rules import Rules

_BLOCK_BYTES = 1 << 22

_NO_STEPS = np.empty(0, np.int64)


class Block(NamedTuple):
    """Consecutive rows of a run."""

    steps: NDArray[np.int64]
    losses: NDArray[Any]
    """(rows, samples), samples in the order of their ids."""


_NO_ROWS = Block(_NO_STEPS, np.empty((0, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a logger left beside a run, and in it."""

    before: Opened | None
    """What earlier starts left, all of it; None where there is none."""
    last: Sequence[Attempt]
    """The attempts of the last start; none of a run that is in its file."""
    starts: Starts
    """All starts that are not in the file."""
    files: list[ParquetPart]
    created: str | None
    """When the run began: what tells it from another that lay here before."""

    @property
    def ids(self) -> NDArray[Any]:
        """Ids of the samples, sorted; none where nobody knows yet."""
        if self.before is not None:
            return self.before.ids
        return np.sort(np.concatenate([_NO_STEPS, *(_ids(each) for each in self.last)]))

    @property
    def closed(self) -> bool:
        """Whether the last logger was closed."""
        return all(attempt.manifest.closed is not None for attempt in self.last)

    def rows_before(self, step: int | None) -> Iterator[Block]:
        """The rows of earlier starts below `step`, the first of the last start; None for all."""
        if self.before is not None:
            steps = self.before.steps
            stop = len(steps) if step is None else int(np.searchsorted(steps, step))
            yield from blocks(steps[:stop], self.before.stored)


def joined(before: Block, after: Block) -> Block:
    """Rows of earlier starts, and those of the last."""
    return _joined([before, after])


def blocks(steps: NDArray[np.int64], losses: LossRows) -> Iterator[Block]:
    """The first rows of losses, whose steps these are, a few megabytes at a time."""
    at_once = max(_BLOCK_BYTES // max(losses.shape[1] * losses.dtype.itemsize, 1), 1)
    for start in range(0, len(steps), at_once):
        stop = min(start + at_once, len(steps))
        yield Block(steps[start:stop], losses.read(start, stop))


def find(path: Path, rules: Rules | None = None) -> Found:
    """What is at `path`, a run that loggers write. Raises FormatError where it does not read."""
    rules = rules or Rules()
    folder = companion_of(path)
    attempts = read_attempts(folder / JOURNAL_FOLDER) if has_journal(folder) else []
    files = [ParquetPart.open(file) for file in run_files(path, bool(attempts))]
    starts = not_merged(together(attempts), files)
    with reading(path):
        opened = [losses_of_files(path, files, rules, Opening(None, 0))] if files else []
        if starts[:-1]:
            earlier = losses_of_starts(starts[:-1], rules, opened[0].ids if opened else None)
            opened += [earlier] if len(earlier.steps) else []
    created = [part.about.get("created") for part in files]
    created += [attempt.manifest.created for attempt in chain(*starts)]
    return Found(
        before=reduce(upon, opened) if opened else None,
        last=starts[-1] if starts else [],
        starts=starts,
        files=files,
        created=next((each for each in created if isinstance(each, str)), None),
    )


def stamp(path: Path) -> tuple[Any, ...]:
    """What changes when another logger begins, ends or is merged: files by name, size and time."""
    folder = companion_of(path) / JOURNAL_FOLDER
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    manifests = sorted(listed(folder, "*/manifest.json"))
    return tuple(_stamp(file) for file in [*files, *manifests])


def _stamp(file: Path) -> tuple[str, int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return str(file), -1, -1, -1
    return str(file), found.st_size, found.st_mtime_ns, found.st_ino


class Incoming:
    """The rows of a start that may be going on, at the steps that all of its ranks have."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self._ranks = [_Rank(attempt) for attempt in attempts if attempt.row_bytes]
        ids = np.concatenate([_NO_STEPS, *(rank.ids for rank in self._ranks)])
        self.ids = np.sort(ids)
        self._places = [np.searchsorted(self.ids, rank.ids) for rank in self._ranks]
        self._waiting: list[list[Block]] = [[] for _ in self._ranks]

    def rows(self) -> Iterator[Block]:
        """Those that came since the last call. Raises FormatError, ChangedError where files vanish."""
        if len(self._ranks) == 1:
            yield from self._ranks[0].rows()
        elif self._ranks:
            for waiting, rank in zip(self._waiting, self._ranks, strict=True):
                waiting += rank.rows()
            yield from self._whole()

    def last_rows(self, step: int, count: int) -> Block:
        """The last `count` rows up to `step` that came, or as many as there are, read again."""
        wanted = count
        while self._ranks:
            held = [rank.last_rows(step, wanted) for rank in self._ranks]
            rows = self._at_whole_steps(held)
            if len(rows.steps) >= count or all(len(block.steps) < wanted for block in held):
                return Block(rows.steps[-count:], rows.losses[-count:])
            wanted *= 2
        return Block(_NO_STEPS, np.empty((0, len(self.ids))))

    def _whole(self) -> Iterator[Block]:
        """The steps that all ranks have; what is behind the slowest of them waits."""
        held = [_joined(blocks) for blocks in self._waiting]
        if not all(len(block.steps) for block in held):
            return
        last = min(int(block.steps[-1]) for block in held)
        for number, block in enumerate(held):
            rest = slice(int(np.searchsorted(block.steps, last, side="right")), None)
            self._waiting[number] = [Block(block.steps[rest], block.losses[rest])]
        rows = self._at_whole_steps(held)
        if len(rows.steps):
            yield rows

    def _at_whole_steps(self, held: Sequence[Block]) -> Block:
        if len(held) == 1:
            return held[0]
        if not all(len(block.steps) for block in held):
            return _NO_ROWS
        steps = reduce(np.intersect1d, [block.steps for block in held])
        values = np.result_type(*(block.losses.dtype for block in held))
        losses = np.empty((len(steps), len(self.ids)), values)
        for block, places in zip(held, self._places, strict=True):
            losses[:, places] = block.losses[np.searchsorted(block.steps, steps)]
        return Block(steps, losses)


class _Rank:
    """The rows of one attempt, from where the last look ended."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        named = attempt.manifest.sample_ids
        self._order = np.argsort(named, kind="stable")
        self._sorted = bool((self._order[1:] > self._order[:-1]).all())
        self.ids = named[self._order]
        self._number, self._taken = 0, 0  # segment or part, and how many of its rows
        self._last: int | None = None
        self._firsts: dict[int, int] = {}  # first step of each that has rows

    def rows(self) -> Iterator[Block]:
        recorded = self._attempt.segments(Kind.LOSSES)
        compacted = parts(self._attempt.folder)  # after the segments: what is compacted meanwhile is in one
        for number, path in sorted((recorded | compacted).items()):
            if number < self._number:
                continue
            if number > self._number:
                self._number, self._taken = number, 0
            for block in self._of_file(path, number in compacted, self._taken, self._last):
                if len(block.steps):
                    self._firsts.setdefault(number, int(block.steps[0]))
                    self._taken += len(block.steps)
                    self._last = int(block.steps[-1])
                    yield block

    def last_rows(self, step: int, count: int) -> Block:
        """The last `count` of the rows up to `step` that were taken; of one segment or part at a time."""
        recorded = self._attempt.segments(Kind.LOSSES)
        compacted = parts(self._attempt.folder)
        files = recorded | compacted
        found: list[Block] = []
        rows = 0
        for number in sorted(self._firsts, reverse=True):
            if self._firsts[number] > step or rows >= count:
                continue
            if number not in files:
                raise ChangedError(f"{self._attempt.folder} changed while it was read; read it again")
            kept = _NO_ROWS
            for block in self._of_file(files[number], number in compacted, 0, None):
                here = block.steps <= min(step, self._last or step)
                kept = _joined([kept, Block(block.steps[here], block.losses[here])])
                kept = Block(kept.steps[-count:], kept.losses[-count:])
            found.insert(0, kept)
            rows += len(kept.steps)
        block = _joined(found)
        return Block(block.steps[-count:], block.losses[-count:])

    def _of_file(self, path: Path, compacted: bool, taken: int, last: int | None) -> Iterator[Block]:
        return self._of_part(path, taken) if compacted else self._of_segment(path, taken, last)

    def _of_part(self, path: Path, taken: int) -> Iterator[Block]:
        first = 0
        for group in stored_groups(path, self.ids):
            stop = first + len(group.steps)
            if stop > taken:
                here = slice(max(taken - first, 0), None)
                yield Block(group.steps[here], group.losses.read_all()[here])
            first = stop

    def _of_segment(self, path: Path, taken: int, last: int | None) -> Iterator[Block]:
        manifest, size = self._attempt.manifest, self._attempt.row_bytes
        at_once = max(_BLOCK_BYTES // size, 1)
        start = taken * (HEADER_BYTES + size)
        steps: list[int] = []
        payloads: list[bytes] = []
        with reading(path):
            for record in read_records(path, Kind.LOSSES, size, last, start):
                steps.append(record.step)
                payloads.append(record.payload)
                if len(steps) == at_once:
                    yield self._block(steps, payloads, manifest.values)
                    steps, payloads = [], []
        if steps:
            yield self._block(steps, payloads, manifest.values)

    def _block(self, steps: list[int], payloads: list[bytes], values: np.dtype[Any]) -> Block:
        losses = np.frombuffer(b"".join(payloads), values).reshape(len(steps), -1)
        losses = losses if self._sorted else losses[:, self._order]
        return Block(np.array(steps, np.int64), losses.astype(values.newbyteorder("="), copy=False))


def _ids(attempt: Attempt) -> NDArray[Any]:
    return attempt.manifest.sample_ids if attempt.row_bytes else _NO_STEPS


def _joined(blocks: Sequence[Block]) -> Block:
    blocks = [block for block in blocks if len(block.steps)]
    if len(blocks) < 2:
        return blocks[0] if blocks else _NO_ROWS
    return Block(
        np.concatenate([block.steps for block in blocks]), np.concatenate([block.losses for block in blocks])
    )


def key(found: Found) -> tuple[Any, ...]:
    """What of it decides which rows there are; a manifest that says more, of a logger's end, is no other."""
    files = () if found.before is None else (len(found.before.steps), found.before.quality)
    return (found.created, files, tuple((each.identity, each.row_bytes) for each in found.last))
