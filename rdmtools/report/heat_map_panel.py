"""How is SHC by window length drawn as a panel of a figure? An image, its legend, alarms as short lines."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import math
from typing import cast

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator

from rdmtools.report.heat_map import HeatMap, even_columns
from rdmtools.report.style import LINE_IN, colour

HEIGHT_IN = 1.1
_MOST_LABELS = 8
_COLOURS = "viridis"
_COLUMNS_PER_IN = 160
_SWATCHES, _SWATCH_IN = 8, 0.055


def draw_heat_map(axes: Axes, drawn: HeatMap, events: pd.DataFrame) -> None:
    """Lengths from bottom to top, in rows of one height, since each is about sqrt(2) times the one below.

    An alarm is a short line at the height of its window: lines across would hide what they cross.
    The legend's colours stand in the margin, left of the line of text just above the panel.
    """
    figure = cast(Figure, axes.figure)
    first, last = axes.get_xlim()
    count = len(drawn.lengths)
    width_in, height_in = figure.get_size_inches()
    place = axes.get_position()
    axes.grid(False)
    axes.set_ylim(-0.5, count - 0.5)
    axes.imshow(
        even_columns(drawn, first, last, round(place.width * width_in * _COLUMNS_PER_IN)),
        cmap=_COLOURS,
        vmin=drawn.darkest,
        vmax=drawn.brightest,
        extent=(first, last, -0.5, count - 0.5),
        origin="lower",
        aspect="auto",
        interpolation="none",
    )
    axes.set_xlim(first, last)
    for window, alarm in zip(events["window"].tolist(), events["alarm_step"].tolist(), strict=True):
        row = float(np.interp(math.log(window), np.log(drawn.lengths), range(count)))
        axes.plot([alarm, alarm], [row - 0.5, row + 0.5], color=colour("alarm"), linewidth=1.6)
    told = list(range(count))[:: -math.ceil(count / _MOST_LABELS)]
    axes.yaxis.set_major_locator(FixedLocator(told))
    axes.yaxis.set_major_formatter(FixedFormatter([str(drawn.lengths[row]) for row in told]))
    for number, ink in enumerate(matplotlib.colormaps[_COLOURS](np.linspace(0, 1, _SWATCHES))):
        left = place.x0 * width_in - 0.06 - (_SWATCHES - number) * _SWATCH_IN
        figure.add_artist(
            Rectangle(
                (left / width_in, place.y1 + 0.045 / height_in),
                _SWATCH_IN / width_in,
                (LINE_IN - 0.07) / height_in,
                color=tuple(ink),
                linewidth=0,
            )
        )
