"""What is in a table that rdmtools wrote itself? Its ids, its row groups by step, what it says of itself.

A merge and a resumed logger read what was logged before: in its order, a row group at a time.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import FormatError, RdmtoolsWarning
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.format.read_table import ParquetPart, RowGroup
from rdmtools.format.values import column, plain_values


@dataclass(slots=True, kw_only=True)
class StoredGroup:
    """A row group of a table that `write_losses` or `write_draws` wrote; its losses stay on disk."""

    keys: Sequence[NDArray[Any]]
    """Values of the columns asked for, (rows,) each."""
    losses: RowGroup
    """The samples in order of their ids."""
    _held: NDArray[Any] | None = field(default=None, init=False)

    @property
    def steps(self) -> NDArray[np.int64]:
        """(rows,), rising."""
        return self.keys[0]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Losses of rows first ... last-1, (rows, samples); the group is kept until its last row is read."""
        held = self.losses.read_all() if self._held is None else self._held
        # read in order, as a merge does, no two row groups are ever held
        self._held = None if last == len(self.steps) else held
        return held[first:last]


def stored_ids(path: Path) -> NDArray[Any]:
    """Ids of the samples of a table that `write_losses` or `write_draws` wrote, (samples,), in order."""
    part = ParquetPart.open(path)
    for _, table in part.row_groups([STEP, SAMPLE_ID]):
        steps, ids = plain_values(table, STEP), plain_values(table, SAMPLE_ID)
        return ids[: int(np.argmax(steps != steps[0])) or len(ids)]
    return np.empty(0, np.int64)


def stored_groups(
    path: Path, sample_ids: Sequence[Any] | NDArray[Any], keys: Sequence[str] = (STEP,)
) -> Iterator[StoredGroup]:
    """Row groups of a table that `write_losses` or `write_draws` wrote, with the values of `keys`.

    Raises FormatError where the table is in another order, or has other samples than `sample_ids`.
    """
    expected = np.sort(np.array(sample_ids, dtype=object))
    part = ParquetPart.open(path)
    for group, table in part.row_groups([*keys, SAMPLE_ID]):
        ids = plain_values(table, SAMPLE_ID)
        whole = len(ids) % max(1, len(expected)) == 0
        shape = (-1, len(expected)) if whole else (1, -1)
        by_row = [plain_values(table, key).reshape(shape) for key in keys]
        rows_agree = all((values == values[:, :1]).all() for values in by_row)
        if not whole or not rows_agree or (ids.astype(object).reshape(shape) != expected).any():
            raise FormatError(
                f"{path} is not in the order that a ProbeLogger writes, or has other samples; "
                "needed the run as it was logged, with the same probe set"
            )
        shape = len(by_row[0]), len(expected)
        losses = RowGroup(part=part, group=group, column=LOSS, shape=shape)
        yield StoredGroup(keys=[values[:, 0].copy() for values in by_row], losses=losses)


def stored_about(path: Path) -> dict[str, Any]:
    """What the file at `path` says of itself; what is wrong with that is a warning."""
    part = ParquetPart.open(path)
    for fault in part.faults:
        warnings.warn(f"{path}: {fault}", RdmtoolsWarning, stacklevel=2)
    return part.about


def stored_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a table that `write_table` or `write_scalars` wrote, without what is null."""
    rows = read_table(path).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def read_table(path: Path) -> Any:
    """A pyarrow table that `write_table` wrote."""
    return ParquetPart.open(path).read()


def join_samples(tables: Sequence[Any]) -> Any:
    """What several tables tell of samples: of each the last that tells more than its id; None if nothing.

    The samples stay in the order in which they are first named. Raises FormatError where columns of the same
    name hold what does not fit together.
    """
    if len(tables) < 2:
        return tables[0] if tables else None
    ids = list(
        dict.fromkeys(sample for table in tables for sample in plain_values(table, SAMPLE_ID).tolist())
    )
    telling = [table for table in tables if table.num_columns > 1] or tables
    try:
        joined = pa.concat_tables(
            [table.replace_schema_metadata(None) for table in (*tables, *telling)],
            promote_options="permissive",
        )
    except pa.ArrowException as error:
        raise FormatError(
            f"tables of samples do not fit together ({' '.join(str(error).split())}); "
            "needed columns of the same types: pass the same samples= each time"
        ) from error
    last = {sample: row for row, sample in enumerate(plain_values(joined, SAMPLE_ID).tolist())}
    return joined.take(column(np.array([last[sample] for sample in ids], np.int64)))
