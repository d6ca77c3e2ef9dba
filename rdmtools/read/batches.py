"""What rows are in a long table that does not fit in memory? Some at a time, in the order of the file."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rdmtools.format.names import ATTEMPT, CSV_SUFFIXES, LOSS, LOSSES_SUFFIX
from rdmtools.read.formats import arrow, csv
from rdmtools.read.layout import layout_of, left_out, long_columns, typed_ids
from rdmtools.run.clean import Tidy, numbered
from rdmtools.run.columns import float_type, refuse_empty, tidy_rows

_ROWS = 1 << 20
_BUFFER_BYTES = 1 << 20


@dataclass(slots=True, kw_only=True)
class Batches:
    """A long table, opened."""

    names: dict[str, str]
    dtype: np.dtype[Any]
    """Of the losses."""
    notes: list[str]
    """What was left out."""
    text: bool
    """Whether ids are text for want of types."""
    tables: Callable[[], Iterator[pa.Table]]
    rows: Callable[[pa.Table], float]
    """About how many rows there are in all, from the first of `tables`."""

    @property
    def attempts(self) -> bool:
        return ATTEMPT in self.names

    def tidy(self, index: dict[Any, int]) -> Iterator[tuple[Tidy, float]]:
        """Rows, whose samples are positions in `index`, to which new ids are added; about how many in all."""
        rows = 0.0
        for table in self.tables():
            rows = rows or self.rows(table)
            yield numbered(tidy_rows(table, self.names), index), rows
        refuse_empty(len(index))
        if self.text and "" in index:
            raise csv.empty_ids(self.names)

    def ids(self, index: dict[Any, int]) -> list[Any]:
        """The ids in `index`, by position."""
        return typed_ids(list(index)) if self.text else list(index)


def open_batches(source: Path, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
    """The long table in a CSV, Arrow or Parquet file; None where it is a wide one, or none of these."""
    text = source.name.endswith(CSV_SUFFIXES)
    if text:
        schema = csv.head(source)
    elif source.suffix == LOSSES_SUFFIX:
        schema = pq.read_schema(source)
    elif source.suffix in arrow.SUFFIXES:
        with arrow.opened(source) as reader:
            schema = reader.schema
    else:
        return None
    if (layout or layout_of(schema, columns)) != "long":
        return None
    names = long_columns(schema, columns)
    size = source.stat().st_size

    def tables() -> Iterator[pa.Table]:
        if text:
            return csv.batches(source, names)
        parquet = source.suffix == LOSSES_SUFFIX
        return _sliced(_parquet(source, names) if parquet else _arrow(source, names))

    def rows(first: pa.Table) -> float:
        if source.suffix == LOSSES_SUFFIX:
            return pq.read_metadata(source).num_rows
        if text:
            return first.num_rows * max(1.0, csv.text_bytes(source) / csv.BLOCK_BYTES)
        return first.num_rows * max(1.0, size / max(1, first.nbytes))

    return Batches(
        names=names,
        dtype=np.dtype(np.float64) if text else float_type(schema.field(names[LOSS]).type),
        notes=left_out("column", [name for name in schema.names if name not in names.values()]),
        text=text,
        tables=tables,
        rows=rows,
    )


def _arrow(source: Path, names: Mapping[str, str]) -> Iterator[pa.Table]:
    with arrow.opened(source) as reader:
        for batch in arrow.record_batches(reader):
            table = pa.Table.from_batches([batch]).select([*names.values()])
            table.validate(full=True)  # damaged bytes may decode to offsets that point anywhere
            yield table


def _parquet(source: Path, names: Mapping[str, str]) -> Iterator[pa.Table]:
    # otherwise all that is to be read, or a whole row group of it, would be in memory at once
    with pq.ParquetFile(
        source, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
    ) as file:
        for batch in file.iter_batches(_ROWS, columns=[*names.values()]):
            table = pa.Table.from_batches([batch])
            table.validate(full=True)
            yield table


def _sliced(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a bounded size, none of them empty."""
    for table in tables:
        for start in range(0, table.num_rows, _ROWS):
            yield table.slice(start, _ROWS)
