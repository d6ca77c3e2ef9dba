"""What is a plain section of the page? A title, sentences and a table, as text."""

from collections.abc import Sequence
from dataclasses import dataclass


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

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows)
