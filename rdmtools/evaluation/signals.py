"""What could have warned? The signals of the contest, each as levels over the windows of one run.

SHC beside everything simpler: the total variance that fixes it, drift, the probe mean, group means, the norms
of gradient and weights. All are causal and know the same rows; each is watched by the same rule, a rise above
its running minimum (one signal, Kendall's tau, by its own height).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64
from numpy.lib.stride_tricks import sliding_window_view

from rdmtools.analysis.findings import find
from rdmtools.analysis.settings import AnalysisSettings
from rdmtools.evaluation.truth import COVERED_WINDOWS
from rdmtools.run.run import Run

TAU_WINDOWS = COVERED_WINDOWS - 1
"""Kendall's tau looks back over so many windows' worth of windows: it has a value before every judged T50."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a rule watches."""

    name: str
    meaning: str
    scale: str = "decades"
    """Of level and threshold: "decades" (log10), or "1"."""
    fixed_floor: bool = False
    """Whether the level itself is compared with the threshold, not its rise above the running minimum."""


SIGNALS = (
    Signal(name="shc", meaning="spectral heat capacity"),
    Signal(name="total_variance", meaning="total variance, tr C"),
    Signal(name="drift_energy", meaning="squared sum of squared slopes of the samples' losses"),
    Signal(name="shc_detrended", meaning="SHC of linearly detrended windows"),
    Signal(name="pr", meaning="participation ratio, either way"),
    Signal(name="autocorrelation", meaning="lag-1 autocorrelation of the loss field", scale="1"),
    Signal(name="autocorrelation_detrended", meaning="the same of linearly detrended windows", scale="1"),
    Signal(name="mean_loss_variance", meaning="variance of the probe mean"),
    Signal(name="mean_loss_slope", meaning="slope of the probe mean, up or down, with its standard error"),
    Signal(name="group_mean_loss", meaning="mean loss of any group of samples, either way"),
    Signal(name="gradient_norm", meaning="gradient norm of the training batch, mean over the window"),
    Signal(name="weight_norm", meaning="norm of the weights, either way"),
    Signal(
        name="kendall_tau",
        meaning=f"Kendall's tau of log total variance over {TAU_WINDOWS} windows",
        scale="1",
        fixed_floor=True,
    ),
)


Levels = dict[str, Float64[np.ndarray, "series windows"]]


def measure(run: Run, *, window: int) -> Levels:
    """Levels of every signal that the run has, (series, windows) each, a column for each window's last row.

    A signal with several series alarms when one of them does. NaN where a signal has no value; a signal that
    needs a scalar which was not logged is left out.
    """
    plain, detrended = (
        find(run, AnalysisSettings(windows=(window,), detrend=detrend)).observables
        for detrend in ("constant", "linear")
    )

    def of(name: str, table: pd.DataFrame = plain) -> np.ndarray:
        return table[name].to_numpy(np.float64)

    total = decades(of("total_variance"))
    slowest = np.maximum(of("drift_share"), 0.0) * of("total_variance")
    # a slope passes 0 wherever it changes its sign, which is no floor to rise from; its standard error is
    error = np.sqrt(of("mean_loss_variance", detrended) / _lever(run.steps, window))
    levels = {
        "shc": [decades(of("shc"))],
        "total_variance": [total],
        "drift_energy": [2 * decades(slowest)],
        "shc_detrended": [decades(of("shc", detrended))],
        "pr": both_ways(decades(of("pr"))),
        "autocorrelation": [of("autocorrelation")],
        "autocorrelation_detrended": [of("autocorrelation", detrended)],
        "mean_loss_variance": [decades(of("mean_loss_variance"))],
        "mean_loss_slope": [decades(np.hypot(of("mean_loss_slope"), error))],
        "group_mean_loss": [
            series for mean in _group_means(run) for series in both_ways(decades(mean[window - 1 :]))
        ],
        "kendall_tau": [rolling_tau(total, TAU_WINDOWS * window)],
    }
    scalars = run.scalars.set_index("step").reindex(run.steps)
    if "gradient_norm" in scalars:
        levels["gradient_norm"] = [decades(_means(scalars["gradient_norm"].to_numpy(np.float64), window))]
    if "weight_norm" in scalars:
        norm = decades(scalars["weight_norm"].to_numpy(np.float64)[window - 1 :])
        levels["weight_norm"] = both_ways(norm)
    return {name: np.array(series) for name, series in levels.items()}


def decades(values: np.ndarray) -> Float64[np.ndarray, " windows"]:
    """log10, and NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.log10(values)
    return np.where(np.isfinite(level), level, np.nan)


def both_ways(level: np.ndarray) -> list[np.ndarray]:
    return [level, -level]


def _lever(steps: Int64[np.ndarray, " rows"], window: int) -> Float64[np.ndarray, " windows"]:
    """Sum of squared distances of each window's steps from their mean."""
    return window * sliding_window_view(steps - steps[0], window).var(axis=1)


def _means(values: Float64[np.ndarray, " rows"], window: int) -> Float64[np.ndarray, " windows"]:
    """Mean of what is known of each window's rows; NaN where nothing is."""
    rows = sliding_window_view(values, window)
    known = np.isfinite(rows)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, rows, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _group_means(run: Run) -> list[Float64[np.ndarray, " rows"]]:
    if "group" not in run.samples:
        return [run.losses.mean(axis=1, dtype=np.float64)]
    codes, names = pd.factorize(run.samples["group"], use_na_sentinel=False)
    return [run.losses[:, codes == code].mean(axis=1, dtype=np.float64) for code in range(len(names))]


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
