"""How far apart are the logged rows? Everything windowed follows from that.

For rows x_t of per-sample losses, the squared distances D(t, k) = |x_t - x_{t-k}|**2 at lags k < W hold the
Gram matrix of every trailing window of every length up to W: with S the W x W matrix of distances inside a
window and P the projection that removes the window's trend, P X X' P = -1/2 P S P (double centring).

    losses (rows, samples) --differences--> products of differences --sums over lags--> distances (lags, rows)

Three properties come from taking differences first:

- Digits: a constant offset is gone before the first product, and a jump touches only the pairs that span it.
- Prefixes: rows enter products of one fixed shape, anchored at absolute rows, and are summed in a fixed
  order, so neither a longer run nor another place to begin changes a bit.
- Shards: distances are a sum over samples; parts of the probe set add up, to rounding.

Cost: for each 16 rows one product of (W + 16, samples) by (samples, 16); nothing else depends on `samples`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from numpy.lib.stride_tricks import as_strided

from rdmtools.analysis.choices import PRECISIONS
from rdmtools.errors import ParameterError

# Rows of one product. Fewer waste the matrix unit, more compute pairs of rows that no window holds.
PRODUCT_ROWS = 16

# Multiplications of one product: OpenBLAS does without packing up to here, twice as fast for such shapes.
_PRODUCT_SIZE = 1_000_000

# Losses turned into differences at once, and the most samples among them: they stay in the cache until they
# are multiplied.
_TILE_SIZE = 1 << 15
_WIDEST = 256

# Losses of the fewest rows that can be worked on at once, where there are very many samples.
_LARGEST_BLOCK = 1 << 24

# In loss**2. Sums of squares of distances over any window stay below what float64 holds.
LARGEST_DISTANCE = 1e145
_TOO_LARGE = {
    "double": f"losses change by more than {LARGEST_DISTANCE**0.5:.0e} between rows; needed less, for SHC "
    "takes their fourth powers; cut the run before it diverges, or divide the losses by a constant",
    "single": "losses change by more than 1e+18 between rows; needed less with precision='single'; "
    "choose 'double', or cut the run before it diverges",
}


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

    def __add__(self, other: "RowGeometry") -> "RowGeometry":
        """The geometry of both sets of samples together, over the same rows."""
        samples = self.samples + other.samples
        share, rest = self.samples / samples, other.samples / samples
        return RowGeometry(
            distances=self.distances + other.distances,
            mean_loss=share * self.mean_loss + rest * other.mean_loss,
            mean_change=share * self.mean_change + rest * other.mean_change,
            samples=samples,
        )


def tile_rows(samples: int) -> int:
    """Rows that are worked on at once; blocks of rows begin and end at multiples of it."""
    fitting = min(_TILE_SIZE // min(samples, _WIDEST), _LARGEST_BLOCK // samples, 2048)
    return max(fitting // PRODUCT_ROWS, 1) * PRODUCT_ROWS


def row_geometry(
    blocks: Iterable[Float[np.ndarray, "_ samples"]],
    *,
    rows: int,
    lags: int,
    tile: int,
    precision: str = "double",
    seen: Callable[[int, Float[np.ndarray, "few part"], slice], None] | None = None,
) -> RowGeometry:
    """Squared distances between rows at lags 0 .. lags - 1, from one pass over blocks of rows.

    Parameters
    ----------
    blocks
        Consecutive rows of per-sample losses, finite, any float type; every block but the last holds a
        multiple of `tile` rows, as does what came before the first.
    rows, lags
        Rows in all blocks together, and the longest window that will be asked for.
    tile
        Rows worked on at once, as `tile_rows` has them for the whole probe set.
    precision
        "double", or "single": differences (each rounded once) and products in float32, sums in float64.
    seen
        ``seen(row, losses, columns)`` is told of a few rows of some samples at a time, each row once, in
        order for each sample, while they are in the cache; the array is used again after the call.

    Raises
    ------
    ParameterError
        Where the losses are so large that fourth powers of their changes overflow.
    """
    distances = np.zeros((lags, rows))
    mean_loss, mean_change = np.zeros(rows), np.zeros(rows)
    stream: _DifferenceProducts | None = None
    row = 0
    with np.errstate(over="ignore", invalid="ignore"):  # told in words below
        for block in blocks:
            stream = stream or _DifferenceProducts(block[0], lags, tile, precision, seen)
            for few in stream.at_once(block):
                here = slice(row, row + len(few))
                mean_loss[here], mean_change[here] = stream.push(few, distances[1:, here])
                row += len(few)
        if stream is None or row != rows:
            raise ValueError(f"{row} rows came, {rows} were announced")
        _accumulate_distances(distances)
    if not distances.max() < LARGEST_DISTANCE:
        raise ParameterError(_TOO_LARGE[precision])
    return RowGeometry(
        distances=distances, mean_loss=mean_loss, mean_change=mean_change, samples=stream.samples
    )


class _DifferenceProducts:
    """Products of each row difference with those before it, over blocks of rows that follow each other."""

    def __init__(
        self,
        first_row: Float[np.ndarray, " samples"],
        lags: int,
        tile: int,
        precision: str,
        seen: Callable[[int, Float[np.ndarray, "few part"], slice], None] | None,
    ) -> None:
        self.samples = len(first_row)
        self._tile, self._seen, self._row = tile, seen, 0
        self._history = history = -(-max(lags - 2, 1) // 8) * 8
        widest = max(min(_PRODUCT_SIZE // (PRODUCT_ROWS * (history + PRODUCT_ROWS)), _WIDEST), 8)
        # Differences of float32 are exact in float64; in single precision they are rounded once.
        kinds = np.result_type(PRECISIONS[precision], first_row.dtype), np.dtype(PRECISIONS[precision])
        parts = -(-self.samples // widest)
        edges = [*(self.samples * part // parts // 8 * 8 for part in range(parts)), self.samples]
        self._columns = [slice(*ends) for ends in pairwise(edges)]
        shapes = {each.stop - each.start for each in self._columns}
        self._strips = {
            samples: _Strip(tile, samples, history, 1 / self.samples, *kinds) for samples in shapes
        }
        self._before = np.repeat(first_row[None], history + 1, axis=0)

    def at_once(self, block: Float[np.ndarray, "few samples"]) -> Iterator[Float[np.ndarray, "_ samples"]]:
        """The rows that are pushed at once: fewer, in the cache, where they need not come in strips."""
        rows = len(block) if len(self._columns) > 1 else self._tile
        for start in range(0, len(block), rows):
            yield block[start : start + rows]

    def push(
        self, block: Float[np.ndarray, "few samples"], by_lag: Float64[np.ndarray, "lags few"]
    ) -> tuple[Float64[np.ndarray, " few"], Float64[np.ndarray, " few"]]:
        """Set products at lags 0, 1, ...; returns the means of rows and of differences."""
        rows, count = self._tile, len(block)
        tiles = range(0, count, rows)
        groups = rows // PRODUCT_ROWS
        products = np.empty((len(tiles) * groups, self._history + PRODUCT_ROWS, PRODUCT_ROWS))
        changes, firsts = np.zeros((len(tiles), rows)), np.zeros(len(tiles))
        for columns in self._columns:
            strip = self._strips[columns.stop - columns.start]
            if self._row == 0 or len(self._columns) > 1:  # else it has them already
                strip.begin(self._before[:, columns])
            for number, start in enumerate(tiles):
                losses = strip.take(block[start : start + rows, columns])
                if self._seen is not None:
                    self._seen(self._row + start, losses, columns)
                here = slice(number * groups, (number + 1) * groups)
                strip.multiply(products[here], more=columns.start > 0)
                strip.add_up(changes[number], firsts[number : number + 1])
        self._row += count
        if len(self._columns) > 1:
            needed = len(self._before)
            self._before = np.concatenate([self._before[count:], block[-needed:]])
        # From the first row of each tile on, means of rows follow from those of differences.
        means = np.cumsum(np.concatenate([firsts[:, None], changes[:, 1:]], axis=1), axis=1)
        _set_by_lag(by_lag, products)
        return means.ravel()[:count], changes.ravel()[:count]


class _Strip:
    """Differences of a tile of rows, of some samples: transposed, behind those of the rows before them."""

    def __init__(
        self,
        rows: int,
        samples: int,
        history: int,
        weight: float,
        kind: np.dtype[Any],
        product: np.dtype[Any],
    ) -> None:
        # Row strides that are powers of two would share few sets of the cache: 8 more.
        losses = np.zeros((rows + 1, samples + 8), kind)
        differences = np.zeros((rows, samples + 8), kind)
        self._losses, self._differences = losses[:, :samples], differences[:, :samples]
        # Row after row, as one: NumPy subtracts a long line in a third of the time of many short ones.
        self._line = losses[1:].reshape(-1), losses[:-1].reshape(-1), differences.reshape(-1)
        self._weights = np.full(samples, weight, kind)
        across = history + rows
        held = np.zeros((samples, across + 8 * (across % 64 == 0)), product)
        self._earlier, self._latest = held[:, :history], held[:, rows:across]
        self._new = held[:, history:across]
        groups = rows // PRODUCT_ROWS
        self._product = np.empty((groups, history + PRODUCT_ROWS, PRODUCT_ROWS), product)
        sample, row = held.strides
        group = PRODUCT_ROWS * row
        self._with_earlier = as_strided(held, (groups, history + PRODUCT_ROWS, samples), (group, row, sample))
        self._alone = as_strided(self._new, (groups, samples, PRODUCT_ROWS), (group, sample, row))

    def begin(self, before: Float[np.ndarray, "_ samples"]) -> None:
        """The rows that come before the first."""
        self._losses[-1] = before[-1]
        self._latest[:] = np.diff(before.astype(self._losses.dtype), axis=0).T

    def take(self, losses: Float[np.ndarray, "few samples"]) -> Float[np.ndarray, "few samples"]:
        """The rows that come next; returned as they are held here.

        A last, short tile is filled with its last row: products keep their shape, hence their bits.
        """
        held, count = self._losses, len(losses)
        held[0] = held[-1]
        held[1 : count + 1] = losses
        if count < len(held) - 1:
            held[count + 1 :] = losses[-1]
        return held[1 : count + 1]

    def multiply(self, products: Float64[np.ndarray, "groups w rows"], *, more: bool) -> None:
        """Products of the rows' differences with those and earlier ones; `more`: added to what is there."""
        np.subtract(*self._line[:2], out=self._line[2])
        self._earlier[:] = self._latest
        self._new[:] = self._differences.T
        np.matmul(self._with_earlier, self._alone, out=self._product)
        if more:
            products += self._product
        else:
            products[...] = self._product

    def add_up(self, changes: Float64[np.ndarray, " tile"], first: Float64[np.ndarray, " 1"]) -> None:
        """Add what goes into the means of the rows' differences and into that of the first row."""
        changes += self._differences @ self._weights
        first += self._losses[1] @ self._weights


def _set_by_lag(
    by_lag: Float64[np.ndarray, "lags rows"], products: Float64[np.ndarray, "groups w few"]
) -> None:
    """Entry (l, t): the product of difference t with difference t - l."""
    (lags, rows), (_, across, few) = by_lag.shape, products.shape
    group, before, row = products.strides
    view = as_strided(
        products[:, across - few :], shape=(lags, len(products), few), strides=(-before, group, before + row)
    )
    whole = rows // few
    by_lag[:, : whole * few].reshape(lags, whole, few)[...] = view[:, :whole]
    if rows % few:
        by_lag[:, whole * few :] = view[:, whole, : rows % few]


def _accumulate_distances(products: Float64[np.ndarray, "lags rows"]) -> None:
    """Turn products of differences into squared distances, in place; those at lag l stand in row l + 1.

    With d_t = x_t - x_{t-1} and g(t, j) = <d_t, d_{t-j}>, splitting x_t - x_{t-k} into its last difference
    and the rest gives D(t, k) = D(t-1, k-1) + g(t, 0) + 2 (g(t, 1) + ... + g(t, k-1)).
    """
    lags, rows = products.shape
    growth = np.zeros(rows)
    for lag in range(1, lags):
        here = products[lag]
        if lag > 1:
            here *= 2.0
        growth += here
        here[:lag] = 0.0
        np.add(products[lag - 1, lag - 1 : rows - 1], growth[lag:], out=here[lag:])


def window_distances(
    distances: Float64[np.ndarray, "lags rows"], window: int, starts: range
) -> Float64[np.ndarray, "count w w"]:
    """Distance matrices of the trailing windows that begin at those rows; a copy."""
    first, stop = starts[0], starts[-1] + window
    band = np.zeros((2 * window - 1, stop - first))
    for lag in range(window):
        part = distances[lag, first + lag : stop]
        band[window - 1 + lag, lag:] = part
        band[window - 1 - lag, : len(part)] = part
    # Entry (i, j) of the window that begins at row s is band[window - 1 + i - j, s + i]: a strided view.
    across, along = band.strides
    view = as_strided(
        band[window - 1 :],
        shape=(len(starts), window, window),
        strides=(starts.step * along, across + along, -across),
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
