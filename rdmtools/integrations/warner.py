"""What does a callback do with a warning? It is handed on, and nothing about that can stop the training.

    losses that were logged -> Watcher -> an event -> on_event(event), or a line where nobody asked for it

A training that goes on from a checkpoint goes on with what the run says of the rows before: the events are
those of a training that never stopped.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdmtools.errors import ParameterError, RdmtoolsWarning, one_line
from rdmtools.logger.accept import as_losses

if TYPE_CHECKING:
    from rdmtools.watch.event import Event
    from rdmtools.watch.watcher import Watcher

Asked = Any
"""``watch=`` of a callback: True, options of a `Watcher`, or one; None and False for none."""


class Warner:
    """The watch of a callback: what it is asked for, and what it saw.

    Parameters
    ----------
    watch
        True, options of `rdmtools.Watcher` as a dict, or a `Watcher`.
    on_event
        Called with each event; None tells it in a line, as a warning.

    Attributes
    ----------
    watcher : rdmtools.Watcher
    events : list[rdmtools.Event]
        Of this training, those before it went on left out.

    Raises
    ------
    ParameterError
        Where `watch` is none of these, or a rate is asked for that was not judged.
    """

    def __init__(self, watch: Asked, on_event: Callable[["Event"], Any] | None) -> None:
        if on_event is not None and not callable(on_event):  # pyright: ignore[reportUnnecessaryComparison]
            raise ParameterError(f"on_event is {on_event!r}; needed a function of an event, such as print")
        self.watcher = _watcher(watch)
        self.events: list[Event] = []
        self._on_event = on_event
        self._told: set[str] = set()

    def begin(self, path: Path, step: int) -> None:
        """A training begins at `step` of the run at `path`: go on from its rows before."""
        self.events = []
        last, checkpoint = self.watcher.last_step, self.watcher.checkpoint
        if last is not None and last >= step:
            self.watcher.reset()
            self.watcher.checkpoint = checkpoint if step > 0 else None
        if step > 0:
            try:
                self._go_through(path, step)
            except Exception as error:  # whatever it is, the training does not need it
                self.watcher.reset()
                self.watcher.checkpoint = checkpoint
                self._warn("rows", f"the watch begins anew at step {step} ({_last_line(error)})")

    def take(self, step: int, losses: Any, values: Any) -> None:
        """The losses of `step` were logged, as floats of the type `values`: tell the event, if one begins."""
        try:
            event = self.watcher.update(step, as_losses(losses, values))
        except Exception as error:
            self._warn("row", f"step {step} is not watched ({_last_line(error)}); the training goes on")
            return
        if event is None:
            return
        self.events.append(event)
        if self._on_event is None:
            self._warn(f"event {step}", str(event))
            return
        try:
            self._on_event(event)
        except Exception as error:
            said = f"on_event failed at step {step} ({_last_line(error)}); the training goes on"
            self._warn("on_event", f"{said} (the next failures are not told)")

    def _go_through(self, path: Path, step: int) -> None:
        """Take the rows of the run below `step` that the watcher does not know; their events are old."""
        from rdmtools.watch.logged import find  # reads runs: none of it in a training that begins

        found, last = find(path), self.watcher.last_step
        if found.before is None:
            return
        ours = found.last[-1].manifest.sample_ids  # in the order in which they are logged
        places = np.searchsorted(found.ids, ours)
        for block in found.rows_before(step):
            for row_step, losses in zip(block.steps.tolist(), block.losses, strict=True):
                if last is None or row_step > last:
                    self.watcher.update(row_step, losses[places])

    def _warn(self, reason: str, message: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            try:
                warnings.warn(message, RdmtoolsWarning, stacklevel=5)
            except RdmtoolsWarning:  # where warnings are to be errors: the training is not to end by them
                print(f"{RdmtoolsWarning.__name__}: {message}", file=sys.stderr)


def warner(watch: Asked, on_event: Callable[["Event"], Any] | None) -> Warner | None:
    """What watches where a callback is asked to; who says what to do with events asks, too."""
    if on_event is None and (watch is None or watch is False):
        return None
    return Warner(True if watch is None else watch, on_event)


def _watcher(watch: Asked) -> "Watcher":
    from rdmtools.watch.watcher import Watcher  # NumPy and jaxtyping: nothing where nobody watches

    if isinstance(watch, Watcher):
        return watch
    options: dict[str, Any] = {} if watch is True else watch
    if not isinstance(options, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"watch is {watch!r}; needed True, a dict such as dict(window=20), or a Watcher")
    try:
        return Watcher(**options)
    except TypeError as error:
        raise ParameterError(
            f"watch is {watch!r} ({one_line(error)}); needed window, false_alarms or horizon"
        ) from error


def _last_line(error: Exception) -> str:
    """The last line of the traceback."""
    return f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
