"""How do losses leave a GPU without the training waiting for it? By a copy that goes on while it trains.

A CUDA tensor is copied to pinned memory on the current stream, and `log` returns. The next call, or `flush`,
or `close`, finds the copy done and writes its record: until then the row is not accepted, and a kill takes
it.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.logger.accept import one_line


def on_gpu(values: Any) -> bool:
    """Whether `values` is a CUDA tensor of torch."""
    return getattr(values, "is_cuda", False) is True and "torch" in sys.modules


class Leaving:
    """The copy of a CUDA tensor, of float type `dtype`, begun. Raises ParameterError where torch cannot."""

    def __init__(self, tensor: Any, dtype: np.dtype[Any]) -> None:
        torch: Any = sys.modules["torch"]
        with _one_line():
            wide = tensor.detach().to(torch.float64 if dtype.itemsize == 8 else torch.float32)
            self._host = torch.empty(wide.shape, dtype=wide.dtype, pin_memory=True)
            self._host.copy_(wide, non_blocking=True)
            self._done = torch.cuda.Event()
            self._done.record(torch.cuda.current_stream(tensor.device))

    def arrived(self) -> NDArray[Any]:
        """The losses, waited for. Raises ParameterError where the device failed, maybe long before."""
        with _one_line():
            self._done.synchronize()
            return self._host.numpy()


@contextmanager
def _one_line() -> Generator[None]:
    try:
        yield
    except Exception as error:  # whatever a framework may raise must not end the training
        raise ParameterError(
            f"losses cannot leave the GPU ({one_line(error)}); needed real numbers"
        ) from error
