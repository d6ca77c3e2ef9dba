"""What is a plain section of the page? A title, sentences and a table, as text."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from rdmtools.results.words import shown

MOST_ROWS = 100
MOST_EVENTS_TOLD = 20
"""Events that have a figure, and a section of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page."""

    title: str
    sentences: Sequence[str] = ()
    """Paragraphs before the table."""
    columns: Sequence[str] = ()
    """Headings; one that begins with > is of numbers, which stand at the right."""
    rows: Sequence[Sequence[str]] = ()
    """Cells, as text."""
    note: str = ""
    """A paragraph after the table, in small print."""
    part: Literal["found", "trust", "folded"] = "found"
    """Where it stands: with what was found, with how much to trust it, or folded, as what few people need."""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows)


def cells(table: pd.DataFrame, *columns: str) -> dict[str, Any]:
    """Headings and the first rows of a table, as a section takes them."""
    named = table[[column.removeprefix(">") for column in columns]].head(MOST_ROWS)
    return {
        "columns": [column.replace("_", " ") for column in columns],
        "rows": [[_cell(value) for value in row] for row in named.itertuples(index=False)],
    }


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace("-", "−")
    return shown(value, 80) or "–"
