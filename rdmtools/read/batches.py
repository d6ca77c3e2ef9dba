"""What rows are in a long table that does not fit in memory? Some at a time, in the order of the file."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from rdmtools.format.names import ATTEMPT, LOSS
from rdmtools.format.values import losses_type
from rdmtools.run.clean import Tidy, numbered
from rdmtools.run.columns import refuse_empty, tidy_rows, type_notes
from rdmtools.run.from_table import typed_ids
from rdmtools.run.layout import planned
from rdmtools.run.restarts import Restarts

BATCH_ROWS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """A long table, opened."""

    names: dict[str, str]
    dtype: np.dtype[Any]
    """Of the losses."""
    notes: list[str]
    """What was left out."""
    tables: Callable[[], Iterator[pa.Table]]
    """Its columns, a bounded number of rows at a time, none of them empty."""
    rows: float
    """About how many there are in all."""
    text: bool = False
    """Whether ids are text for want of types."""

    @classmethod
    def of(
        cls,
        schema: pa.Schema,
        layout: str | None,
        columns: Mapping[str, str] | None,
        tables: Callable[[Mapping[str, str]], Iterator[pa.Table]],
        rows: float,
        *,
        text: bool = False,
    ) -> Self | None:
        """The table with that schema where it is long, by its look or by `layout`; None where it is wide."""
        plan = planned(schema, layout, columns)
        if plan.layout != "long":
            return None
        names = dict(plan.names)
        return cls(
            names=names,
            dtype=np.dtype(np.float64) if text else losses_type(schema.field(names[LOSS]).type),
            notes=[*plan.notes, *([] if text else type_notes(schema, names))],
            tables=lambda: tables(names),
            rows=rows,
            text=text,
        )

    @property
    def attempts(self) -> bool:
        return ATTEMPT in self.names

    def tidy(self, index: dict[Any, int], restarts: Restarts) -> Iterator[Tidy]:
        """Rows, whose samples are positions in `index`, to which new ids are added."""
        rows = (numbered(tidy_rows(table, self.names), index) for table in self.tables())
        yield from restarts.attempts(rows)
        refuse_empty(len(index))

    def ids(self, index: dict[Any, int]) -> list[Any]:
        """The ids in `index`, by position."""
        return typed_ids(list(index)) if self.text else list(index)
