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


# Those whose words tell what is wrong with a file: the system and its readers. Of others the type says more.
_TELLING = OSError | ValueError | EOFError
_READERS = ("pyarrow", "polars", "pandas", "zipfile", "zlib")
_PANIC = "pyo3_runtime"  # where polars finds what it did not expect; not even an Exception


@contextmanager
def reading(
    place: object,
    needed: str = "a whole file of the form that its name tells",
    *,
    explain: Callable[[Exception], RdmtoolsError | None] | None = None,
) -> Generator[None]:
    """Whatever goes wrong in here is wrong with `place`, a file or a store, and is told in one line.

    A ParameterError speaks of rows and columns, and becomes a FormatError with the path. Whatever else is
    raised becomes one that says what was `needed`: readers raise anything over what is damaged, or lies. A
    file that vanishes is a ChangedError. In here only read, and make sense of it.

    Parameters
    ----------
    explain
        What to raise instead of an error that is none of ours, where that is known better; None lets it be.
    """
    try:
        yield
    except ParameterError as error:
        raise FormatError(f"{place}: {error}") from error
    except (RdmtoolsError, Warning):  # warnings that somebody made errors speak for themselves
        raise
    except BaseException as error:
        if isinstance(error, Exception):
            told = _fault(place, error, needed) if explain is None else explain(error)
        else:
            told = _fault(place, error, needed) if type(error).__module__ == _PANIC else None
        if told is None:
            raise
        raise told from error


def _fault(place: object, error: BaseException, needed: str) -> FormatError:
    if isinstance(error, FileNotFoundError):
        return ChangedError(f"{place} vanished while it was read; read the run again")
    return FormatError(f"{place} cannot be read ({cause(error)}); needed {needed}")


def cause(error: BaseException) -> str:
    """What an error says, in one short line, and what it is where its words alone do not tell."""
    said, name = one_line(error), type(error).__name__
    telling = isinstance(error, _TELLING) or type(error).__module__.partition(".")[0] in _READERS
    return said if telling or said == name else f"{name}: {said}"


def one_line(error: BaseException | str) -> str:
    """What an error says, in one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
