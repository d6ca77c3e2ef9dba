"""What is refused in every framework alike? No framework is imported to know."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rdmtools.errors import ParameterError


@contextmanager
def needed(name: str, version: str, extra: str = "") -> Generator[None]:
    """Where the block finds the framework `name` not installed, the error says how to have it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f"{name} is not installed; rdmtools.integrations.{name} needs {version} or newer: "
            f'pip install "{name}{extra}>={version}"',
            name=name,
        ) from error


def check_gaussian(sigma: float, draws: int) -> None:
    """Raise ParameterError where nothing can be drawn with a deviation of `sigma`, `draws` times."""
    if not 0 <= sigma < float("inf"):
        raise ParameterError(f"sigma is {sigma}; needed a finite number of at least 0")
    if draws < 1:
        raise ParameterError(f"draws is {draws}; needed at least 1")


def check_batches(losses: Sequence[Any]) -> None:
    """Raise ParameterError where the losses are those of no batch."""
    if not losses:
        raise ParameterError(
            "no batches; needed at least one: pass a list, a generator is used up by one call"
        )


def check_width(dtype: Any, wide: Sequence[Any], widening: str) -> None:
    """Raise ParameterError where losses are narrower than `wide`, as the framework calls float32 and 64."""
    if dtype not in wide:
        raise ParameterError(
            f"losses are of type {dtype}; needed float32 or float64: "
            f"widen outputs before the loss, as by {widening}"
        )
