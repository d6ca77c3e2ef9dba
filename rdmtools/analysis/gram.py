"""How far apart are the logged rows? Everything windowed follows from that.

For rows x_t of per-sample losses, the squared distances D(t, k) = |x_t - x_{t-k}|**2 at lags k < W hold the
Gram matrix of every trailing window of every length up to W: with S the W x W matrix of distances inside a
window and P the projection that removes the window's trend, P X X' P = -1/2 P S P (double centring).

    losses (rows, samples) --differences--> products of differences --sums over lags--> distances (lags, rows)

Three properties come from taking differences first, in float64:

- Digits: a constant offset is gone before the first product, and a jump touches only the pairs that span it.
- Prefixes: rows enter products of one fixed shape, anchored at absolute rows, and are summed in a fixed
  order, so a longer run gives the same bits earlier.
- Shards: distances are a sum over samples; parts of the probe set add up, to rounding.

Cost: one product of (32, samples) by (samples, W + 32) for each 32 rows; nothing else depends on `samples`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from rdmtools.errors import ParameterError

# Rows of one product. Fewer waste the matrix unit, more compute pairs of rows that no window holds.
PRODUCT_ROWS = 32

# In loss**2. Sums of squares of distances over any window stay below what float64 holds.
LARGEST_DISTANCE = 1e145


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGeometry:
    """Distances between logged rows, and the probe mean: all that the observables need of the losses."""

    distances: Float64[np.ndarray, "lags rows"]
    """Squared distance of row t from row t - k, in loss**2, summed over samples; 0 where t < k."""
    mean_loss: Float64[np.ndarray, " rows"]
    """Mean over the probe samples, in loss."""
    mean_change: Float64[np.ndarray, " rows"]
    """Change of the mean since the row before (0 at the first), kept apart for its digits."""
    samples: int


def row_geometry(blocks: Iterable[Float[np.ndarray, "_ samples"]], *, rows: int, lags: int) -> RowGeometry:
    """Squared distances between rows at lags 0 .. lags - 1, from one pass over blocks of rows.

    Parameters
    ----------
    blocks
        Consecutive rows of per-sample losses, finite, any float type; every block but the last holds a
        multiple of `PRODUCT_ROWS` rows.
    rows, lags
        Rows in all blocks together, and the longest window that will be asked for.

    Raises
    ------
    ParameterError
        Where the losses are so large that fourth powers of their changes overflow (never in float32).
    """
    products = np.zeros((lags, rows))
    mean_loss, mean_change = np.zeros(rows), np.zeros(rows)
    stream: _DifferenceProducts | None = None
    row = 0
    with np.errstate(over="ignore", invalid="ignore"):  # told in words below
        for block in blocks:
            if stream is None:
                stream = _DifferenceProducts(block[0], lags)
            for start in range(0, len(block), PRODUCT_ROWS):
                piece = block[start : start + PRODUCT_ROWS]
                here = slice(row, row + len(piece))
                products[:-1, here], mean_loss[here], mean_change[here] = stream.push(piece)
                row += len(piece)
        if stream is None or row != rows:
            raise ValueError(f"{row} rows came, {rows} were announced")
        _accumulate_distances(products)
    if not products.max() < LARGEST_DISTANCE:
        raise ParameterError(
            f"losses change by more than {LARGEST_DISTANCE**0.5:.0e} between rows; needed less, for SHC "
            "takes their fourth powers; cut the run before it diverges, or divide the losses by a constant"
        )
    return RowGeometry(
        distances=products, mean_loss=mean_loss, mean_change=mean_change, samples=stream.samples
    )


class _DifferenceProducts:
    """Products of each row difference with those before it, on a ring of recent differences."""

    def __init__(self, first_row: Float[np.ndarray, " samples"], lags: int) -> None:
        self.samples = samples = len(first_row)
        history = -(-max(lags - 2, 0) // PRODUCT_ROWS) * PRODUCT_ROWS
        self._ring = np.zeros((history + PRODUCT_ROWS, samples))
        self._rows = np.empty((PRODUCT_ROWS + 1, samples))
        self._rows[0] = first_row
        self._weights = np.full(samples, 1.0 / samples)
        self._lags = np.arange(lags - 1)[:, None]
        self._slot = 0

    def push(
        self, piece: Float[np.ndarray, "few samples"]
    ) -> tuple[Float64[np.ndarray, "lags few"], Float64[np.ndarray, " few"], Float64[np.ndarray, " few"]]:
        count, rows = len(piece), self._rows
        rows[1 : count + 1] = piece
        rows[count + 1 :] = rows[count]  # a last, short piece keeps the shape of the product, hence its bits
        newest = self._ring[self._slot : self._slot + PRODUCT_ROWS]
        np.subtract(rows[1:], rows[:-1], out=newest)
        products = newest @ self._ring.T
        means = rows[1:] @ self._weights
        changes = newest @ self._weights
        rows[0] = rows[count]

        places = np.arange(PRODUCT_ROWS)[None, :]
        by_lag = products[places, (self._slot + places - self._lags) % len(self._ring)]
        self._slot = (self._slot + PRODUCT_ROWS) % len(self._ring)
        return by_lag[:, :count], means[:count], changes[:count]


def _accumulate_distances(products: Float64[np.ndarray, "lags rows"]) -> None:
    """Turn products of differences into squared distances, in place.

    With d_t = x_t - x_{t-1} and g(t, j) = <d_t, d_{t-j}>, splitting x_t - x_{t-k} into its last difference
    and the rest gives D(t, k) = D(t-1, k-1) + g(t, 0) + 2 (g(t, 1) + ... + g(t, k-1)).
    """
    lags, rows = products.shape
    growth = np.zeros(rows)
    previous = np.zeros(rows)
    for lag in range(1, lags):
        growth += products[lag - 1] if lag == 1 else 2.0 * products[lag - 1]
        if lag > 1:
            products[lag - 1] = previous
        current = np.zeros(rows)
        current[lag:] = previous[lag - 1 : rows - 1] + growth[lag:]
        previous = current
    products[0] = 0.0
    products[lags - 1] = previous if lags > 1 else 0.0


def window_distances(
    distances: Float64[np.ndarray, "lags rows"], window: int, first: int, count: int
) -> Float64[np.ndarray, "count w w"]:
    """Distance matrices of `count` trailing windows, the first of which begins at row `first`; a copy."""
    stop = first + count + window - 1
    band = np.zeros((2 * window - 1, count + window - 1))
    for lag in range(window):
        part = distances[lag, first + lag : stop]
        band[window - 1 + lag, lag:] = part
        band[window - 1 - lag, : len(part)] = part
    # Entry (i, j) of the window that begins at row s is band[window - 1 + i - j, s + i]: a strided view.
    across, along = band.strides
    view = np.lib.stride_tricks.as_strided(
        band[window - 1 :], shape=(count, window, window), strides=(along, across + along, -across)
    )
    return np.ascontiguousarray(view)


def centred_gram(
    distances: Float64[np.ndarray, "windows w w"], degree: int
) -> Float64[np.ndarray, "windows w w"]:
    """P X X' P of each window: the polynomial trend of that degree removed from every sample."""
    trend = trend_basis(distances.shape[-1], degree)
    along = distances @ trend
    half = along - 0.5 * trend @ (trend.T @ along)
    correction = half @ trend.T
    return -0.5 * (distances - correction - correction.swapaxes(-1, -2))


def trend_basis(window: int, degree: int) -> Float64[np.ndarray, "w columns"]:
    """Orthonormal columns that span the polynomials of that degree (0 or 1) over the rows of a window."""
    constant = np.full(window, window**-0.5)
    if degree == 0:
        return constant[:, None]
    times = np.arange(window) - (window - 1) / 2
    return np.stack([constant, times / np.sqrt(times @ times)], axis=1)
