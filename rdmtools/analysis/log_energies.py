"""What do warnings watch? The log of an energy of the last half window, one number a row and signal.

With h = W // 2 rows up to and with row t, constant detrending, and m their probe means:

    shc                  log10 SHC of the h rows
    mean_slope           log10 (b**2 + se**2)**2, b the slope of m per row by least squares, se its error

and of what SHC has to beat, beside it:

    total_variance       log10 (tr C)**2
    drift_energy         log10 (tr C)**2 of that part of the rows which a line for each sample takes out
    mean_loss_variance   log10 (variance of m)**2

All are decades of loss**4. NaN for the first h - 1 rows, where nothing moves (zero has no log), and for the
SHC of one sample, which is 0.

In the analysis they cost one more length in the pass of `moments` over the lags: of squares of distances that
are there already. `latest_rows` has the same numbers, but for rounding, while rows come one at a time.
"""

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.baselines import mean_baselines, spread
from rdmtools.analysis.gram import RowGeometry, row_geometry, tile_rows
from rdmtools.analysis.moments import Moments, moments
from rdmtools.analysis.observables import heat_capacity
from rdmtools.analysis.windows import Windows

NAMES = ("shc", "mean_slope", "total_variance", "drift_energy", "mean_loss_variance")


def log_energies(
    half: Moments, geometry: RowGeometry, windows: Windows
) -> dict[str, Float64[np.ndarray, " windows"]]:
    """u of each signal, one value for each of these windows of h rows, from their moments about the mean.

    Parameters
    ----------
    half
        Of these windows with detrend="constant".
    geometry
        Of the rows in which the windows lie.
    windows
        Of at least 3 rows.
    """
    length = windows.length
    line = mean_baselines(geometry, None, windows, degree=1)
    return of_energies(
        shc=heat_capacity(half, windows, geometry.samples, "constant"),
        total=half.energy,
        drift=half.drift,
        slope=line.slope,
        about_line=line.variance * (length - 2),
        rows=length,
    )


def of_energies(
    *,
    shc: Float64[np.ndarray, "*shape"],
    total: Float64[np.ndarray, "*shape"],
    drift: Float64[np.ndarray, "*shape"],
    slope: Float64[np.ndarray, "*shape"],
    about_line: Float64[np.ndarray, "*shape"],
    rows: int,
) -> dict[str, Float64[np.ndarray, "*shape"]]:
    """u of each signal from what so many rows have: SHC, and sums of squares that are divided by nothing.

    Parameters
    ----------
    total, drift
        Of all samples about their means, and of their lines about the same.
    slope, about_line
        Of the probe mean: its slope per row, and what its line leaves.
    """
    over = spread(rows)
    squares = {
        "mean_slope": slope**2 + about_line / (rows - 2) / over,
        "total_variance": total / (rows - 1),
        "drift_energy": drift / (rows - 1),
        "mean_loss_variance": (about_line + slope**2 * over) / (rows - 1),
    }
    return {"shc": log10(shc), **{name: 2.0 * log10(square) for name, square in squares.items()}}


def log_energies_of(
    losses: Float[np.ndarray, "rows samples"], window: int
) -> dict[str, Float64[np.ndarray, " rows"]]:
    """u of each signal at each row of a run whose losses, all finite, are in memory."""
    rows, samples = losses.shape
    half = Windows(length=window // 2, first=0, count=rows - window // 2 + 1)
    if half.count < 1:
        return {name: np.full(rows, np.nan) for name in NAMES}
    geometry = row_geometry([losses], rows=rows, lags=half.length, tile=tile_rows(samples))
    of_windows = moments(geometry.distances, [half], rows=lambda start, stop: losses[start:stop])
    early = np.full(half.length - 1, np.nan)
    values = log_energies(of_windows[0], geometry, half)
    return {name: np.concatenate([early, value]) for name, value in values.items()}


def log10(energy: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """NaN for what is not above 0."""
    return np.log10(energy, out=np.full(energy.shape, np.nan), where=energy > 0)
