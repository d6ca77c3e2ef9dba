"""Does something begin to change at this step? One call a step in the training loop, and an answer at once.

    step, losses of the probe -> LatestRows -> u of each signal -> Alarms -> an event, where one begins

What it says of a row is what an analysis of the whole run says of it afterwards, but for the last digits: the
same rule, with the same settings. About 0.2 ms an update at 4,096 samples, and no more memory after a million
rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.analysis.latest_rows import LatestRows
from rdmtools.errors import ParameterError
from rdmtools.logger.accept import as_losses, check_shape, checked_step
from rdmtools.watch.alarms import Alarms
from rdmtools.watch.event import Event, Rate

_WIDE = np.dtype(np.float64)


class Watcher:
    """Warns while it trains: `update` gives an event at the row that opens it.

    Parameters
    ----------
    window
        Rows W of a window, at least 6. A run is judged from row 2 W on; before 4 W only large rises alarm.
    false_alarms
        Share of runs that may alarm within the horizon while training goes on as before, 0.01 to 0.2.
    horizon
        In windows, 20 to 80. By default 80, for a run's length is not known while it trains: in longer runs
        the rate is that of each 80 windows.

    Attributes
    ----------
    checkpoint : str | None
        The last checkpoint saved, if you set it; the next event names it.

    Raises
    ------
    ParameterError
        Where a rate is asked for that was not judged.

    Examples
    --------
    >>> import numpy as np, rdmtools as rdm
    >>> watcher, rng = rdm.Watcher(), np.random.default_rng(0)
    >>> for step in range(300):
    ...     slope = 0.02 * max(step - 200, 0)  # from step 200 on, half of the probe is learned
    ...     losses = 1 - slope * (np.arange(64) < 32) + 0.05 * rng.standard_normal(64)
    ...     if event := watcher.update(step, losses):
    ...         print(event.signal, 200 < event.alarm_step < 220)
    mean_slope True
    """

    def __init__(self, window: int = 20, false_alarms: float = 0.05, horizon: float | None = None) -> None:
        self.rate = Rate(window=window, false_alarms=false_alarms, horizon=horizon)
        self.reset()

    def reset(self) -> None:
        """Forget all rows: begin with another run."""
        self.checkpoint: str | None = None
        self._alarms = Alarms(self.rate)
        self._latest: LatestRows | None = None
        self._last: int | None = None

    @property
    def score(self) -> float:
        """J of the last row: an alarm where it reaches `threshold`. NaN while nothing can be judged."""
        return self._alarms.score

    @property
    def threshold(self) -> float:
        """The score that opens an event."""
        return self.rate.threshold

    @property
    def last_step(self) -> int | None:
        """Step of the last row; None before the first."""
        return self._last

    def update(self, step: int, losses: Any) -> Event | None:
        """Take the losses (samples,) of `step`, which must rise: the event that begins here, or None.

        Where several signals fire close together, the first opens the event, and the others are part of it.
        Losses that are not finite, or so large that their squares are not, neither fire nor teach: signals
        have no value at the W / 2 rows that reach them.

        Parameters
        ----------
        losses
            NumPy, JAX or a list; a torch tensor of any device and type, waited for.

        Raises
        ------
        ParameterError
            Losses that are no numbers, or of another shape than before; a step that does not rise. A training
            that goes back to a checkpoint goes back with the watcher as well: `load_state_dict`, with what
            `state_dict` gave at that checkpoint; or `reset`, to begin afresh.
        """
        try:
            number = checked_step(step, self._last, repeats=False)
        except ParameterError as error:
            raise ParameterError(
                f"{error}; after going back to a checkpoint, load the watcher's state_dict, or reset() it"
            ) from error
        narrow = type(losses) is np.ndarray and losses.dtype == np.float32
        row: NDArray[Any] = losses if narrow else as_losses(losses, _WIDE)
        samples = 0 if self._latest is None else self._latest.samples
        check_shape(row.shape, samples, _WIDE, draws=False)
        if self._latest is None:
            self._latest = LatestRows(self.rate.window, row.shape[0])
        energies = self._latest.update(row)
        self._last = number
        opened = self._alarms.extend([number], {name: np.array([u]) for name, u in energies.items()})
        return replace(opened[0].event, checkpoint=self.checkpoint) if opened else None

    def state_dict(self) -> dict[str, Any]:
        """All that it remembers, in dicts, lists, numbers and texts, to go into a checkpoint: W / 2 rows."""
        return {
            "rate": asdict(self.rate),
            "last": self._last,
            "checkpoint": self.checkpoint,
            "alarms": self._alarms.state(),
            "samples": 0 if self._latest is None else self._latest.samples,
            "latest": None if self._latest is None else self._latest.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`, as if there had been no break.

        Raises
        ------
        ParameterError
            Where it is no state of a watcher of this window and rate; nothing is changed then.
        """
        alarms, latest = Alarms(self.rate), None
        try:
            asked = Rate(**state["rate"])
            if asked == self.rate:
                alarms.restore(state["alarms"])
                if state["latest"] is not None:
                    latest = LatestRows(self.rate.window, state["samples"])
                    latest.restore(state["latest"])
            last, checkpoint = state["last"], state["checkpoint"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ParameterError(
                f"this is no state of a Watcher ({type(error).__name__}); needed what state_dict() gave"
            ) from error
        if asked != self.rate:
            given = ", ".join(f"{name}={value!r}" for name, value in asdict(asked).items())
            raise ParameterError(f"the state is that of another watcher; needed Watcher({given})")
        self._alarms, self._latest, self._last, self.checkpoint = alarms, latest, last, checkpoint

    def __repr__(self) -> str:
        return (
            f"Watcher(window={self.rate.window}, false_alarms={self.rate.false_alarms:g}, "
            f"horizon={self.rate.windows:g}: {self._alarms.rows} rows, score {self.score:.2f} "
            f"of {self.threshold:.2f})"
        )
