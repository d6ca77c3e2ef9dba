"""Where do the rows of one attempt lie? In segments, and in the parts that full segments become."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import reading
from rdmtools.format.records import HEADER_BYTES, Kind, Manifest, read_records
from rdmtools.format.stored import StoredGroup

_NO_STEPS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Records of losses, all of the same length, so that each has its place."""

    path: Path
    values: np.dtype[Any]
    order: NDArray[np.intp]
    """What sorts the samples by their ids, (samples,)."""
    steps: NDArray[np.int64]
    held: NDArray[Any] | None
    ended: float
    """When the last row was written, in seconds since the epoch; 0 without one."""
    bytes_left: int
    """Bytes that follow the last row."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples) in order of their ids."""
        if self.held is not None:
            return self.held[first:last]
        record = np.dtype([("header", f"V{HEADER_BYTES}"), ("losses", self.values, (len(self.order),))])
        with reading(self.path):
            records = np.fromfile(self.path, record, last - first, offset=first * record.itemsize)
        is_sorted = (self.order[1:] > self.order[:-1]).all()
        return records["losses"] if is_sorted else records["losses"][:, self.order]


def open_segment(
    path: Path,
    manifest: Manifest,
    order: NDArray[np.intp],
    *,
    hold: bool = False,
    after: int | None = None,
    pace: Callable[[], None] = lambda: None,
) -> Segment:
    """A segment of losses, of which steps are read, and losses too where it is to `hold` them.

    `order` sorts the samples by their ids; steps rise from `after`, the last of earlier segments; `pace` is
    called after each record.
    """
    size = file_size(path)
    most = size // (HEADER_BYTES + manifest.row_bytes)
    with reading(path):
        steps = np.empty(most, np.int64)
        # An upper bound, filled in place: pages that are never touched cost nothing.
        held = np.empty((most, len(order)), manifest.values) if hold else None
        rows, ended = 0, 0.0
        for record in read_records(path, Kind.LOSSES, manifest.row_bytes, after):
            if rows == most:  # a live logger went on after the size was taken
                break
            steps[rows] = record.step
            if held is not None:
                held[rows] = np.frombuffer(record.payload, manifest.values)[order]
            rows, ended = rows + 1, record.time if isfinite(record.time) else ended
            pace()
    return Segment(
        path=path,
        values=manifest.values,
        order=order,
        steps=steps[:rows],
        held=None if held is None else held[:rows],
        ended=ended,
        bytes_left=size - rows * (HEADER_BYTES + manifest.row_bytes),
    )


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The losses of one attempt, rows in the order written, samples in that of their ids."""

    ids: NDArray[Any]
    values: np.dtype[Any]
    pieces: Sequence[StoredGroup | Segment]
    ended: float = 0
    """When the last row was written, in seconds since the epoch; 0 without one."""
    bytes_left: int = 0

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """(rows,), rising."""
        return np.concatenate([_NO_STEPS, *(piece.steps for piece in self.pieces)])

    @cached_property
    def bounds(self) -> list[int]:
        """First row of each piece, and the end."""
        return np.cumsum([0, *(len(piece.steps) for piece in self.pieces)]).tolist()

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples)."""
        losses = [
            piece.read(max(first, start) - start, min(last, stop) - start)
            for piece, (start, stop) in zip(self.pieces, pairwise(self.bounds), strict=True)
            if start < last and first < stop
        ]
        return losses[0] if len(losses) == 1 else np.concatenate(losses)


def file_size(path: Path) -> int:
    """Bytes of a file."""
    with reading(path):
        return path.stat().st_size
