"""What do the windows say? SHC, PR, total variance and the baselines of every trailing window.

With lam the eigenvalues of a window's 2RDM C (all n of them, structural zeros included), and K the W x W Gram
matrix that shares its nonzero spectrum:

    total_variance = sum(lam) = tr K        shc = mean(lam**2) - mean(lam)**2 = |K|**2 / n - (tr K / n)**2
    pr = sum(lam)**2 / sum(lam**2)          shc = total_variance**2 / n * (1 / pr - 1 / n)

Neither needs an eigensolver: `moments` has both sums from the distances between rows.

Source: Hennick & Corlouer, arXiv:2603.29805 (2RDM, SHC, PR). Window, divisor and detrending are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int

from rdmtools.analysis.baselines import MeanBaselines, mean_baselines
from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.gram import RowGeometry
from rdmtools.analysis.moments import Moments
from rdmtools.analysis.windows import Windows


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What a formula may use of windows, and of draws at one step."""

    samples: int
    trace: Float64[np.ndarray, " windows"]
    """sum(lam), loss**2."""
    square: Float64[np.ndarray, " windows"]
    """sum(lam**2), loss**4."""
    mean: MeanBaselines


@dataclass(frozen=True, kw_only=True)
class WindowSums(Sums):
    """What a formula may use of windows of one length besides: all that their span knows."""

    moments: Moments
    geometry: RowGeometry
    steps: Int[np.ndarray, " rows"]
    windows: Windows
    detrend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observable:
    """One column of the table of observables, and where it is shown."""

    name: str
    unit: str
    """In terms of the loss, such as "loss⁴"; "1" of a pure number."""
    meaning: str
    """In words, for the docs."""
    formula: Callable[[Any], Float64[np.ndarray, " windows"]]
    """One value per window, from its `WindowSums`; with `of_draws`, from `Sums` alone."""
    of_draws: bool = False
    """Whether it means something for draws, which have no order."""
    title: str = ""
    """Of its panel in the overview, but for the unit; without one it is not drawn."""
    scale: Literal["linear", "log"] = "linear"
    """Of its panels."""
    compared: bool = False
    """Whether the figure of a comparison draws it too."""
    at_peak: bool = False
    """Whether the summary tells it where SHC peaks."""
    leading: bool = False
    """Whether it is told before the others: SHC, and total variance, which may tell the same story."""
    signal: Literal["", "decades", "1"] = ""
    """How the contest takes it: not at all, its log10 in decades, or as it is."""
    either_way: bool = False
    """Whether the contest watches for falls as well."""


def observables(
    moments: Moments, geometry: RowGeometry, steps: Int[np.ndarray, " rows"], windows: Windows, detrend: str
) -> dict[str, Float64[np.ndarray, " windows"]]:
    """Each observable of trailing windows of one length, by name: one value per window, in their order.

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
    sums = WindowSums(
        samples=geometry.samples,
        trace=trace,
        square=square,
        mean=mean_baselines(geometry, steps, windows, DEGREES[detrend]),
        moments=moments,
        geometry=geometry,
        steps=steps,
        windows=windows,
        detrend=detrend,
    )
    return {name: observable.formula(sums) for name, observable in OBSERVABLES.items()}


def leading_first() -> list[Observable]:
    """The observables in the order in which they are told; the table has them as they stand below."""
    return sorted(OBSERVABLES.values(), key=lambda observable: not observable.leading)


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


def _shc(sums: Sums) -> Float64[np.ndarray, " windows"]:
    return spectral_heat_capacity(sums.trace, sums.square, sums.samples)


def _participation_ratio(sums: Sums) -> Float64[np.ndarray, " windows"]:
    return ratio(sums.trace**2, sums.square)


def _drift_share(sums: WindowSums) -> Float64[np.ndarray, " windows"]:
    return ratio(sums.moments.drift, sums.moments.total_energy)


def _autocorrelation(sums: WindowSums) -> Float64[np.ndarray, " windows"]:
    return ratio(sums.moments.lagged, sums.moments.energy)


# The columns of the table of observables, in order. Tables, docs, figures, the summary and the contest read
# these rows: a new observable is a formula above and a row here.
_ROWS = (
    Observable(
        name="shc",
        unit="loss⁴",
        meaning="spectral heat capacity: the variance of all eigenvalues of C",
        formula=_shc,
        of_draws=True,
        title="SHC, spectral heat capacity",
        scale="log",
        compared=True,
        at_peak=True,
        leading=True,
        signal="decades",
    ),
    Observable(
        name="pr",
        unit="1",
        meaning="participation ratio, 1 to min(samples, window - 1); NaN for C = 0",
        formula=_participation_ratio,
        of_draws=True,
        title="PR, participation ratio, modes",
        compared=True,
        at_peak=True,
        signal="decades",
        either_way=True,
    ),
    Observable(
        name="total_variance",
        unit="loss²",
        meaning="total variance, tr C",
        formula=attrgetter("trace"),
        of_draws=True,
        title="Total variance",
        scale="log",
        compared=True,
        at_peak=True,
        leading=True,
        signal="decades",
    ),
    Observable(
        name="drift_share",
        unit="1",
        meaning="share of the window's movement that linear detrending removes, 0 to 1; NaN for C = 0",
        formula=_drift_share,
        at_peak=True,
    ),
    Observable(
        name="autocorrelation",
        unit="1",
        meaning="lag-1 autocorrelation of the whole detrended loss field; NaN for C = 0",
        formula=_autocorrelation,
        title="Autocorrelation at lag 1",
        signal="1",
    ),
    Observable(
        name="mean_loss",
        unit="loss",
        meaning="mean over window and probe",
        formula=attrgetter("mean.level"),
        of_draws=True,
        title="Mean loss over the window",
        compared=True,
    ),
    Observable(
        name="mean_loss_variance",
        unit="loss²",
        meaning="variance of the probe mean, detrended and divided as C is",
        formula=attrgetter("mean.variance"),
        of_draws=True,
        signal="decades",
    ),
    Observable(
        name="mean_loss_slope",
        unit="loss / step",
        meaning="least-squares slope of the probe mean against the training step",
        formula=attrgetter("mean.slope"),
    ),
)
OBSERVABLES = {row.name: row for row in _ROWS}
