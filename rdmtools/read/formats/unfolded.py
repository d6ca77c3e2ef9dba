"""How large is what a compressed file unfolds to? Asked before it is read, and held to while it is.

A few kilobytes can unfold to gigabytes. What a file says of that may be a lie, so that readers count as well.
"""

import os
import zipfile
from contextlib import suppress
from pathlib import Path

from rdmtools.errors import FormatError

MB = 1e6
MOST_BYTES = 1 << 29
MOST_TIMES = 64  # text of losses is some 3 to 10 times as large as it is compressed
_MOST_OF_GZIP = 1032
_LENGTH_BYTES = 4  # at the end of a gzip file: the length of its last member


def unfolded_bytes(path: Path) -> int:
    """Bytes that `path` says it unfolds to: of a file that is not compressed, its size."""
    size = path.stat().st_size
    if path.suffix == ".gz" and size > _LENGTH_BYTES:
        with path.open("rb") as file:
            file.seek(-_LENGTH_BYTES, os.SEEK_END)
            told = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            return max(
                size, told if told <= _MOST_OF_GZIP * size else 0
            )  # more is no length: it is cut short
    if path.suffix == ".npz":
        with suppress(zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
            return max(size, sum(member.file_size for member in archive.infolist()))
    return size  # also where it is damaged, as what reads it will say


def refuse_unfolding(path: Path, found: int, fix: str) -> None:
    """Raise FormatError where `found`, the bytes that `path` unfolds to so far, are out of all proportion."""
    size = path.stat().st_size
    if found > (most := max(MOST_BYTES, MOST_TIMES * size)):
        raise FormatError(
            f"{path} has {size / MB:.1f} MB and unfolds to more than {most / MB:,.0f} MB; needed at most "
            f"{MOST_TIMES} times its size; {fix}"
        )
