"""What do the windows say? SHC, PR, total variance and the baselines of every trailing window.

With lam the eigenvalues of a window's 2RDM C (all n of them, structural zeros included), and K the W x W Gram
matrix that shares its nonzero spectrum:

    total_variance = sum(lam) = tr K        shc = mean(lam**2) - mean(lam)**2 = |K|**2 / n - (tr K / n)**2
    pr = sum(lam)**2 / sum(lam**2)          shc = total_variance**2 / n * (1 / pr - 1 / n)

Neither needs an eigensolver. Under constant detrending they do not even need K: tr K, |K|**2, the drift and
the lag-1 products are sums over the distances inside the window (`gram.py`), which running sums along the
lags give in O(W) operations a window. A linear trend is removed from the W x W matrix itself, because
closed-form sums would cancel; windows that are all trend are computed again from their rows.

Source: Hennick & Corlouer, arXiv:2603.29805 (2RDM, SHC, PR). Window, divisor and detrending are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Float64, Int

from rdmtools.analysis.gram import RowGeometry, centred_gram, trend_basis, window_distances

DEGREES = {"constant": 0, "linear": 1}

# A linear residual below this share of the window's movement has lost over half of its digits in the
# distances (error: rounding / share), so it is taken from the rows instead.
SMALLEST_RESIDUAL_SHARE = 1e-5

# Windows whose W x W matrices are in memory at once: few enough for the cache.
WINDOWS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Observables:
    """One value per trailing window, in the order of the windows' last rows, window - 1 .. rows - 1."""

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
    geometry: RowGeometry,
    steps: Int[np.ndarray, " rows"],
    *,
    window: int,
    detrend: str = "constant",
    rows: Callable[[int, int], Float[np.ndarray, "_ samples"]],
) -> Observables:
    """Observables of every trailing window of that length.

    Parameters
    ----------
    geometry
        From `row_geometry`, with at least `window` lags.
    steps
        Training step of each row; only the slope of the mean loss uses it.
    window
        Length in logged rows: at least 2 with "constant", 3 with "linear" detrending.
    rows
        ``rows(start, stop)`` returns those rows of losses. Called only for windows that are almost all trend.

    Notes
    -----
    The value at index i uses rows i .. i + window - 1 and nothing else.
    """
    degree = DEGREES[detrend]
    moments = _constant_moments(geometry.distances, window)
    drift_share = _ratio(moments.drift, moments.energy)
    if degree == 1:
        moments = _linear_moments(geometry.distances, window, moments)
        for start in _blurred(moments.energy, moments.total_energy):
            moments.replace(start, residual(rows(start, start + window), degree))
    freedom = window - 1 - degree
    samples = geometry.samples
    trace, square = moments.energy / freedom, moments.square / freedom**2
    mean, variance, slope = _mean_baselines(geometry, steps, window, degree)
    return Observables(
        shc=spectral_heat_capacity(trace, square, samples),
        pr=_ratio(trace**2, square),
        total_variance=trace,
        drift_share=drift_share,
        autocorrelation=_ratio(moments.lagged, moments.energy),
        mean_loss=mean,
        mean_loss_variance=variance,
        mean_loss_slope=slope,
    )


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


def eigenvalues(
    geometry: RowGeometry,
    *,
    window: int,
    detrend: str = "constant",
    rows: Callable[[int, int], Float[np.ndarray, "_ samples"]],
) -> Float64[np.ndarray, "windows modes"]:
    """Nonzero spectrum of every trailing window's 2RDM, largest first, in loss**2.

    ``modes = min(samples, window - 1)`` ("linear": window - 2); the other eigenvalues are zero by structure.
    W x W Gram matrices are solved, or the W x n rows themselves where there are fewer samples than rows. From
    a Gram matrix, eigenvalues below 1e-13 of the largest are rounding.
    """
    degree = DEGREES[detrend]
    freedom = window - 1 - degree
    count = geometry.distances.shape[1] - window + 1
    modes = min(geometry.samples, freedom)
    spectra = np.empty((count, modes))
    for first in range(0, count, WINDOWS_AT_ONCE):
        here = min(WINDOWS_AT_ONCE, count - first)
        if geometry.samples < window:
            block = rows(first, first + here + window - 1)
            views = np.lib.stride_tricks.sliding_window_view(block, window, axis=0)  # (here, samples, window)
            solved = np.linalg.svd(residual(views.swapaxes(1, 2), degree), compute_uv=False) ** 2
        else:
            apart = window_distances(geometry.distances, window, first, here)
            matrices = centred_gram(apart, degree)
            energy = np.trace(matrices, axis1=1, axis2=2)
            total = apart.sum(axis=(1, 2)) / (2 * window)
            for index in _blurred(energy, total) if degree else ():
                field = residual(rows(first + index, first + index + window), degree)
                matrices[index] = field @ field.T
            solved = np.maximum(np.linalg.eigvalsh(matrices)[:, ::-1], 0.0)
        spectra[first : first + here] = solved[:, :modes] / freedom
    return spectra


def top_share(spectra: Float64[np.ndarray, "windows modes"]) -> Float64[np.ndarray, " windows"]:
    """lam_1 / sum(lam) of each window; NaN for C = 0."""
    return _ratio(spectra[:, 0], spectra.sum(axis=1))


def effective_rank(spectra: Float64[np.ndarray, "windows modes"]) -> Float64[np.ndarray, " windows"]:
    """exp of the entropy of p = lam / sum(lam), 1 .. modes; NaN for C = 0."""
    shares = _ratio(spectra, spectra.sum(axis=1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.sum(np.where(shares > 0, shares * np.log(shares), 0.0), axis=1)
    return np.where(np.isnan(shares[:, 0]), np.nan, np.exp(entropy))


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
        field = field - trend @ (trend.T @ field)
    if degree == 0:
        return field
    rounding = max(np.finfo(window_rows.dtype).eps, 4 * np.finfo(np.float64).eps)
    return np.where(_energy(field) > rounding**2 * _energy(losses), field, 0.0)


def _energy(field: Float64[np.ndarray, "*windows w samples"]) -> Float64[np.ndarray, "*windows 1 1"]:
    """Sum of squares of each window."""
    return np.sum(field * field, axis=(-2, -1), keepdims=True)


def _blurred(energy: Float64[np.ndarray, " windows"], total: Float64[np.ndarray, " windows"]) -> list[int]:
    """Windows that are almost all line, to be computed from their rows: `energy` of `total` is left."""
    return np.flatnonzero(energy < SMALLEST_RESIDUAL_SHARE * total).tolist()


@dataclass(slots=True, kw_only=True)
class _Moments:
    """Sums over each window's centred Gram matrix K nu, before any division."""

    energy: Float64[np.ndarray, " windows"]  # trace
    square: Float64[np.ndarray, " windows"]  # squared Frobenius norm
    lagged: Float64[np.ndarray, " windows"]  # sum of the first off-diagonal
    drift: Float64[np.ndarray, " windows"]  # energy of the linear trend
    total_energy: Float64[np.ndarray, " windows"]  # trace under constant detrending

    def replace(self, index: int, field: Float64[np.ndarray, "w samples"]) -> None:
        gram = field @ field.T
        self.energy[index] = np.trace(gram)
        self.square[index] = np.sum(gram * gram)
        self.lagged[index] = np.trace(gram, offset=1)


def _constant_moments(distances: Float64[np.ndarray, "lags rows"], window: int) -> _Moments:
    """Moments of every window's centred Gram matrix, from sums of distances alone.

    With S the distances inside a window, s_i its row sums and s their sum, K nu = -1/2 (S - row means -
    column means + mean), so tr = s / 2W and |K nu|**2 = 1/4 (|S|**2 - 2/W sum s_i**2 + s**2 / W**2). The part
    of s_i that looks back from row i depends on the window only through how far it looks: running sums over
    the lags, shared by all windows; likewise forward. Every operation runs over all windows at once.
    """
    rows = distances.shape[1]
    count = rows - window + 1
    middle = (window - 1) / 2
    back = np.zeros((window, rows))  # sum of D(i, k) over lags k <= the index
    ahead = np.zeros((window, rows))
    for lag in range(1, window):
        np.add(back[lag - 1], distances[lag], out=back[lag])
        ahead[lag] = ahead[lag - 1]
        ahead[lag, : rows - lag] += distances[lag, lag:]

    squares = np.zeros(rows)  # sum of D(i, k)**2 over the lags so far
    lever = np.zeros(rows)  # sum of k D(i, k)
    total, frobenius, row_squares, lagged, drift = (np.zeros(count) for _ in range(5))
    first = last = np.zeros(count)
    for place in range(window):
        at = slice(place, place + count)  # the row at this place of every window
        if place:
            squares += distances[place] ** 2
            lever += place * distances[place]
            lagged += distances[1, at]
        sums = back[place, at] + ahead[window - 1 - place, at]
        total += sums
        frobenius += squares[at]
        row_squares += sums * sums
        time = place - middle
        drift -= time * (time * back[place, at] - lever[at])
        if place == 0:
            first = sums
        last = sums
    energy = total / (2 * window)
    square = 0.25 * (2.0 * frobenius - (2.0 / window) * row_squares + (total / window) ** 2)
    pairs = 2.0 * total - first - last  # row sums of neighbouring rows, added up
    lagged = -0.5 * (lagged - pairs / window + (window - 1) * total / window**2)
    times = np.arange(window) - middle
    drift /= times @ times
    return _Moments(energy=energy, square=square, lagged=lagged, drift=drift, total_energy=energy)


def _linear_moments(distances: Float64[np.ndarray, "lags rows"], window: int, constant: _Moments) -> _Moments:
    """Moments after a linear trend has been removed from every window's matrix, a few windows at a time."""
    count = len(constant.energy)
    energy, square, lagged = np.empty(count), np.empty(count), np.empty(count)
    for first in range(0, count, WINDOWS_AT_ONCE):
        here = slice(first, min(first + WINDOWS_AT_ONCE, count))
        gram = centred_gram(window_distances(distances, window, first, here.stop - first), degree=1)
        energy[here] = np.trace(gram, axis1=1, axis2=2)
        square[here] = np.einsum("wij,wij->w", gram, gram)
        lagged[here] = np.trace(gram, offset=1, axis1=1, axis2=2)
    return _Moments(
        energy=energy, square=square, lagged=lagged, drift=constant.drift, total_energy=constant.total_energy
    )


def _mean_baselines(
    geometry: RowGeometry, steps: Int[np.ndarray, " rows"], window: int, degree: int
) -> tuple[Float64[np.ndarray, " windows"], Float64[np.ndarray, " windows"], Float64[np.ndarray, " windows"]]:
    """Mean, variance and slope of the probe mean over every window.

    Variance and slope start from the changes inside the window, not from the level, to keep their digits.
    """
    views = np.lib.stride_tricks.sliding_window_view
    level = views(geometry.mean_loss, window).mean(axis=1)
    path = np.zeros((len(level), window))
    np.cumsum(views(geometry.mean_change, window)[:, 1:], axis=1, out=path[:, 1:])
    centred = residual(path[..., None], 0)[..., 0]
    detrended = residual(path[..., None], degree)[..., 0] if degree else centred
    times = views(steps, window) - views(steps, window)[:, :1].astype(np.float64)
    times = times - times.mean(axis=1, keepdims=True)
    slope = np.sum(times * centred, axis=1) / np.sum(times * times, axis=1)
    return level, np.sum(detrended * detrended, axis=1) / (window - 1 - degree), slope


def _ratio(
    part: Float64[np.ndarray, "*shape"], whole: Float64[np.ndarray, "*wide"]
) -> Float64[np.ndarray, "*shape"]:
    """part / whole, NaN where whole is not positive: a window in which nothing moves has no shares."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
