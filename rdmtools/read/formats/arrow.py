"""What losses are in an Arrow IPC file (which Feather is) or stream?

Arrow's own reader, checked: over damaged bytes polars panics, which no handler of errors sees, and of 400
compressed files with a flipped bit each it read 3 more than this as other losses.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import struct
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from rdmtools.format.unfolding import refuse_unfolded
from rdmtools.read.batches import BATCH_ROWS, Batches
from rdmtools.run.from_table import Losses, from_table

_FILE_MAGIC = b"ARROW1"
_FILE_START = 8  # of the stream that a file holds
_DICTIONARY, _BATCH = 2, 3  # among the headers of messages


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, and what was guessed. Raises what Arrow raises, and ParameterError."""
    refuse_unfolded(path, unfolded_bytes(path), path.stat().st_size)
    with _opened(path) as reader:
        return from_table(_checked(reader.read_all()), layout, columns)


def batches(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
    """The long table in `path`, None where it is wide. Raises what `read` raises."""
    refuse_unfolded(path, unfolded_bytes(path), path.stat().st_size)
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


def unfolded_bytes(path: Path) -> int:
    """Bytes of memory that the batches in `path` ask for, by what they say of themselves; 0 where damaged.

    Arrow makes room for what a batch says that its buffers are, before it looks at them. Messages are
    flatbuffers: a table has a place for each of its fields, 0 without one.
    Source: Arrow columnar format, Message.fbs and the compression of buffers.
    """
    unfolded = 0
    try:
        with pa.memory_map(str(path)) as file:
            if file.read(len(_FILE_MAGIC)) == _FILE_MAGIC:
                file.seek(_FILE_START)
            else:
                file.seek(0)
            while (message := pa.ipc.read_message(file)) is not None:
                unfolded += _unfolded(message.metadata.to_pybytes(), message.body)
    except (pa.ArrowException, OSError, EOFError, struct.error):  # its end; or the reader says what is wrong
        pass
    return unfolded


def _unfolded(head: bytes, body: pa.Buffer | None) -> int:
    """What one message asks for."""
    (root,) = struct.unpack_from("<I", head)
    kind, header = _field(head, root, 1), _field(head, root, 2)
    if not kind or not header or head[kind] not in (_DICTIONARY, _BATCH) or body is None:
        return 0
    batch = _follow(head, header)
    if head[kind] == _DICTIONARY:
        batch = _follow(head, _field(head, batch, 1))
    length, nodes, buffers = (_field(head, batch, field) for field in range(3))
    rows = struct.unpack_from("<q", head, length)[0] if length else 0
    columns = struct.unpack_from("<I", head, _follow(head, nodes))[0] if nodes else 0
    unfolded = max(0, rows) * columns
    if buffers and _field(head, batch, 3):  # compressed: each begins with its size
        start = _follow(head, buffers)
        (count,) = struct.unpack_from("<I", head, start)
        for offset, size in struct.iter_unpack("<qq", head[start + 4 : start + 4 + 16 * count]):
            if size >= 8 and 0 <= offset <= body.size - 8:
                unfolded += max(0, int.from_bytes(body[offset : offset + 8], "little", signed=True))
    return unfolded


def _follow(head: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", head, place)[0]


def _field(head: bytes, table: int, number: int) -> int:
    """Where a field of a table is, 0 where it is not."""
    fields = table - struct.unpack_from("<i", head, table)[0]
    if fields < 0 or 4 + 2 * number >= struct.unpack_from("<H", head, fields)[0]:
        return 0
    offset = struct.unpack_from("<H", head, fields + 4 + 2 * number)[0]
    return table + offset if offset else 0
