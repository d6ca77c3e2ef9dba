"""How do panels stand in a figure? One below the other, each under its titles, over one axis of steps.

All is placed by hand, in inches. Scales come before anything is drawn, so that the margin has room for the
longest label; widths follow from the number of characters, so that the layout is the same with any font.
"""

# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from rdmtools.report.scale import Scale, inside, set_scale
from rdmtools.report.style import LABEL_PT, LINE_IN, Title, draw_line, dress, paper, put_text, text_in

PANEL_IN = 0.95
POINTS = 9_000
"""Points in one figure, all lines together."""
_TOP_IN, _GAP_IN, _BELOW_IN = 0.08, 0.13, 0.42

Line = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Steps and values; NaN leaves a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a panel may know of the figure that it stands in."""

    width_in: float
    left_in: float
    """Room for the longest label of all y axes."""
    right_in: float
    """Room for half the label of a tick at the last step."""
    points: int
    """Of one line, about."""

    @property
    def plot_in(self) -> float:
        """Width of a panel between its margins."""
        return self.width_in - self.left_in - self.right_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: what stands above it, its scale, its lines, and what else is drawn in it."""

    titles: Sequence[Title] | Callable[[Sheet], Sequence[Title]]
    height_in: float = PANEL_IN
    scale: Scale | None = None
    lines: Sequence[Line] = ()
    draw: Callable[[Axes, Sheet], None] | None = None
    """Draws what is no line, such as marks, above the lines."""


def stacked(panels: Sequence[Panel], *, width_in: float, steps: tuple[float, float], points: int) -> Figure:
    """The figure of the panels from top to bottom, over the first and the last of `steps`.

    A line has at most about `points` points.
    """
    labels = [label for panel in panels if panel.scale for label in panel.scale.labels]
    sheet = Sheet(
        width_in=width_in,
        left_in=max(0.62, 0.12 + max(text_in(label, LABEL_PT) for label in labels)),
        right_in=max(0.25, text_in(_step_label(steps[1]), LABEL_PT) / 2),
        points=points,
    )
    titles = [panel.titles(sheet) if callable(panel.titles) else panel.titles for panel in panels]
    height = _TOP_IN + _BELOW_IN
    height += sum(
        panel.height_in + LINE_IN * len(lines) + _GAP_IN for panel, lines in zip(panels, titles, strict=True)
    )
    figure = paper(width_in, height)
    left, width = sheet.left_in / width_in, sheet.plot_in / width_in
    top = height - _TOP_IN
    for panel, lines in zip(panels, titles, strict=True):
        for words, role in lines:
            top -= LINE_IN
            # As far right as the panels, or less where it would be cut off.
            begin = min(sheet.left_in, max(width_in - text_in(words), 0.62))
            put_text(figure, begin / width_in, (top + 0.045) / height, words, role)
        top -= panel.height_in
        axes = figure.add_axes((left, top / height, width, panel.height_in / height))
        dress(axes)
        axes.set_xlim(*steps)
        top -= _GAP_IN
    _step_axis(figure, steps, sheet)
    put_text(figure, 1 - sheet.right_in / width_in, 0.05 / height, "training step", "muted", "right")
    for axes, panel in zip(figure.axes, panels, strict=True):
        if panel.scale:
            set_scale(axes, panel.scale)
        for index, (at, values) in enumerate(panel.lines):
            draw_line(axes, at, values, points, index)
        if panel.draw:
            panel.draw(axes, sheet)
    return figure


def _step_axis(figure: Figure, steps: tuple[float, float], sheet: Sheet) -> None:
    """The same ticks in all panels, as many as have room, with labels below the last one."""
    room = int(sheet.plot_in / text_in(f"{_step_label(steps[1])} ", LABEL_PT))
    ticks = min(round(sheet.width_in * 0.85) + 1, room)
    places = inside(MaxNLocator(max(ticks - 1, 1), integer=True).tick_values(*steps), *steps)
    for axes in figure.axes:
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_major_formatter(FixedFormatter([_step_label(place) for place in places]))
    for axes in figure.axes[:-1]:
        axes.tick_params(labelbottom=False)


def _step_label(step: float) -> str:
    return f"{step:,.0f}"
