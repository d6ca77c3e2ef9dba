"""What can go wrong, and what each error is called.

    RdmtoolsError
    ├── FormatError      a file: missing, truncated, not what the format says
    │   ├── ChangedError it was replaced while it was read; what reads a run has tried again already
    │   └── DeniedError  a store does not let us look there
    ├── ParameterError   an argument (also a ValueError)
    └── WorkerError      an executor: its workers died

Every message is one line: what was found, what was needed, the usual fix.
"""

from collections.abc import Callable, Generator
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


# Those whose errors speak of what they read; few of these are OSError or ValueError.
_READERS = ("pyarrow", "polars", "pandas", "zipfile", "zlib")


@contextmanager
def reading(
    place: object,
    needed: str = "a whole file of the form that its name tells",
    *,
    explain: Callable[[Exception], RdmtoolsError | None] | None = None,
) -> Generator[None]:
    """Whatever goes wrong in here is wrong with `place`, a file or a store, and is told in one line.

    A ParameterError speaks of rows and columns, and becomes a FormatError with the path. What the system or a
    reader of files raises becomes one that says what was `needed`; a file that vanishes is a ChangedError.

    Parameters
    ----------
    explain
        What to raise instead of an error that is none of ours, where that is known better; None lets it be.
    """
    try:
        yield
    except ParameterError as error:
        raise FormatError(f"{place}: {error}") from error
    except RdmtoolsError:
        raise
    except Exception as error:
        told = _fault(place, error, needed) if explain is None else explain(error)
        if told is None:
            raise
        raise told from error


def _fault(place: object, error: Exception, needed: str) -> FormatError | None:
    if isinstance(error, FileNotFoundError):
        return ChangedError(f"{place} vanished while it was read; read the run again")
    of_a_file = isinstance(error, OSError | ValueError | EOFError | MemoryError)
    if not of_a_file and type(error).__module__.partition(".")[0] not in _READERS:
        return None
    return FormatError(f"{place} cannot be read ({one_line(error)}); needed {needed}")


def one_line(error: BaseException | str) -> str:
    """What an error says, in one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
