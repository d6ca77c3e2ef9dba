"""How are rows put in order that do not fit in memory? On disk: by step in each batch, then by ranges.

batch of rows -> sorted by step -> appended to scratch files        one pass over the source
a range of steps <- its rows of every batch, in the source's order  as often as needed

The files have no names: whatever happens to the process, nothing stays behind.
"""

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.run.clean import Tidy, places, survives

RANGE_ROWS = 1 << 21
"""Rows of a range, but for a single step that has more; each takes some 100 bytes of memory."""

_GB = 1e9


@dataclass(slots=True, kw_only=True)
class Scratch:
    """Tidy rows on disk, whose samples are positions in a list of ids that grows. Made by `scratch`."""

    folder: Path
    room: str
    files: Mapping[str, Any]
    """One for each column of the rows, and its type."""
    types: Mapping[str, Any]
    seen: Callable[[int], None]
    batches: list[int] = field(default_factory=lambda: [0])
    """Where each begins among the rows, and the end."""
    steps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Distinct steps in order, and how many rows each has."""
    counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    starts: dict[int, int] = field(default_factory=dict[int, int])
    """First step of each attempt."""

    @property
    def row_bytes(self) -> int:
        return sum(np.dtype(kind).itemsize for kind in self.types.values())

    def refuse_little_room(self, needed: float) -> None:
        """Raise FormatError where the disk does not have that many bytes."""
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise FormatError(
                f"{self.folder} has {free / _GB:.1f} GB free; needed about {needed / _GB:.1f} GB to put the "
                f"rows in order; free some, or {self.room}"
            )

    def append(self, rows: Tidy) -> None:
        """Write a batch of at least one row."""
        code, steps = places(rows.steps)
        codes = code(slice(None))
        # NumPy sorts short integers by their digits, ten times as fast
        short = codes.astype(np.uint16) if len(steps) <= 1 << 16 else codes
        order = np.argsort(short, kind="stable")
        for name, kind in self.types.items():
            with writing(self.folder, self.room):
                self.files[name].write(getattr(rows, name)[order].astype(kind, copy=False).data)
        self.batches.append(self.batches[-1] + len(order))
        counts = np.append(self.counts, np.bincount(codes))
        self.steps, place = np.unique(np.append(self.steps, steps), return_inverse=True)
        self.counts = np.bincount(place, counts).astype(np.int64)
        self.seen(len(order))
        if rows.attempts is not None:
            for attempt in np.unique(rows.attempts).tolist():
                first = int(rows.steps[rows.attempts == attempt].min())
                self.starts[attempt] = min(first, self.starts.get(attempt, first))

    def ranges(self) -> Iterator[Tidy]:
        """The rows of one range of steps after another that no later attempt supersedes.

        Of each step in the order in which they came; a range may have none.
        """
        edges = _edges(self.counts)
        borders = self.steps[edges[1:-1]]
        bounds = np.empty((len(self.batches) - 1, len(edges)), np.int64)
        for batch, (start, stop) in enumerate(pairwise(self.batches)):
            cuts = np.searchsorted(self._read("steps", [(start, stop)]), borders)
            bounds[batch] = [start, *(start + cuts), stop]
        attempts = sorted(self.starts)
        starts = np.array([self.starts[attempt] for attempt in attempts])
        for firsts, lasts in pairwise(bounds.T.tolist()):
            spans = [(start, stop) for start, stop in zip(firsts, lasts, strict=True) if start < stop]
            tidy = Tidy(**{name: self._read(name, spans) for name in self.types})
            rows = len(tidy.steps)
            if tidy.attempts is not None and len(attempts) > 1:
                place = np.searchsorted(attempts, tidy.attempts)
                tidy = tidy.where(survives(tidy.steps, place, starts))
            yield tidy
            self.seen(rows)

    def _read(self, name: str, spans: list[tuple[int, int]]) -> NDArray[Any]:
        values = np.empty(sum(stop - start for start, stop in spans), self.types[name])
        file, size, filled = self.files[name], values.itemsize, 0
        for start, stop in spans:
            file.seek(start * size)
            part = values[filled : filled + stop - start]
            if file.readinto(part.data.cast("B")) != part.nbytes:
                raise FormatError(f"{self.folder} lost rows that were written there; try again")
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
def writing(folder: Path, room: str) -> Generator[None]:
    """What cannot be written to `folder` in here is a FormatError, which says what gives `room`."""
    try:
        yield
    except OSError as error:
        raise FormatError(
            f"{folder} cannot be written ({error.strerror}); needed room to put the rows in order; "
            f"free some, or {room}"
        ) from error


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
    types: dict[str, Any] = {"steps": np.int64, "samples": np.int32, "losses": loss}
    if attempts:
        types["attempts"] = np.int64
    with ExitStack() as stack:
        try:
            files = {name: stack.enter_context(tempfile.TemporaryFile(dir=folder)) for name in types}
        except OSError as error:
            raise FormatError(f"{folder} cannot be written ({error.strerror}); {room}") from error
        yield Scratch(folder=folder, room=room, files=files, types=types, seen=seen)
