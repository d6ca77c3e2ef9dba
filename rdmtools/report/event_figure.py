"""What does one event look like? Its spectrum at the peak, and the groups that its top mode is made of."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from rdmtools.analysis.findings import Findings
from rdmtools.report.scale import log_scale, set_scale
from rdmtools.report.section import MOST_EVENTS_TOLD
from rdmtools.report.style import TEXT_PT, WIDE_IN, Drawing, colour, dress, put_text
from rdmtools.results.words import shown
from rdmtools.run.quality import counted

MOST_EVENT_FIGURES = MOST_EVENTS_TOLD
_MOST_EIGENVALUES = 20
_MOST_GROUPS = 12


def event_figure(findings: Findings, event: int) -> Figure:
    """One event: shares of the leading eigenvalues at its peak, and the top mode's share by group, if any
    group has more than one sample.
    """
    groups = findings.groups
    by_group = groups[(groups["event"] == event) & (groups["mode"] == 1)]
    figure = Drawing(figsize=(WIDE_IN, 2.7))
    left = figure.add_axes((0.09, 0.17, 0.36, 0.62))
    dress(left)
    name = shown(findings.run.name, 60)
    put_text(figure, 0.09, 0.91, f"{name}, event {event}: the window that ends at the peak", "ink")
    put_text(figure, 0.09, 0.81, "Share of total variance by eigenvalue", "muted")
    draw_spectrum(left, findings, event)
    if (by_group["samples"] > 1).any():
        _draw_groups(figure, by_group)
    return figure


def draw_spectrum(axes: Axes, findings: Findings, event: int) -> None:
    """Shares of total variance of the leading eigenvalues."""
    spectra = findings.spectra
    shares = spectra.loc[spectra["event"] == event, "share"].head(_MOST_EIGENVALUES).to_numpy(np.float64)
    axes.plot(
        np.arange(1, len(shares) + 1), shares, "o-", markersize=3.5, linewidth=0.8, color=colour("series-1")
    )
    axes.set_xlim(0.5, len(shares) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    set_scale(axes, log_scale([shares]))


def _draw_groups(figure: Figure, by_group: pd.DataFrame) -> None:
    """Each group's share of the mode as a bar, its share of the samples as a line across."""
    excess = by_group["mode_share"] - by_group["sample_share"]
    kept = by_group.loc[excess.sort_values(ascending=False).index[:_MOST_GROUPS]]
    left_out = len(by_group) - len(kept)
    axes = figure.add_axes((0.66, 0.17, 0.31, 0.62))
    dress(axes)
    axes.grid(False)
    put_text(figure, 0.66, 0.81, "Top mode by group ▬, of samples │", "muted")
    if left_out:
        put_text(figure, 0.66, 0.01, f"{counted(left_out, 'group')} not drawn", "muted")
    places = np.arange(len(kept))
    axes.barh(places, kept["mode_share"].to_numpy(), height=0.55, color=colour("series-1"))
    axes.plot(
        kept["sample_share"].to_numpy(), places, "|", color=colour("alarm"), markersize=9, markeredgewidth=1.6
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(kept), 3) - 0.4, -0.6)
    axes.set_yticks([])
    across = axes.get_yaxis_transform()
    for place, name in zip(places.tolist(), kept["group"].tolist(), strict=True):
        text = axes.text(-0.03, place, shown(name, 22), transform=across, parse_math=False)
        text.set(ha="right", va="center", color=colour("muted"), size=TEXT_PT)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", "50%", "100%"]))
