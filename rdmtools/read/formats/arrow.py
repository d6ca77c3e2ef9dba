"""What losses are in an Arrow IPC file (which Feather is) or stream?"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from rdmtools.format.names import ARROW_SUFFIXES
from rdmtools.read.layout import Losses, from_table

SUFFIXES = ARROW_SUFFIXES
_FILE_MAGIC = b"ARROW1"


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, and what was guessed. Raises what Arrow raises, and ParameterError."""
    return from_table(_table(path), layout, columns)


@contextmanager
def opened(path: Path) -> Generator[Any]:
    """Arrow's own reader of the file or stream."""
    with pa.OSFile(str(path)) as file:
        magic = file.read(len(_FILE_MAGIC))
        file.seek(0)
        with pa.ipc.open_file(file) if magic == _FILE_MAGIC else pa.ipc.open_stream(file) as reader:
            yield reader


def record_batches(reader: Any) -> Iterator[pa.RecordBatch]:
    """The batches in a file or stream, one at a time."""
    if hasattr(reader, "num_record_batches"):
        return (reader.get_batch(number) for number in range(reader.num_record_batches))
    return iter(reader)


def _table(path: Path) -> pa.Table:
    with opened(path) as reader:
        table = reader.read_all()
    table.validate(full=True)  # damaged bytes may decode to offsets that point anywhere
    return table
