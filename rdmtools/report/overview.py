"""What does a run look like? Observables and logged scalars over training, with the events marked.

One stack of PANELS over one axis of steps. Figures are matplotlib `Figure` objects, made without pyplot.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from rdmtools.analysis.findings import Findings
from rdmtools.report.event_figure import MOST_EVENT_FIGURES, event_figure
from rdmtools.report.panels import PANELS, step_range
from rdmtools.report.stack import POINTS, stacked
from rdmtools.report.style import WIDE_IN, drawable, own_style
from rdmtools.report.svg import save_figure


def overview_figure(findings: Findings) -> Figure:
    """Observables and scalars over training, events marked: one stack of panels over the step axis.

    Of several window lengths each is one line, in all panels. At most eight scalars are shown.
    """
    with own_style():
        return drawable(overview(findings))


def save_figures(findings: Findings, folder: Path, formats: Sequence[str]) -> None:
    """overview.png, event_1.png, … for the first events, in each of the formats, into a new folder."""
    folder.mkdir()
    with own_style():
        save_figure(overview(findings), folder / "overview", formats)
        for event in findings.events["event"].head(MOST_EVENT_FIGURES).tolist():
            save_figure(event_figure(findings, event), folder / f"event_{event}", formats)


def overview(findings: Findings, width_in: float = WIDE_IN) -> Figure:
    """The overview with the user's words as they are; drawn within `own_style`."""
    panels = [panel for make in PANELS for panel in make(findings)]
    # One share more than lines: what panels draw themselves, such as draws of the weights, is short.
    points = max(POINTS // (1 + sum(len(panel.lines) for panel in panels)), 200)
    return stacked(panels, width_in=width_in, steps=step_range(findings), points=points)
