"""What numbers did the framework hand over? NumPy, whatever held them; no framework is imported to know."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError


def as_losses(values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`values` as an array of `dtype`, of any shape; NaN and inf are data, and so is what overflows.

    Takes NumPy and JAX arrays, lists, and torch tensors of any device and type, bfloat16 too.
    Raises ParameterError where they are not real numbers.
    """
    try:
        if hasattr(values, "detach"):  # a torch tensor; NumPy has no bfloat16, so widen there first
            wide = values.detach().double() if dtype.itemsize == 8 else values.detach().float()
            values = wide.cpu().numpy()
        array = np.asarray(values)
        if array.dtype.kind in "OSUMmc":
            raise TypeError(f"of type {array.dtype}")
        if array.dtype == dtype:
            return array
        with np.errstate(over="ignore", invalid="ignore"):
            return array.astype(dtype)
    except Exception as error:  # whatever a framework may raise must not end the training
        raise ParameterError(f"losses are not numbers ({_line(error)}); needed an array of them") from error


def as_number(name: str, value: Any) -> float:
    """`value`, a number or a 0-d array or tensor, as a float. Raises ParameterError where it is not one."""
    try:
        if isinstance(value, str | bytes) or getattr(value, "ndim", 0):
            raise TypeError(f"{type(value).__name__} of shape {getattr(value, 'shape', ())}")
        return float(value)
    except Exception as error:  # as above
        raise ParameterError(
            f"scalar {name!r} is not a number ({_line(error)}); needed one: reduce it first"
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def count_nonfinite(losses: NDArray[Any]) -> int:
    """How many are NaN or inf."""
    return losses.size - int(np.count_nonzero(np.isfinite(losses)))
