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

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

ENOUGH_ROWS = 20
"""Rows below which no split is told from noise: noise alone would need a z of 50 and more."""
_PIECES = 4
_ROUNDING = 1e-24
# Values that are worked on at a time: what is made of them stays in the cache.
_CHUNK = 2**16


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
    needed: Float64[np.ndarray, " series"]
    """The z that a history of so many rows has to exceed; inf where they are too few to judge."""

    @property
    def resolved(self) -> Bool[np.ndarray, " series"]:
        """Whether two levels are better than one."""
        return self.z > self.needed

    def half_steps(self, steps: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, " series"]:
        """Step of the first row at the second level; NaN where one level is as good."""
        return np.where(self.resolved, steps[self.index], np.nan)


def split(
    series: Float64[np.ndarray, "rows series"],
    *,
    start: Int64[np.ndarray, " series"] | None = None,
    stop: Int64[np.ndarray, " series"] | None = None,
    least_rho: float = 0.0,
    most_rho: float = 0.99,
    noise: "Noise | None" = None,
) -> Split:
    """The least-squares split of each history, in any unit.

    Looks back over the whole history: rows to come may move every split.

    Parameters
    ----------
    series
        One history a column, finite; at least one row.
    start, stop
        Rows of each history that count, `start` to `stop` - 1, at least one; all of them if None.
    least_rho
        Least correlation that these histories are taken to have, as where they are few.
    most_rho
        And the most, as other rows tell it: of slow descents two levels leave more.
    noise
        Of the histories, as `smooth_noise` finds it: used where it is less than what two levels leave, which
        of a slow descent is no noise.

    Notes
    -----
    Adding a constant to a history or multiplying it changes neither its split nor its z; the order of the
    histories has no part in it.
    """
    rows, count = series.shape
    start = np.zeros(count, np.int64) if start is None else start
    stop = np.full(count, rows) if stop is None else stop
    cut, z = np.zeros(count, dtype=np.int64), np.zeros(count)
    before, after = np.zeros(count), np.zeros(count)
    left, lag = np.zeros(count), np.zeros(count)
    # Those whose rows are about the same together: few others are read.
    for part in _parts(rows, np.lexsort((stop, start))):
        low, high = int(start[part].min()), int(stop[part].max())
        cut[part], z[part], before[part], after[part], left[part], lag[part] = _split(
            series.T[part, low:high], start[part] - low, stop[part] - low
        )
    index = np.where(cut > 0, start + cut, 0)
    rho = max(min(correlation(lag, stop - start), most_rho), least_rho)
    left *= (1 + rho) / (1 - rho)
    least = needed(stop - start, rho)
    if noise is not None:
        other = needed(stop - start, max(noise.rho, least_rho))
        with np.errstate(invalid="ignore"):  # too few rows need inf of either
            better = noise.long_run * other < left * least
        left, least = np.where(better, noise.long_run, left), np.where(better, other, least)
    with np.errstate(divide="ignore", invalid="ignore"):
        z /= left
    z[index == 0] = 0.0
    return Split(index=index, z=z, before=before, after=after, rho=rho, needed=least)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noise:
    """What is left of histories about something smooth."""

    long_run: Float64[np.ndarray, " series"]
    """Variance of each, times (1 + rho) / (1 - rho): T times that of a mean over T rows."""
    rho: float


def smooth_noise(series: Float64[np.ndarray, "rows series"], *, least_rho: float = 0.0) -> Noise:
    """Noise about four straight pieces of equal length that meet: a slow trend is none of it, a step is."""
    rows, count = series.shape
    knots = np.linspace(0, rows - 1, _PIECES + 1)
    hats = np.stack([np.interp(np.arange(rows), knots, hat) for hat in np.eye(_PIECES + 1)], axis=1)
    basis = np.linalg.qr(hats)[0]
    squares, lag = np.zeros(count), np.zeros(count)
    for part in _parts(rows, np.arange(count)):
        rest = series.T[part]
        rest -= (rest @ basis) @ basis.T
        squares[part] = np.einsum("st,st->s", rest, rest)
        with np.errstate(divide="ignore", invalid="ignore"):
            lag[part] = np.einsum("st,st->s", rest[:, 1:], rest[:, :-1]) / squares[part]
    rho = max(correlation(lag, np.full(len(lag), rows), fitted=_PIECES + 1), least_rho)
    weight = (1 + rho) / (1 - rho)
    left = max(rows - (_PIECES + 1) * weight, rows / 4)  # the fit takes more of what is correlated
    return Noise(long_run=squares / left * weight, rho=rho)


def needed(rows: Int64[np.ndarray, " series"], rho: float) -> Float64[np.ndarray, " series"]:
    """The z above which two levels are better than one: 20, and more where rows count for few.

    Rows that are correlated count for rows (1 - rho) / (1 + rho). Below `ENOUGH_ROWS` it is inf.
    """
    return np.where(rows < ENOUGH_ROWS, np.inf, 20.0 + 80.0 * (1 + rho) / (rows * (1 - rho)))


def correlation(
    lag: Float64[np.ndarray, " series"], rows: Int64[np.ndarray, " series"], *, fitted: int = 2
) -> float:
    """Median of the lag-1 correlations (NaN: none), raised by what is taken away by so many fitted numbers.

    Of two, as levels are, (4 + 4 rho) / T. 0 to .99.
    """
    known = np.isfinite(lag)
    if not known.any():
        return 0.0
    lag, rows, taken = lag[known], rows[known], 2 * fitted
    return float(np.clip(np.median(lag + (taken + taken * lag) / rows), 0, 0.99))


def _parts(rows: int, order: Int64[np.ndarray, " series"]) -> Iterator[Int64[np.ndarray, " few"]]:
    each = max(1, _CHUNK // max(rows, 1))
    for start in range(0, len(order), each):
        yield order[start : start + each]


def _split(
    moved: Float64[np.ndarray, "series rows"],
    start: Int64[np.ndarray, " series"],
    stop: Int64[np.ndarray, " series"],
) -> tuple[np.ndarray, ...]:
    """Rows before the split, gain, both levels, variance left and its lag-1 correlation.

    Overwrites the histories.
    """
    count, rows = moved.shape
    every, within = np.arange(count), stop - start
    first = moved[every, start]
    if rows == 1:
        none = np.zeros(count)
        return none.astype(np.int64), none, first, first, none, none + np.nan
    row = np.arange(rows, dtype=np.int32)
    whole = bool((within == rows).all())
    outside = None if whole else (row < _column(start)) | (row >= _column(stop))
    moved -= first[:, None]  # so that what never moved is 0 to the bit
    _blank(moved, outside)
    mean = moved.sum(axis=1) / within
    moved -= mean[:, None]
    _blank(moved, outside)
    sums = np.cumsum(moved[:, :-1], axis=1)
    gains = sums * sums
    gains /= _sides(row[1:], start, within, whole)
    last = np.argmax(gains, axis=1)  # of the rows before the split
    gain, total = gains[every, last] * within, sums[every, last]
    cut = np.where(gain == 0, 0, last + 1 - start)
    before, after = total / np.maximum(cut, 1), -total / np.maximum(within - cut, 1)
    before[cut == 0] = after[cut == 0] = 0.0
    moved -= np.where(row <= _column(last), before[:, None], after[:, None])
    _blank(moved, outside)
    squares = np.einsum("st,st->s", moved, moved)
    with np.errstate(divide="ignore", invalid="ignore"):
        lag = np.einsum("st,st->s", moved[:, 1:], moved[:, :-1]) / squares
    lag[squares <= _ROUNDING * gain] = np.nan  # two levels fit it: what is left says nothing
    return cut, gain, first + mean + before, first + mean + after, squares / within, lag


def _column(places: np.ndarray) -> np.ndarray:
    """Beside rows, and as short."""
    return places[:, None].astype(np.int32)


def _blank(values: np.ndarray, outside: np.ndarray | None) -> None:
    if outside is not None:
        values[outside] = 0.0


def _sides(row: np.ndarray, start: np.ndarray, within: np.ndarray, whole: bool) -> np.ndarray:
    """k (T - k) of each cut; inf where one side has no row. One line serves histories of the same rows."""
    some = slice(0, 1) if whole else slice(None)
    cut = row.astype(np.float64) - start[some, None].astype(np.float64)
    sides = (within[some, None] - cut) * cut
    sides[sides <= 0] = np.inf
    return sides
