"""What does a notebook show of an analysis? The page's sentence, first cards and drawing, without scripts.

The drawing is an image with its own style on white paper, so that neither the notebook's theme nor other
cells touch it, and a notebook that is not trusted shows it too. Every word of the user's is escaped.
"""

import base64
import re
from html import escape

from rdmtools.analysis.findings import Findings
from rdmtools.report.charts import marks, watched_charts
from rdmtools.report.map_picture import samples_picture
from rdmtools.report.page import beside
from rdmtools.report.palette import COLOURS
from rdmtools.report.stacked_svg import WIDE, stacked
from rdmtools.results import notebook
from rdmtools.results.cards import cards, headline, truth_wanted
from rdmtools.results.verdict import verdict
from rdmtools.results.words import shown

_CARDS = 3
_CHART_PX, _CHARTS_PX, _MAP_PX = 150, 88, 160
_RULES = ("text", ".t-", ".end", ".middle", ".run svg", ".band")
"""How rules of the page's style sheet begin that a drawing needs."""


def notebook_html(findings: Findings) -> str:
    """Name, sentence, cards, the drawing, what else there is to say, and the first events."""
    name = f"<b>{escape(shown(findings.run.name, 120))}</b>: {escape(headline(findings))}"
    told = cards(findings)[:_CARDS]
    items = "".join(f"<li><b>{escape(card.title)}</b> {escape(card.lead)}</li>" for card in told)
    wanted = truth_wanted(findings)
    first = [
        f"<p>{name}</p>",
        f"<ul>{items}</ul>" if items else "",
        f"<p>{escape(wanted)}</p>" if wanted else "",
        f'<img alt="SHC, alarms and the losses of all samples over training" '
        f'style="width:100%;max-width:{WIDE.width}px;background:#fff" src="{_drawing(findings)}">',
    ]
    rest = notebook.cell("", verdict(findings).split("\n"), findings.events)
    return f"<div>{''.join(first)}<details><summary>Verdict and events</summary>{rest}</details></div>"


def _drawing(findings: Findings) -> str:
    """The first drawing of the page as a data URI."""
    watched = watched_charts(findings)
    first, last = findings.run.steps[[0, -1]].tolist()
    drawn = stacked(
        watched,
        marks(findings),
        (float(first), float(last)),
        WIDE,
        height=_CHART_PX if len(watched) == 1 else _CHARTS_PX,
        spoken="",
        picture=samples_picture(findings, _MAP_PX),
    )
    return as_image(drawn)


def as_image(drawn: str) -> str:
    """A drawing of ours as a data URI, with its own style in light colours."""
    box = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn)
    assert box is not None
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="run" width="{box[1]}" height="{box[2]}" '
        f'viewBox="0 0 {box[1]} {box[2]}"><style>{_style()}</style>{drawn}</svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def _style() -> str:
    colours = "".join(f"--{role}:{value};" for role, value in COLOURS.items())
    rules = [line for line in beside("run.css").splitlines() if line.startswith(_RULES)]
    return f"svg{{--paper:#fff;{colours}font-family:system-ui,sans-serif}}" + "".join(rules)
