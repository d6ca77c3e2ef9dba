"""Which points of a long line are drawn? The ends, and each stretch's smallest and largest, as they are."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import numpy as np
from numpy.typing import NDArray


def decimate(
    x: NDArray[np.int64], y: NDArray[np.float64], points: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most about `points` of the points, as they are: the ends, and each stretch's smallest and largest.

    A stretch with a NaN keeps its first one, so that gaps stay gaps.
    """
    if len(y) <= points:
        return x, y
    edges = np.linspace(0, len(y), max(points // 2, 2) + 1).astype(np.intp)[:-1]
    low = np.minimum.reduceat(np.where(np.isnan(y), np.inf, y), edges)
    high = np.maximum.reduceat(np.where(np.isnan(y), -np.inf, y), edges)
    stretch = np.repeat(np.arange(len(edges)), np.diff(np.r_[edges, len(y)]))
    keep = np.zeros(len(y), np.bool_)
    for wanted in (y == low[stretch], y == high[stretch], np.isnan(y)):
        found = np.flatnonzero(wanted)
        _, first = np.unique(stretch[found], return_index=True)
        keep[found[first]] = True
    keep[[0, -1]] = True
    return x[keep], y[keep]
