"""What is the loss of each probe sample now?

The probe's batches go through the model in evaluation mode and without gradients. The training does not
notice: weights, buffers, gradients, flags, autocast's cache and random states (of torch on the CPU and CUDA,
of NumPy, Python and the loader) are afterwards, or after an error, what they were, bit for bit.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations  # the docs are built without torch

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import data

from rdmtools.errors import ParameterError
from rdmtools.integrations.checks import check_batches, check_width
from rdmtools.integrations.torch.precision import forward_precision, widened
from rdmtools.integrations.torch.state import undisturbed

LossFn = Callable[[nn.Module, Any], Tensor]
"""Losses (batch,) of a batch, from the model and the batch as the loader gives it, on the model's device."""


def per_sample_losses(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: LossFn | None = None,
    *,
    device: torch.device | str | None = None,
    autocast: torch.dtype | None = None,
) -> NDArray[np.float32] | NDArray[np.float64]:
    """Loss of each sample (samples,), in the order of `batches`, in evaluation mode and without gradients.

    Parameters
    ----------
    model
        Modules are switched by their flags alone: a `train` or `eval` of their own is not called.
    batches
        A `DataLoader` that does not shuffle, or a list of batches. The first axis of a batch's first tensor
        is the samples.
    loss_fn
        ``loss_fn(model, batch) -> (batch,)``, float32 or float64. By default a batch is (inputs, targets),
        and the loss is the cross entropy of the model's outputs, widened to float32. For a regression,
        ``lambda model, batch: (model(batch[0]) - batch[1]).float().square().mean(dim=1)``; for a language
        model, `language_model_loss`.
    device
        Where batches are moved; by default to the model's first parameter. The model stays where it is.
    autocast
        Type to which the forward is cast, such as torch.bfloat16; by default as the caller has it.

    Raises
    ------
    ParameterError
        Losses that are not one per sample or narrower than float32; a loader that shuffles; no batches.
    """
    _refuse_shuffled(batches)
    place = _device(model) if device is None else torch.device(device)
    losses: list[Tensor] = []
    with undisturbed(model, batches), forward_precision(place, autocast):
        for batch in batches:
            moved = _moved(batch, place)
            losses.append(_checked((loss_fn or _cross_entropy)(model, moved), moved))
    check_batches(losses)
    return torch.cat(losses).cpu().numpy()


def _cross_entropy(model: nn.Module, batch: Any) -> Tensor:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ParameterError(
            f"batch is a {type(batch).__name__}; needed a pair (inputs, targets), or loss_fn(model, batch), "
            "such as language_model_loss"
        )
    outputs = model(batch[0])
    if not isinstance(outputs, Tensor):
        raise ParameterError(
            f"model gave a {type(outputs).__name__}; needed a tensor of logits, or loss_fn(model, batch)"
        )
    return functional.cross_entropy(widened(outputs), batch[1], reduction="none")


def _checked(losses: Any, batch: Any) -> Tensor:
    if not isinstance(losses, Tensor):
        raise ParameterError(f"loss_fn gave a {type(losses).__name__}; needed a tensor, one loss per sample")
    first = _first_tensor(batch)
    samples = "batch" if first is None or not first.ndim else len(first)
    if losses.ndim != 1 or samples not in ("batch", len(losses)):
        raise ParameterError(
            f"losses have shape {tuple(losses.shape)}; needed ({samples},), one per sample: "
            'pass reduction="none" and take means over other axes than the first'
        )
    check_width(losses.dtype, (torch.float32, torch.float64), "outputs.float()")
    return losses.detach()


def _refuse_shuffled(batches: Any) -> None:
    random = (data.RandomSampler, data.SubsetRandomSampler, data.WeightedRandomSampler)
    for owner in (batches, getattr(batches, "batch_sampler", None)):
        sampler = getattr(owner, "sampler", None)
        if isinstance(sampler, random) or getattr(sampler, "shuffle", False) is True:
            raise ParameterError("the loader shuffles; needed the same order each time: pass shuffle=False")


def _device(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _moved(batch: Any, place: torch.device) -> Any:
    """`batch` with its tensors on `place`: a tensor, tuples, lists and dicts of them, or what has a `to`."""
    if isinstance(batch, Tensor):
        return batch.to(place)
    if hasattr(batch, "to"):
        return copy(batch).to(place)  # a tokenizer's batch moves itself, and the caller's must stay
    if isinstance(batch, Mapping):
        return {name: _moved(value, place) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a named tuple
        return type(batch)(*(_moved(value, place) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(_moved(value, place) for value in batch)
    return batch


def _first_tensor(batch: Any) -> Tensor | None:
    if isinstance(batch, Tensor):
        return batch
    values = (
        batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else ()
    )
    return next((found for value in values if (found := _first_tensor(value)) is not None), None)
