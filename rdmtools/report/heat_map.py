"""How does SHC depend on the window's length? One panel: colour over training step and length.

shc_map -> heat_map -> draw_heat_map. Colours are their own, not the page's, and opaque, so that the same
numbers have the same colour on any paper; what is blank shows the paper.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import math
from dataclasses import dataclass
from typing import cast

import matplotlib
import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator

from rdmtools.format.names import STEP
from rdmtools.report.scale import power_of_ten
from rdmtools.report.style import LINE_IN, colour

HEIGHT_IN = 1.1
_FEWEST_LENGTHS = 3
_MOST_LABELS = 8
_COLOURS = "viridis"
_COLUMNS_PER_IN = 160
_DARKEST = 0.02
"""Share of the values that may be darker than the darkest colour: a few tiny ones would hide the others."""
_SWATCHES, _SWATCH_IN = 8, 0.055


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """SHC by length and step, and the whole decades that its colours span."""

    lengths: list[int]
    steps: Int64[np.ndarray, " steps"]
    log_shc: Float64[np.ndarray, "lengths steps"]
    """log10 of SHC at the last row of the window; NaN where there is none, or SHC is 0."""
    darkest: int
    brightest: int

    @property
    def extent(self) -> str:
        """The lengths in words."""
        return f"{self.lengths[0]} to {self.lengths[-1]} rows"

    @property
    def legend(self) -> str:
        """What the colours mean, in numbers."""
        below = " or less" if np.nanmin(self.log_shc) < self.darkest else ""
        return f"dark {power_of_ten(self.darkest)}{below}, bright {power_of_ten(self.brightest)}"


def heat_map(shc_map: pd.DataFrame) -> HeatMap | None:
    """The map of `analyze`; None where it has nothing to add: fewer than three lengths, or no SHC above 0."""
    table = shc_map.pivot(index="window", columns=STEP, values="shc")
    shc = table.to_numpy(np.float64)
    there = np.isfinite(shc) & (shc > 0)
    if len(table) < _FEWEST_LENGTHS or not there.any():
        return None
    log_shc = np.full(shc.shape, np.nan)
    log_shc[there] = np.log10(shc[there])
    darkest = math.floor(np.quantile(log_shc[there], _DARKEST))
    return HeatMap(
        lengths=table.index.tolist(),
        steps=table.columns.to_numpy(np.int64),
        log_shc=log_shc,
        darkest=darkest,
        brightest=max(math.ceil(log_shc[there].max()), darkest + 1),
    )


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
        _even_columns(drawn, first, last, round(place.width * width_in * _COLUMNS_PER_IN)),
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


def _even_columns(
    drawn: HeatMap, first: float, last: float, count: int
) -> Float64[np.ndarray, "lengths columns"]:
    """Values on columns of one width, as pixels are: each is that of the nearest step.

    A step reaches half way to those beside it, the first and the last one as far outward as inward.
    """
    steps = drawn.steps.astype(np.float64)
    between = (steps[1:] + steps[:-1]) / 2
    edges = np.r_[2 * steps[0] - between[0], between, 2 * steps[-1] - between[-1]]
    columns = first + (np.arange(count) + 0.5) * ((last - first) / count)
    nearest = np.searchsorted(edges, columns) - 1
    outside = (nearest < 0) | (nearest >= len(steps))
    values = drawn.log_shc[:, np.clip(nearest, 0, len(steps) - 1)]
    values[:, outside] = np.nan
    return values
