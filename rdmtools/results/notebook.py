"""What does a notebook's cell show? A heading, the verdict's lines and the first events, as HTML.

Every word of the user's is escaped.
"""

from collections.abc import Iterable
from html import escape

import pandas as pd

from rdmtools.analysis.events import records
from rdmtools.results.words import shown

_MOST_EVENTS = 20
_TOLD = (
    *("event", "window", "alarm_step", "shc_peak_step", "rise_decades"),
    *("kind", "direction", "top_group"),
)


def cell(heading: str, lines: Iterable[str], events: pd.DataFrame) -> str:
    """The cell; `heading` is markup, and the rest words."""
    parts = [f"<p>{heading}</p>", *(f"<p>{escape(line)}</p>" for line in lines)]
    if len(events):
        columns = [name for name in _TOLD if name in events]
        head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in columns)
        rows = [
            "".join(f"<td>{escape(shown(event[name], 60))}</td>" for name in columns)
            for event in records(events.head(_MOST_EVENTS))
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return f"<div>{''.join(parts)}</div>"
