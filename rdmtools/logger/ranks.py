"""Which process of the training is this? As told, or as torch.distributed or the launcher knows."""

import os
import sys
from typing import Any

from rdmtools.errors import ParameterError


def rank_and_world_size(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Number of this process and how many there are; 0 of 1 where nobody knows better.

    In this order: what is given, an initialised torch.distributed, RANK and WORLD_SIZE in the environment.
    Raises ParameterError where they do not fit.
    """
    if (rank is None) != (world_size is None):
        raise ParameterError(f"rank is {rank}, world_size is {world_size}; needed both, or neither")
    if rank is None or world_size is None:
        rank, world_size = _from_torch() or _from_environment() or (0, 1)
    if not 0 <= rank < world_size:
        raise ParameterError(f"rank is {rank} of world_size {world_size}; needed 0 <= rank < world_size")
    return rank, world_size


def _from_torch() -> tuple[int, int] | None:
    torch: Any = sys.modules.get("torch")  # never imported for this
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.get_rank(), distributed.get_world_size()


def _from_environment() -> tuple[int, int] | None:
    try:
        rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):  # other programs use these names, too
        return None
    return (rank, world_size) if 0 <= rank < world_size else None
