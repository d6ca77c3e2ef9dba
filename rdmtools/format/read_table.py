"""How is one Parquet file read? A row group or a batch at a time, verified, and never one that has changed.

Every read opens the file anew, here or in a store; what is wrong with it is one line. Files of ours, in the
order that `write_table` gives them, are read by the same means. NumPy and pyarrow alone.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError, cause, one_line, reading
from rdmtools.format.about import read_about
from rdmtools.format.damage import around, check_rows, damaged
from rdmtools.format.names import METADATA_KEY, Named
from rdmtools.format.unfolding import refuse_unfolded, row_width, text_bytes, with_plain_text
from rdmtools.format.values import floats, losses_type

Stamp = tuple[Any, ...]

_MAGIC = b"PAR1"
_BUFFER_BYTES = 1 << 20
_CHANGED = "{path} changed while it was read; read it again"


class Remote(Named, Protocol):
    """A file in a store, as far as reading it goes."""

    def open(self, mode: str = "rb", /) -> Any: ...

    def opened(self) -> AbstractContextManager[tuple[Any, Stamp]]:
        """What `pq.ParquetFile` takes, and what tells that the file changed."""
        ...

    def refusal(self, error: Exception, /) -> FormatError | None:
        """What is wrong where `error` says that the store refused or did not answer, else None."""
        ...

    def ahead(self, calls: Iterable[Callable[[], Any]], /) -> Iterator[Any]:
        """What the calls return, in their order; a few of the next ones are made meanwhile."""
        ...

    def within(self, call: Callable[[], Any], size: int = 0, /) -> Any:
        """What `call` returns, which reads `size` bytes. Raises FormatError where that takes too long."""
        ...


Place = Path | Remote


@contextmanager
def opened(place: Place) -> Generator[tuple[Any, Stamp]]:
    """What `pq.ParquetFile` takes to read from `place`, and what tells that it changed.

    A file on this machine is named, one in a store is open. Raises what the system or the store raises.
    """
    if isinstance(place, Path):
        found = os.stat(place)
        yield place, (found.st_ino, found.st_size, found.st_mtime_ns)
    else:
        with place.opened() as found:
            yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetPart:
    """A Parquet file that was opened once; every read opens it anew, so that many runs need no open files."""

    path: Place
    metadata: pq.FileMetaData
    schema: pa.Schema
    about: dict[str, Any]
    """What a file of ours says of itself."""
    faults: Sequence[str]
    """What is wrong with that, a line each."""
    stamp: Stamp
    """Place, size and time of the last change: a file that changes between two reads is refused."""
    seen: Callable[[int], object] = field(default=int, compare=False)
    """Told of the rows of each row group or batch, as it is read; by default nobody listens."""

    @classmethod
    def open(cls, path: Place) -> Self:
        """Read the footer of `path`. Raises FormatError."""
        return cls._open(path) if isinstance(path, Path) else path.within(partial(cls._open, path))

    @classmethod
    def _open(cls, path: Place) -> Self:
        with (
            reading(path, explain=partial(_fault, path, None)),
            opened(path) as (source, stamp),
            reading(path, explain=partial(_fault, path, stamp)),
            pq.ParquetFile(source) as file,
        ):
            about, faults = file_metadata(file, path)
            schema = file.schema_arrow
            schema.names  # noqa: B018  # are they UTF-8?
            return cls(
                path=path, metadata=file.metadata, schema=schema, about=about, faults=faults, stamp=stamp
            )

    @property
    def rows(self) -> int:
        return self.metadata.num_rows

    @contextmanager
    def _file(self, where: Callable[[], str], **options: Any) -> Generator[pq.ParquetFile]:
        """The file, opened anew. Raises FormatError, also where it is not the one that was opened before.

        `where` is asked which of its row groups were read, once that failed.
        """
        explain = partial(_fault, self.path, self.stamp, where=where)
        with reading(self.path, explain=explain), opened(self.path) as (source, stamp):
            if stamp != self.stamp:
                raise ChangedError(_CHANGED.format(path=self.path))
            options |= {"metadata": self.metadata, "page_checksum_verification": True}
            with pq.ParquetFile(source, **options) as file:
                yield file

    def read(self, columns: Sequence[str] | None = None, group: int | None = None) -> pa.Table:
        """Some columns, of one row group or of all. Raises FormatError."""
        self._check_columns(columns or ())
        self.refuse_unfolded(columns, group)
        groups = range(self.metadata.num_row_groups) if group is None else [group]
        if isinstance(self.path, Path):
            return self._read(columns, group, groups)
        return self.path.within(partial(self._read, columns, group, groups), self._unpacked_bytes(groups))

    def _in_time(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches; for none of those in a store is waited longer than for all row groups."""
        if isinstance(self.path, Path):
            return batches
        size = self._unpacked_bytes(range(self.metadata.num_row_groups))
        return iter(partial(self.path.within, partial(next, batches, None), size), None)

    def _read(self, columns: Sequence[str] | None, group: int | None, groups: Sequence[int]) -> pa.Table:
        texts = [field.name for field in self.schema if _is_text(field.type)]
        texts = [name for name in texts if self.schema.names.count(name) == 1]
        # as dictionaries, whose words are there once, however often they come
        strings = texts if columns is None else [name for name in columns if name in texts]
        side_by_side = not isinstance(self.path, Path)  # one request for what lies so
        where = partial(damaged, self.path, self.metadata, columns, groups)
        with self._file(where, read_dictionary=strings, pre_buffer=side_by_side) as file:
            table = file.read(columns) if group is None else file.read_row_group(group, columns)
            table.validate(full=True)  # damaged bytes may decode to offsets that point anywhere
            check_rows(table.num_rows, self.metadata if group is None else self.metadata.row_group(group))
            if columns is None:
                refuse_unfolded(self.path, text_bytes(table), self._size)
                table = with_plain_text(table, self.schema, strings)
            return table.replace_schema_metadata(None)  # pandas would do what it says there

    def refuse_unfolded(self, columns: Sequence[str] | None, group: int | None = None) -> None:
        """Raise FormatError where columns of one row group, or of all, unfold to far more than is there."""
        rows = self.rows if group is None else self.metadata.row_group(group).num_rows
        width = row_width(field.type for field in self.schema if columns is None or field.name in columns)
        refuse_unfolded(self.path, max(0, rows) * width, self._size)

    @property
    def _size(self) -> int:
        """Bytes of the file; in a store, by what it says."""
        if isinstance(self.path, Path):
            return self.stamp[1]
        return self._unpacked_bytes(range(self.metadata.num_row_groups))

    def _unpacked_bytes(self, groups: Sequence[int]) -> int:
        """Bytes of row groups, as they say."""
        # a column of a damaged row group, asked for its size, would end the process
        return sum(max(0, self.metadata.row_group(group).total_byte_size) for group in groups)

    def _check_columns(self, columns: Sequence[str]) -> None:
        names = self.schema.names
        if absent := [name for name in columns if names.count(name) != 1]:
            found = ", ".join(names) or "none"
            raise FormatError(f"{self.path}: needed one column {absent[0]!r}; found {found:.200}")

    def row_groups(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Some columns of each row group that has rows, with its number. Raises FormatError."""
        groups = range(self.metadata.num_row_groups)
        full = [group for group in groups if self.metadata.row_group(group).num_rows]
        calls = [partial(self.read, columns, group) for group in full]
        tables = (call() for call in calls) if isinstance(self.path, Path) else self.path.ahead(calls)
        for group, table in zip(full, tables, strict=True):
            self.seen(table.num_rows)
            yield group, table

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Some columns, at most so many rows at a time, none of them empty. Raises FormatError."""
        self._check_columns(columns)
        # without a size of the buffer, a whole row group would be in memory at once
        read = 0
        how: dict[str, Any] = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
        with self._file(
            lambda: damaged(self.path, self.metadata, columns, around(self.metadata, read, rows)), **how
        ) as file:
            for batch in self._in_time(file.iter_batches(rows, columns=list(columns))):
                table = pa.Table.from_batches([batch])
                table.validate(full=True)
                read += table.num_rows
                self.seen(table.num_rows)
                if table.num_rows:
                    yield table
            check_rows(read, self.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Losses of one row group of whole steps."""

    part: ParquetPart
    group: int
    column: str
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype[Any]:
        return losses_type(self.part.schema.field(self.column).type)

    def elsewhere(self) -> "RowGroup":
        """The same, for a process that works in another folder."""
        path = self.part.path
        whole = path.absolute() if isinstance(path, Path) else path
        return replace(self, part=replace(self.part, path=whole))

    def read_all(self) -> NDArray[Any]:
        """(rows, samples) in the order of the file."""
        table = self.part.read([self.column], self.group)
        with reading(self.part.path):
            return floats(table.column(self.column), self.column).reshape(self.shape)


def file_metadata(file: pq.ParquetFile, path: Named) -> tuple[dict[str, Any], list[str]]:
    """What a file of ours says of itself, {} if not ours, and what is wrong with that.

    Raises FormatError where a later major version of the format wrote `path`, saying which release reads it.
    """
    text = (file.metadata.metadata or {}).get(METADATA_KEY)
    return ({}, []) if text is None else read_about(text, path)


def _is_text(kind: pa.DataType) -> bool:
    return str(kind) in ("string", "large_string", "binary", "large_binary")


def _changed(path: Place, stamp: Stamp) -> bool:
    try:
        with opened(path) as (_, now):
            return now != stamp
    except FileNotFoundError:
        return True
    except Exception:  # a store that does not answer says nothing of the file
        return isinstance(path, Path)


def _fault(path: Place, stamp: Stamp | None, error: Exception, where: Callable[[], str] = str) -> FormatError:
    """What is wrong where Arrow raises over a file, or whatever speaks to a store.

    `where` says which row groups were read.
    """
    if stamp is not None and _changed(path, stamp):
        return ChangedError(_CHANGED.format(path=path))
    if stamp is None and isinstance(path, Path) and isinstance(error, FileNotFoundError):
        return ChangedError(f"{path} vanished while it was read; read the run again")
    return FormatError(_diagnosis(path, error, where))


def _diagnosis(path: Place, error: Exception, where: Callable[[], str]) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"{path} has a name that is not UTF-8; needed one that is: rename it"
    if not isinstance(path, Path) and (refused := path.refusal(error)) is not None:
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
        return f"{path} cannot be opened ({why or one_line(reason)}); needed a Parquet file that can be read"
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
    return f"{path} is damaged{where()} ({cause(error)}); needed a whole Parquet file; write or copy it again"
