"""What do the rows of one run say, as they come from a file? Events, with the bits of its analysis.

    rows -> row_energies, of those that came -> Alarms of each window length -> events

Of rows that were taken those stay that the next windows and tiles reach. So a run of a million rows takes no
more memory than one of a thousand.
"""

from collections.abc import Sequence
from math import nan

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import NDArray

from rdmtools.analysis.spans import first_reached, row_energies
from rdmtools.run.losses import StoredLosses
from rdmtools.watch.alarms import Alarms, Opened
from rdmtools.watch.event import Rate
from rdmtools.watch.logged import Block

_ROWS = 4096
_BYTES = 1 << 24


class Course:
    """The rows of a run so far, as far as the rule needs them.

    Parameters
    ----------
    rates
        One for each window length.
    dtype
        Type of the losses of the run.
    codes
        Number of each sample's group, (samples,), for the means of groups.
    """

    def __init__(
        self, rates: Sequence[Rate], dtype: np.dtype[np.floating], codes: NDArray[np.intp] | None = None
    ) -> None:
        self._alarms = [Alarms(rate) for rate in rates]
        self._windows = [rate.window for rate in rates]
        self._dtype = dtype
        self._codes = codes
        self._held: NDArray[np.floating] | None = None
        self._first = 0  # row of the run that is the first held
        self.rows = 0
        self.left_out = 0
        """Rows with a loss that is not finite: no rows of the run, as with nonfinite="drop-steps"."""
        self.last_step: int | None = None
        self.groups: Float64[np.ndarray, "3 groups"] | None = None
        """Means of the groups' losses: at the first row, the lowest, and at the last."""

    @property
    def score(self) -> float:
        """J of the last row as a share of what fires, the highest of the window lengths."""
        shares = [alarms.score / alarms.rate.threshold for alarms in self._alarms]
        return max((share for share in shares if share == share), default=nan)

    def take(self, block: Block) -> list[Opened]:
        """Take the next rows: the events that they open, by row.

        Raises
        ------
        ParameterError
            Where losses are so large that an analysis refuses them, too.
        """
        finite = np.asarray(np.isfinite(block.losses).all(axis=1))
        self.left_out += len(finite) - int(finite.sum())
        steps, losses = block
        if not finite.all():
            steps, losses = steps[finite], losses[finite]
        at_once = min(_ROWS, max(_BYTES // max(losses.shape[1] * self._dtype.itemsize, 1), 1))
        opened: list[Opened] = []
        for start in range(0, len(steps), at_once):
            few = slice(start, start + at_once)
            opened += self._few(steps[few], losses[few].astype(self._dtype, copy=False))
        return sorted(opened, key=lambda each: each.row)

    def _few(self, steps: NDArray[np.int64], losses: Float[np.ndarray, "few samples"]) -> list[Opened]:
        held = losses if self._held is None else np.concatenate([self._held, losses])
        start, stop = self.rows, self.rows + len(steps)
        energies = row_energies(StoredLosses.of(held), start, stop, windows=self._windows, first=self._first)
        named = steps.tolist()
        opened: list[Opened] = []
        for alarms, of_length in zip(self._alarms, energies, strict=True):
            opened += alarms.extend(named, of_length)
        keep = first_reached(stop, max(self._windows), losses.shape[1])
        self._held, self._first = held[keep - self._first :].copy(), keep
        self.rows, self.last_step = stop, named[-1]
        if self._codes is not None:
            self._add_means(losses, self._codes)
        return opened

    def _add_means(self, losses: Float[np.ndarray, "few samples"], codes: NDArray[np.intp]) -> None:
        sizes = np.bincount(codes)
        means = np.stack([losses[:, codes == code].mean(axis=1) for code in range(len(sizes))], axis=1)
        first = means[0] if self.groups is None else self.groups[0]
        lowest = means.min(axis=0) if self.groups is None else np.minimum(self.groups[1], means.min(axis=0))
        self.groups = np.stack([first, lowest, means[-1]])
