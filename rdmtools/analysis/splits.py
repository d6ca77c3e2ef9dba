"""When did a history change its level? The least-squares split of each into one or two levels, all at once.

With S_k the sum of a history's first k of T values less their mean, the split k that leaves the least squares
maximises the gain

    S_k^2 T / (k (T - k)),        z = gain / [v (1 + rho) / (1 - rho)]

where v is the variance left about the two levels, and rho their lag-1 correlation: the *median* over the
histories, each first raised by (4 + 4 rho) / T for what the fit takes away. With one of its own for each
history, noise would reach two to four times the z; so does a history that is alone. The z needed grows
where rows are few, or so correlated that they count for few: noise of rho 0 to .95 exceeds it in less than 1
history of 100.

It is a split, not the time of half the change: for a step it is the row of the step, for a sigmoid it is off
by a few rows, for an exponential it comes late (`benchmarks/answers_ledger.py` measures by how much).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

ENOUGH_ROWS = 20
"""Rows below which no split is told from noise: noise alone would need a z of 50 and more."""
# Values that are worked on at a time: what is made of them stays in the cache.
_CHUNK = 2**17


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Where each history is cut into two levels, and whether two are better than one."""

    index: Int64[np.ndarray, " series"]
    """First row of the second level, 1 to rows - 1; 0 where nothing moved or there is one row."""
    z: Float64[np.ndarray, " series"]
    """What the split explains over what correlated noise may explain; 0 where nothing moved."""
    before: Float64[np.ndarray, " series"]
    """Mean of the rows before the split; of all of them where index is 0."""
    after: Float64[np.ndarray, " series"]
    rho: float
    """Lag-1 correlation about the two levels, the median of the histories, 0 to .99."""
    needed: float
    """The z that a history of so many rows has to exceed; inf where they are too few to judge."""

    @property
    def resolved(self) -> Bool[np.ndarray, " series"]:
        """Whether two levels are better than one."""
        return self.z > self.needed

    def half_steps(self, steps: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, " series"]:
        """Step of the first row at the second level; NaN where one level is as good."""
        return np.where(self.resolved, steps[self.index], np.nan)


def split(series: Float64[np.ndarray, "rows series"]) -> Split:
    """The least-squares split of each history, in any unit.

    Looks back over the whole history: rows to come may move every split.

    Parameters
    ----------
    series
        One history a column, finite; at least one row.

    Notes
    -----
    Adding a constant to a history or multiplying it changes neither its split nor its z; the order of the
    histories has no part in it.
    """
    rows, count = series.shape
    index, z = np.zeros(count, dtype=np.int64), np.zeros(count)
    before, after = np.zeros(count), np.zeros(count)
    left, lag = np.zeros(count), np.zeros(count)
    for part in _parts(rows, count):
        index[part], z[part], before[part], after[part], left[part], lag[part] = _split(series[:, part])
    rho = correlation(lag, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        z *= (1 - rho) / ((1 + rho) * left)
    z[index == 0] = 0.0
    return Split(index=index, z=z, before=before, after=after, rho=rho, needed=needed(rows, rho))


def needed(rows: int, rho: float) -> float:
    """The z above which two levels are better than one: 20, and more where rows count for few.

    Rows that are correlated count for rows (1 - rho) / (1 + rho). Below `ENOUGH_ROWS` it is inf.
    """
    return np.inf if rows < ENOUGH_ROWS else 20.0 + 80.0 * (1 + rho) / (rows * (1 - rho))


def correlation(lag: Float64[np.ndarray, " series"], rows: int) -> float:
    """Median of the lag-1 correlations (NaN: none), raised by what two fitted levels take away, 0 to .99."""
    lag = lag[np.isfinite(lag)]
    if not len(lag):
        return 0.0
    return float(np.clip(np.median(lag + (4 + 4 * lag) / rows), 0, 0.99))


def _parts(rows: int, count: int) -> Iterator[slice]:
    each = max(1, _CHUNK // max(rows, 1))
    for start in range(0, count, each):
        yield slice(start, min(start + each, count))


def _split(series: Float64[np.ndarray, "rows series"]) -> tuple[np.ndarray, ...]:
    """Index, gain, both levels, variance left and its lag-1 correlation."""
    rows, count = len(series), len(series[0])
    first = series[0].copy()
    if rows == 1:
        none = np.zeros(count)
        return none.astype(np.int64), none, first, first, none, none + np.nan
    # Less the first value, so that what never moved is 0 to the bit.
    moved = np.ascontiguousarray(series.T) - first[:, None]
    mean = moved.mean(axis=1)
    moved -= mean[:, None]
    sums = np.cumsum(moved[:, :-1], axis=1)
    cut = np.arange(1, rows)
    gains = sums * sums
    gains *= rows / (cut * (rows - cut))
    here = (np.arange(count), np.argmax(gains, axis=1))
    index, gain, total = here[1] + 1, gains[here], sums[here]
    before, after = total / index, -total / (rows - index)
    second = np.arange(rows) >= index[:, None]
    moved -= before[:, None] + (after - before)[:, None] * second
    squares = np.einsum("st,st->s", moved, moved)
    with np.errstate(divide="ignore", invalid="ignore"):
        lag = np.einsum("st,st->s", moved[:, 1:], moved[:, :-1]) / squares
    index[gain == 0] = 0
    return index, gain, first + mean + before, first + mean + after, squares / rows, lag
