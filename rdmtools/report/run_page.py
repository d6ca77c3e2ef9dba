"""What does a person read? One page that holds everything it shows: scripts of ours alone, no network.

First one sentence, a card per change, what the rule watched and the map of samples; then what was found, how
much to trust it, and, folded, the rest. All of it stands there without scripts, and in print.

Every word of the user's passes through `shown` and the template's escaping; only our own SVG is markup. How
much text a cell may hold follows from how many cells there are, so that the page stays small.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rdmtools.analysis.events import records
from rdmtools.analysis.findings import Findings
from rdmtools.report import reproduce
from rdmtools.report.chart_parts import chart_parts
from rdmtools.report.charts import marks, watched_charts
from rdmtools.report.event_part import event_part
from rdmtools.report.map_picture import known_of_rows, samples_picture
from rdmtools.report.page import beside, dense, render, write_page
from rdmtools.report.page_data import FEW_POINTS, MOST_POINTS, charts_data, data_block, marks_data
from rdmtools.report.section import MOST_EVENTS_TOLD, Section
from rdmtools.report.sections import sections
from rdmtools.report.stacked_svg import drawn_twice
from rdmtools.report.step_modes import known_of_steps
from rdmtools.results.cards import cards, headline, truth_wanted
from rdmtools.results.ledger_words import ledger_lines
from rdmtools.results.verdict import ENOUGH_ROWS, verdict
from rdmtools.results.warning_words import rate_line, short_lines
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

_MOST_EVENTS_LISTED = 200
_FIRST_CARDS, _MOST_CARDS = 3, 24
_CHART_PX, _CHARTS_PX, _MAP_PX, _QUIET_PX = 150, 88, 180, 230
"""Heights of one chart, of each of two, of the map, and of the map of a run without cards."""


def write_report(findings: Findings, path: str | Path) -> Path:
    """Write the page; returns its path.

    One HTML file below 1.5 MB that needs nothing else: one sentence, a card per change, chart and map; then
    what was found, how much to trust it, each event (the first 20), and how to make it again.
    """
    return write_page(page(findings), Path(path))


def page(findings: Findings) -> str:
    """The page as text."""
    run = findings.run
    told, ledger = cards(findings), ledger_lines(findings)[:2]
    watched, parts = watched_charts(findings), chart_parts(findings)
    by_part: dict[str, list[Section]] = {"found": [], "trust": [], "folded": []}
    for section in sections(findings):
        by_part[section.part].append(section)
    folded = [chart for part in parts for chart in part.charts]
    map_px = _MAP_PX if told else _QUIET_PX
    first = drawn_twice(
        watched,
        marks(findings),
        _span(findings),
        spoken=_spoken(findings),
        height=_CHART_PX if len(watched) == 1 else _CHARTS_PX,
        picture=samples_picture(findings, map_px),
    )
    data = {
        "name": shown(run.name, 60),
        "headline": headline(findings),
        "cards": [[card.title, card.lead] for card in told[:_FIRST_CARDS]],
        "span": list(_span(findings)),
        "window": _window_steps(findings),
        "heights": [_CHART_PX if len(watched) == 1 else _CHARTS_PX, map_px],
        "charts": charts_data(watched, MOST_POINTS) | charts_data(folded, FEW_POINTS),
        "marks": marks_data(marks(findings)),
        "map": known_of_rows(findings),
        "modes": known_of_steps(findings),
    }
    return render(
        "page.html.jinja",
        sheets=("base.css", "vendor/uPlot.min.css", "run.css"),
        scripts=scripts(),
        data=data_block(data),
        name=shown(run.name, 60),
        headline=headline(findings),
        facts=_facts(findings),
        first_cards=told[:_FIRST_CARDS],
        more_cards=told[_FIRST_CARDS:_MOST_CARDS],
        cards_left=max(len(told) - _MOST_CARDS, 0),
        before=_before(findings) + ([] if told else ledger),
        after=ledger if told else [],
        first=first,
        first_keys=[chart.key for chart in watched],
        caption=_caption(findings),
        **by_part,
        charts=parts,
        metadata={shown(key, 40): shown(value, 200) for key, value in run.metadata.items()},
        verdict=verdict(findings).split("\n"),
        events=[event_part(findings, event) for event in records(findings.events.head(MOST_EVENTS_TOLD))],
        every_event=records(findings.events.head(_MOST_EVENTS_LISTED)),
        event_count=len(findings.events),
        several_windows=len(findings.settings.windows) > 1,
        notes=run.quality.notes(),
        checksums=run.quality.checksums(),
        settings=_settings(findings),
        command=reproduce.command(findings),
        python=reproduce.python(findings),
        rate=rate_line(findings),
        stated=bool(findings.judged["false_alarms"].notna().all()),
        unit=shown(run.unit, 20),
        enough_rows=ENOUGH_ROWS,
        spacing=str(run.spacing),
        uneven=not run.spacing.even,
    )


def scripts() -> Sequence[Markup]:
    """uPlot with its licence, and our own."""
    licence = beside("vendor/uPlot.LICENSE").replace("*/", "* /")
    return [
        Markup(f"/*!\n{licence}\n*/\n{beside('vendor/uPlot.iife.min.js')}"),
        Markup(dense(beside("run.js"))),
    ]


def _span(findings: Findings) -> tuple[float, float]:
    first, last = findings.run.steps[[0, -1]].tolist()
    return float(first), float(last)


def _window_steps(findings: Findings) -> int:
    """About how many steps a window of the first length covers."""
    return int(findings.run.spacing.median * findings.settings.windows[0])


def _facts(findings: Findings) -> str:
    run = findings.run
    rows, samples = run.shape
    windows = ", ".join(map(str, findings.settings.windows))
    words = [
        f"{counted(rows, 'row')} × {counted(samples, 'sample')}",
        f"steps {run.steps[0]:,} to {run.steps[-1]:,}, {run.spacing}",
        f"window {windows} rows",
        shown(run.unit, 40) or "losses of a unit that nobody named",
    ]
    return " · ".join(words)


def _before(findings: Findings) -> list[str]:
    """What stands above the chart: what is to be named, what could not be judged."""
    return [line for line in (truth_wanted(findings), *short_lines(findings)) if line]


def _caption(findings: Findings) -> str:
    judged = findings.observables["score"].notna().any()
    words = ["Each value is of rows up to its step."]
    if judged:
        words.append(
            "Dashed: what had to be reached, by the score, or by SHC as the rule watches it, smoothed."
        )
    if len(findings.events):
        words.append("Orange: alarm.")
    if len(findings.leads):
        words.append("Blue: the named scalar went from 10 to 90 %, dotted where half-way.")
    words.append(
        "A sample that only jitters stays between the colours: no scale is narrower than 16 times its "
        "scatter from row to row."
    )
    return " ".join(words)


def _spoken(findings: Findings) -> str:
    alarms = ", ".join(f"{step:,}" for step in findings.events["alarm_step"].head(MOST_EVENTS_TOLD).tolist())
    words = ["What the warning rule watches over training, and the losses of all samples as a map."]
    return " ".join([*words, f"Alarms at steps {alarms}." if alarms else "No alarm."])


def _settings(findings: Findings) -> dict[str, str]:
    run = findings.run
    source = {"source": shown(run.source or "made in memory", 400), "losses": str(run.dtype)}
    return source | {name: _setting(value) for name, value in findings.settings.to_dict().items()}


def _setting(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
