"""Which plain sections does the page have? Each a title, sentences and a table, from the findings.

`SECTIONS` names them in their order on the page. A new one is a function of the findings, None where there
is nothing to show, and its name here. Words of the user's pass through `shown`, and the template escapes all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rdmtools.analysis.findings import Findings
from rdmtools.results.lead_words import lead_lines
from rdmtools.results.words import shown

_MOST_ROWS = 100


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


def _leads(findings: Findings) -> Section | None:
    """How early each alarm was."""
    if findings.leads.empty:
        return None
    names = [
        "truth",
        "event",
        "window",
        "t10",
        "t50",
        "t90",
        "alarm_step",
        "lead_steps",
        "lead_rows",
        "outcome",
    ]
    table = findings.leads[names].head(_MOST_ROWS)
    texts = {"truth", "outcome"}
    return Section(
        title="How early",
        sentences=[*lead_lines(findings)],
        columns=[name.replace("_", " ") if name in texts else f">{name.replace('_', ' ')}" for name in names],
        rows=[[shown(value, 80) or "–" for value in row] for row in table.itertuples(index=False)],
        note="T10, T50 and T90 are the steps at which the scalar had gone 10, 50 and 90 % of its way; "
        "the lead is T50 less the alarm. The peak of SHC is no time of the transition.",
    )


SECTIONS: list[Callable[[Findings], Section | None]] = [_leads]


def sections(findings: Findings) -> list[Section]:
    """Those that have something to show."""
    return [section for make in SECTIONS if (section := make(findings)) is not None]
