"""Who does the work? This process, or any `concurrent.futures.Executor`, with the same answers in order.

A process pool, Dask's ``Client.get_executor()``, an MPI or Ray pool: no scheduler of our own.
"""

import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from rdmtools.errors import ParameterError, RdmtoolsWarning, WorkerError, one_line

Task = TypeVar("Task")
Result = TypeVar("Result")

# Of losses that travel to workers and are not worked on yet; but so many tasks are on their way in any case.
MOST_BYTES = 1 << 28
FEWEST_TASKS = 4

# What Dask raises where workers die again and again; it need not be installed.
_LOST = ("KilledWorker", "FutureCancelledError")

_noting = Lock()


def results(
    work: Callable[[Task], Result], tasks: Iterable[tuple[Task, int]], executor: Executor
) -> Iterator[Result]:
    """``work(task)`` of each task by an executor, in the order of the tasks.

    Parameters
    ----------
    tasks
        Each with the bytes that it carries; a task is made when there is room for it on the way.

    Raises
    ------
    ParameterError
        Where `executor` is none.
    WorkerError
        Where the executor lost its workers, or was shut down.
    """
    if not callable(getattr(executor, "submit", None)):
        raise ParameterError(
            f"executor is {executor!r}; needed a concurrent.futures.Executor, such as ProcessPoolExecutor()"
        )
    waiting: deque[tuple[Future[Result], int]] = deque()
    travelling = 0
    try:
        for task, size in tasks:
            while len(waiting) >= FEWEST_TASKS and travelling + size > MOST_BYTES:
                yield _result(waiting[0][0])
                travelling -= waiting.popleft()[1]
            try:
                waiting.append((executor.submit(work, task), size))
            except RuntimeError as error:  # a broken one, too
                raise WorkerError(
                    f"the executor takes no work ({one_line(error)}); needed one that does; make a new one"
                ) from error
            travelling += size
        while waiting:
            yield _result(waiting[0][0])
            waiting.popleft()
    finally:
        for future, _ in waiting:
            future.cancel()


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except Exception as error:
        if not isinstance(error, BrokenExecutor) and type(error).__name__ not in _LOST:
            raise
        raise WorkerError(
            "a worker process died (killed, or out of memory?); needed all of them; "
            "try fewer workers, or start again"
        ) from error


@contextmanager
def noted(home: int) -> Generator[list[str]]:
    """What is warned of in here, where it would be said in another process than `home` and be lost.

    In `home` itself warnings take their usual way: to catch them is nothing for threads.
    """
    notes: list[str] = []
    if os.getpid() == home:
        yield notes
        return
    with _noting, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RdmtoolsWarning)
        yield notes
        notes += [str(each.message) for each in caught]
