"""What happens in a run while it is logged? Look again and again: the events that came since the last look.

    a journal is there      rows are read once, as they come (`logged`)
    only files are there    the run is read again whenever they change

Events are those that an analysis of the run has, with the same settings. Where rows that were seen are no
longer of the run, because a training went back to a checkpoint, the run is gone through again from its first
row; which of its events are news, whoever asks must know (`told`).
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.analysis.groups import NO_GROUP, coded
from rdmtools.errors import ChangedError, RdmtoolsError, RdmtoolsWarning
from rdmtools.format.names import GROUP, LOSSES_SUFFIX
from rdmtools.format.read_table import ParquetPart
from rdmtools.read.companion import samples_of
from rdmtools.read.paths import companion_of, has_journal
from rdmtools.read.read import read
from rdmtools.run.losses import LossRows
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run
from rdmtools.watch.alarms import Opened
from rdmtools.watch.course import Course
from rdmtools.watch.event import Rate
from rdmtools.watch.logged import Block, Found, Incoming, blocks, find, joined, key, stamp

_TRIES = 20


@dataclass(slots=True)
class Status:
    """How a run stands."""

    rows: int = 0
    step: int | None = None
    score: float = float("nan")
    """Of the last row, as a share of what fires."""
    complete: bool = False
    """Whether its logger was closed."""
    left_out: int = 0
    """Rows with a loss that is not finite."""
    created: str | None = None
    """When the run began; None where that is not told."""
    trouble: str | None = None
    """What is wrong with it, or that it is not there yet, in one line."""
    groups: dict[str, tuple[float, float, float]] = field(default_factory=dict[str, Any])
    """Mean loss of each group: at first, the lowest, now."""


class Follower:
    """One run, looked at again and again.

    Parameters
    ----------
    path
        On this machine.
    rates
        One for each window length.
    rules
        How files are read. Steps with a loss that is missing or not finite are left out in any case, for what
        a sample lacks later cannot be known.
    """

    def __init__(self, path: Path, rates: Sequence[Rate], rules: Rules) -> None:
        self.path = path
        self.rules = replace(rules, missing="drop-steps", nonfinite="drop-steps")
        self.status = Status()
        self.groups: Sequence[str] = ()
        """Of each sample; none where nobody names them."""
        self._rates = rates
        self._forget()

    def look(self, *, final: bool = False) -> list[Opened]:
        """The events that came since the last look, by row; of a run that has begun anew, all of them.

        With `final` the last step of a file of text counts, which may be half written else. What is wrong
        with the run is in `status.trouble`; it may be right at the next look.
        """
        opened: list[Opened] = []
        trouble: str | None = None
        for _ in range(_TRIES):  # a logger that closes replaces files
            try:
                opened += self._look(final)
            except ChangedError as error:
                self._forget()
                trouble = str(error)
                continue
            except RdmtoolsError as error:
                self._forget()
                trouble = str(error)
                break
            except FileNotFoundError as error:
                self._forget()
                trouble = f"{self.path} changed while it was read ({error})"
                continue
            trouble = None
            break
        self._tell(trouble)
        return opened

    def last_rows(self, step: int, count: int) -> Block:
        """The last `count` rows up to `step`, or as many as there are, read again where they lie.

        Raises FormatError, ChangedError where they are no longer there.
        """
        wanted = count
        while True:
            block = self._last_rows(step, wanted)
            finite = np.isfinite(block.losses).all(axis=1)
            if int(finite.sum()) >= count or len(block.steps) < wanted:
                return Block(block.steps[finite][-count:], block.losses[finite][-count:])
            wanted *= 2

    def _last_rows(self, step: int, count: int) -> Block:
        steps, losses, after = self._earlier()
        if self._incoming is not None:
            after = self._incoming.last_rows(step, count)
        here = slice(None) if not len(after.steps) else steps < after.steps[0]
        stop = int(np.searchsorted(steps[here], step, side="right"))
        start = max(stop - (count - len(after.steps)), 0)
        if losses is None or start == stop:
            return after
        return joined(Block(steps[start:stop], losses.read(start, stop)), after)

    def _earlier(self) -> tuple[NDArray[np.int64], LossRows | None, Block]:
        """Steps and losses of the run in its files, or of earlier starts; and no row."""
        nothing = Block(np.empty(0, np.int64), np.empty((0, 0)))
        if self._run is not None:
            return self._run.steps, self._run.stored, nothing
        if self._found is None or self._found.before is None:
            return nothing.steps, None, nothing
        return self._found.before.steps, self._found.before.stored, nothing

    def _forget(self) -> None:
        """Begin anew with the next look."""
        self._stamp: tuple[Any, ...] | None = None
        self._key: tuple[Any, ...] | None = None
        self._course: Course | None = None
        self._names: list[str] = []
        self._found: Found | None = None
        self._incoming: Incoming | None = None
        self._first: int | None = None  # step of the last start
        self._fed_before = False
        self._waiting: Block | None = None
        self._run: Run | None = None

    def _tell(self, trouble: str | None) -> None:
        status, course = self.status, self._course
        status.trouble, status.complete = trouble, status.complete and trouble is None
        if course is not None:
            status.rows, status.step, status.score = course.rows, course.last_step, course.score
            status.left_out = course.left_out
            if course.groups is not None:
                columns: list[list[float]] = course.groups.T.tolist()
                status.groups = {
                    name: (first, lowest, now)
                    for name, (first, lowest, now) in zip(self._names, columns, strict=True)
                }

    def _look(self, final: bool) -> list[Opened]:
        now = stamp(self.path)
        if has_journal(companion_of(self.path)):
            return self._look_at_journal(now)
        return self._look_at_file(now, final)

    # Of a journal

    def _look_at_journal(self, now: tuple[Any, ...]) -> list[Opened]:
        if now != self._stamp:
            found = find(self.path, self.rules)
            if key(found) != self._key:
                self._forget()
                self._key = key(found)
                self._incoming = Incoming(found.last)
            self._found, self._stamp = found, now
            self.status.complete, self.status.created = found.closed, found.created
        assert self._found is not None
        return self._taken(self._found)

    def _taken(self, found: Found) -> list[Opened]:
        """What came: the rows of earlier starts, once, and those of the last."""
        opened: list[Opened] = []
        for block in self._rows(found):
            if self._course is None:
                self._course = self._begun(found, block)
            last = self._course.last_step
            if last is not None and int(block.steps[0]) <= last:  # this start supersedes what was taken
                first = int(block.steps[0])
                self._course, self._fed_before, self._first = None, False, first
                self._incoming = Incoming(found.last)
                return self._taken(found)
            opened += self._course.take(block)
        return opened

    def _rows(self, found: Found) -> Iterator[Block]:
        assert self._incoming is not None
        known = found.before is None or np.array_equal(self._incoming.ids, found.before.ids)
        incoming = self._incoming.rows() if known else iter(())
        block = next(incoming, None)
        if not self._fed_before:
            first = self._first if block is None else int(block.steps[0])
            yield from found.rows_before(first)
            self._fed_before = True
        if block is not None:
            yield block
            yield from incoming

    def _begun(self, found: Found, block: Block) -> Course:
        dtypes = [block.losses.dtype, *(each.manifest.values.newbyteorder("=") for each in found.last)]
        if found.before is not None:
            dtypes.append(found.before.stored.dtype)
        with warnings.catch_warnings(action="ignore", category=RdmtoolsWarning):
            samples, _ = samples_of(self.path, found.starts, found.files, found.ids, self.rules)
        return self._course_of(np.result_type(*dtypes), samples)

    def _course_of(self, dtype: np.dtype[Any], samples: Any) -> Course:
        codes = None
        if GROUP in samples:
            values = samples[GROUP]
            pairs = zip(values.tolist(), values.isna().tolist(), strict=True)
            self.groups = [NO_GROUP if gone else str(value) for value, gone in pairs]
            self._names, numbers = coded(self.groups)
            codes = np.asarray(numbers, np.intp)
        return Course(self._rates, dtype, codes)

    # Of files

    def _look_at_file(self, now: tuple[Any, ...], final: bool) -> list[Opened]:
        if now == self._stamp and self._course is not None:
            return self._rest()
        self._forget()
        run = read(self.path, self.rules)
        ours = self.path.suffix == LOSSES_SUFFIX
        self.status.complete = ours
        self.status.created = _created(self.path) if ours and self.path.is_file() else None
        self._run = run
        self._course = self._course_of(run.dtype, run.samples)
        # What a step has in a text that grows may be half written, until nothing came for a while.
        rows = len(run.steps) - (0 if ours or final else 1)
        opened: list[Opened] = []
        for block in blocks(run.steps[:rows], run.stored):
            opened += self._course.take(block)
        if rows < len(run.steps):
            self._waiting = Block(run.steps[rows:], run.rows(rows, rows + 1))
        self._stamp = now
        return opened

    def _rest(self) -> list[Opened]:
        waiting, self._waiting = self._waiting, None
        if waiting is None or self._course is None:
            return []
        return self._course.take(waiting)


def _created(path: Path) -> str | None:
    created = ParquetPart.open(path).about.get("created")
    return created if isinstance(created, str) else None
