"""Keras: a callback that watches the probe while `Model.fit` trains, on any backend.

The weights, gradients and random states of the training are what they would be without it.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
# pyright: reportAttributeAccessIssue=false

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.integrations.callback import BaseCallback
from rdmtools.integrations.checks import check_batches, needed

with needed("keras", "3.5"):
    import keras
    from keras.callbacks import Callback


class ProbeCallback(BaseCallback, Callback):
    """Evaluates a probe every so many steps of a fit, and logs it with the fit's own metrics.

    A fit whose optimizer has steps behind it (a model that was loaded, `BackupAndRestore`) goes on with the
    run: leave this callback as it is. Of several processes, give it to one. An exception in a fit's first
    evaluation is raised, the set-up is wrong; a later one is a warning, counted in `watch.log.refused`, and
    the fit goes on.

    Parameters
    ----------
    path
        Where the run goes, such as "run.parquet".
    batches
        The probe: pairs (inputs, targets) of arrays, always in the same order, such as a list of them.
    every
        Steps of the optimizer (`optimizer.iterations`) between evaluations, the first before any training.
    loss_fn
        ``loss_fn(targets, outputs)``, as Keras has it, with the samples as first axis; means are taken over
        others. By default the loss that the model was compiled with, without its reduction. Outputs are
        those of ``model(inputs, training=False)``, widened to float32.
    watch, on_event
        To be warned while it trains: ``watch=True``, or options of `rdmtools.Watcher` as a dict; and what to
        call with each `rdmtools.Event`, which may stop the fit, save a checkpoint or change the data. A
        failure of it is a warning, and the fit goes on.
    options
        For `rdmtools.ProbeLogger`: `samples`, `metadata`, `overwrite` and so on.

    Attributes
    ----------
    watch : rdmtools.integrations.callback.Watch
        With the logger, as `watch.log`, and what is seen while it trains, as `watch.warner`.
    """

    _begun = False

    def on_train_begin(self, logs: Any = None) -> None:
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if not self._begun:  # not on_train_begin, where another callback may restore a checkpoint after us
            self._begun = True
            self._begin(self._step(), self.model)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        step = self._step()
        if self.watch.due(step):
            self._evaluate(step, self.model)
            self.watch.scalars(step, logs or {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.watch.scalars(self._step(), logs or {})

    def on_train_end(self, logs: Any = None) -> None:
        self.watch.end()

    def _step(self) -> int:
        model: Any = self.model
        return int(model.optimizer.iterations)

    def _losses(self, step: int, model: Any) -> NDArray[Any]:
        if any(getattr(layer, "stateful", False) for layer in model.layers):
            raise ParameterError("the model has a stateful layer, which the probe would move; needed none")
        loss_fn = self._loss_fn or _compiled_loss(model)
        losses: list[NDArray[Any]] = []
        with _without_gradients():
            for inputs, targets in self._batches:
                outputs = model(inputs, training=False)
                if keras.backend.standardize_dtype(outputs.dtype) != "float64":
                    outputs: Any = keras.ops.cast(outputs, "float32")
                of_batch: NDArray[Any] = np.asarray(keras.ops.convert_to_numpy(loss_fn(targets, outputs)))
                if of_batch.shape[:1] != outputs.shape[:1]:
                    raise ParameterError(
                        f"losses have shape {of_batch.shape} for {outputs.shape[0]} samples; "
                        'needed one per sample: pass reduction="none"'
                    )
                losses.append(of_batch.reshape(len(of_batch), -1).mean(axis=1))
        check_batches(losses)
        return np.concatenate(losses)


def _compiled_loss(model: Any) -> Callable[[Any, Any], Any]:
    """The loss that the model was compiled with, one for each sample."""
    if model.loss is None or isinstance(model.loss, list | tuple | dict):
        raise ParameterError(
            f"the model is compiled with loss={model.loss!r}; needed one loss, or loss_fn(targets, outputs)"
        )
    loss: Any = keras.losses.get(model.loss)
    if isinstance(loss, keras.losses.Loss):
        loss = copy.copy(loss)
        loss.reduction = "none"
    return loss


def _without_gradients() -> AbstractContextManager[Any]:
    """Only torch keeps a graph of what nobody asked the gradient of."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()
