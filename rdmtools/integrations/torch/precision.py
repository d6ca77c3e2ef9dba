"""How wide are the numbers? The forward is as narrow as the training has it, the loss float32 or wider."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations  # the docs are built without torch

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def widened(values: Tensor) -> Tensor:
    """Float32 or wider, of which the loss is reduced."""
    return values if values.dtype == torch.float64 else values.float()


def forward_precision(place: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Autocast to `dtype` or as the caller has it, without its cache of cast weights.

    A weight cast here has no gradient, but a training forward later in the caller's block would take it from
    the cache; and we would take from there what was cast before a draw moved the weights.
    """
    if dtype is None and not torch.amp.is_autocast_available(place.type):
        return nullcontext()
    enabled = dtype is not None or torch.is_autocast_enabled(place.type)
    return torch.autocast(
        place.type, dtype or torch.get_autocast_dtype(place.type), enabled=enabled, cache_enabled=False
    )
