"""How are rows in any order read that do not fit in memory? They end, in order, in a file without a name.

parts -> batches of rows -> scratch -> ranges -> losses (rows, samples) in an unnamed file -> StoredLosses

The rules, counts and messages are those of `run.clean.grid`. The file is gone when nothing refers to its
losses any more, or when the process ends, however it ends.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError
from rdmtools.format.names import ATTEMPT, LOSS, SAMPLE_ID, STEP
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.values import integers, losses_type
from rdmtools.read.ranges import gapless
from rdmtools.read.scratch import scratch, writing
from rdmtools.run.clean import numbered, refuse_mixed
from rdmtools.run.columns import find_columns, has_text_ids, refuse_empty, tidy_rows
from rdmtools.run.losses import Opened, StoredLosses
from rdmtools.run.progress import Opening
from rdmtools.run.restarts import Restarts
from rdmtools.run.rules import Rules

LARGE_ROWS = 50_000_000
"""More rows than these, where they are not in order, are put in order on disk: in memory each takes some 40
bytes meanwhile, so these 2 GB."""

BATCH_ROWS = 1 << 20
_ROOM = "set TMPDIR to another folder, or put the file in order first (rdmtools convert)"


def is_large(parts: Sequence[ParquetPart]) -> bool:
    """Whether the rows of all parts are better not in memory at once."""
    return sum(part.rows for part in parts) > LARGE_ROWS


def starts_shuffled(parts: Sequence[ParquetPart], columns: Mapping[str, str] | None) -> bool:
    """Whether steps fall among the first rows of the first row group, so that none need be read at once."""
    part = parts[0]
    step = find_columns(part.schema, columns)[STEP]
    for table in part.batches([step], BATCH_ROWS):
        steps = integers(table.column(step), step)[: part.metadata.row_group(0).num_rows]
        return bool((steps[1:] < steps[:-1]).any())
    return False


def in_order(parts: Sequence[ParquetPart], rules: Rules, opening: Opening) -> Opened:
    """Losses by step and sample, and what that took.

    Raises FormatError where there is too little room, ParameterError where the rows make no run.
    """
    columns = [(part.schema, find_columns(part.schema, rules.columns)) for part in parts]
    texts = [has_text_ids(schema.field(names[SAMPLE_ID]).type) for schema, names in columns]
    attempts = [ATTEMPT in names for _, names in columns]
    refuse_mixed(sum(texts), sum(attempts), len(parts))
    dtype = np.result_type(*(losses_type(schema.field(names[LOSS]).type) for schema, names in columns))
    try:
        folder = Path(tempfile.gettempdir())
    except OSError as error:
        raise FormatError(f"no folder for temporary files ({error.strerror}); {_ROOM}") from error
    index: dict[Any, int] = {}
    restarts = Restarts.of(rules)
    starts = all(attempts) or restarts.supersede
    with scratch(folder, dtype, starts, _ROOM, opening.seen) as rows:
        in_all = sum(part.rows for part in parts)
        opening.expect(parts, looks=5)  # read, written, surveyed, put in order, looked at whether finite
        rows.refuse_little_room(in_all * (rows.row_bytes + dtype.itemsize))
        for part, (_, names) in zip(parts, columns, strict=True):
            refuse_empty(part.rows)
            part.refuse_unfolded([*names.values()])
            tables = part.batches([*names.values()], BATCH_ROWS)
            for tidy in restarts.attempts(numbered(tidy_rows(table, names), index) for table in tables):
                rows.append(tidy)
        opening.expect(parts, looks=3 + (len(rows.starts) > 1))
        chosen = gapless(rows, list(index), rules)
        blocks = _written(chosen.blocks(), folder)
    losses = StoredLosses(groups=blocks, rows=np.arange(len(chosen.steps)), samples=None)
    quality = chosen.quality + restarts.quality()
    return Opened(steps=chosen.steps, ids=chosen.ids, stored=losses, quality=quality)


class _Unnamed:
    """A file that nobody sees, closed when nothing refers to it any more."""

    def __init__(self, folder: Path) -> None:
        # Made anew, exclusively, and unnamed at once: nobody's file is written.
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, self.file.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Losses of consecutive rows, in a file."""

    unnamed: _Unnamed
    offset: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def read_all(self) -> NDArray[Any]:
        """(rows, samples)."""
        # Mapped, for processes that were forked share their place in a file; and copied, for what is mapped
        # would count as memory for as long as it is looked at.
        return np.array(np.memmap(self.unnamed.file, self.dtype, "r", self.offset, self.shape))

    def elsewhere(self) -> None:
        """A file without a name is known here alone."""


def _written(grids: Iterable[tuple[NDArray[np.int64], NDArray[Any]]], folder: Path) -> list[_Block]:
    """Losses of consecutive steps, one block after the other."""
    blocks: list[_Block] = []
    offset = 0
    with writing(folder, _ROOM):
        unnamed = _Unnamed(folder)
        for _, losses in grids:
            unnamed.file.write(losses.data)
            blocks.append(_Block(unnamed=unnamed, offset=offset, shape=losses.shape, dtype=losses.dtype))
            offset += losses.nbytes
        unnamed.file.flush()
    return blocks
