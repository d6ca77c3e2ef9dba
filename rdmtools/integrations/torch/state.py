"""How does the training not notice an evaluation? What it may change is saved first and put back after."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false

import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def overwrite(tensor: Tensor, values: Tensor) -> None:
    """Overwrite in place. By `.data`, whose writes autograd does not count: they are undone before it looks,
    so that a backward for which the tensor is already saved still runs."""
    tensor.data.copy_(values)


@contextmanager
def kept(tensors: Sequence[Tensor]) -> Generator[list[Tensor]]:
    """Copies of the tensors as they are; afterwards, or after an error, the tensors are that again."""
    saved = [tensor.detach().clone() for tensor in tensors]

    def put_back() -> None:
        for tensor, before in zip(tensors, saved, strict=True):
            overwrite(tensor, before)

    with _afterwards(put_back):
        yield saved


@contextmanager
def undisturbed(model: nn.Module, batches: Any) -> Generator[None]:
    """Evaluation mode without gradients; then flags, buffers and random states as they were.

    Not inference mode: what a module caches in it could not be used in training afterwards. Not `eval`: some
    modules do more than set their flag there, such as merging weights.
    """
    modules = list(model.modules())
    flags = [module.training for module in modules]
    owned = [
        (module, name, buffer) for module in modules for name, buffer in module.named_buffers(recurse=False)
    ]

    def put_back() -> None:
        for module, flag in zip(modules, flags, strict=True):
            module.training = flag
        for module, name, buffer in owned:
            setattr(module, name, buffer)  # where the forward put another tensor there

    buffers = [buffer for _, _, buffer in owned if not _repeats(buffer)]
    with _random_states(batches), torch.no_grad(), kept(buffers), _afterwards(put_back):
        for module in modules:
            module.training = False
        yield


@contextmanager
def _random_states(batches: Any) -> Generator[None]:
    """Afterwards the global random states of torch, NumPy and Python are as before, and the loader's own.

    A `DataLoader` draws a number each time it is gone through, and its samples may draw more.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    own: Any = getattr(batches, "generator", None)
    with torch.random.fork_rng(devices):
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        loader = own.get_state() if hasattr(own, "get_state") else None

        def put_back() -> None:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            if loader is not None:
                own.set_state(loader)

        with _afterwards(put_back):
            yield


@contextmanager
def _afterwards(put_back: Callable[[], None]) -> Generator[None]:
    """Put back, from the start again where an interrupt (Ctrl-C) comes in the middle of it."""
    try:
        yield
    finally:
        try:
            put_back()
        except BaseException:
            put_back()
            raise


def _repeats(tensor: Tensor) -> bool:
    """Whether elements share memory, as after `expand`: nobody can write to such a tensor in place."""
    if tensor.layout != torch.strided:
        return False
    return any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
