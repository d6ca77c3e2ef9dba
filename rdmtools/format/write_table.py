"""What bytes are a run? A tidy Parquet table, one row per step and sample, that any tool reads.

Sorted by (step, sample_id), row groups of whole steps (about a million rows), zstd level 1, losses split into
byte streams, integers delta-packed: about 0.76 of the raw float32 losses. Rows arrive in blocks and leave
by the row group, so memory does not grow with the run. Draws are the same table with a `draw` column.
Every page carries a checksum, for without one most flipped bits read as other losses.

pyarrow alone: nothing here imports pandas, which a training job may not have, or not want to wait for.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import DRAW, LOSS, METADATA_KEY, SAMPLE_ID, STEP
from rdmtools.format.records import replacing, versioned
from rdmtools.format.values import column

_GROUP_ROWS = 1_000_000
_PAGE_BYTES = 8 << 20
_SMALL: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "write_page_checksum": True}
_PAGES = _SMALL | {"data_page_size": _PAGE_BYTES}
# pyarrow 23 and later cut pages at 20,000 rows unless told, and zstd then never sees the ids repeat.
if "max_rows_per_page" in inspect.signature(pq.ParquetWriter.__init__).parameters:
    _PAGES["max_rows_per_page"] = 1 << 20
_DELTA_BLOCK = 128
_STEPS = pa.schema([pa.field(STEP, pa.int64())])

Ids = Sequence[int] | Sequence[str] | NDArray[Any]  # (samples,) integers or str, all distinct

# What names the rows, (keys, rows) or (rows,), and their losses (rows, samples).
_Block = tuple[NDArray[np.int64], NDArray[Any]]


def write_losses(
    path: Path,
    blocks: Iterable[_Block],
    sample_ids: Ids,
    *,
    dtype: str = "float32",
    about: dict[str, Any] | None = None,
) -> int:
    """Write the losses table, whole or not at all, and return how many steps it holds.

    Parameters
    ----------
    path
        Where to; replaced when the last row is on disk.
    blocks
        (steps (rows,), losses (rows, samples)), any number of rows each, steps rising throughout.
    sample_ids
        (samples,) distinct ids in the order of the losses' columns; the table is sorted by them.
    dtype
        "float32" or "float64".
    about
        What the file says of itself: `name`, `unit`, `created`, and the user's own `metadata`.

    Raises
    ------
    ParameterError
        Steps that do not rise, or a block that does not fit the ids.
    """
    return _write_rows(path, _rising(blocks), _STEPS, sample_ids, dtype, about or {})


def write_draws(
    path: Path,
    blocks: Iterable[tuple[int, NDArray[Any]]],
    sample_ids: Ids,
    *,
    dtype: str = "float32",
    about: dict[str, Any] | None = None,
) -> int:
    """Write the losses under parameter draws as `write_losses` does; a block is (step, (draws, samples))."""
    keyed = (
        (np.stack([np.full(len(losses), step), np.arange(len(losses))]), losses) for step, losses in blocks
    )
    return _write_rows(path, keyed, _STEPS.append(pa.field(DRAW, pa.int32())), sample_ids, dtype, about or {})


def write_table(path: Path, table: Any, *, about: dict[str, Any] | None = None) -> None:
    """Write a small pyarrow table (samples, scalars), whole or not at all."""
    table = table.replace_schema_metadata(_key_value(about or {}))
    with replacing(path) as file:
        pq.write_table(table, file, **_SMALL)


def write_scalars(path: Path, rows: list[dict[str, float]], *, about: dict[str, Any] | None = None) -> None:
    """Write one row per dict: its integer "step", and the other keys of all as float64, null where absent."""
    names = dict.fromkeys(name for row in rows for name in row if name != STEP)
    columns = {STEP: column(np.array([row[STEP] for row in rows], np.int64))}
    for name in names:
        valid = np.array([name in row for row in rows])
        columns[name] = column(np.array([row.get(name, 0.0) for row in rows], np.float64), valid)
    write_table(path, pa.table(columns), about=about)


def _write_rows(
    path: Path, blocks: Iterable[_Block], keys: pa.Schema, sample_ids: Ids, dtype: str, about: dict[str, Any]
) -> int:
    """Write rows of losses, named by the integer columns `keys`, as one tidy table; returns how many."""
    order, ids, words = _sorted_ids(sample_ids)
    rows = max(1, _GROUP_ROWS // len(ids))
    id_type = pa.from_numpy_dtype(ids.dtype) if words is None else pa.dictionary(pa.int32(), pa.string())
    values = [pa.field(SAMPLE_ID, id_type), pa.field(LOSS, pa.from_numpy_dtype(np.dtype(dtype)))]
    schema = pa.schema([*keys, *values], metadata=_key_value(about))
    written = 0
    with replacing(path) as file, pq.ParquetWriter(file, schema, **_settings(schema, ids, words)) as writer:
        for names, losses in _groups(blocks, np.empty((len(keys), rows), np.int64), dtype, order):
            typed = [name.astype(str(key.type)) for key, name in zip(keys, names, strict=True)]
            columns = [column(np.repeat(name, len(ids))) for name in typed]
            tiled = column(np.tile(ids, len(losses)))
            columns.append(tiled if words is None else pa.DictionaryArray.from_arrays(tiled, words))
            columns.append(column(losses.reshape(-1)))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=losses.size)
            written += len(losses)
    return written


def _groups(
    blocks: Iterable[_Block], names: NDArray[np.int64], dtype: str, order: NDArray[np.intp]
) -> Iterator[_Block]:
    """The blocks cut anew to the rows of `names`, samples in `order`; each overwrites the one before."""
    rows = names.shape[1]
    losses = np.empty((rows, len(order)), dtype)
    filled = 0
    for block_names, block in blocks:
        needed = block_names.shape[1], len(order)
        if block.shape != needed:
            raise ParameterError(
                f"losses have shape {block.shape}; needed (rows, samples) = {needed}: check sample_ids"
            )
        start = 0
        while start < len(block):
            take = min(rows - filled, len(block) - start)
            names[:, filled : filled + take] = block_names[:, start : start + take]
            with np.errstate(over="ignore"):  # what float32 cannot hold is inf, and data
                losses[filled : filled + take] = block[start : start + take, order]
            filled, start = filled + take, start + take
            if filled == rows:
                yield names, losses
                filled = 0
    if filled:
        yield names[:, :filled], losses[:filled]


def _rising(blocks: Iterable[_Block]) -> Iterator[_Block]:
    last: list[int] = []
    for steps, losses in blocks:
        steps = np.asarray(steps)
        for before, step in pairwise([*last, *steps.tolist()]):
            if step <= before:
                raise ParameterError(f"step {step} follows step {before}; needed rising steps: sort the rows")
        last = steps[-1:].tolist()
        yield steps[None], np.asarray(losses)


def _sorted_ids(sample_ids: Ids) -> tuple[NDArray[np.intp], NDArray[Any], pa.StringArray | None]:
    """What sorts the samples, their ids so sorted, and for strings the words to which those ids point."""
    given = np.asarray(sample_ids)
    if given.dtype.kind == "U":  # which would drop what NULs an id ends in
        given = np.array(sample_ids, dtype=object)
    order = np.argsort(given, kind="stable")
    ids = given[order]
    if not len(ids) or (ids[1:] == ids[:-1]).any():
        raise ParameterError(
            f"sample_ids holds {len(ids)} ids, {len(set(ids.tolist()))} of them distinct; needed all"
        )
    if ids.dtype.kind in "OU":
        return order, np.arange(len(ids), dtype=np.int32), column(ids)
    narrow = np.iinfo(np.int32).min <= ids[0] and ids[-1] <= np.iinfo(np.int32).max
    return order, ids.astype(np.int32 if narrow else np.int64), None


def _settings(schema: pa.Schema, ids: NDArray[Any], words: pa.StringArray | None) -> dict[str, Any]:
    encodings = {name: "DELTA_BINARY_PACKED" for name in schema.names} | {LOSS: "BYTE_STREAM_SPLIT"}
    # Deltas come in blocks. Where no step ends with one, each step's ids are packed in another way, and
    # unless they are consecutive zstd does not see that they come again: 1.03 of the raw losses, not 0.83.
    if len(ids) % _DELTA_BLOCK and (np.diff(ids) != 1).any():
        encodings[SAMPLE_ID] = "PLAIN"
    settings: dict[str, Any] = _PAGES | {"column_encoding": encodings, "use_dictionary": False}
    if words is not None:  # all on one page, or the writer would fall back to plain strings
        del encodings[SAMPLE_ID]
        settings["use_dictionary"] = [SAMPLE_ID]
        settings["dictionary_pagesize_limit"] = words.nbytes + _PAGE_BYTES
    return settings


def _key_value(about: dict[str, Any]) -> dict[bytes, bytes]:
    return {METADATA_KEY: json.dumps(versioned(about)).encode()}
