"""How long is a store waited for? A while for an answer, and longer for many bytes; then that is told.

What speaks to a store has time-outs of its own, as `patient` sets them for S3. None of them ends where a
store sends a byte now and then, so every call is made in a thread that may be left behind.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from pyarrow.fs import FileSystem

from rdmtools.errors import FormatError

Result = TypeVar("Result")

ANSWER_S = 25.0
"""A store that has not answered by then, tries included, is given up."""
BYTES_A_SECOND = 30_000
"""Slower than this is as good as silent; of several requests at once each may be as slow."""
_TRIES = 3
# Of one try: for a connection, and until the next byte.
_CONNECT_S, _SILENCE_S = 5.0, 6.0

_left_behind: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()


def within(
    place: object, call: Callable[[], Result], size: int = 0, fix: str = "check the network"
) -> Result:
    """What `call` returns, which waits for a store, and for `size` bytes of it.

    Raises what the call raises, and FormatError where it takes too long: its thread goes on then, and nobody
    listens.
    """
    seconds = ANSWER_S + size / BYTES_A_SECOND
    answer: Future[Result] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    thread = threading.Thread(target=work, daemon=True, name=f"waiting for {place}")
    thread.start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        if answer.done():  # the call's own
            raise
    _left_behind.add(thread)
    what = f", for {size:,} bytes" if size else ""
    raise FormatError(f"{place}: no answer from the store within {seconds:.0f} s{what}; {fix}")


def waiting() -> bool:
    """Whether threads that were left behind are waiting still; a process would end with them alone."""
    return any(thread.is_alive() for thread in _left_behind)


def patient(filesystem: FileSystem) -> FileSystem:
    """The same file system, but that of S3 tries a few times, and not for minutes as it would by itself."""
    if filesystem.type_name != "s3":
        return filesystem
    from pyarrow.fs import AwsStandardS3RetryStrategy

    make, (about,) = filesystem.__reduce__()  # pyright: ignore[reportGeneralTypeIssues, reportAssignmentType]
    settings: dict[str, Any] = {
        "connect_timeout": _CONNECT_S,
        "request_timeout": _SILENCE_S,
        "retry_strategy": AwsStandardS3RetryStrategy(max_attempts=_TRIES),
    }
    return make({**about, **settings})
