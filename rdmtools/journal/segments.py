"""Where do the rows of one attempt lie? In segments, and in the parts that full segments become."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import reading
from rdmtools.format.read_table import StoredGroup
from rdmtools.format.records import HEADER_BYTES, Kind, Manifest, read_records

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
            self._losses = self.group.losses.read_all()
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
        with reading(self.path):
            found = np.fromfile(self.path, record, last - first, offset=first * record.itemsize)
        return in_order(found["losses"], self.order)


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
    size = file_size(path)
    most = size // (HEADER_BYTES + manifest.row_bytes)
    with reading(path):
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


def file_size(path: Path) -> int:
    with reading(path):
        return path.stat().st_size
