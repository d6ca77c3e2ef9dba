"""When is the probe evaluated, and what if that fails? The same in every framework.

    a training begins at a step   the run is opened: gone on with where the step is above 0
    every `every` steps           the probe is evaluated, and its losses are logged
    the first evaluation fails    the training has an error to show: the set-up is wrong
    a later one fails             a warning, once; counted with the run, and the training goes on
    an event, if it is watched    is handed to `on_event`; a failure there is a warning (`warner`)
    the training ends             the run is closed, and nothing about that can fail the training

No framework is imported: a file of its own says in each when a training begins, is at a step, and ends.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np

from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.format.names import STEP
from rdmtools.integrations.warner import warner
from rdmtools.logger.accept import as_number
from rdmtools.logger.probe_logger import ProbeLogger


class Watch:
    """The run of a training that a framework drives. Does nothing before `begin`, and nothing after `end`.

    Parameters
    ----------
    path
        Where the run goes. Nothing is made there before `begin`.
    every
        Steps from one evaluation to the next: at multiples of it, or at the first step seen after one.
    options
        For `ProbeLogger`. A training that begins at a step above 0 goes on with the run, as with
        `resume=True`: `overwrite=True` deletes what is there only where one begins at 0.
    watch, on_event
        As `Warner` takes them; neither, and nothing is watched.

    Attributes
    ----------
    log : ProbeLogger | None
        While a training runs, and that of the last one afterwards.
    warner : rdmtools.integrations.warner.Warner | None
        Where it is watched.

    Raises
    ------
    ParameterError
        `every` below 1, what `Warner` raises; at `begin`, what `ProbeLogger` raises.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int,
        options: Mapping[str, Any],
        watch: Any = None,
        on_event: Callable[[Any], Any] | None = None,
    ) -> None:
        if every < 1:
            raise ParameterError(f"every is {every}; needed at least 1")
        self.log: ProbeLogger | None = None
        self.warner = warner(watch, on_event)
        self._path, self._every, self._options = path, every, dict(options)
        self._open = ExitStack()
        self._running = False

    def begin(self, step: int) -> None:
        """Open the run for a training that is at `step`; one that an error left open is ended first."""
        self.end()
        goes_on: dict[str, Any] = {"resume": True, "overwrite": False} if step > 0 else {}
        options = self._options | goes_on
        self.log = self._open.enter_context(ProbeLogger(self._path, **options))
        self._running = True
        self._next = -(-step // self._every) * self._every
        self._evaluated = False
        if self.warner is not None:
            self.warner.begin(self.log.path, step)

    def due(self, step: int) -> bool:
        """Whether the probe is to be evaluated at `step`."""
        return self._running and step >= self._next

    def record(self, step: int, losses: Callable[[], Any], draws: Callable[[], Any] = lambda: None) -> None:
        """Evaluate and log what is due at `step`: losses (samples,), and (draws, samples) or None."""
        if self.log is None or not self.due(step):
            return
        self._next = (step // self._every + 1) * self._every
        try:
            evaluated, drawn = losses(), draws()
            self.log(step, evaluated)
            if drawn is not None:
                self.log.draws(step, drawn)
        except Exception as error:
            if not self._evaluated:
                with warnings.catch_warnings(action="ignore"):  # that nothing was logged is no news then
                    self.end()
                raise
            self._failed(self.log, step, error)
        else:
            if self.warner is not None:
                self.warner.take(step, evaluated, np.dtype(self._options.get("dtype", "float32")))
        self._evaluated = True

    def saved(self, checkpoint: Any) -> None:
        """A checkpoint was saved there: events from now on name it."""
        if self.warner is not None and checkpoint:
            self.warner.watcher.checkpoint = str(checkpoint)

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Log what of `values` is a number. One named as our column of steps gets another name."""
        if self.log is None or not self._running:
            return
        numbers: dict[str, float] = {}
        for name, value in values.items():
            with suppress(ParameterError):
                numbers["step_" if name == STEP else str(name)] = as_number(name, value)
        if numbers:
            self.log.scalars(step, **numbers)

    def end(self) -> None:
        """Close the run. A run that cannot be written is a warning; once ended, do nothing."""
        self._running = False
        self._open.close()

    def _failed(self, log: ProbeLogger, step: int, error: Exception) -> None:
        log.refused["evaluation"] += 1  # told with the run, as what the logger refuses
        if log.refused["evaluation"] == 1:
            warnings.warn(
                f"probe of step {step} not evaluated ({type(error).__name__}: {error}); the training goes on "
                "(the next are only counted, in .refused)",
                RdmtoolsWarning,
                stacklevel=3,
            )


class BaseCallback:
    """What a framework's callback is beside its hooks: the probe, and the losses that a `Watch` records.

    A framework's own stands on this and on what its trainer takes. Its hooks call `_begin`, `_evaluate`,
    `watch.scalars` and `watch.end`, and `_losses` says what the losses of the probe are.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        batches: Iterable[Any],
        *,
        every: int,
        loss_fn: Callable[[Any, Any], Any] | None = None,
        watch: Any = None,
        on_event: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.watch = Watch(path, every, options, watch, on_event)
        self._batches, self._loss_fn = batches, loss_fn

    def _begin(self, step: int, model: Any) -> None:
        """A training of `model` begins at `step`."""
        self.watch.begin(step)
        self._evaluate(step, model)

    def _evaluate(self, step: int, model: Any) -> None:
        """`model` is at `step`: evaluate and log what is due."""
        self.watch.record(step, partial(self._losses, step, model), partial(self._draws, step, model))

    def _losses(self, step: int, model: Any) -> Any:
        """Losses (samples,) of the probe at `step`."""
        raise NotImplementedError

    def _draws(self, step: int, model: Any) -> Any:
        """Losses (draws, samples) under draws of the parameters; None where nobody asked."""
        return None
