"""What losses are in an Arrow IPC file (which Feather is) or stream?

Arrow's own reader, checked: over damaged bytes polars panics, which no handler of errors sees, and of 400
compressed files with a flipped bit each it read 3 more than this as other losses.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from rdmtools.read.batches import BATCH_ROWS, Batches
from rdmtools.run.from_table import Losses, from_table

_FILE_MAGIC = b"ARROW1"


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, and what was guessed. Raises what Arrow raises, and ParameterError."""
    with _opened(path) as reader:
        return from_table(_checked(reader.read_all()), layout, columns)


def batches(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
    """The long table in `path`, None where it is wide. Raises what `read` raises."""
    with _opened(path) as reader:
        schema, first = reader.schema, next(_record_batches(reader), None)

    def tables(names: Mapping[str, str]) -> Iterator[pa.Table]:
        with _opened(path) as reader:
            for batch in _record_batches(reader):
                table = _checked(pa.Table.from_batches([batch]).select([*names.values()]))
                for start in range(0, table.num_rows, BATCH_ROWS):
                    yield table.slice(start, BATCH_ROWS)

    rows = first.num_rows * max(1.0, path.stat().st_size / max(1, first.nbytes)) if first else 0
    return Batches.of(schema, layout, columns, tables, rows)


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    """Arrow's own reader of the file or stream."""
    with pa.OSFile(str(path)) as file:
        magic = file.read(len(_FILE_MAGIC))
        file.seek(0)
        with pa.ipc.open_file(file) if magic == _FILE_MAGIC else pa.ipc.open_stream(file) as reader:
            yield reader


def _record_batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "num_record_batches"):
        return (reader.get_batch(number) for number in range(reader.num_record_batches))
    return iter(reader)


def _checked(table: pa.Table) -> pa.Table:
    table.validate(full=True)  # damaged bytes may decode to offsets that point anywhere
    return table
