"""What does a callback in a torch framework ask of the probe? Losses at a step, and maybe those of draws."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations  # the docs are built without torch

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from torch import nn

from rdmtools.integrations.torch.draws import GaussianProbe
from rdmtools.integrations.torch.losses import LossFn, per_sample_losses


def evaluations(
    model: nn.Module,
    step: int,
    batches: Iterable[Any],
    loss_fn: LossFn | None,
    draws: Mapping[str, Any] | None,
) -> tuple[Callable[[], Any], Callable[[], Any] | None]:
    """Losses, and those under draws where `draws` has options for `GaussianProbe`; evaluated when called."""
    losses = partial(per_sample_losses, model, batches, loss_fn)
    return losses, None if draws is None else partial(_drawn, model, draws, step, batches, loss_fn)


def _drawn(model: nn.Module, options: Mapping[str, Any], *arguments: Any) -> Any:
    return GaussianProbe(model, **options)(*arguments)
