"""What does the probe mean alone say? Its level, variance and slope over every window.

The scalar baselines that SHC has to beat. Variance and slope start from the changes inside the window, not
from the level, to keep their digits: with p_j the mean at row j of the window less that at its first row,

    variance = sum (p_j - mean of p)**2 / nu        slope = sum tau_j p_j / sum tau_j**2

for training steps tau_j about their mean. Running sums over the rows of all windows at once.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int
from numpy.typing import NDArray

from rdmtools.analysis.gram import RowGeometry
from rdmtools.analysis.lag_sums import sliding_sums
from rdmtools.analysis.windows import Windows

# What a line leaves of the means, relative to them, is rounding below this.
ROUNDING = 4 * np.finfo(np.float64).eps


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanBaselines:
    """One value per window."""

    level: Float64[np.ndarray, " windows"]
    """Mean over window and probe, loss."""
    variance: Float64[np.ndarray, " windows"]
    """Of the probe mean, detrended and divided as C is, loss**2."""
    slope: Float64[np.ndarray, " windows"]
    """Least squares, against the training step, loss / step."""


def mean_baselines(
    geometry: RowGeometry, steps: Int[np.ndarray, " rows"] | None, windows: Windows, degree: int
) -> MeanBaselines:
    """Baselines of windows of one length; without steps the slope is per row.

    One pass over their rows, for what is squared is 0 at the first row: sums of squares cancel by a factor of
    at most the length. A line needs a second.
    """
    length, count = windows.length, windows.count
    rows, middle = len(geometry.mean_loss), (length - 1) / 2
    changes = np.zeros((1 if steps is None else 2, rows))
    changes[0] = geometry.mean_change
    if steps is not None:
        changes[1, 1:] = np.diff(steps)  # whole numbers, as are their sums
    # Of each window, the mean and the step less those at its first row: now, and summed up.
    path, total, squares, scratch = np.zeros((4, len(changes), count))
    so_far, step_lever = np.zeros((2, count))  # sum of the sums of the path; of its products with the step
    for place in range(1, length):
        so_far += total[0]
        path += changes[:, windows.at(place)]
        total += path
        squares += np.multiply(path, path, out=scratch)
        if steps is not None:
            step_lever += np.multiply(path[0], path[1], out=scratch[0])
    row_lever = middle * total[0] - so_far  # of the path, with rows about the middle
    energy = squares[0] - total[0] * total[0] / length
    if steps is None:
        slope = row_lever / spread(length)
    else:
        slope = (step_lever - total[1] * total[0] / length) / (squares[1] - total[1] * total[1] / length)
    if degree:
        energy = _about_line(geometry, windows, total[0] / length, row_lever / spread(length))
        energy[energy <= ROUNDING**2 * squares[0]] = 0.0
    return MeanBaselines(
        level=sliding_sums(geometry.mean_loss, length)[windows.at(0)] / length,
        variance=energy / (length - 1 - degree),
        slope=slope,
    )


def _about_line(
    geometry: RowGeometry, windows: Windows, mean: NDArray[np.float64], per_row: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of squares of what each window's line leaves of the path."""
    middle = (windows.length - 1) / 2
    path, energy, left = np.zeros((3, windows.count))
    for place in range(windows.length):
        if place:
            path += geometry.mean_change[windows.at(place)]
        np.multiply(per_row, place - middle, out=left)
        left += mean
        left -= path
        left *= left
        energy += left
    return energy


def spread(rows: int) -> float:
    """Sum of squares of so many rows' places about their middle."""
    return rows * (rows * rows - 1) / 12
