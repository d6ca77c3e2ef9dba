"""What do the signals of warnings say while rows come one at a time? `log_energies`, kept up to date.

Squared distances of a new row x_t from the h - 1 before it follow from its change d_t = x_t - x_{t-1} and
from products of d_t with earlier changes:

    D(t, k) = D(t-1, k-1) + <d_t, d_t> + 2 (<d_t, d_{t-1}> + ... + <d_t, d_{t-k+1}>)

as in `gram`: h n multiplications a row, offsets are gone before the first product, and no rounding is handed
on for longer than h rows. Memory: h changes of n samples.
"""

from collections.abc import Mapping
from math import nan
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from rdmtools.analysis.baselines import ROUNDING, spread
from rdmtools.analysis.log_energies import NAMES, of_energies
from rdmtools.analysis.observables import spectral_heat_capacity
from rdmtools.errors import ParameterError

_HELD = ("last", "changes", "distances", "mean_changes")


class LatestRows:
    """The last h = W // 2 rows, as far as the signals need them.

    Parameters
    ----------
    window
        Rows W of a window, at least 6.
    samples
        Losses of each row.
    """

    def __init__(self, window: int, samples: int) -> None:
        if window < 6:
            raise ParameterError(f"a window of {window} rows; warnings need at least 6; choose window=20")
        self._half = half = window // 2
        self.samples = samples
        self._row = 0  # the next
        self._last = np.zeros(samples)
        self._changes = np.zeros((half - 1, samples))  # a ring: that of row t at t % (half - 1)
        lags = np.arange(half - 1)
        self._by_lag = (lags[:, None] - lags) % (half - 1)  # places of lags 0, 1, ... in the ring
        self._weights = np.where(lags, 2.0, 1.0)
        self._distances = np.zeros((half, half))  # between the rows, the oldest first
        self._mean_changes = np.zeros(half - 1)  # the oldest first
        self._times = np.arange(half) - (half - 1) / 2

    def update(self, losses: Float[np.ndarray, " samples"]) -> dict[str, float]:
        """Take the next row: u of each signal, NaN before there are h rows, and where a loss is not finite.

        Raises
        ------
        ParameterError
            Where the row has not as many losses as were announced.
        """
        if losses.shape != self._last.shape:
            found, needed = losses.shape, self._last.shape
            raise ParameterError(
                f"a row of shape {found}; needed {needed}; log the same samples at every step"
            )
        with np.errstate(invalid="ignore", over="ignore"):
            self._take(losses)
            if self._row < self._half:
                return dict.fromkeys(NAMES, nan)
            values = of_energies(**self._of_samples(), **self._of_mean(), rows=self._half)
        return {name: float(value[0]) for name, value in values.items()}

    def state(self) -> dict[str, Any]:
        """What it remembers, in lists and numbers: h rows of samples."""
        held = {name: getattr(self, f"_{name}").tolist() for name in _HELD}
        return held | {"row": self._row}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state` of as many samples and as long a window."""
        for name in _HELD:
            getattr(self, f"_{name}")[...] = state[name]
        self._row = state["row"]

    def _take(self, losses: Float[np.ndarray, " samples"]) -> None:
        place = self._row % (self._half - 1)
        change = self._changes[place]
        if self._row:
            np.subtract(losses, self._last, out=change, dtype=np.float64)
        self._last[:] = losses
        # Not by BLAS: the same bits with any number of threads, and none is woken for so little.
        products = np.einsum("rs,s->r", self._changes, change)[self._by_lag[place]]
        distances = self._distances
        nearest_first = distances[-1, :0:-1] + np.cumsum(products * self._weights)
        distances[:-1, :-1] = distances[1:, 1:]
        distances[-1, -2::-1] = distances[:-1, -1][::-1] = nearest_first
        self._mean_changes[:-1] = self._mean_changes[1:]
        self._mean_changes[-1] = change.sum() / self.samples
        self._row += 1

    def _of_samples(self) -> dict[str, NDArray[np.float64]]:
        half, distances, times = self._half, self._distances, self._times
        sums = distances.sum(axis=1)
        total = sums.sum(keepdims=True)
        energy = np.maximum(total / (2 * half), 0.0)
        square = 0.25 * (
            (distances * distances).sum() - 2.0 / half * (sums * sums).sum() + (total / half) ** 2
        )
        freedom = half - 1
        shc = spectral_heat_capacity(energy / freedom, square / freedom**2, self.samples)
        drift = -0.5 * (times * (distances * times).sum(axis=1)).sum(keepdims=True) / spread(half)
        return {"shc": shc, "total": energy, "drift": drift}

    def _of_mean(self) -> dict[str, NDArray[np.float64]]:
        half, times = self._half, self._times
        path = np.concatenate([[0.0], np.cumsum(self._mean_changes)])
        slope = (times * path).sum(keepdims=True) / spread(half)
        about = path - path.sum() / half - slope * times
        energy = (about * about).sum(keepdims=True)
        energy[energy <= ROUNDING**2 * (path * path).sum()] = 0.0
        return {"slope": slope, "about_line": energy}
