"""Did SHC rise before PR changed, or after? The lag between the two, and no verdict.

    lag = step at which log PR is half-way  -  step at which log SHC is half-way

both from the first to the last of the windows about the alarm, which end from two windows before it to two
after it, from the floor to the peak of SHC at most. PR's change has to be a tenth of a decade. The interval
is of samples that are drawn again, in 16 parts. Looks past the alarm.

SHC first is said to be a bottleneck, one direction that others follow, and PR first a plateau, many
directions of which one wins. The outcome is "unresolved" always, for no rule was found that is right in
worlds built to be either, *and neither* (`benchmarks/answers_order.py`, 20 of each): this lag says "PR
first" nearly everywhere, since PR falls as soon as anything moves; PR's largest rise says "SHC first"
everywhere; and counting directions above the noise, right wherever it speaks there, is silent in 5
bottlenecks and 4 plateaus of 20, in most of them where noise is larger, and takes some runs whose samples
are learned one by one for a bottleneck.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.events import records
from rdmtools.analysis.moments import residual
from rdmtools.analysis.tables import typed
from rdmtools.run.run import Run

UNRESOLVED = "unresolved"
_PLACES = ("floor_step", "alarm_step", "shc_peak_step")
_WINDOWS, _PARTS, _DRAWS = 17, 16, 200
_ROUNDING = 1e-12
_MOST_VALUES = 1 << 22
_LEAST_CHANGE = 0.1
"""Of log10 PR."""


def order_table(run: Run, events: pd.DataFrame, detrend: str) -> pd.DataFrame:
    """How long after SHC's rise PR changed, one row per event; null where PR did not change."""
    return typed("order", list(_rows(run, events, detrend)))


def _rows(run: Run, events: pd.DataFrame, detrend: str) -> Iterator[dict[str, Any]]:
    for event in records(events):
        window = event["window"]
        floor, alarm, peak = (
            int(row) for row in np.searchsorted(run.steps, [event[name] for name in _PLACES])
        )
        first, last = max(floor, alarm - 2 * window), min(max(peak, alarm), alarm + 2 * window)
        ends = np.unique(np.linspace(first, last, _WINDOWS).round().astype(np.int64))
        shc, pr = _observables(run, ends, window, DEGREES[detrend])
        at = run.steps[ends].astype(np.float64)
        shc_steps, pr_steps = _half_steps(at, shc), _half_steps(at, pr, least=_LEAST_CHANGE)
        lags = pr_steps - shc_steps
        drawn = lags[1:][np.isfinite(lags[1:])]
        known = bool(np.isfinite(lags[0])) and 2 * len(drawn) >= _DRAWS
        low, high = np.quantile(drawn, (0.025, 0.975)) if known else (np.nan, np.nan)
        yield {
            "event": event["event"],
            "shc_half_step": shc_steps[0],
            "pr_half_step": pr_steps[0],
            "lag_steps": lags[0],
            "lag_low": low,
            "lag_high": high,
            "outcome": UNRESOLVED,
        }


def _observables(
    run: Run, ends: Int64[np.ndarray, " windows"], window: int, degree: int
) -> tuple[Float64[np.ndarray, "draws windows"], Float64[np.ndarray, "draws windows"]]:
    """log10 of SHC and PR of the samples as they are, and of samples drawn again.

    The Gram matrix is a sum over parts of the samples, so its trace and the square of its norm are a linear
    and a quadratic form of how often each part is drawn.
    """
    rng = np.random.default_rng(0)
    samples = run.shape[1]
    mixed = rng.permutation(samples)
    parts = np.array_split(np.arange(samples), min(_PARTS, samples))
    times = rng.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=_DRAWS)
    times = np.vstack([np.ones(len(parts), dtype=np.int64), times]).astype(np.float64)
    count = times @ np.array([len(part) for part in parts])
    rows = _rows_about(run, int(ends[0]) - window + 1, int(ends[-1]) + 1, mixed)
    shc, pr = np.empty((2, len(times), len(ends)))
    for index, end in enumerate(ends.tolist()):
        field = residual(rows(end - window + 1, end + 1).astype(np.float64), degree)
        fields = [field[:, part[0] : part[-1] + 1] for part in parts]
        grams = np.stack([(each @ each.T).ravel() for each in fields])
        traces = times @ np.stack([gram[:: window + 1].sum() for gram in grams])
        squares = np.einsum("dp,pq,dq->d", times, grams @ grams.T, times)
        spread = squares / count - (traces / count) ** 2
        spread[spread <= _ROUNDING * squares / count] = 0.0  # as of one sample, whose eigenvalue is alone
        with np.errstate(divide="ignore", invalid="ignore"):
            shc[:, index] = np.log10(spread)
            pr[:, index] = np.log10(traces**2 / squares)
    return shc, pr


def _rows_about(
    run: Run, begin: int, stop: int, mixed: Int64[np.ndarray, " samples"]
) -> Callable[[int, int], np.ndarray]:
    """How rows from `begin` to `stop` are had, of samples in that order: all at once, for windows overlap.

    Unless they are too many.
    """
    if (stop - begin) * run.shape[1] > _MOST_VALUES:
        return lambda first, last: run.rows(first, last)[:, mixed]
    rows = run.rows(begin, stop)[:, mixed]
    return lambda first, last: rows[first - begin : last - begin]


def _half_steps(
    steps: Float64[np.ndarray, " windows"], series: Float64[np.ndarray, "draws windows"], least: float = 0.0
) -> Float64[np.ndarray, " draws"]:
    """Where each series first passes the middle between its ends; NaN where it changes by less than that."""
    half = np.full(len(series), np.nan)
    for index, one in enumerate(series):
        change = one[-1] - one[0] if np.isfinite(one).all() else 0.0
        if not abs(change) > least:
            continue
        way = (one - one[0]) / change
        at = int((way >= 0.5).argmax())
        half[index] = np.interp(0.5, way[at - 1 : at + 1], steps[at - 1 : at + 1])
    return half
