"""What did one call hand over? A step, losses or scalars, checked: NumPy, whatever framework held them.

No framework is imported to know.
"""

import json
import operator
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import STEP
from rdmtools.format.trusted import DEEPEST, nesting, writable

_MOST_BYTES = 1 << 31  # the most that one system call takes


class Refusal(ParameterError):
    """Why a record was not taken: `reason` is its key in `ProbeLogger.refused`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def checked_step(step: Any, before: int | None, *, repeats: bool) -> int:
    """`step` as an integer. Raises Refusal where it is none, or does not rise above `before`."""
    if type(step) is int and before is not None and before < step < 2**63:
        return step  # as nearly all are
    try:
        number = operator.index(step)
    except Exception as error:  # not TypeError alone: a step on a device can fail as the device does
        raise Refusal("step", f"step is a {type(step).__name__}; needed an integer") from error
    if not -(2**63) <= number < 2**63:
        raise Refusal("step", f"step has {number.bit_length()} bits; needed a 64-bit integer")
    if before is not None and (number < before or (number == before and not repeats)):
        raise Refusal("step", f"step {number} follows step {before}; needed steps that rise")
    return number


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
        raise ParameterError(
            f"losses are not numbers ({one_line(error)}); needed an array of them"
        ) from error


def check_shape(shape: tuple[int, ...], samples: int, dtype: np.dtype[Any], *, draws: bool) -> None:
    """Raise ParameterError where losses of `shape` are not of so many `samples`; 0 where nobody knows yet."""
    if len(shape) != 1 + draws or 0 in shape or (samples and shape[-1] != samples):
        needed = f"(draws, {samples or 'samples'})" if draws else f"({samples or 'samples'},)"
        raise ParameterError(f"losses have shape {shape}; needed {needed}: one for each sample")
    if (size := prod(shape) * dtype.itemsize) >= _MOST_BYTES:
        raise ParameterError(f"losses take {size} bytes; needed less than 2 GiB: log fewer draws")


def count_nonfinite(losses: NDArray[Any]) -> int:
    """How many are NaN or inf."""
    return losses.size - int(np.count_nonzero(np.isfinite(losses)))


def checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the user says of the run, as JSON has it. Raises ParameterError where that cannot hold it."""
    try:
        if not all(isinstance(name, str) for name in metadata):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("a name that is not str")
        plain = json.loads(json.dumps(dict(metadata), allow_nan=False))
        json.dumps(plain, ensure_ascii=False).encode()  # half a character is JSON, and no file can hold it
        if nesting(plain) > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
        return plain
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"metadata cannot be JSON ({error}); needed numbers, text, lists or dicts by name: try float(x)"
        ) from error


def checked_unit(unit: str | None) -> str | None:
    """`unit`, None where nobody named it. Raises ParameterError where it is no text that a file can hold."""
    if unit is None:
        return None
    if not isinstance(unit, str) or writable(unit) != unit:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"unit is {unit!a}; needed text in UTF-8, such as 'nats'")
    return unit


def scalars_payload(values: Mapping[str, Any]) -> bytes:
    """What a record of scalars holds. Raises ParameterError where one is no number, or its name is wrong."""
    if not values or STEP in values:
        raise ParameterError(f"scalars are named {list(values)}; needed at least one, and none named 'step'")
    for name in values:
        if writable(name) != name:
            raise ParameterError(
                f"scalar {name!a} has a name that is not UTF-8; needed one that is: rename it"
            )
    return json.dumps({name: as_number(name, value) for name, value in values.items()}).encode()


def as_number(name: str, value: Any) -> float:
    """`value`, a number or a 0-d array or tensor, as a float. Raises ParameterError where it is not one."""
    try:
        if isinstance(value, str | bytes) or getattr(value, "ndim", 0):
            raise TypeError(f"{type(value).__name__} of shape {getattr(value, 'shape', ())}")
        return float(value)
    except Exception as error:  # as above
        raise ParameterError(
            f"scalar {name!r} is not a number ({one_line(error)}); needed one: reduce it first"
        ) from error


def one_line(error: Exception) -> str:
    """What a framework's error says, in short."""
    return " ".join(str(error).split())[:200]
