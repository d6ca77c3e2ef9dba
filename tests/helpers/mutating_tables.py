"""What may a table hold that should not be there? Mutations of Arrow and Parquet tables, by a seed."""

import io
import json
from base64 import b64encode

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from helpers.mutating import of_bytes, of_json, pick

_TYPES = (
    *(pa.string(), pa.large_string(), pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32()),
    *(
        pa.float64(),
        pa.bool_(),
        pa.timestamp("ns"),
        pa.date32(),
        pa.time64("us"),
        pa.duration("s"),
        pa.null(),
    ),
    *(pa.decimal128(38, 2), pa.binary(), pa.binary(4), pa.list_(pa.float32()), pa.struct({"a": pa.int8()})),
    pa.null(),
    *(pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.int64())),
    *(pa.map_(pa.string(), pa.int8()), pa.list_(pa.list_(pa.string()))),
)
_NAMES = ("", "step", "loss", "sample_id", "attempt", "draw", "group", "__index_level_0__", "\0", "n" * 2000)


def of_table(table, rng):
    """A table with other columns, types or rows."""
    for _ in range(int(rng.integers(1, 4))):
        if table.num_columns:
            table = pick(rng, (_retyped, _retyped, _renamed, _dropped, _rows, _values, _added))(table, rng)
    return table


def _retyped(table, rng):
    at = int(rng.integers(table.num_columns))
    return table.set_column(at, table.column_names[at], _column(pick(rng, _TYPES), table.num_rows, rng))


def _added(table, rng):
    return table.append_column(pick(rng, _NAMES), _column(pick(rng, _TYPES), table.num_rows, rng))


def _column(kind, rows, rng):
    """Any values of that type, some of them null."""
    plain = pa.array(rng.integers(0, 120, rows), pa.int64())
    if kind in (pa.string(), pa.large_string()) and rng.random() < 0.3:  # not UTF-8
        words = pa.array([b"\xff\xfe" * int(number % 3) for number in plain.to_pylist()], pa.binary())
        return pa.Array.from_buffers(pa.string(), rows, words.buffers())
    for way in (pa.int64(), pa.int32(), pa.string()):
        try:
            made = plain.cast(way).cast(kind)
            break
        except pa.ArrowException:
            continue
    else:
        one = {"a": 1} if pa.types.is_struct(kind) else [("a", 1)] if pa.types.is_map(kind) else None
        one = [["a"]] if kind == _TYPES[-1] else [1.5] if pa.types.is_list(kind) else one
        one = b"abcd" if pa.types.is_fixed_size_binary(kind) else one
        made = pa.array([one] * rows, kind)
    if rng.random() < 0.3 and not pa.types.is_dictionary(kind):
        made = pa.concat_arrays([made[: rows // 2], pa.nulls(rows - rows // 2, kind)])
    return made


def _renamed(table, rng):
    names = table.column_names
    names[int(rng.integers(len(names)))] = pick(rng, _NAMES)
    return table.rename_columns(names)


def _dropped(table, rng):
    return table.remove_column(int(rng.integers(table.num_columns)))


def _rows(table, rng):
    order = rng.integers(max(1, table.num_rows), size=int(rng.integers(table.num_rows + 1)))
    return table.take(pa.array(order if table.num_rows else order[:0], pa.int64()))


def _values(table, rng):
    """Numbers that are as large, small or odd as their type lets them be."""
    at = int(rng.integers(table.num_columns))
    kind = table.schema.field(at).type
    if not (pa.types.is_integer(kind) or kind in (pa.float32(), pa.float64())):
        return table
    numbers = table.column(at).to_numpy().copy()
    if numbers.dtype.kind == "f":
        odd = (np.nan, np.inf, -np.inf, 0.0, np.finfo(numbers.dtype).max)
    else:
        odd = (np.iinfo(numbers.dtype).min, np.iinfo(numbers.dtype).max, 0)
    if len(numbers):
        numbers[rng.integers(len(numbers), size=3)] = pick(rng, odd)
    return table.set_column(at, table.column_names[at], pa.array(numbers))


PANDAS = {
    "index_columns": ["__index_level_0__", {"kind": "range", "name": None, "start": 0, "stop": 4, "step": 1}],
    "column_indexes": [
        {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    ],
    "columns": [
        {"name": "sample_id", "field_name": "sample_id", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": "loss", "field_name": "loss", "pandas_type": "categorical", "numpy_type": "int8"},
        {
            "name": None,
            "field_name": "__index_level_0__",
            "pandas_type": "datetimetz",
            "numpy_type": "M8[ns]",
        },
    ],
    "attributes": {"a": 1},
    "creator": {"library": "pyarrow", "version": "16.1.0"},
    "pandas_version": "2.2.2",
}
_EXTENSIONS = ("arrow.json", "pandas.period", "pandas.interval", "arrow.uuid", "arrow.py_extension_type", "x")


def of_metadata(table, rng):
    """What a schema says to pandas and to us, which no value depends on."""
    told = dict(table.schema.metadata or {})
    what = rng.random()
    if what < 0.5 and b"rdmtools" in told:
        told[b"rdmtools"] = of_json(told[b"rdmtools"], rng)
    elif what < 0.6:
        told[pick(rng, (b"rdmtools", b"pandas"))] = pick(
            rng, (b"", b"\xff\xfe", b"[", b"null", b"{}", b"1e999")
        )
    else:
        told[b"pandas"] = of_json(json.dumps(PANDAS), rng)
    return table.replace_schema_metadata(told)


def of_arrow_schema(table, rng):
    """What a schema says to Arrow: its own types, and those of others."""
    if rng.random() < 0.5:
        schema = table.schema.serialize().to_pybytes()
        packed = b64encode(of_bytes(schema, rng)) + pick(rng, (b"", b"=", b"!"))
        return table.replace_schema_metadata((table.schema.metadata or {}) | {b"ARROW:schema": packed})
    at = int(rng.integers(table.num_columns))
    hint = {
        b"ARROW:extension:name": pick(rng, _EXTENSIONS).encode(),
        b"ARROW:extension:metadata": pick(rng, (b"", b"{}", b'{"freq":"Q"}', b"\xff", b"[" * 5000)),
    }
    return table.set_column(at, table.schema.field(at).with_metadata(hint), table.column(at))


def within_parquet(mutate):
    """A Parquet file, whole, with its table changed."""

    def mutated(data, rng):
        table = mutate(pq.read_table(io.BytesIO(data)), rng)
        store = b"ARROW:schema" not in (table.schema.metadata or {})
        file = io.BytesIO()
        size = pick(rng, (1 << 20, max(1, table.num_rows // 3)))
        try:
            pq.write_table(table, file, store_schema=store, row_group_size=size)
        except (pa.ArrowException, UnicodeError):  # what Parquet cannot hold is no input
            return data
        return file.getvalue()

    return mutated


def of_footer(data, rng):
    """A Parquet file with its footer alone damaged."""
    length = int.from_bytes(data[-8:-4], "little")
    footer = of_bytes(data[-8 - length : -8], rng)
    return data[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def ipc(table, stream=False, compression=None):
    """An Arrow file or stream."""
    sink, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def within_arrow(mutate):
    """An Arrow file or stream, whole, with its table changed."""

    def mutated(data, rng):
        stream = not data.startswith(b"ARROW1")
        read = pa.ipc.open_stream if stream else pa.ipc.open_file
        return ipc(mutate(read(data).read_all(), rng), stream)

    return mutated
