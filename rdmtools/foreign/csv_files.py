"""What losses are in a CSV file? It has no types: steps and losses are numbers, ids are as written."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from rdmtools.errors import ParameterError
from rdmtools.foreign.layout import (
    Losses,
    from_table,
    layout_of,
    left_out,
    long_columns,
    step_column,
    typed_ids,
)
from rdmtools.schema import ATTEMPT, LOSS, SAMPLE_ID, STEP

_TYPES = {
    STEP: pa.int64(),
    SAMPLE_ID: pa.dictionary(pa.int32(), pa.string()),
    LOSS: pa.float64(),
    ATTEMPT: pa.int64(),
}
# Arrow wants every line within one block: this holds half a million samples.
_READING = csv.ReadOptions(block_size=16 << 20)


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, gzipped or not, and what was guessed.

    Raises ParameterError, and OSError.
    """
    try:
        return _read(path, layout, columns)
    except pa.ArrowInvalid as error:
        raise ParameterError(
            f"{error}; needed one line of names, then lines as long, with whole steps and numbers for losses"
        ) from error


def _read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    with csv.open_csv(path, _READING) as file:
        head = file.schema
    if (layout or layout_of(head, columns)) == "long":
        return _long(path, head, columns)
    step = step_column(head.names, columns)
    kinds = {name: _TYPES[STEP if name == step else LOSS] for name in head.names}
    table = csv.read_csv(path, _READING, convert_options=csv.ConvertOptions(column_types=kinds))
    return from_table(table, layout, columns)


def _long(path: Path, head: pa.Schema, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    names = long_columns(head, columns)
    options = csv.ConvertOptions(
        column_types={name: _TYPES[role] for role, name in names.items()},
        include_columns=[*names.values()],
    )
    table = csv.read_csv(path, _READING, convert_options=options)
    ids = _typed(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
    table = table.set_column(table.column_names.index(names[SAMPLE_ID]), names[SAMPLE_ID], ids)
    losses, _ = from_table(table, "long", columns)
    return losses, left_out("column", [name for name in head.names if name not in names.values()])


def _typed(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Ids as integers where every one is written like one, or else as strings."""
    if not column.num_chunks:
        return column
    column = column.unify_dictionaries()
    words = column.chunk(0).dictionary.to_pylist()
    if "" in words:
        raise ParameterError(f"column {name!r} is empty in some rows; needed an id in each; drop them")
    ids = typed_ids(words)
    if ids is words:
        return column
    numbers = pa.array(ids, pa.int64())
    return pa.chunked_array([numbers.take(chunk.indices) for chunk in column.chunks])
