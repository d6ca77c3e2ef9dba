"""What could have warned? The signals of the contest, each as levels over the windows of one run.

SHC beside everything simpler: the total variance that fixes it, drift, the probe mean, group means, the norms
of gradient and weights. An observable's own row says whether it takes part. All are causal and know the same
rows; each is watched by the same rule, a rise above its running minimum (one signal, Kendall's tau, by its
own height).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float64
from numpy.lib.stride_tricks import sliding_window_view

from rdmtools.alarms.rule import decades
from rdmtools.analysis.observables import Observable, leading_first
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.analysis.spans import SpanValues, joined, span_values, spans
from rdmtools.errors import ParameterError
from rdmtools.evaluation.truth import COVERED_WINDOWS
from rdmtools.run.run import Run

TAU_WINDOWS = COVERED_WINDOWS - 1
"""Kendall's tau looks back over so many windows' worth of windows: it has a value before every judged T50."""


Columns = Mapping[str, Float64[np.ndarray, " rows"]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run and what its windows say, with each detrending."""

    run: Run
    window: int

    def __post_init__(self) -> None:
        rows, _ = self.run.shape
        if rows < self.window:
            raise ParameterError(
                f"window of {self.window} rows is longer than the run's {rows}; choose at most {rows}"
            )

    @property
    def plain(self) -> Columns:
        return self._constant.observables[0]

    @cached_property
    def detrended(self) -> Columns:
        return self._values("linear").observables[0]

    @property
    def energies(self) -> Columns:
        """u of half windows at each row of the run, by signal, which rules with a stated rate watch; none of
        windows too short for them."""
        early = np.full(self.window // 2 - 1, np.nan)
        return {
            name: np.concatenate([early, late])
            for of_length in self._constant.energies
            for name, late in of_length.items()
        }

    @cached_property
    def levels(self) -> "Levels":
        """As `measure` gives them."""
        levels = {signal.name: signal.series(self) for signal in signals()}
        return {name: np.array(series) for name, series in levels.items() if series}

    @cached_property
    def scalars(self) -> pd.DataFrame:
        """By the run's steps; NaN where nothing was logged."""
        return self.run.scalars.set_index("step").reindex(self.run.steps)

    @cached_property
    def _constant(self) -> SpanValues:
        return self._values("constant")

    def _values(self, detrend: str) -> SpanValues:
        """What the analysis has of the windows, before it looks for anything in them."""
        settings = AnalysisSettings(windows=(self.window,), detrend=detrend)
        cut = spans(self.run.stored, self.run.steps, settings, apart=False)
        return joined([span_values(span) for span in cut])


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a rule watches."""

    name: str
    series: Callable[[Measured], list[np.ndarray]]
    """Its levels, a value per window; none where the run lacks what it needs."""
    scale: str = "decades"
    """Of level and threshold: "decades" (log10), or "1"."""
    fixed_floor: bool = False
    """Whether the level itself is compared with the threshold, not its rise above the running minimum."""
    beside: str = ""
    """The observable that it comes after; without one it comes after all of them."""


Levels = dict[str, Float64[np.ndarray, "series windows"]]


def measure(run: Run, *, window: int) -> Levels:
    """Levels of every signal that the run has, (series, windows) each, a column for each window's last row.

    A signal with several series alarms when one of them does. NaN where a signal has no value; a signal that
    needs a scalar which was not logged is left out.
    """
    return Measured(run=run, window=window).levels


def both_ways(level: np.ndarray) -> list[np.ndarray]:
    return [level, -level]


def _drift_energy(measured: Measured) -> list[np.ndarray]:
    """Squared sum of squared slopes of the samples' losses."""
    share = np.maximum(_column(measured.plain, "drift_share"), 0.0)
    return [2 * decades(share * _column(measured.plain, "total_variance"))]


def _shc_detrended(measured: Measured) -> list[np.ndarray]:
    return [decades(_column(measured.detrended, "shc"))]


def _autocorrelation_detrended(measured: Measured) -> list[np.ndarray]:
    return [_column(measured.detrended, "autocorrelation")]


def _mean_loss_slope(measured: Measured) -> list[np.ndarray]:
    """Slope of the probe mean, up or down, with its standard error.

    A slope passes 0 where its sign changes, which is no floor to rise from; its standard error is.
    """
    steps, window = measured.run.steps, measured.window
    lever = window * sliding_window_view(steps - steps[0], window).var(axis=1)
    error = np.sqrt(_column(measured.detrended, "mean_loss_variance") / lever)
    return [decades(np.hypot(_column(measured.plain, "mean_loss_slope"), error))]


def _group_mean_loss(measured: Measured) -> list[np.ndarray]:
    """Mean loss of any group of samples, either way."""
    run = measured.run
    groups = run.samples["group"] if "group" in run.samples else np.zeros(run.shape[1])
    codes, names = pd.factorize(groups, use_na_sentinel=False)
    means = [run.losses[:, codes == code].mean(axis=1, dtype=np.float64) for code in range(len(names))]
    return [series for mean in means for series in both_ways(decades(mean[measured.window - 1 :]))]


def _gradient_norm(measured: Measured) -> list[np.ndarray]:
    """Of the training batch: the mean of what is known of each window's rows, NaN where nothing is."""
    if "gradient_norm" not in measured.scalars:
        return []
    rows = sliding_window_view(_column(measured.scalars, "gradient_norm"), measured.window)
    known = np.isfinite(rows)
    count = known.sum(axis=1)
    sums = np.where(known, rows, 0.0).sum(axis=1)
    return [decades(np.where(count > 0, sums / np.maximum(count, 1), np.nan))]


def _weight_norm(measured: Measured) -> list[np.ndarray]:
    """Either way."""
    if "weight_norm" not in measured.scalars:
        return []
    return both_ways(decades(_column(measured.scalars, "weight_norm")[measured.window - 1 :]))


def _kendall_tau(measured: Measured) -> list[np.ndarray]:
    """Of log total variance over `TAU_WINDOWS` windows."""
    total = decades(_column(measured.plain, "total_variance"))
    return [rolling_tau(total, TAU_WINDOWS * measured.window)]


def _column(table: Columns | pd.DataFrame, name: str) -> np.ndarray:
    return np.asarray(table[name], dtype=np.float64)


def rolling_tau(values: Float64[np.ndarray, " windows"], length: int) -> Float64[np.ndarray, " windows"]:
    """Kendall's tau (a) of the last `length` values against time; NaN before there are as many.

    NaN too where one of them is.
    """
    count = len(values)
    tau = np.full(count, np.nan)
    if count < length:
        return tau
    concordant = np.zeros(count - length + 1)
    for lag in range(1, length):
        signs = np.nan_to_num(np.sign(values[lag:] - values[:-lag]))
        sums = np.concatenate([[0.0], np.cumsum(signs)])
        # Pairs (u - lag, u) inside the `length` values that end at t: u runs over t - length + 1 + lag ... t.
        concordant += sums[length - lag :] - sums[: len(sums) - (length - lag)]
    gaps = np.concatenate([[0], np.cumsum(np.isnan(values))])
    whole = gaps[length:] == gaps[:-length]
    tau[length - 1 :] = np.where(whole, concordant / (length * (length - 1) / 2), np.nan)
    return tau


def _of_observable(observable: Observable) -> Signal:
    def series(measured: Measured) -> list[np.ndarray]:
        values = _column(measured.plain, observable.name)
        level = decades(values) if observable.signal == "decades" else values
        return both_ways(level) if observable.either_way else [level]

    return Signal(name=observable.name, series=series, scale=observable.signal)


_OTHERS = (
    Signal(name="drift_energy", series=_drift_energy, beside="total_variance"),
    Signal(name="shc_detrended", series=_shc_detrended, beside="total_variance"),
    Signal(
        name="autocorrelation_detrended",
        series=_autocorrelation_detrended,
        scale="1",
        beside="autocorrelation",
    ),
    Signal(name="mean_loss_slope", series=_mean_loss_slope),
    Signal(name="group_mean_loss", series=_group_mean_loss),
    Signal(name="gradient_norm", series=_gradient_norm),
    Signal(name="weight_norm", series=_weight_norm),
    Signal(name="kendall_tau", series=_kendall_tau, scale="1", fixed_floor=True),
)


def signals() -> list[Signal]:
    """Observables that the contest takes, each with the signals beside it, then those beside none."""
    found: list[Signal] = []
    for observable in leading_first():
        found += [_of_observable(observable)] if observable.signal else []
        found += [other for other in _OTHERS if other.beside == observable.name]
    return [*found, *(other for other in _OTHERS if not other.beside)]


SIGNALS = tuple(signals())
