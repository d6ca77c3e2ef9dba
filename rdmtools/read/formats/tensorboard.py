"""What losses are in a TensorBoard log? Tensors (samples,) under a tag, by `add_tensor(tag, losses, step)`.

Each start of a training opens an event file of its own; in the order of their names, which is that of their
times, they are attempts: a later one supersedes from its first step on. Needs the package `tensorboard`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError
from rdmtools.format.names import ATTEMPT, LOSS, LOSSES_SUFFIX, SAMPLE_ID, STEP
from rdmtools.run.from_table import Long
from rdmtools.run.layout import left_out, shortened
from rdmtools.run.quality import counted

_FLOATS = ("DT_HALF", "DT_BFLOAT16", "DT_FLOAT", "DT_DOUBLE")
_HEADER_BYTES, _FOOTER_BYTES = 12, 4  # of a record: its length and a checksum, and a checksum


class _Row(NamedTuple):
    attempt: int
    step: int
    losses: NDArray[Any]


def is_event_file(path: Path) -> bool:
    """Whether `path` is named as TensorBoard names its event files."""
    return "tfevents" in path.name and path.suffix != LOSSES_SUFFIX and not path.is_dir()


def is_log(path: Path) -> bool:
    """Whether `path` is an event file by its name, or a folder with one."""
    return bool(event_files(path)) if path.is_dir() else is_event_file(path)


def event_files(source: Path) -> list[Path]:
    """The event files of one log, in the order in which they were begun: `source`, or those in it."""
    return sorted(filter(is_event_file, source.iterdir() if source.is_dir() else [source]))


def read(source: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Long, list[str]]:
    """The losses in a log, samples numbered, and what was guessed.

    `columns` maps `loss` to a tag; without, it is `loss` or the only one with tensors (samples,).
    Raises ParameterError, and FormatError where `tensorboard` is not installed.
    """
    if others := [role for role in columns or {} if role != LOSS]:
        raise ParameterError(f"columns maps {others[0]!r}; needed loss alone: a log has steps of its own")
    found: dict[str, list[_Row]] = {}
    notes: list[str] = []
    for attempt, path in enumerate(event_files(source)):
        records = 0
        for event in _events(path):
            records += 1
            for value in event.summary.value:
                rows = found.setdefault(value.tag, [])
                if (losses := _losses(value)) is not None:
                    rows.append(_Row(attempt, event.step, losses))
        if left := _bytes_after(path, records):
            notes.append(
                f"could not read the last {counted(left, 'byte')} of {path.name}: damaged, or cut short"
            )
    tag, said = _tag(found, (columns or {}).get(LOSS))
    return _table(tag, found[tag]), notes + said


def _events(path: Path) -> Iterator[Any]:
    """Every event up to the first record that is damaged, or not whole."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
        from tensorboard.compat.proto.event_pb2 import Event
    except ImportError as error:
        raise FormatError(
            f"{path} is a TensorBoard log, and tensorboard is not installed ({error}); "
            "needed it to read one: pip install 'rdmtools[tensorboard]'"
        ) from error
    return map(Event.FromString, RawEventFileLoader(str(path)).Load())


def _losses(value: Any) -> NDArray[Any] | None:
    """The tensor (samples,) that was logged, None where something else was."""
    from tensorboard.compat.proto.types_pb2 import DataType
    from tensorboard.util.tensor_util import make_ndarray

    tensor = value.tensor
    if len(tensor.tensor_shape.dim) != 1 or DataType.Name(tensor.dtype) not in _FLOATS:
        return None
    if DataType.Name(tensor.dtype) == "DT_BFLOAT16":  # the upper halves of float32, which NumPy does not know
        halves = np.frombuffer(tensor.tensor_content, np.uint16) if tensor.tensor_content else tensor.half_val
        floats = (np.array(halves, np.uint32) << 16).view(np.float32)
        return np.broadcast_to(floats, tensor.tensor_shape.dim[0].size)
    losses: NDArray[Any] = make_ndarray(tensor)
    return losses.astype(np.float64 if losses.dtype.itemsize == 8 else np.float32)


def _bytes_after(path: Path, records: int) -> int:
    """Bytes in `path` after that many records."""
    with path.open("rb") as file:
        end = 0
        for _ in range(records):
            length = int.from_bytes(file.read(_HEADER_BYTES)[:8], "little")
            end = file.seek(length + _FOOTER_BYTES, 1)
    return path.stat().st_size - end


def _tag(found: Mapping[str, list[_Row]], wanted: str | None) -> tuple[str, list[str]]:
    """The tag that holds losses, and what was guessed or left out."""
    fit = [tag for tag, rows in found.items() if rows]
    if wanted is None:
        wanted = LOSS if LOSS in fit or len(fit) != 1 else fit[0]
        said = [] if wanted == LOSS else [f"took tag {wanted!r} for the losses"]
    else:
        said = []
    if wanted not in fit:
        others = shortened([tag for tag in found if tag not in fit]) or "no tag"
        one = fit[0] if fit else "…"
        raise ParameterError(
            f"no tensors of shape (samples,) under tag {wanted!r}; found such under "
            f"{shortened(fit) or 'no tag'}, something else under {others}; "
            f'map with columns={{"loss": "{one}"}}'
        )
    return wanted, said + left_out("tag", [tag for tag in found if tag != wanted])


def _table(tag: str, rows: list[_Row]) -> Long:
    samples = len(rows[0].losses)
    for row in rows:
        if len(row.losses) != samples:
            raise ParameterError(
                f"tag {tag!r} has {counted(len(row.losses), 'value')} at step {row.step}, "
                f"{samples} at step {rows[0].step}; needed the same samples at every step"
            )
    table = {
        STEP: np.repeat([row.step for row in rows], samples),
        SAMPLE_ID: np.tile(np.arange(samples), len(rows)),
        LOSS: np.concatenate([row.losses for row in rows]),
        ATTEMPT: np.repeat([row.attempt for row in rows], samples),
    }
    return Long(table=pa.table(table))
