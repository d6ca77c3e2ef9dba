"""Which modes of one window are those of the next? Tracks of modes that keep their samples.

The leading modes of windows that do not overlap each other, at most 128 of them over the run, so that two
windows share no noise. Between a window and the next each mode has at most one successor, of which it is the
only one: pairs are taken by their overlap |v . v'| of loadings, the largest first, down to .5. (The modes of
a window are at right angles: none overlaps with many.) Two directions at random among n samples overlap by
about n**-.5. A mode that no window confirms is no track. A look back over the whole run.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from rdmtools.analysis.modes import modes_by_products

MOST_WINDOWS = 128
_SAME = 0.5
_LOUD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One mode followed from window to window."""

    first: int
    """Window in which it is first seen."""
    last: int
    best: int
    """Window in which its eigenvalue is largest."""
    share: float
    """Its share of the variance of that window."""
    overlap: float
    """Mean overlap of its loadings from one window to the next."""
    loadings: Float64[np.ndarray, " samples"]
    """Unit loadings in the best window."""


def matched_modes(
    losses: Float64[np.ndarray, "blocks samples"], edges: Int64[np.ndarray, " edges"], *, count: int
) -> list[Track]:
    """Tracks of the `count` leading modes through consecutive windows, in the order in which they begin.

    Parameters
    ----------
    losses
        Finite losses, or means of blocks of rows.
    edges
        Blocks at which windows begin, and the end of the last; each has at least 2 blocks.
    """
    open_: list[_Open] = []
    tracks: list[Track] = []
    for window, (start, stop) in enumerate(pairwise(edges)):
        values, shares, loadings = _leading(losses[start:stop], count)
        overlaps = np.abs([each.latest @ loadings.T for each in open_]).reshape(len(open_), len(loadings))
        successor = _pairs(overlaps)
        going: list[_Open] = []
        for number, each in enumerate(open_):
            if number in successor:
                column, overlap_ = successor[number]
                each.go_on(window, values[column], shares[column], loadings[column], overlap_)
                going.append(each)
            else:
                tracks += each.closed()
        taken = {column for column, _ in successor.values()}
        going += [
            _Open(window, values[mode], shares[mode], loadings[mode])
            for mode in range(len(loadings))
            if mode not in taken
        ]
        open_ = going
    for each in open_:
        tracks += each.closed()
    return sorted(tracks, key=lambda track: (track.first, -track.share))


def _pairs(overlaps: Float64[np.ndarray, "before now"]) -> dict[int, tuple[int, float]]:
    """Successor of each mode that has one, and how much they overlap."""
    taken: set[int] = set()
    found: dict[int, tuple[int, float]] = {}
    for place in np.argsort(-overlaps, axis=None, kind="stable").tolist():
        before, now = divmod(place, overlaps.shape[1])
        if before not in found and now not in taken and overlaps[before, now] >= _SAME:
            taken.add(now)
            found[before] = now, float(overlaps[before, now])
    return found


def window_edges(blocks: int, window: int) -> Int64[np.ndarray, " edges"]:
    """Edges of windows of that many blocks, or more, so that there are at most 128; none where none fits."""
    window = max(window, -(-blocks // MOST_WINDOWS), 2)
    return np.arange(0, blocks + 1, window) + blocks % window


class _Open:
    """A track that may go on."""

    def __init__(self, window: int, value: float, share: float, loadings: np.ndarray) -> None:
        self.first = self.last = self.best = window
        self.value, self.share = value, share
        self.latest = self.loadings = loadings
        self.overlaps: list[float] = []

    def go_on(self, window: int, value: float, share: float, loadings: np.ndarray, overlap: float) -> None:
        self.last, self.latest = window, loadings
        self.overlaps.append(overlap)
        if value > self.value:
            self.best, self.value, self.share, self.loadings = window, value, share, loadings

    def closed(self) -> list[Track]:
        if not self.overlaps:
            return []
        return [
            Track(
                first=self.first,
                last=self.last,
                best=self.best,
                share=self.share,
                overlap=float(np.mean(self.overlaps)),
                loadings=self.loadings,
            )
        ]


def _leading(
    rows: Float64[np.ndarray, "w samples"], count: int
) -> tuple[
    Float64[np.ndarray, " modes"], Float64[np.ndarray, " modes"], Float64[np.ndarray, "modes samples"]
]:
    """Eigenvalues, shares and loadings of the modes with at least 2 % of the variance, at most `count`."""
    field = rows - rows.mean(axis=0)
    squares, loadings = modes_by_products(field, count)
    total = squares.sum()
    values = squares[: len(loadings)]
    shares = values / total if total > 0 else np.zeros(len(values))
    loud = shares >= _LOUD
    return values[loud], shares[loud], loadings[loud]
