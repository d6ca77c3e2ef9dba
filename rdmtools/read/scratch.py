"""How are rows put in order that do not fit in memory? On disk: by step in each batch, then by ranges.

batch of rows -> sorted by step -> appended to scratch files        one pass over the source
a range of steps <- its rows of every batch, in the source's order  as often as needed

The files have no names: whatever happens to the process, nothing stays behind.
"""

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.run.clean import Tidy, places

RANGE_ROWS = 1 << 21
"""Rows of a range, but for a single step that has more; each takes some 100 bytes of memory."""

_GB = 1e9


class Scratch:
    """Tidy rows on disk, whose samples are positions in a list of ids that grows. Made by `scratch`."""

    def __init__(
        self,
        files: Mapping[str, Any],
        folder: Path,
        loss: np.dtype[Any],
        attempts: bool,
        room: str,
        seen: Callable[[int], None],
    ) -> None:
        types: dict[str, Any] = {"steps": np.int64, "samples": np.int32, "losses": loss}
        self._types = types | ({"attempts": np.int64} if attempts else {})
        self._files = files
        self._folder = folder
        self._room = room
        self._seen = seen
        self._batches = [0]
        self.steps = np.empty(0, np.int64)
        """Distinct steps in order, and how many rows each has."""
        self.counts = np.empty(0, np.int64)
        self.starts: dict[int, int] = {}
        """First step of each attempt."""

    @property
    def row_bytes(self) -> int:
        return sum(np.dtype(kind).itemsize for kind in self._types.values())

    def refuse_little_room(self, needed: float) -> None:
        """Raise FormatError where the disk does not have that many bytes."""
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise FormatError(
                f"{self._folder} has {free / _GB:.1f} GB free; needed about {needed / _GB:.1f} GB to put the "
                f"rows in order; free some, or {self._room}"
            )

    def append(self, rows: Tidy) -> None:
        """Write a batch of at least one row."""
        place, steps = places(rows.steps)
        codes = place(slice(None))
        # NumPy sorts short integers by their digits, ten times as fast
        short = codes.astype(np.uint16) if len(steps) <= 1 << 16 else codes
        order = np.argsort(short, kind="stable")
        for name, kind in self._types.items():
            try:
                self._files[name].write(getattr(rows, name)[order].astype(kind, copy=False).data)
            except OSError as error:
                raise FormatError(
                    f"{self._folder} cannot be written ({error.strerror}); needed room to put the rows in "
                    f"order; free some, or {self._room}"
                ) from error
        self._batches.append(self._batches[-1] + len(order))
        both = np.union1d(self.steps, steps)
        total = np.zeros(len(both), np.int64)
        total[np.searchsorted(both, self.steps)] += self.counts
        total[np.searchsorted(both, steps)] += np.bincount(codes)
        self.steps, self.counts = both, total
        self._seen(len(order))
        if rows.attempts is not None:
            for attempt in np.unique(rows.attempts).tolist():
                first = int(rows.steps[rows.attempts == attempt].min())
                self.starts[attempt] = min(first, self.starts.get(attempt, first))

    def ranges(self) -> Iterator[Tidy]:
        """The rows of one range of steps after another; of each step in the order in which they came."""
        edges = _edges(self.counts)
        firsts = self.steps[edges[1:-1]]
        bounds = np.empty((len(self._batches) - 1, len(edges)), np.int64)
        for batch, start in enumerate(self._batches[:-1]):
            stop = self._batches[batch + 1]
            cuts = np.searchsorted(self._read("steps", [(start, stop)]), firsts)
            bounds[batch] = [start, *(start + cuts), stop]
        for number in range(len(edges) - 1):
            between = bounds[:, number : number + 2].tolist()
            spans = [(start, stop) for start, stop in between if start < stop]
            yield (tidy := Tidy(**{name: self._read(name, spans) for name in self._types}))
            self._seen(len(tidy.steps))

    def _read(self, name: str, spans: list[tuple[int, int]]) -> NDArray[Any]:
        values = np.empty(sum(stop - start for start, stop in spans), self._types[name])
        file, size, filled = self._files[name], values.itemsize, 0
        for start, stop in spans:
            file.seek(start * size)
            part = values[filled : filled + stop - start]
            if file.readinto(part.data.cast("B")) != part.nbytes:
                raise FormatError(f"{self._folder} lost rows that were written there; try again")
            filled += stop - start
        return values


def _edges(counts: NDArray[np.int64]) -> list[int]:
    """Where ranges of about `RANGE_ROWS` rows begin, and the end."""
    ends = np.cumsum(counts)
    edges = [0]
    while edges[-1] < len(counts):
        before = int(ends[edges[-1] - 1]) if edges[-1] else 0
        edges.append(max(edges[-1] + 1, int(np.searchsorted(ends, before + RANGE_ROWS, side="right"))))
    return edges


@contextmanager
def scratch(
    folder: Path,
    loss: np.dtype[Any],
    attempts: bool,
    room: str,
    seen: Callable[[int], None] = lambda rows: None,
) -> Generator[Scratch]:
    """Place in `folder` for rows with losses of that type, with or without attempts.

    `room` is what gives more room, told where there is too little. `seen` is told how many rows were written
    or read.
    """
    names = ("steps", "samples", "losses", "attempts")
    with ExitStack() as stack:
        try:
            files = {name: stack.enter_context(tempfile.TemporaryFile(dir=folder)) for name in names}
        except OSError as error:
            raise FormatError(f"{folder} cannot be written ({error.strerror}); {room}") from error
        yield Scratch(files, folder, loss, attempts, room, seen)
