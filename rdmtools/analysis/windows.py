"""Which rows does a window hold? Trailing windows of one length, as places in arrays of rows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy.lib.stride_tricks import as_strided


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

    def some(self, first: int, count: int, origin: int = 0) -> "Windows":
        """`count` of these windows, from the one numbered `first` on; rows are counted from `origin`."""
        return Windows(
            length=self.length,
            first=self.first + first * self.every - origin,
            count=count,
            every=self.every,
            size_only=self.size_only,
        )

    def ending(self, start: int, stop: int, origin: int) -> "Windows":
        """Those of them that end in rows start .. stop - 1, as places in the rows from `origin` on."""
        last = self.first + self.length - 1
        early, late = (min(max(-((last - row) // self.every), 0), self.count) for row in (start, stop))
        return self.some(early, late - early, origin)

    def skewed(self, array: Float64[np.ndarray, "lags rows"]) -> Float64[np.ndarray, "w windows"]:
        """Entry (p, i): array[p, row at place p of window i]; a view."""
        across, along = array.strides
        return self._view(array, 0, across + along)

    def skewed_ahead(self, array: Float64[np.ndarray, "lags rows"]) -> Float64[np.ndarray, "w windows"]:
        """Entry (p, i): array[W - 1 - p, row at place p of window i]; a view."""
        across, along = array.strides
        return self._view(array, self.length - 1, along - across)

    def pairs(
        self, distances: Float64[np.ndarray, "lags rows"], lag: int
    ) -> Float64[np.ndarray, "pairs windows"]:
        """Entry (p, i): distance of the row at place p of window i from the one `lag` later; a view."""
        along = distances.strides[1]
        return as_strided(
            distances[lag, self.first + lag :],
            (self.length - lag, self.count),
            (along, self.every * along),
            writeable=False,
        )

    def _view(
        self, array: Float64[np.ndarray, "lags rows"], lag: int, across: int
    ) -> Float64[np.ndarray, "w windows"]:
        # Not as_strided, which takes as long as the sum of a few thousand numbers.
        return np.ndarray(
            (self.length, self.count),
            array.dtype,
            array,
            lag * array.strides[0] + self.first * array.strides[1],
            (across, self.every * array.strides[1]),
        )
