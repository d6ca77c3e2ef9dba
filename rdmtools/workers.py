"""Who does the work? This process, or any `concurrent.futures.Executor`, with the same answers in order.

A process pool, Dask's ``Client.get_executor()``, an MPI or Ray pool: no scheduler of our own.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TypeVar

from rdmtools.errors import ParameterError, WorkerError

Task = TypeVar("Task")
Result = TypeVar("Result")

# Of losses that travel to workers and are not worked on yet.
MOST_BYTES = 1 << 28


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
        Where the executor lost its workers.
    """
    if not callable(getattr(executor, "submit", None)):
        raise ParameterError(
            f"executor is {executor!r}; needed a concurrent.futures.Executor, such as ProcessPoolExecutor()"
        )
    waiting: deque[tuple[Future[Result], int]] = deque()
    travelling = 0
    try:
        for task, size in tasks:
            while waiting and travelling + size > MOST_BYTES:
                yield waiting[0][0].result()
                travelling -= waiting.popleft()[1]
            waiting.append((executor.submit(work, task), size))
            travelling += size
        while waiting:
            yield waiting[0][0].result()
            waiting.popleft()
    except BrokenExecutor as error:
        raise WorkerError(
            "a worker process died (killed, or out of memory?); needed all of them; "
            "try fewer workers, or start again"
        ) from error
    finally:
        for future, _ in waiting:
            future.cancel()
