"""Which form do losses come in, and who reads it? The name tells; what is wrong is one line with the path.

CSV, Arrow, NumPy, training dynamics, a TensorBoard log -> layout -> `Run`, by the rules of `read_run`
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from pathlib import Path

from rdmtools.errors import FormatError, reading
from rdmtools.format.names import (
    ARROW_SUFFIXES,
    CSV_SUFFIXES,
    FOREIGN_SUFFIXES,
    LOSSES_SUFFIX,
    NUMPY_SUFFIXES,
)
from rdmtools.read.formats import arrow, cartography, csv, npy, tensorboard
from rdmtools.read.layout import Losses
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

GB = 1e9
LARGE_BYTES = 1 << 29  # read at once, text takes some three times its size of memory

_NEEDED = (
    f"needed losses as {', '.join((*FOREIGN_SUFFIXES, LOSSES_SUFFIX))}, "
    "a TensorBoard log, or a folder of dynamics_epoch_0.jsonl and so on"
)


def is_foreign(path: Path) -> bool:
    """Whether `path` names losses in another form than ours, there or not."""
    if path.is_dir():
        ours = any(path.glob("*" + LOSSES_SUFFIX))
        return not ours and bool(cartography.epoch_files(path) or tensorboard.event_files(path))
    return path.name.endswith(FOREIGN_SUFFIXES) or tensorboard.is_event_file(path)


def refuse_large(path: Path) -> None:
    """Raise FormatError where `path` holds more than is read without being converted first."""
    if (size := size_of(path)) > LARGE_BYTES:
        raise FormatError(
            f"{path} has {size / GB:.1f} GB; needed at most {LARGE_BYTES / GB:.1f} GB of this form; "
            f"convert it first (rdmtools convert '{path}')"
        )


def size_of(path: Path) -> int:
    """Bytes that the losses at `path` take on disk."""
    files = [path] if path.is_file() else path.glob("*")
    return sum(file.stat().st_size for file in files)


def read(source: Path, layout: str | None, rules: Rules) -> tuple[Run, list[str]]:
    """The run that is in `source`, and what was guessed or left out. Raises FormatError."""
    with reading(source):
        losses, notes = _losses(source, layout, rules.columns)
        return losses.run(rules), notes


def _losses(source: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    if not source.exists():
        raise FormatError(f"no file {source}; {_NEEDED}; check the path")
    if source.is_dir() and cartography.epoch_files(source):
        return cartography.read(source)
    if source.is_dir() or tensorboard.is_event_file(source):
        return tensorboard.read(source, columns)
    if source.name.endswith(CSV_SUFFIXES):
        return csv.read(source, layout, columns)
    if source.suffix in ARROW_SUFFIXES:
        return arrow.read(source, layout, columns)
    if source.suffix in NUMPY_SUFFIXES:
        return npy.read(source, columns)
    raise FormatError(f"{source} has a name that does not tell its form; {_NEEDED}; rename it")
