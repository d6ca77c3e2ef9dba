"""May what is stored be read at once? A few bytes can say that one value comes a billion times.

Files are no smaller than a two-hundredth of what they unfold to, but for those that were made to fill a
memory, and those that hold one value; what is small is read in any case.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from rdmtools.errors import FormatError
from rdmtools.format.names import Named

SMALL_BYTES = 1 << 27
TIMES = 200
_OFFSET = 4


def refuse_unfolded(
    path: Named,
    unfolded: int,
    size: int,
    fix: str = "write it in smaller row groups, without what is the same",
) -> None:
    """Raise FormatError where so many bytes of memory are too many for a file of that size."""
    if unfolded > max(SMALL_BYTES, TIMES * size):
        raise FormatError(
            f"{path} unfolds to {unfolded / 1e9:,.1f} GB, {unfolded / max(1, size):,.0f} times its size; "
            f"needed at most {SMALL_BYTES / 1e9:.1f} GB at once, or {TIMES} times: {fix}"
        )


def row_width(types: Iterable[pa.DataType]) -> int:
    """Bytes of memory that a row of such columns takes, text and lists but for what is in them."""
    return sum(kind.bit_width // 8 or 1 if pa.types.is_primitive(kind) else _OFFSET for kind in types)


def text_bytes(table: pa.Table) -> int:
    """Bytes that the columns of text take once each row has its own words."""
    unfolded = 0
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            for chunk in column.chunks:
                lengths = pc.binary_length(chunk.dictionary)
                unfolded += pc.sum(pc.cast(pc.take(lengths, chunk.indices), pa.int64())).as_py() or 0
    return unfolded


def with_plain_text(table: pa.Table, schema: pa.Schema, names: Iterable[str]) -> pa.Table:
    """The table with those columns, which were read as dictionaries, as the text that `schema` says."""
    for name in names:
        place = table.schema.get_field_index(name)
        kind, column = schema.field(name).type, table.column(place)
        chunks = [chunk.dictionary_decode().cast(kind) for chunk in column.chunks]
        table = table.set_column(place, name, pa.chunked_array(chunks, kind))
    return table
