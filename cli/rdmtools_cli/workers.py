"""Who works for a command? This process, N others (--workers), or those of a Dask cluster (--dask)."""

import signal
from collections.abc import Generator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Annotated, Any, NamedTuple

import typer

from rdmtools.errors import ParameterError

Workers = Annotated[
    int, typer.Option("--workers", metavar="N", help="Processes that share the work, by run or by rows.")
]
Dask = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDRESS", help="A Dask scheduler whose workers share the work."),
]

_PATIENCE_S = 5


class Staff(NamedTuple):
    """An executor and how many workers it has; None and 1 where this process does it all."""

    executor: Executor | None
    workers: int


@contextmanager
def staff(workers: int, dask: str | None) -> Generator[Staff]:
    """Whoever does the work. Raises ParameterError where the options name nobody."""
    if workers < 1:
        raise ParameterError(f"workers is {workers}; choose at least 1")
    if dask is not None:
        if workers > 1:
            raise ParameterError("both --workers and --dask were given; give one of them")
        with _cluster(dask) as found:
            yield found
    elif workers == 1:
        yield Staff(None, 1)
    else:
        with _processes(workers) as found:
            yield found


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
