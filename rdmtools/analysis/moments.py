"""How much do the windows move, and in how many directions? Sums over each window's Gram matrix.

With S the squared distances inside a window of W rows, s_i their row sums and s the sum of all, the centred
Gram matrix is K nu = -1/2 (S - row means - column means + mean), so that under constant detrending

    tr K nu = s / 2W        |K nu|**2 = 1/4 (|S|**2 - 2/W sum s_i**2 + s**2 / W**2)

and drift and lag-1 products are sums of distances as well: O(W) operations a window whatever the probe set.
`lag_sums` has the sums, shared by windows of all lengths; `about_line` takes a line out. Windows that are all
line are computed from their rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.about_line import about_line
from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.gram import trend_basis
from rdmtools.analysis.lag_sums import (
    Looking,
    PairSums,
    added_up,
    looking_ahead,
    looking_back,
    row_sums,
    sliding_sums,
)
from rdmtools.analysis.windows import Windows

# Windows whose W x W matrices are in memory at once: few enough for the cache.
WINDOWS_AT_ONCE = 64

# Rows in which windows end that are worked on together, and values of their rows: they stay in the cache.
_BAND = 4096
_AT_ONCE = 1 << 15

# A linear residual below this share of the window's movement has lost over half of its digits in the
# distances (error: rounding / share), so it is taken from the rows instead.
SMALLEST_RESIDUAL_SHARE = {"double": 1e-5, "single": 1e-2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Sums over each window's centred Gram matrix K nu, before any division."""

    energy: Float64[np.ndarray, " windows"]
    """Trace."""
    square: Float64[np.ndarray, " windows"]
    """Squared Frobenius norm."""
    lagged: Float64[np.ndarray, " windows"]
    """Sum of the first off-diagonal."""
    drift: Float64[np.ndarray, " windows"]
    """Energy of the linear trend."""
    total_energy: Float64[np.ndarray, " windows"]
    """Trace under constant detrending."""

    def replace(self, index: int, field: Float64[np.ndarray, "w samples"]) -> None:
        """Take those of one window from its residuals instead."""
        gram = field @ field.T
        self.energy[index], self.square[index] = gram.trace(), np.sum(gram * gram)
        self.lagged[index] = gram.trace(offset=1)


_NONE = Moments(**{each.name: np.empty(0) for each in fields(Moments)})


def moments(
    distances: Float64[np.ndarray, "lags rows"],
    windows: Sequence[Windows],
    *,
    detrend: str | Sequence[str] = "constant",
    precision: str = "double",
    rows: Callable[[int, int], Float[np.ndarray, "_ samples"]],
) -> list[Moments]:
    """Moments of windows of several lengths, in one pass over the lags.

    Parameters
    ----------
    distances
        From `row_geometry`, with as many lags as the longest window.
    windows
        Of at least 2 rows with "constant", 3 with "linear" detrending.
    detrend
        One for all, or one for each of `windows`.
    precision
        That of the distances.
    rows
        ``rows(start, stop)`` returns those rows of losses. Called only for windows that are almost all trend.
    """
    each_detrend = [detrend] * len(windows) if isinstance(detrend, str) else detrend
    degrees = [DEGREES[each] for each in each_detrend]
    longest = max(each.length for each in windows)
    bands: list[list[Moments]] = []
    for start in range(0, distances.shape[1], _BAND):
        stop, origin = start + _BAND, max(start - longest + 1, 0)
        ending = [each.ending(start, stop, origin) for each in windows]
        bands.append(_of_band(distances[:longest, origin:stop], ending, degrees))
    found = [_joined(of_length) for of_length in zip(*bands, strict=True)]
    for each, of_each, degree in zip(windows, found, degrees, strict=True):
        for index in blurred(of_each.energy, of_each.total_energy, precision) if degree else ():
            start = each.starts()[index]
            of_each.replace(index, residual(rows(start, start + each.length), degree=1))
    return found


def _of_band(
    distances: Float64[np.ndarray, "lags rows"], windows: Sequence[Windows], degrees: Sequence[int]
) -> list[Moments]:
    """Moments of windows in rows that are few enough for the cache; of some lengths there may be none."""
    there = [each for each in windows if each.count]
    if not there:
        return [_NONE for _ in windows]
    distances = distances[: max(each.length for each in there)]
    levers = any(degrees)
    ahead = looking_ahead(distances, levers=levers)
    back, pairs = looking_back(distances, there, levers=levers)
    of_pairs = iter(pairs)
    return [
        _of_length(distances, back, ahead, next(of_pairs), each, degree) if each.count else _NONE
        for each, degree in zip(windows, degrees, strict=True)
    ]


def _of_length(
    distances: Float64[np.ndarray, "lags rows"],
    back: Looking,
    ahead: Looking,
    pairs: PairSums,
    windows: Windows,
    degree: int,
) -> Moments:
    """About the mean first."""
    length = windows.length
    total = 2.0 * pairs.distances
    energy = np.maximum(total / (2 * length), 0.0)  # below, where products in float32 vanish
    squares = total * total
    squares *= 0.5 / length**2
    squares += pairs.squares
    squares -= _row_squares(back, ahead, windows) / length
    squares *= 0.5
    drift = pairs.about_middle * (-12 / (length * (length * length - 1)))
    lagged = drift if windows.size_only else _lagged(distances, back, ahead, windows, total)
    left = energy, squares, lagged
    if degree:
        left = about_line(distances, back, ahead, windows, np.stack(left), drift)
    return Moments(energy=left[0], square=left[1], lagged=left[2], drift=drift, total_energy=energy)


def _row_squares(back: Looking, ahead: Looking, windows: Windows) -> Float64[np.ndarray, " windows"]:
    """Sums of squares of the row sums of each window's distances."""
    found = np.empty(windows.count)
    at_once = max(_AT_ONCE // windows.length, 16)
    for first in range(0, windows.count, at_once):
        few = windows.some(first, min(at_once, windows.count - first))
        sums = row_sums(back, ahead, few)
        found[first : first + few.count] = added_up(np.multiply(sums, sums, out=sums))
    return found


def _lagged(
    distances: Float64[np.ndarray, "lags rows"],
    back: Looking,
    ahead: Looking,
    windows: Windows,
    total: Float64[np.ndarray, " windows"],
) -> Float64[np.ndarray, " windows"]:
    """Sum of the first off-diagonal, where `total` is that of all of a window's distances."""
    length = windows.length
    first, last = ahead.sums[length - 1, windows.at(0)], back.sums[length - 1, windows.at(length - 1)]
    beside = 2.0 * total - first - last  # row sums of neighbouring rows, added up
    neighbours = sliding_sums(distances[1], length - 1)[windows.at(1)]
    return -0.5 * (neighbours - beside / length + (length - 1) / length**2 * total)


def _joined(parts: Sequence[Moments]) -> Moments:
    """Those of windows of one length, one band after another."""
    if len(parts) == 1:
        return parts[0]
    arrays = {each.name: [getattr(part, each.name) for part in parts] for each in fields(Moments)}
    return Moments(**{name: np.concatenate(several) for name, several in arrays.items()})


def blurred(
    energy: Float64[np.ndarray, " windows"], total: Float64[np.ndarray, " windows"], precision: str
) -> list[int]:
    """Windows that are almost all line, to be computed from their rows: `energy` of `total` is left."""
    return np.flatnonzero(energy < SMALLEST_RESIDUAL_SHARE[precision] * total).tolist()


def residual(
    window_rows: Float[np.ndarray, "*windows w samples"], degree: int
) -> Float64[np.ndarray, "*windows w samples"]:
    """Rows of windows without each sample's polynomial trend of that degree.

    The first row is taken off before the fit, so that an offset costs no digits. What a line leaves is 0
    where it is no more than the rounding of the losses to their type (or to float64, here).
    """
    losses = window_rows.astype(np.float64)
    field = losses - losses[..., :1, :]
    trend = trend_basis(field.shape[-2], degree)
    for _ in range(2):  # the second pass removes what rounding left of a steep trend
        fitted = trend.T @ field
        field -= trend[0, 0] * fitted if degree == 0 else trend @ fitted  # all rows have the same mean
    if degree == 0:
        return field
    rounding = max(np.finfo(window_rows.dtype).eps, 4 * np.finfo(np.float64).eps)
    return np.where(_energy(field) > rounding**2 * _energy(losses), field, 0.0)


def movement(window_rows: Float[np.ndarray, "w samples"], detrend: str) -> Float64[np.ndarray, " samples"]:
    """Root mean square of each sample's residual over a window's rows, in loss."""
    return np.sqrt(np.mean(residual(window_rows, DEGREES[detrend]) ** 2, axis=0))


def _energy(field: Float64[np.ndarray, "*windows w samples"]) -> Float64[np.ndarray, "*windows 1 1"]:
    """Sum of squares of each window."""
    return np.sum(field * field, axis=(-2, -1), keepdims=True)
