"""What can go wrong, and what each error is called.

    RdmtoolsError
    ├── FormatError      a file: missing, truncated, not what the format says
    │   ├── ChangedError it was replaced while it was read; what reads a run has tried again already
    │   └── DeniedError  a store does not let us look there
    ├── ParameterError   an argument (also a ValueError)
    └── WorkerError      an executor: its workers died

Every message is one line: what was found, what was needed, the usual fix.
"""

from collections.abc import Generator
from contextlib import contextmanager


class RdmtoolsError(Exception):
    """Anything rdmtools raises on purpose."""


class FormatError(RdmtoolsError):
    """A file, or what is in it, cannot be read as a run."""


class ChangedError(FormatError):
    """A file was replaced or removed while it was read."""


class DeniedError(FormatError):
    """A store refuses what was asked of it."""


class ParameterError(RdmtoolsError, ValueError):
    """An argument does not fit what it is applied to."""


class WorkerError(RdmtoolsError):
    """An executor lost workers, and with them work that it had taken."""


class RdmtoolsWarning(UserWarning):
    """Something was refused or trusted; the work went on."""


@contextmanager
def reading(path: object) -> Generator[None]:
    """What is wrong with rows and columns is wrong with the file they are from."""
    try:
        yield
    except ParameterError as error:
        raise FormatError(f"{path}: {error}") from error
