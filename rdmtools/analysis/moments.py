"""How much do the windows move, and in how many directions? Sums over each window's Gram matrix.

With S the squared distances inside a window, s_i their row sums and s the sum of all, the centred Gram matrix
is K nu = -1/2 (S - row means - column means + mean), so that under constant detrending

    tr K nu = s / 2W        |K nu|**2 = 1/4 (|S|**2 - 2/W sum s_i**2 + s**2 / W**2)

and drift and lag-1 products are sums of distances as well: O(W) operations a window whatever the probe set.
The part of s_i that looks back from row i depends on the window only through how far it looks: running sums
over the lags, shared by all windows of all lengths; likewise forward. A linear trend is removed from the
W x W matrix itself, because closed-form sums would cancel; windows that are all trend are computed from their
rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.analysis.choices import DEGREES
from rdmtools.analysis.gram import centred_gram, trend_basis, window_distances

# Windows whose W x W matrices are in memory at once: few enough for the cache.
WINDOWS_AT_ONCE = 64

# A linear residual below this share of the window's movement has lost over half of its digits in the
# distances (error: rounding / share), so it is taken from the rows instead.
SMALLEST_RESIDUAL_SHARE = {"double": 1e-5, "single": 1e-2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Trailing windows of one length, as places in an array of rows."""

    length: int
    first: int
    """First row of the first window."""
    count: int
    every: int = 1
    """Rows from one window to the next."""
    size_only: bool = False
    """Whether only the energy and the square of their moments are asked for; the others then mean nothing."""

    def at(self, place: int) -> slice:
        """The row at that place of every window."""
        if self.count < 1:
            return slice(0, 0)
        start = self.first + place
        return slice(start, start + (self.count - 1) * self.every + 1, self.every)

    def starts(self) -> range:
        """First row of each window."""
        return range(self.first, self.first + self.count * self.every, self.every)

    def some(self, first: int, count: int) -> "Windows":
        """`count` of these windows, from the one numbered `first` on."""
        start = self.first + first * self.every
        return replace(self, first=start, count=count)


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


def moments(
    distances: Float64[np.ndarray, "lags rows"],
    windows: Sequence[Windows],
    *,
    detrend: str = "constant",
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
    precision
        That of the distances.
    rows
        ``rows(start, stop)`` returns those rows of losses. Called only for windows that are almost all trend.
    """
    constant = _constant_moments(distances, windows)
    if DEGREES[detrend] == 0:
        return constant
    return [
        _linear_moments(distances, each, about_mean, rows, precision)
        for each, about_mean in zip(windows, constant, strict=True)
    ]


def _constant_moments(
    distances: Float64[np.ndarray, "lags rows"], windows: Sequence[Windows]
) -> list[Moments]:
    """Moments about each window's mean."""
    rows = distances.shape[1]
    longest = max(each.length for each in windows)
    ahead = np.zeros((longest, rows))  # sum of D(i + k, k) over lags k <= the index
    for lag in range(1, longest):
        ahead[lag] = ahead[lag - 1]
        ahead[lag, : rows - lag] += distances[lag, lag:]

    so_far = np.zeros((3, rows))
    back, squares, lever = so_far  # sums of D(i, k), D(i, k)**2 and k D(i, k) over the lags k so far
    sums = [_Sums(each) for each in windows]
    for place in range(longest):
        if place:
            back += distances[place]
            squares += distances[place] ** 2
            lever += place * distances[place]
        for each in sums:
            if place < each.windows.length:
                each.add(place, distances, ahead, so_far)
    return [each.moments() for each in sums]


class _Sums:
    """What adds up over the rows of every window of one length."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self._middle = (windows.length - 1) / 2
        self._total, self._frobenius, self._row_squares = np.zeros((3, windows.count))
        self._lagged, self._drift = np.zeros((2, windows.count))
        self._first = self._last = np.zeros(windows.count)

    def add(
        self,
        place: int,
        distances: Float64[np.ndarray, "lags rows"],
        ahead: Float64[np.ndarray, "lags rows"],
        so_far: Float64[np.ndarray, "3 rows"],
    ) -> None:
        """Take the row at that place of every window."""
        at = self.windows.at(place)
        back, squares, lever = so_far[:, at]
        sums = back + ahead[self.windows.length - 1 - place, at]
        self._total += sums
        self._frobenius += squares
        self._row_squares += sums * sums
        if self.windows.size_only:
            return
        time = place - self._middle
        self._drift -= time * (time * back - lever)
        if place:
            self._lagged += distances[1, at]
        else:
            self._first = sums
        self._last = sums

    def moments(self) -> Moments:
        window, total = self.windows.length, self._total
        energy = np.maximum(total / (2 * window), 0.0)  # below, where products in float32 vanish
        square = 2.0 * self._frobenius - (2.0 / window) * self._row_squares + (total / window) ** 2
        pairs = 2.0 * total - self._first - self._last  # row sums of neighbouring rows, added up
        lagged = -0.5 * (self._lagged - pairs / window + (window - 1) * total / window**2)
        times = np.arange(window) - self._middle
        return Moments(
            energy=energy,
            square=0.25 * square,
            lagged=lagged,
            drift=self._drift / (times @ times),
            total_energy=energy,
        )


def _linear_moments(
    distances: Float64[np.ndarray, "lags rows"],
    windows: Windows,
    constant: Moments,
    rows: Callable[[int, int], Float[np.ndarray, "_ samples"]],
    precision: str,
) -> Moments:
    """Moments about each window's line, a few windows at a time; `constant` are those about the mean."""
    energy, square, lagged = np.empty((3, windows.count))
    for first in range(0, windows.count, WINDOWS_AT_ONCE):
        few = windows.some(first, min(WINDOWS_AT_ONCE, windows.count - first))
        here = slice(first, first + few.count)
        gram = centred_gram(window_distances(distances, few.length, few.starts()), degree=1)
        energy[here] = np.trace(gram, axis1=1, axis2=2)
        square[here] = np.einsum("wij,wij->w", gram, gram)
        lagged[here] = np.trace(gram, offset=1, axis1=1, axis2=2)
    for index in blurred(energy, constant.total_energy, precision):
        start = windows.starts()[index]
        field = residual(rows(start, start + windows.length), degree=1)
        gram = field @ field.T
        energy[index], square[index], lagged[index] = gram.trace(), np.sum(gram * gram), gram.trace(offset=1)
    return replace(constant, energy=energy, square=square, lagged=lagged)


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
