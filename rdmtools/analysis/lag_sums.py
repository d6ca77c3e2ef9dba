"""What do the distances of a window add up to? Running sums over the lags, shared by windows of all lengths.

Seen from row i, a window's other rows are those k rows back and those k rows ahead. How far it looks either
way depends on the place of i in the window, but what it sees there does not:

    back(p, i) = sum of D(i, k) over k <= p        ahead(p, i) = sum of D(i + k, k) over k <= p

so that the distances of the row at place p of W sum up to s_i = back(p, i) + ahead(W - 1 - p, i). Weighted by
how far a row lies from the end that is looked at they are running sums once more, for

    lever(p, i) = sum of (p - k) D(i, k) = back(0, i) + ... + back(p - 1, i)

and with that, for times t about the middle m = (W - 1) / 2 of the window, the sum of t_j D_ij over rows j
before i is lever - m back; over those after it, by symmetry, m ahead - lever ahead.

Sums over all pairs of a window grow by those of its last row when the window grows by a row: one running sum
for all lengths. Everything goes window by window along arrays, never across: which windows are worked on
together changes no bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from rdmtools.analysis.windows import Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """Sums of each row's distances in one direction, by the greatest lag."""

    sums: Float64[np.ndarray, "lags rows"]
    levers: Float64[np.ndarray, "lags rows"]
    """Weighted by how far short of the greatest lag each is; empty where none are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSums:
    """Sums over the pairs of rows of each window."""

    distances: Float64[np.ndarray, " windows"]
    squares: Float64[np.ndarray, " windows"]
    """Of squares of distances."""
    about_middle: Float64[np.ndarray, " windows"]
    """Of distances times the times, about the window's middle, of both rows."""


def looking_ahead(distances: Float64[np.ndarray, "lags rows"], *, levers: bool) -> Looking:
    """Sums over rows that come later."""
    lags, rows = distances.shape
    found = Looking(sums=np.zeros((lags, rows)), levers=np.zeros((lags if levers else 0, rows)))
    for lag in range(1, lags):
        here = slice(0, rows - lag)
        np.add(found.sums[lag - 1, here], distances[lag, lag:], out=found.sums[lag, here])
        if levers:
            np.add(found.levers[lag - 1, here], found.sums[lag - 1, here], out=found.levers[lag, here])
    return found


def looking_back(
    distances: Float64[np.ndarray, "lags rows"], windows: Sequence[Windows], *, levers: bool
) -> tuple[Looking, list[PairSums]]:
    """Sums over rows that came before, and those over the pairs of each window."""
    lags, rows = distances.shape
    found = Looking(sums=np.zeros((lags, rows)), levers=np.zeros((lags if levers else 0, rows)))
    lever, squares, scratch = np.zeros((3, rows))
    # By the first row of windows: sums of distances, levers and squares; sums of the first two until then.
    pairs, summed = np.zeros((3, rows)), np.zeros((2, rows))
    of_windows: dict[int, PairSums] = {}
    for lag in range(1, lags):
        sums = np.add(found.sums[lag - 1], distances[lag], out=found.sums[lag])
        lever += found.sums[lag - 1]
        if levers:
            found.levers[lag] = lever
        squares += np.multiply(distances[lag], distances[lag], out=scratch)
        here = slice(0, rows - lag)
        summed += pairs[:2]
        for total, of_row in zip(pairs, (sums, lever, squares), strict=True):
            total[here] += of_row[lag:]
        for number, each in enumerate(windows):
            if each.length == lag + 1:
                of_windows[number] = _pair_sums(each, pairs, summed)
    return found, [of_windows[number] for number in range(len(windows))]


def _pair_sums(
    windows: Windows, pairs: Float64[np.ndarray, "3 rows"], summed: Float64[np.ndarray, "2 rows"]
) -> PairSums:
    """Those that begin at the windows' first rows.

    By parts, with X_p what the row at place p adds: sum of p X_p = (W - 1) X - (X_0 + (X_0 + X_1) + ...).
    """
    begin, middle = windows.at(0), (windows.length - 1) / 2
    distances, squares = pairs[::2, begin].copy()
    of_distances, of_levers = middle * pairs[:2, begin] - summed[:, begin]  # times t, about the middle
    return PairSums(
        distances=distances,
        squares=squares,
        about_middle=of_levers - middle * of_distances,
    )


def row_sums(back: Looking, ahead: Looking, windows: Windows) -> Float64[np.ndarray, "w windows"]:
    """s_i: sums of the distances of each row of each window."""
    return windows.skewed(back.sums) + windows.skewed_ahead(ahead.sums)


def row_levers(back: Looking, ahead: Looking, windows: Windows) -> Float64[np.ndarray, "w windows"]:
    """y_i: the same, each times the time t_j, about the window's middle, of the row at its other end."""
    found = windows.skewed(back.sums) - windows.skewed_ahead(ahead.sums)
    found *= -(windows.length - 1) / 2
    found += windows.skewed(back.levers)
    found -= windows.skewed_ahead(ahead.levers)
    return found


def sliding_sums(values: Float64[np.ndarray, " rows"], count: int) -> Float64[np.ndarray, " sums"]:
    """Sums of so many values that follow each other, by the first of them: of 1, 2, 4, ... at a time."""
    rows, done, power = len(values), 0, 1
    total = np.empty(0)
    while True:
        if count & power:
            left = max(rows - done - power + 1, 0)
            total = total[:left] + values[done : done + left] if done else values[:left]
            done += power
        if done == count:
            return total
        values = values[:-power] + values[power:]
        power *= 2


def added_up(each: Float64[np.ndarray, "w windows"]) -> Float64[np.ndarray, " windows"]:
    """Sums over the rows of each window, always in the same order; uses up what it is given."""
    while (count := len(each)) > 1:
        each[: count // 2] += each[-(count // 2) :]
        each = each[: count - count // 2]
    return each[0]
