"""Lightning: a callback that watches the probe while a `Trainer` fits.

The weights, buffers, gradients, flags and random states of the training are what they would be without it.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false

from collections.abc import Mapping
from typing import Any

from rdmtools.integrations.checks import needed

with needed("lightning", "2.4"):
    try:
        from lightning.pytorch import Callback, LightningModule, Trainer
    except ModuleNotFoundError as error:
        if error.name != "lightning":
            raise
        try:  # the same, under the name it had
            from pytorch_lightning import Callback, LightningModule, Trainer
        except ModuleNotFoundError:
            raise error from None

from rdmtools.integrations.torch.callback import TorchCallback


class ProbeCallback(TorchCallback, Callback):  # pyright: ignore[reportGeneralTypeIssues]
    """Evaluates a probe every so many steps of a fit, and logs it with the fit's own metrics.

    A fit that starts from a checkpoint (`ckpt_path`) goes on with the run: leave this callback as it is.
    Rank zero logs, with the module itself; sharded weights (FSDP, DeepSpeed ZeRO-3) are not supported. An
    exception in a fit's first evaluation is raised, the set-up is wrong; a later one is a warning, counted
    in `watch.log.refused`, and the fit goes on.

    Parameters
    ----------
    path
        Where the run goes, such as "run.parquet".
    batches
        The probe: a `DataLoader` that does not shuffle, or a list of batches.
    every
        Steps of the optimizer (`trainer.global_step`) between evaluations, the first before any training.
    loss_fn
        ``loss_fn(module, batch) -> (batch,)``; must not call the module's `log`. By default the cross entropy
        of ``module(inputs)`` where batches are (inputs, targets). The forward is as narrow as the fit's.
    draws
        To log the losses under draws of the weights too: options of
        `rdmtools.integrations.torch.GaussianProbe`, as ``dict(sigma=0.01, draws=8, seed=0, relative=True)``.
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

    _known: Mapping[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            self.watch.saved(trainer.ckpt_path)  # where it starts from
            self._begin(trainer.global_step, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._new(trainer.callback_metrics)  # of the epoch before, which Lightning makes anew at its end

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if self.watch.due(trainer.global_step):
            self.watch.saved(_last_checkpoint(trainer))
            self._evaluate(trainer.global_step, pl_module)
            self.watch.scalars(trainer.global_step, self._new(trainer.callback_metrics))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self.watch.scalars(trainer.global_step, self._new(trainer.callback_metrics))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.watch.scalars(trainer.global_step, self._new(trainer.callback_metrics))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.watch.end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.watch.end()

    def _evaluate(self, step: int, model: LightningModule) -> None:
        with model.trainer.precision_plugin.forward_context():
            super()._evaluate(step, model)

    def _new(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Metrics computed since the last look. Lightning keeps the others, as the objects they were."""
        new = {name: value for name, value in metrics.items() if value is not self._known.get(name)}
        self._known = dict(metrics)
        return new


def _last_checkpoint(trainer: Trainer) -> str:
    """Path of the checkpoint that was saved last by a `ModelCheckpoint`; empty where there is none."""
    saved = [
        (getattr(each, "_last_global_step_saved", 0), path)
        for each in trainer.checkpoint_callbacks
        if (path := getattr(each, "_last_checkpoint_saved", "") or getattr(each, "last_model_path", ""))
    ]
    return max(saved, default=(0, ""))[1]
