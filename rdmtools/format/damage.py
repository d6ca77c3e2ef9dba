"""Which row group of a Parquet file is damaged? The one that is to be written again.

Nobody asks before reading has failed. Then row groups are tried one by one, where that costs no requests.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def damaged(
    path: object, metadata: pq.FileMetaData, columns: Sequence[str] | None, groups: Sequence[int]
) -> str:
    """Words for the row groups that cannot be read: the first of them, in a file on this machine."""
    if len(groups) > 1 and isinstance(path, Path):
        first = next((group for group in groups if not _reads(path, group, columns)), None)
        groups = groups if first is None else [first]
    if not len(groups):
        return ""
    several = f"s {groups[0]} to {groups[-1]}" if len(groups) > 1 else f" {groups[0]}"
    return f" in row group{several}, counted from 0"


def damaged_groups(path: Path) -> tuple[list[int], int]:
    """Row groups of a file that cannot be read, all of them; and how many there are, 0 without a footer."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            count = file.metadata.num_row_groups
    except Exception:
        return [], 0
    return [group for group in range(count) if not _reads(path, group, None)], count


def _reads(path: Path, group: int, columns: Sequence[str] | None) -> bool:
    """Whether a row group can be read, with as many rows as the footer says."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read_row_group(group, columns)
            table.validate(full=True)
            check_rows(table.num_rows, file.metadata.row_group(group))
    except Exception:
        return False
    return True


def around(metadata: pq.FileMetaData, row: int, rows: int) -> Sequence[int]:
    """The row groups that hold the `rows` rows from `row` on."""
    counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    ends = np.cumsum(counts)
    first, last = np.searchsorted(ends, [row, row + rows - 1], side="right").tolist()
    return range(first, min(last, len(counts) - 1) + 1)


def check_rows(read: int, footer: Any) -> None:
    """Raise ArrowInvalid where the footer says another number of rows than were read."""
    if read != footer.num_rows:
        raise pa.ArrowInvalid(f"{read} rows where the footer says {footer.num_rows}")
