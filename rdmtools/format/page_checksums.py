"""Do the pages of a Parquet file carry checksums? Without them, most flipped bits read as other values.

A page begins with a header in Thrift's compact protocol, whose fields come in the order of their numbers:

    1 type | 2 bytes of the page | 3 bytes when compressed | 4 CRC-32 of those, optional | 5 ... what it holds

The footer says where the first data page of each column chunk lies, and its dictionary where it has one. So
one or two short reads a chunk tell; no page is read, and any bytes have an answer.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow.parquet as pq

_CRC = 4
_INT32 = 5
_HEADER_BYTES = 40
"""Four fields, each a byte (or four, where its number is spelled out) and a number of five bytes at most."""


def pages_are_checked(path: Path, metadata: pq.FileMetaData, columns: Collection[str]) -> bool:
    """Whether the first pages of every chunk of `columns` carry a checksum; True where there are none.

    Every row group is looked at, since files are put together from those of several writers; the first page
    without a checksum is the answer. Raises OSError where the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        for offset in _first_pages(metadata, columns):
            if not 0 <= offset < size:
                return False
            file.seek(offset)
            if not has_checksum(file.read(_HEADER_BYTES)):
                return False
    return True


def _first_pages(metadata: pq.FileMetaData, columns: Collection[str]) -> Iterator[int]:
    """Where the first data page of each chunk begins, and its dictionary."""
    places = [place for place in range(metadata.num_columns) if metadata.schema.column(place).path in columns]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in places:
            chunk = group.column(place)
            if not chunk.num_values:
                continue
            yield chunk.data_page_offset
            if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
                yield chunk.dictionary_page_offset


def has_checksum(header: bytes) -> bool:
    """Whether the header of a page, of which these are the first bytes, has a checksum; others have none."""
    number, place = 0, 0
    try:
        while True:
            field = header[place]
            place += 1
            if field & 0x0F != _INT32:  # the end, or what kind of page this is
                return False
            if field >> 4:
                number += field >> 4
            else:
                number, place = _varint(header, place)
                number = number >> 1 ^ -(number & 1)
            _, place = _varint(header, place)
            if number == _CRC:
                return True
    except IndexError:
        return False


def _varint(header: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place after it. Raises IndexError."""
    value = shift = 0
    while header[place] & 0x80:
        value |= (header[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
    return value | header[place] << shift, place + 1
