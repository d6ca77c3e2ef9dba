"""How much do the windows move about their lines? Taken out of sums about the mean, O(W) operations a window.

With t the times of a window's rows about its middle, T = sum t**2, G the Gram matrix about the mean, z = G t
and a = t' z, the matrix about the line is

    G - (z t' + t z') / T + a t t' / T**2    trace: tr G - a / T    square: |G|**2 - 2 |z|**2 / T + (a / T)**2

and z_i = -1/2 (y_i - mean of y), where y_i is the sum of t_j D_ij: running sums over the lags have it
(`lag_sums`). a / T is the energy of the drift.

What is left of the square is a difference, so its error is rounding times what was there over what is left:
2e-15 to 7e-15 of what was there was found, in smooth descents with noise and windows of 20 to 400 rows.
Windows of whose square too little is left are computed from all their pairs instead, half of the matrix lag
by lag, many windows at a time: row i and row j have -1/2 (D_ij - f_i - f_j - h_i t_j - h_j t_i), with

    f_i = s_i / W - 1/2 (s / W**2 + t_i Y / TW)      h_i = y_i / T - 1/2 (Y / TW + t_i t'y / T**2)

for the row sums s_i, s their sum and Y that of the y_i. What is lost there is lost in the distances
themselves: rounding over the share of energy that is left.
"""

import numpy as np
from jaxtyping import Bool, Float64

from rdmtools.analysis.lag_sums import Looking, added_up, row_levers, row_sums
from rdmtools.analysis.windows import Windows

# Of the square about the mean. Where a line leaves less, the difference has lost too many digits.
LEAST_SQUARE = 2e-5

# Values of rows of windows that are worked on at once: they stay in the cache.
_AT_ONCE = 1 << 15


def about_line(
    distances: Float64[np.ndarray, "lags rows"],
    back: Looking,
    ahead: Looking,
    windows: Windows,
    about_mean: Float64[np.ndarray, "3 windows"],
    drift: Float64[np.ndarray, " windows"],
) -> Float64[np.ndarray, "3 windows"]:
    """Trace, square and sum of the first off-diagonal of each window's Gram matrix about its line.

    Parameters
    ----------
    about_mean
        The same, about the mean.
    drift
        Energy of the line.
    """
    found = np.empty_like(about_mean)
    at_once = max(_AT_ONCE // windows.length, 16)
    for first in range(0, windows.count, at_once):
        here = slice(first, min(first + at_once, windows.count))
        few = windows.some(first, here.stop - first)
        levers = row_levers(back, ahead, few)
        found[:, here] = _line_removed(levers, about_mean[:, here], drift[here])
        blurred = found[1, here] < LEAST_SQUARE * about_mean[1, here]
        if blurred.any():
            within = _narrowest(blurred)
            exact = _of_all_pairs(distances, back, ahead, few.some(within.start, within.stop - within.start))
            found[:, here][:, blurred] = exact[:, blurred[within]]
    return found


def _line_removed(
    levers: Float64[np.ndarray, "w windows"],
    about_mean: Float64[np.ndarray, "3 windows"],
    drift: Float64[np.ndarray, " windows"],
) -> Float64[np.ndarray, "3 windows"]:
    """From the levers y_i, which are used up; t'y = -2 T drift."""
    energy, square, lagged = about_mean
    length = len(levers)
    times, spread = _times(length)
    neighbours = float(times[1:] @ times[:-1]) / spread
    ends = (times[-1] + 1) / spread * (levers[0] - levers[-1])
    total = added_up(levers.copy())
    squares = added_up(np.multiply(levers, levers, out=levers))
    left = 0.25 * (squares - total * total / length) / spread
    return np.stack(
        [
            energy - drift,
            square - 2.0 * left + drift * drift,
            lagged + (neighbours - 2.0) * drift + 0.5 * ends,
        ]
    )


def _of_all_pairs(
    distances: Float64[np.ndarray, "lags rows"], back: Looking, ahead: Looking, windows: Windows
) -> Float64[np.ndarray, "3 windows"]:
    """The same, entry by entry, of one half of the matrix."""
    length = windows.length
    times, spread = _times(length)
    sums, levers = row_sums(back, ahead, windows), row_levers(back, ahead, windows)
    lever_sum = added_up(levers.copy()) / (length * spread)
    twist = added_up(times[:, None] * levers) / spread**2
    level = added_up(sums.copy()) / length**2
    slopes = levers / spread - 0.5 * (lever_sum + times[:, None] * twist)  # h
    diagonal = sums / length - 0.5 * (level + times[:, None] * lever_sum) + times[:, None] * slopes  # f + h t
    energy = added_up(diagonal.copy())
    # With t_j = t_i + k: D - (f_i + h_i t_i + k h_i) - (f_j + h_j t_j - k h_j)
    early, late = diagonal.copy(), diagonal.copy()
    squares = 2.0 * diagonal * diagonal  # half of those of -2 times the matrix, for pairs count twice
    pairs, lagged = np.empty_like(diagonal), energy
    for lag in range(1, length):
        few = length - lag
        early[:few] += slopes[:few]
        late[lag:] -= slopes[lag:]
        entry = np.subtract(windows.pairs(distances, lag), early[:few], out=pairs[:few])
        entry -= late[lag:]
        if lag == 1:
            lagged = -0.5 * added_up(entry.copy())
        squares[:few] += np.multiply(entry, entry, out=entry)
    return np.stack([energy, 0.5 * added_up(squares), lagged])


def _times(length: int) -> tuple[Float64[np.ndarray, " w"], float]:
    """Of the rows of a window, about its middle, and the sum of their squares."""
    times = np.arange(length) - (length - 1) / 2
    return times, length * (length * length - 1) / 12


def _narrowest(chosen: Bool[np.ndarray, " windows"]) -> slice:
    """From the first of those chosen to the last."""
    places = np.flatnonzero(chosen)
    return slice(int(places[0]), int(places[-1]) + 1)
