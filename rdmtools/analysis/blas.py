"""How many threads may a matrix product take? One: whoever runs the analysis says how many run beside it.

Products here are small, and more threads would rather wait for each other than work; bits, too, stay the same
whatever the machine's settings are.
"""

import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_within = 0
_hold = ExitStack()


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:  # pyright: ignore[reportUnusedParameter]
    """Of every BLAS that is loaded: a module that came since, as scipy.linalg, may have brought its own."""
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Generator[None]:
    """Hold BLAS to one thread, and give back what was set before once nobody here needs that any more.

    The setting is that of the whole process, so threads that work side by side share one hold on it.
    """
    global _within
    with _lock:
        if _within == 0:
            _hold.enter_context(_controller(len(sys.modules)).limit(limits=1, user_api="blas"))  # pyright: ignore[reportUnknownMemberType]
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if _within == 0:
                _hold.close()
