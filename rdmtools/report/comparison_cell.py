"""What does a notebook show of runs side by side? The page's sentence, rows and drawing, without scripts.

The drawing is an image with its own style on white paper, as that of an analysis is. Every word of the user's
is escaped.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from html import escape
from typing import TYPE_CHECKING

from rdmtools.report.compare_drawing import overlay
from rdmtools.report.compared_lines import MOST_LOOKS, compared_lines
from rdmtools.report.notebook_cell import as_image
from rdmtools.report.stacked_svg import WIDE
from rdmtools.results.compared_words import facts, headline
from rdmtools.results.controls import in_order
from rdmtools.results.words import number, shown

if TYPE_CHECKING:
    from rdmtools.comparison import Comparison

_MOST_ROWS = 20


def comparison_html(comparison: "Comparison") -> str:
    """Sentence, drawing of the first twelve runs, and the first rows."""
    if not len(comparison.runs):
        return f"<p>{escape(repr(comparison))}</p>"
    every = facts(comparison.runs, comparison.events, comparison.transitions)
    names = [name for name, _ in in_order(comparison.runs)]
    drawn, lines = compared_lines(names[:MOST_LOOKS], comparison.runs, comparison.observables, every)
    image = as_image(overlay(lines, drawn[0], WIDE, spoken="", used=False))
    rows: list[str] = []
    for place, name in enumerate(names[:_MOST_ROWS]):
        fact = every[name]
        key = f'<img alt="" src="{as_image(key_of(lines[place].look))}">' if place < len(lines) else ""
        lead = "–" if fact.lead is None else number(fact.lead).replace("-", "−")
        cells = [shown(name, 80), f"{fact.alarms[0]:,}" if fact.alarms else "–", lead, fact.who or "–"]
        rows.append(f"<tr><td>{key}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    head = "".join(f"<th>{word}</th>" for word in ("", "run", "first alarm", "lead, steps", "who moved"))
    left = len(names) - len(rows)
    return (
        f"<div><p>{escape(headline(every))}</p>"
        f'<img alt="SHC of the runs over training, alarms marked" '
        f'style="width:100%;max-width:{WIDE.width}px;background:#fff" src="{image}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        + (f"<p>and {left:,} more in <code>.runs</code></p>" if left else "")
        + "</div>"
    )


def key_of(look: str) -> str:
    """A stroke in a run's colour and dash."""
    return f'<svg viewBox="0 0 24 8"><path d="M1 4h22" class="{look} strong"/></svg>'
