"""What do warnings watch? The log of an energy of the last half window, one number a row and signal.

With h = W // 2 rows up to and with row t, constant detrending, and m their probe means:

    shc          log10 SHC of the h rows
    mean_slope   log10 (b**2 + se**2)**2, b the least-squares slope of m per row, se its standard error

Both are decades of loss**4. NaN for the first h - 1 rows, where nothing moves (zero has no log), and for the
SHC of one sample, which is 0.

In the analysis they cost one more length in the pass of `moments` over the lags: of squares of distances that
are there already. `latest_rows` has the same numbers, but for rounding, while rows come one at a time.
"""

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.baselines import mean_baselines
from rdmtools.analysis.gram import RowGeometry, row_geometry, tile_rows
from rdmtools.analysis.moments import Moments, Windows, moments
from rdmtools.analysis.observables import heat_capacity


def log_energies(
    half: Moments, geometry: RowGeometry, windows: Windows
) -> dict[str, Float64[np.ndarray, " windows"]]:
    """u of each signal, one value for each of these windows of h rows, from their moments about the mean.

    Parameters
    ----------
    half
        Of these windows with detrend="constant"; energy and square are enough (`size_only`).
    geometry
        Of the rows in which the windows lie.
    windows
        Of at least 3 rows.
    """
    shc = heat_capacity(half, windows, geometry.samples, "constant")
    rows = np.arange(len(geometry.mean_loss))
    line = mean_baselines(geometry, rows, windows, degree=1)
    slope = line.slope**2 + line.variance / spread(windows.length)
    return {"shc": log10(shc), "mean_slope": 2.0 * log10(slope)}


def log_energies_of(
    losses: Float[np.ndarray, "rows samples"], window: int
) -> dict[str, Float64[np.ndarray, " rows"]]:
    """u of each signal at each row of a run whose losses, all finite, are in memory."""
    rows, samples = losses.shape
    half = Windows(length=window // 2, first=0, count=rows - window // 2 + 1, size_only=True)
    if half.count < 1:
        return {name: np.full(rows, np.nan) for name in ("shc", "mean_slope")}
    geometry = row_geometry([losses], rows=rows, lags=half.length, tile=tile_rows(samples))
    of_windows = moments(geometry.distances, [half], rows=lambda start, stop: losses[start:stop])
    early = np.full(half.length - 1, np.nan)
    values = log_energies(of_windows[0], geometry, half)
    return {name: np.concatenate([early, value]) for name, value in values.items()}


def spread(rows: int) -> float:
    """Sum of squares of so many rows' places about their middle."""
    return rows * (rows * rows - 1) / 12


def log10(energy: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """NaN for what is not above 0."""
    return np.log10(energy, out=np.full(energy.shape, np.nan), where=energy > 0)
