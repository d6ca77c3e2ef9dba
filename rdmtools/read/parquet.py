"""How is one Parquet file read? A row group or a batch at a time, verified, and never one that has changed.

Every read opens the file anew, here or in a store; what is wrong with it is one line.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as types
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError, one_line, reading
from rdmtools.format.table import file_metadata
from rdmtools.read.stores import Location, Stamp, StorePath, ahead, opened, refusal
from rdmtools.run.columns import floats

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
            reading(path, explain=partial(_fault, path, None)),
            opened(path) as (source, stamp),
            reading(path, explain=partial(_fault, path, stamp)),
            pq.ParquetFile(source) as file,
        ):
            about = file_metadata(file, path)
            return cls(path=path, metadata=file.metadata, schema=file.schema_arrow, about=about, stamp=stamp)

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self.path, explain=partial(_fault, self.path, self.stamp))

    def read(self, columns: Sequence[str] | None = None, group: int | None = None) -> pa.Table:
        """Some columns, of one row group or of all. Raises FormatError."""
        with self._reading(), opened(self.path) as (source, stamp):
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
        with self._reading(), opened(self.path) as (source, stamp):
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


def _changed(path: Location, stamp: Stamp) -> bool:
    try:
        with opened(path) as (_, now):
            return now != stamp
    except FileNotFoundError:
        return True
    except Exception:  # a store that does not answer says nothing of the file
        return isinstance(path, Path)


def _fault(path: Location, stamp: Stamp | None, error: Exception) -> FormatError | None:
    """What is wrong where Arrow raises over a file, or over a store whatever speaks to it."""
    if isinstance(path, Path) and not isinstance(error, _RAISED):
        return None
    if stamp is not None and _changed(path, stamp):
        return ChangedError(_CHANGED.format(path=path))
    return FormatError(_diagnosis(path, error))


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
    return f"{path} is damaged ({one_line(error)}); needed a whole Parquet file; write or copy it again"
