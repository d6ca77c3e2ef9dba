"""Who works for a command? This process, N others (--workers), or those of a Dask cluster (--dask)."""

import os
import signal
from collections.abc import Generator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from typing import Any, NamedTuple

from rdmtools.errors import ParameterError

_PATIENCE_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Flags of the commands whose work others may do."""

    workers: int | None = field(
        default=None,
        metadata={
            "help": "Processes that share the work, by run or by rows; by default, of many runs, as many as "
            "there are cores, and so many threads of one on a large run.",
            "metavar": "N",
        },
    )
    dask: str | None = field(
        default=None,
        metadata={"help": "A Dask scheduler whose workers share the work.", "metavar": "ADDRESS"},
    )


class Staff(NamedTuple):
    """An executor and how many workers it has; None and 1 where this process does it all."""

    executor: Executor | None
    workers: int
    threads: Executor | None = None
    """Of this process, where it does it all and nobody said how many: for runs large enough."""


@contextmanager
def staff(sharing: Sharing, *, runs: int = 1, worth: int = 1) -> Generator[Staff]:
    """Whoever does the work on so many `runs`, of which one process more is `worth` so many.

    Raises ParameterError where the flags name nobody.
    """
    workers, dask = sharing.workers, sharing.dask
    if workers is None:
        workers = max(min(_cores(), runs // worth), 1) if dask is None and runs > 1 else 1
    if workers < 1:
        raise ParameterError(f"workers is {workers}; choose at least 1")
    if dask is not None and workers > 1:
        raise ParameterError("both --workers and --dask were given; give one of them")
    if dask is None and workers == 1:
        if sharing.workers is None and (cores := _cores()) > 1:
            with ThreadPoolExecutor(cores) as threads:  # which begin with their first work
                yield Staff(None, 1, threads)
        else:
            yield Staff(None, 1)
        return
    with _processes(workers) if dask is None else _cluster(dask) as hired:
        yield hired


def _cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _processes(count: int) -> Generator[Staff]:
    # Fresh ones: a copy of a process with threads may wait for ever for what one of them held.
    executor = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin)
    try:
        yield Staff(executor, count)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()
        for child in active_children():
            child.join(_PATIENCE_S)
        raise
    executor.shutdown()


def _begin() -> None:
    """A worker leaves interrupts to the command, and its one core to itself."""
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)


@contextmanager
def _cluster(address: str) -> Generator[Staff]:
    try:
        from distributed import Client
    except ImportError:
        raise ParameterError(
            "no dask.distributed here; needed for --dask; pip install 'rdmtools[dask]'"
        ) from None
    try:
        client: Any = Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"no Dask scheduler answers at {address} ({' '.join(str(error).split())[:100]}); "
            "needed one such as tcp://host:8786"
        ) from error
    with client:
        yield Staff(client.get_executor(), max(len(client.scheduler_info(n_workers=-1)["workers"]), 1))
