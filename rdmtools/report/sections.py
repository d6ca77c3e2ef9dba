"""Which plain sections does the page have? Each a title, sentences and a table, from the findings.

`SECTIONS` names them in their order on the page. A new one is a function of the findings, None where there
is nothing to show, and its name here. Words of the user's pass through `shown`, and the template escapes all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rdmtools.analysis.findings import Findings


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


SECTIONS: list[Callable[[Findings], Section | None]] = []


def sections(findings: Findings) -> list[Section]:
    """Those that have something to show."""
    return [section for make in SECTIONS if (section := make(findings)) is not None]
