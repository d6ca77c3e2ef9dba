"""How sure is a rate? Exact intervals, and resampling of whole runs."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from scipy.stats import beta

LEVEL = 0.95
RESAMPLES = 2000


def exact_interval(hits: float, trials: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Clopper-Pearson interval of a rate; (0, 1) of no trials.

    `hits` need not be whole: of modes that share their run, give the share detected times the runs, so that
    a run counts once, however many modes it has.
    """
    if trials <= 0:
        return 0.0, 1.0
    tail = (1 - level) / 2
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits >= trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high


def with_interval(name: str, value: float, interval: tuple[float, float]) -> dict[str, float]:
    """A value beside its interval, as the columns `name`, `name_low` and `name_high` of a table."""
    low, high = interval
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def resampled_weights(
    runs: Sequence[str], strata: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Float64[np.ndarray, "resamples rows"]:
    """Weights of rows where whole runs are drawn again within strata: how often each row's run was drawn.

    NaN where there is but one run, which tells nothing of how runs differ.
    """
    if len(set(runs)) < 2:
        return np.full((resamples, len(runs)), np.nan)
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, len(runs)))
    names, layers = np.asarray(runs), np.asarray(strata)
    for layer in dict.fromkeys(strata):
        drawn = list(dict.fromkeys(names[layers == layer]))
        counts = rng.multinomial(len(drawn), np.full(len(drawn), 1 / len(drawn)), size=resamples)
        place = {name: index for index, name in enumerate(drawn)}
        for row in np.flatnonzero(layers == layer):
            weights[:, row] = counts[:, place[names[row]]]
    return weights


def middle(values: np.ndarray, *, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of resampled values; NaN where there are none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def median_with_interval(
    name: str, values: Float64[np.ndarray, " rows"], weights: Float64[np.ndarray, "resamples rows"]
) -> dict[str, float]:
    """The median of the values, with the middle of the resampled ones."""
    return with_interval(name, float(np.median(values)), middle(weighted_median(values, weights)))


def weighted_median(
    values: Float64[np.ndarray, " rows"], weights: Float64[np.ndarray, "resamples rows"]
) -> Float64[np.ndarray, " resamples"]:
    """Median of each resample, as if each value were there as often as its weight says."""
    order = np.argsort(values)
    total = np.cumsum(weights[:, order], axis=1)
    half = total[:, -1:] / 2
    low, high = np.argmax(total >= half, axis=1), np.argmax(total > half, axis=1)
    return np.where(total[:, -1] > 0, (values[order][low] + values[order][high]) / 2, np.nan)
