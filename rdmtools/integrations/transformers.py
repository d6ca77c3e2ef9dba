"""Transformers: a callback that watches the probe while a `Trainer` trains.

The weights, buffers, gradients, flags and random states of the training are what they would be without it.
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false

import os
from typing import Any

from rdmtools.errors import ParameterError
from rdmtools.integrations.checks import needed

with needed("transformers", "4.50", "[torch]"):
    from transformers.trainer_callback import TrainerCallback
    from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from rdmtools.integrations.torch import language_model_loss
from rdmtools.integrations.torch.callback import TorchCallback


def _causal_model_loss(model: Any, batch: Any) -> Any:
    """Of a causal language model. To others the shift by one token is wrong, and nobody would see it."""
    if not getattr(model, "can_generate", bool)() or model.config.is_encoder_decoder:
        raise ParameterError(
            f"{type(model).__name__} is no causal language model; needed loss_fn(model, batch)"
        )
    return language_model_loss(model, batch)


class ProbeCallback(TorchCallback, TrainerCallback):
    """Evaluates a probe every so many steps of a training, and logs it with what the `Trainer` logs.

    A training that starts from a checkpoint (`resume_from_checkpoint`) goes on with the run: leave this
    callback as it is. World process zero logs; sharded weights (FSDP, DeepSpeed ZeRO-3) are not supported. An
    exception in a training's first evaluation is raised, the set-up is wrong; a later one is a warning,
    counted in `watch.log.refused`, and the training goes on.

    Parameters
    ----------
    path
        Where the run goes, such as "run.parquet".
    batches
        The probe: a `DataLoader` that does not shuffle, or a list of batches.
    every
        Steps (`state.global_step`) between evaluations, the first before any training.
    loss_fn
        ``loss_fn(model, batch) -> (batch,)``. By default that of a causal language model: batches are dicts
        with `input_ids` and perhaps `attention_mask` and `labels` (not shifted), and a sequence's loss is the
        mean over its tokens, as `rdmtools.integrations.torch.language_model_loss` has it.
    draws
        To log the losses under draws of the weights too: options of
        `rdmtools.integrations.torch.GaussianProbe`, as ``dict(sigma=0.01, draws=8, seed=0, relative=True)``.
    watch, on_event
        To be warned while it trains: ``watch=True``, or options of `rdmtools.Watcher` as a dict; and what to
        call with each `rdmtools.Event`, which may stop the training, save a checkpoint or change the data. A
        failure of it is a warning, and the training goes on.
    options
        For `rdmtools.ProbeLogger`: `samples`, `metadata`, `overwrite` and so on.

    Attributes
    ----------
    watch : rdmtools.integrations.callback.Watch
        With the logger, as `watch.log`, and what is seen while it trains, as `watch.warner`.
    """

    _default_loss = staticmethod(_causal_model_loss)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.is_world_process_zero:
            if state.global_step > 0:
                self.watch.saved(_checkpoint(args, state))  # where it starts from
            self._begin(state.global_step, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self._evaluate(state.global_step, model)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.watch.saved(_checkpoint(args, state))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.watch.scalars(state.global_step, logs or {})

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.watch.end()


def _checkpoint(args: Any, state: Any) -> str | None:
    """Folder of the checkpoint of this step; None where there is none."""
    folder = os.path.join(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}")
    return folder if os.path.isdir(folder) else None
