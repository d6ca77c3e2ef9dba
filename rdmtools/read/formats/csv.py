"""What losses are in a CSV file? It has no types: steps and losses are numbers, ids are as written."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from rdmtools.errors import ParameterError
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.read.layout import (
    Losses,
    from_table,
    layout_of,
    left_out,
    long_columns,
    step_column,
    typed_ids,
)

_TYPES = {
    STEP: pa.int64(),
    SAMPLE_ID: pa.dictionary(pa.int32(), pa.string()),
    LOSS: pa.float64(),
    ATTEMPT: pa.int64(),
}
# Arrow wants every line within one block: this holds half a million samples.
BLOCK_BYTES = 16 << 20
_GZIPPED = 4  # times as large as text, about
_READING = csv.ReadOptions(block_size=BLOCK_BYTES)


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, gzipped or not, and what was guessed.

    Raises ParameterError, and OSError.
    """
    schema = head(path)
    with _told():
        if (layout or layout_of(schema, columns)) == "long":
            return _long(path, schema, columns)
        step = step_column(schema.names, columns)
        kinds = {name: _TYPES[STEP if name == step else LOSS] for name in schema.names}
        table = csv.read_csv(path, _READING, convert_options=csv.ConvertOptions(column_types=kinds))
        return from_table(table, layout, columns)


def head(path: Path) -> pa.Schema:
    """Names of the columns, and the types that their first values have."""
    with _told(), csv.open_csv(path, _READING) as file:
        return file.schema


def batches(path: Path, names: Mapping[str, str]) -> Iterator[pa.Table]:
    """The rows of a long table, a block of the file at a time; ids are text."""
    with _told(), csv.open_csv(path, _READING, convert_options=_conversion(names)) as file:
        for batch in file:
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def text_bytes(path: Path) -> float:
    """About how large `path` is as text."""
    return path.stat().st_size * (_GZIPPED if path.suffix == ".gz" else 1)


def empty_ids(names: Mapping[str, str]) -> ParameterError:
    """What is said where ids are absent."""
    return ParameterError(
        f"column {names[SAMPLE_ID]!r} is empty in some rows; needed an id in each; drop them"
    )


@contextmanager
def _told() -> Generator[None]:
    """What Arrow says of a file that is no such table, with what was needed."""
    try:
        yield
    except pa.ArrowInvalid as error:
        raise ParameterError(
            f"{error}; needed one line of names, then lines as long, with whole steps and numbers for losses"
        ) from error


def _conversion(names: Mapping[str, str]) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        column_types={name: _TYPES[role] for role, name in names.items()}, include_columns=[*names.values()]
    )


def _long(path: Path, head: pa.Schema, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    names = long_columns(head, columns)
    table = csv.read_csv(path, _READING, convert_options=_conversion(names))
    ids = _typed(table.column(names[SAMPLE_ID]), names)
    table = table.set_column(table.column_names.index(names[SAMPLE_ID]), names[SAMPLE_ID], ids)
    losses, _ = from_table(table, "long", columns)
    return losses, left_out("column", [name for name in head.names if name not in names.values()])


def _typed(column: pa.ChunkedArray, names: Mapping[str, str]) -> pa.ChunkedArray:
    """Ids as integers where every one is written like one, or else as strings."""
    if not column.num_chunks:
        return column
    column = column.unify_dictionaries()
    words = column.chunk(0).dictionary.to_pylist()
    if "" in words:
        raise empty_ids(names)
    ids = typed_ids(words)
    if ids is words:
        return column
    numbers = pa.array(ids, pa.int64())
    return pa.chunked_array([numbers.take(chunk.indices) for chunk in column.chunks])
