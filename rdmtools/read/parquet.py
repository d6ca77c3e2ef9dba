"""How are losses read that do not fit in memory? A row group at a time, where each holds whole steps.

Opening reads the ids of every row group and verifies their order; nothing in a file can certify it. The
losses stay on disk, and the row group last read is kept, so that consecutive blocks decode each once.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError, RdmtoolsError
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.format.table import file_metadata
from rdmtools.read.stores import Location, Stamp, StorePath, ahead, opened, refusal
from rdmtools.run.clean import whole_steps
from rdmtools.run.columns import find_columns, floats, integers, sample_codes
from rdmtools.run.run import InMemory

_MAGIC = b"PAR1"
# What Arrow raises over a bad file; what speaks to a store may raise anything.
_RAISED = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, RuntimeError)
_BUFFER_BYTES = 1 << 20
_CHANGED = "{path} changed while it was read; read it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetPart:
    """A Parquet file that was opened once; every read opens it anew, so that many runs need no open files."""

    path: Location
    metadata: pq.FileMetaData
    schema: pa.Schema
    about: dict[str, Any]
    """What a file of ours says of itself."""
    stamp: Stamp
    """Place, size and time of the last change: a file that changes between two reads is refused."""

    @classmethod
    def open(cls, path: Location) -> Self:
        """Read the footer of `path`. Raises FormatError."""
        with (
            _damage(path, None),
            opened(path) as (source, stamp),
            _damage(path, stamp),
            pq.ParquetFile(source) as file,
        ):
            about = file_metadata(file, path)
            return cls(path=path, metadata=file.metadata, schema=file.schema_arrow, about=about, stamp=stamp)

    def read(self, columns: Sequence[str] | None = None, group: int | None = None) -> pa.Table:
        """Some columns, of one row group or of all. Raises FormatError."""
        with _damage(self.path, self.stamp), opened(self.path) as (source, stamp):
            if stamp != self.stamp:
                raise ChangedError(_CHANGED.format(path=self.path))
            strings = [name for name in columns or () if str(self.schema.field(name).type).endswith("string")]
            with pq.ParquetFile(
                source,
                metadata=self.metadata,
                read_dictionary=strings,
                pre_buffer=isinstance(self.path, StorePath),  # one request for what lies side by side
                page_checksum_verification=True,
            ) as file:
                table = file.read(columns) if group is None else file.read_row_group(group, columns)
                table.validate(full=True)  # damaged bytes may decode to offsets that point anywhere
                rows = self.metadata if group is None else self.metadata.row_group(group)
                if table.num_rows != rows.num_rows:
                    raise pa.ArrowInvalid(f"{table.num_rows} rows where the footer says {rows.num_rows}")
                return table

    def row_groups(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Some columns of each row group that has rows, with its number. Raises FormatError."""
        full = [
            group for group in range(self.metadata.num_row_groups) if self.metadata.row_group(group).num_rows
        ]
        calls = [partial(self.read, columns, group) for group in full]
        far = isinstance(self.path, StorePath)
        yield from zip(full, ahead(calls) if far else (call() for call in calls), strict=True)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Some columns, at most so many rows at a time, none of them empty. Raises FormatError."""
        with _damage(self.path, self.stamp), opened(self.path) as (source, stamp):
            if stamp != self.stamp:
                raise ChangedError(_CHANGED.format(path=self.path))
            # without a size of the buffer, a whole row group would be in memory at once
            with pq.ParquetFile(
                source,
                metadata=self.metadata,
                buffer_size=_BUFFER_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            ) as file:
                found = 0
                for batch in file.iter_batches(rows, columns=list(columns)):
                    table = pa.Table.from_batches([batch])
                    table.validate(full=True)
                    found += table.num_rows
                    if table.num_rows:
                        yield table
                if found != self.metadata.num_rows:
                    raise pa.ArrowInvalid(f"{found} rows where the footer says {self.metadata.num_rows}")


class Group(Protocol):
    """Losses of some rows, all read at once."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read_all(self) -> NDArray[Any]:
        """(rows, samples), not to be written to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Losses of one row group of whole steps."""

    part: ParquetPart
    group: int
    column: str
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        double = types.is_float64(self.part.schema.field(self.column).type)
        return np.dtype(np.float64 if double else np.float32)

    def elsewhere(self) -> "RowGroup":
        """The same, for a process that works in another folder."""
        path = self.part.path
        whole = path.absolute() if isinstance(path, Path) else path
        return replace(self, part=replace(self.part, path=whole))

    def read_all(self) -> NDArray[Any]:
        """(rows, samples) in the order of the file."""
        table = self.part.read([self.column], self.group)
        return floats(table.column(self.column), self.column).reshape(self.shape)


@dataclass(slots=True, kw_only=True)
class StoredLosses:
    """Losses in row groups one after the other, of which some rows and samples are chosen."""

    groups: Sequence[Group]
    rows: NDArray[np.intp]
    """Rows that are chosen, counted over all row groups."""
    samples: NDArray[np.intp] | None
    """Columns that are chosen, in their order; None for all as they are."""
    _starts: NDArray[np.intp] = field(init=False)
    _last: tuple[int, NDArray[Any]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._starts = np.cumsum([0, *(group.shape[0] for group in self.groups)])

    @property
    def shards(self) -> Sequence[Self]:
        return [self]

    @property
    def nbytes(self) -> int:
        return sum(group.losses.nbytes for group in self.groups if isinstance(group, InMemory))

    @classmethod
    def of(cls, losses: NDArray[Any]) -> Self:
        """Losses that are in memory."""
        return cls(groups=[InMemory(losses)], rows=np.arange(len(losses)), samples=None)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), self.groups[0].shape[1] if self.samples is None else len(self.samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*{group.dtype for group in self.groups})

    def chosen(self, rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> Self:
        """Those that stay, of the rows and samples there are."""
        columns = np.arange(self.groups[0].shape[1]) if self.samples is None else self.samples
        chosen = self.samples if samples.all() else columns[samples]
        return type(self)(groups=self.groups, rows=self.rows[rows], samples=chosen)

    def first(self, rows: int, then: Self) -> Self:
        """The first `rows` of these losses, and those of `then`, which have the same samples."""
        if self.samples is None and then.samples is None:
            groups = [*self.groups, *then.groups]
        else:  # as they lie in the groups here
            back = np.argsort(self.samples) if self.samples is not None else slice(None)
            groups = [*self.groups, InMemory(then.read(0, then.shape[0])[:, back])]
        offset = int(self._starts[-1])
        return type(self)(
            groups=groups, rows=np.concatenate([self.rows[:rows], then.rows + offset]), samples=self.samples
        )

    def read(self, start: int, stop: int) -> NDArray[Any]:
        rows = self.rows[start:stop]
        parts = [
            (index, first, last)
            for index, (first, last) in enumerate(pairwise(np.searchsorted(rows, self._starts)))
            if first < last
        ]
        if len(parts) == 1:
            return self._some_of(parts[0][0], rows)
        losses = np.empty((len(rows), self.shape[1]), self.dtype)
        for index, first, last in parts:
            losses[first:last] = self._some_of(index, rows[first:last])
        return losses

    def part(self, start: int, stop: int) -> Self:
        """Those rows: the row groups of files as they are, anything else as what is in it."""
        rows = self.rows[start:stop]
        first, last = np.searchsorted(self._starts, [rows[0], rows[-1]], side="right").tolist()
        groups = [group.elsewhere() for group in self.groups[first - 1 : last] if isinstance(group, RowGroup)]
        if len(groups) < last - first + 1:
            return self.of(self.read(start, stop))
        return type(self)(groups=groups, rows=rows - self._starts[first - 1], samples=self.samples)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All chosen losses, a row group at a time."""
        for first, last in pairwise(np.searchsorted(self.rows, self._starts)):
            yield self.read(int(first), int(last))

    def _some_of(self, index: int, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Losses of `rows`, which all lie in one row group; consecutive ones without a copy."""
        rows = rows - self._starts[index]
        return self._decoded(index)[
            slice(rows[0], rows[-1] + 1) if len(rows) == rows[-1] - rows[0] + 1 else rows
        ]

    def _decoded(self, index: int) -> NDArray[Any]:
        if self._last is None or self._last[0] != index:
            self._last = None  # never two at a time
            losses = self.groups[index].read_all().astype(self.dtype, copy=False)
            self._last = index, losses if self.samples is None else np.take(losses, self.samples, axis=1)
        return self._last[1]


def open_whole_steps(
    parts: Sequence[ParquetPart], columns: Mapping[str, str] | None, seen: Callable[[int], None]
) -> tuple[NDArray[np.int64], NDArray[Any], StoredLosses] | None:
    """Steps, ids and losses of row groups that hold whole steps; None for any other layout.

    The row groups may come in any order, so the parts of a dataset may have any names. `seen` is told of the
    rows of each.
    """
    found: list[tuple[NDArray[np.int64], tuple[int, int], RowGroup]] = []
    ids: NDArray[Any] | None = None
    for part in parts:
        names = find_columns(part.schema, columns)
        keys = [name for role, name in names.items() if role != LOSS]
        for group, table in part.row_groups(keys):
            codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
            layout = whole_steps(integers(table.column(names[STEP]), names[STEP]), codes)
            if layout is None:
                return None
            steps, template = layout
            template = template if words is None else words[template]
            ids = template if ids is None else ids
            attempts = (
                _rising(integers(table.column(names[ATTEMPT]), names[ATTEMPT]))
                if ATTEMPT in names
                else (0, 0)
            )
            if attempts is None or not np.array_equal(ids, template):
                return None
            seen(table.num_rows)
            shape = len(steps), len(template)
            found.append((steps, attempts, RowGroup(part=part, group=group, column=names[LOSS], shape=shape)))
    if ids is None:
        return None
    found.sort(key=lambda each: int(each[0][0]))
    for (steps, attempts, _), (next_steps, next_attempts, _) in pairwise(found):
        if steps[-1] >= next_steps[0] or attempts[1] > next_attempts[0]:
            return None
    order = np.argsort(ids)
    steps = np.concatenate([steps for steps, _, _ in found])
    losses = StoredLosses(
        groups=[group for _, _, group in found],
        rows=np.arange(len(steps)),
        samples=None if (order[1:] > order[:-1]).all() else order,
    )
    return steps, ids[order], losses


def _rising(attempts: NDArray[np.integer[Any]]) -> tuple[int, int] | None:
    """First and last attempt, None where an earlier one follows a later."""
    return None if (attempts[1:] < attempts[:-1]).any() else (int(attempts[0]), int(attempts[-1]))


def _changed(path: Location, stamp: Stamp) -> bool:
    try:
        with opened(path) as (_, now):
            return now != stamp
    except FileNotFoundError:
        return True
    except Exception:  # a store that does not answer says nothing of the file
        return isinstance(path, Path)


@contextmanager
def _damage(path: Location, stamp: Stamp | None) -> Generator[None]:
    """Whatever Arrow raises over a bad file, as one line that says what is wrong with it."""
    try:
        yield
    except RdmtoolsError:
        raise
    except Exception as error:
        if isinstance(path, Path) and not isinstance(error, _RAISED):
            raise
        if stamp is not None and _changed(path, stamp):
            raise ChangedError(_CHANGED.format(path=path)) from error
        raise FormatError(_diagnosis(path, error)) from error


def _diagnosis(path: Location, error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"{path} has a name that is not UTF-8; needed one that is: rename it"
    if isinstance(path, StorePath) and (refused := refusal(path, error)) is not None:
        return str(refused)
    try:
        with path.open("rb") as file:
            head = file.read(8)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4))
            tail = file.read()
    except Exception as reason:
        if isinstance(path, Path) and not isinstance(reason, OSError):
            raise
        why = reason.strerror if isinstance(reason, OSError) else None
        why = why or " ".join(str(reason).split())[:200] or type(reason).__name__
        return f"{path} cannot be opened ({why}); needed a Parquet file that can be read"
    if not head:
        return f"{path} is empty (0 bytes); needed a Parquet file; write or copy it again"
    if not head.startswith(_MAGIC[:size]):
        return (
            f"{path} starts with {head!r}; needed a Parquet file; "
            "read it with pandas and pass Run.from_frame, or write it with to_parquet"
        )
    if tail != _MAGIC or size < 12:
        return (
            f"{path} is cut short after {size:,} bytes; needed a whole Parquet file; write or copy it again"
        )
    reason = " ".join(str(error).split())[:200]
    return f"{path} is damaged ({reason}); needed a whole Parquet file; write or copy it again"
