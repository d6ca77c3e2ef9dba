"""How does SHC depend on the window's length? One panel: colour over training step and length.

shc_map -> heat_map -> a panel of figures, or a picture of the page. Colours are their own, not the page's,
and opaque, so that the same numbers have the same colour on any paper; what is blank shows the paper.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from rdmtools.format.names import STEP
from rdmtools.report.ticks import power_of_ten

_FEWEST_LENGTHS = 3
_DARKEST = 0.02
"""Share of the values that may be darker than the darkest colour: a few tiny ones would hide the others."""


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


def even_columns(
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
