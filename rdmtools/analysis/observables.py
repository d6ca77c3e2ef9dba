"""What do the windows say? SHC, PR, total variance and the baselines of every trailing window.

With lam the eigenvalues of a window's 2RDM C (all n of them, structural zeros included), and K the W x W Gram
matrix that shares its nonzero spectrum:

    total_variance = sum(lam) = tr K        shc = mean(lam**2) - mean(lam)**2 = |K|**2 / n - (tr K / n)**2
    pr = sum(lam)**2 / sum(lam**2)          shc = total_variance**2 / n * (1 / pr - 1 / n)

Neither needs an eigensolver: `moments` has both sums from the distances between rows.

Source: Hennick & Corlouer, arXiv:2603.29805 (2RDM, SHC, PR). Window, divisor and detrending are ours.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int

from rdmtools.analysis.baselines import mean_baselines
from rdmtools.analysis.gram import RowGeometry
from rdmtools.analysis.moments import DEGREES, Moments, Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Observables:
    """One value per trailing window, in the order of the windows."""

    shc: Float64[np.ndarray, " windows"]
    """Spectral heat capacity, loss**4; 0 for C = 0."""
    pr: Float64[np.ndarray, " windows"]
    """Participation ratio, 1 .. min(samples, window - 1); NaN for C = 0."""
    total_variance: Float64[np.ndarray, " windows"]
    """tr C, loss**2."""
    drift_share: Float64[np.ndarray, " windows"]
    """Share of the window's movement that linear detrending removes, 0 .. 1; NaN for C = 0."""
    autocorrelation: Float64[np.ndarray, " windows"]
    """Lag 1, of the whole detrended loss field; NaN for C = 0."""
    mean_loss: Float64[np.ndarray, " windows"]
    """Mean over window and probe, loss."""
    mean_loss_variance: Float64[np.ndarray, " windows"]
    """Variance of the probe mean, detrended and divided as C is, loss**2."""
    mean_loss_slope: Float64[np.ndarray, " windows"]
    """Least-squares slope of the probe mean against the training step, loss / step."""

    def columns(self) -> dict[str, Float64[np.ndarray, " windows"]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def observables(
    moments: Moments, geometry: RowGeometry, steps: Int[np.ndarray, " rows"], windows: Windows, detrend: str
) -> Observables:
    """Observables of trailing windows of one length.

    Parameters
    ----------
    moments
        Of these windows, with that detrending.
    steps
        Training step of each row; only the slope of the mean loss uses it.

    Notes
    -----
    The value of a window uses its rows and nothing else.
    """
    trace, square = _sums(moments, windows, detrend)
    baselines = mean_baselines(geometry, steps, windows, DEGREES[detrend])
    return Observables(
        shc=spectral_heat_capacity(trace, square, geometry.samples),
        pr=ratio(trace**2, square),
        total_variance=trace,
        drift_share=ratio(moments.drift, moments.total_energy),
        autocorrelation=ratio(moments.lagged, moments.energy),
        mean_loss=baselines.level,
        mean_loss_variance=baselines.variance,
        mean_loss_slope=baselines.slope,
    )


def heat_capacity(
    moments: Moments, windows: Windows, samples: int, detrend: str
) -> Float64[np.ndarray, " windows"]:
    """SHC alone."""
    return spectral_heat_capacity(*_sums(moments, windows, detrend), samples)


def _sums(
    moments: Moments, windows: Windows, detrend: str
) -> tuple[Float64[np.ndarray, " windows"], Float64[np.ndarray, " windows"]]:
    """sum(lam) and sum(lam**2) of each window."""
    freedom = windows.length - 1 - DEGREES[detrend]
    return moments.energy / freedom, moments.square / freedom**2


def spectral_heat_capacity(
    trace: Float64[np.ndarray, " windows"], square: Float64[np.ndarray, " windows"], samples: int
) -> Float64[np.ndarray, " windows"]:
    """Variance of the 2RDM's eigenvalues, loss**4, from sum(lam) and sum(lam**2).

    All `samples` eigenvalues count, zeros included. One sample has one eigenvalue, hence exactly 0; elsewhere
    rounding may leave a variance just below zero, which is 0. Source: arXiv:2603.29805 (SHC).
    """
    if samples == 1:
        return np.zeros_like(trace)
    return np.maximum(square - trace * trace / samples, 0.0) / samples


def ratio(
    part: Float64[np.ndarray, "*shape"], whole: Float64[np.ndarray, "*wide"]
) -> Float64[np.ndarray, "*shape"]:
    """part / whole, NaN where whole is not positive: a window in which nothing moves has no shares."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
