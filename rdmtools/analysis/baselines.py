"""What does the probe mean alone say? Its level, variance and slope over every window.

The scalar baselines that SHC has to beat. Variance and slope start from the changes inside the window, not
from the level, to keep their digits: with p_j the mean at row j of the window less that at its first row,

    variance = sum (p_j - mean of p)**2 / nu        slope = sum tau_j p_j / sum tau_j**2

for training steps tau_j about their mean. Running sums over the rows of all windows at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int
from numpy.typing import NDArray

from rdmtools.analysis.gram import RowGeometry
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
    geometry: RowGeometry, steps: Int[np.ndarray, " rows"], windows: Windows, degree: int
) -> MeanBaselines:
    """Baselines of windows of one length.

    One pass over their rows, for what is squared is 0 at the first row: sums of squares cancel by a factor of
    at most the length. A line needs a second.
    """
    length, count = windows.length, windows.count
    middle = (length - 1) / 2
    level, path_sum, path_squares, row_lever = np.zeros((4, count))
    step_sum, step_squares, step_lever = np.zeros((3, count))
    for place, path, since in _places(geometry, steps, windows):
        level += geometry.mean_loss[windows.at(place)]
        if place:
            path_sum += path
            path_squares += path * path
            step_sum += since
            step_squares += since * since
            step_lever += since * path
            if degree:
                row_lever += (place - middle) * path
    energy = path_squares - path_sum * path_sum / length
    lever = step_lever - step_sum * path_sum / length
    if degree:
        energy = _about_line(geometry, steps, windows, path_sum / length, row_lever)
        energy[energy <= ROUNDING**2 * path_squares] = 0.0
    return MeanBaselines(
        level=level / length,
        variance=energy / (length - 1 - degree),
        slope=lever / (step_squares - step_sum * step_sum / length),
    )


def _about_line(
    geometry: RowGeometry,
    steps: Int[np.ndarray, " rows"],
    windows: Windows,
    mean: NDArray[np.float64],
    lever: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum of squares of what each window's line leaves of the path."""
    middle = (windows.length - 1) / 2
    per_row = lever / (windows.length * (windows.length**2 - 1) / 12)
    energy = np.zeros(windows.count)
    for place, path, _ in _places(geometry, steps, windows):
        left = path - mean - (place - middle) * per_row
        energy += left * left
    return energy


def _places(
    geometry: RowGeometry, steps: Int[np.ndarray, " rows"], windows: Windows
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Each place of the windows, with mean and step there less those at the window's first row."""
    path, since = np.zeros((2, windows.count))
    begin = steps[windows.at(0)]
    for place in range(windows.length):
        at = windows.at(place)
        if place:
            path += geometry.mean_change[at]
            since = (steps[at] - begin).astype(np.float64)
        yield place, path, since
