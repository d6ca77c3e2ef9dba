"""What losses are in a TensorBoard log? Tensors (samples,) under a tag, by `add_tensor(tag, losses, step)`.

Or, where there are none, scalars under a tag for each sample: loss/0, loss/1, ... A curve or two are means.

Each start of a training opens an event file of its own; in the order of their names, which is that of their
times, they are attempts: a later one supersedes from its first step on. So does what comes after steps that
fall back in one file, which TensorBoard purges likewise, tag by tag. Needs the package `tensorboard`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingImports=false, reportAttributeAccessIssue=false

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError, one_line
from rdmtools.format.names import ATTEMPT, LOSS, LOSSES_SUFFIX, SAMPLE_ID, STEP
from rdmtools.read.formats.unfolded import refuse_unfolding
from rdmtools.run.from_table import Long, typed_ids
from rdmtools.run.layout import left_out, shortened
from rdmtools.run.quality import counted
from rdmtools.run.usual_names import NO_SAMPLES

_FLOATS = ("DT_HALF", "DT_BFLOAT16", "DT_FLOAT", "DT_DOUBLE")
_HEADER_BYTES, _FOOTER_BYTES = 12, 4  # of a record: its length and a checksum, and a checksum
_ITEM_BYTES = 8
_NUMBERED = re.compile(r"(.*?)([0-9]+)")  # loss/0, sample_loss_17
_OF_SETS = "dataloader_idx"  # Lightning's means over several validation sets
_FEWEST, _FEWEST_NAMED = 3, 16  # fewer are means: of losses that are summed, of sets of data


class _Row(NamedTuple):
    attempt: int
    step: int
    losses: NDArray[Any]


@dataclass(slots=True, kw_only=True)
class _Tag:
    """What was logged under one tag."""

    rows: list[_Row] = field(default_factory=list[_Row])
    """Tensors (samples,)."""
    scalars: list[_Row] = field(default_factory=list[_Row])
    """Single numbers, as such tensors of one."""
    _file: int = -1
    _attempt: int = -1
    _step: int = 0

    def attempt(self, file: int, step: int) -> int:
        """Which attempt a value belongs to: each file begins one, and each step that falls back."""
        if file != self._file or step < self._step:
            self._attempt += 1
        self._file, self._step = file, step
        return self._attempt


def is_event_file(path: Path) -> bool:
    """Whether `path` is named as TensorBoard names its event files."""
    return "tfevents" in path.name and path.suffix != LOSSES_SUFFIX and not path.is_dir()


def is_log(path: Path) -> bool:
    """Whether `path` is an event file by its name, or a folder with one."""
    return bool(event_files(path)) if path.is_dir() else is_event_file(path)


def event_files(source: Path) -> list[Path]:
    """The event files of one log, in the order in which they were begun: `source`, or those in it."""
    with suppress(PermissionError):  # of a folder that none may look into
        return sorted(filter(is_event_file, source.iterdir() if source.is_dir() else [source]))
    return []


def read(source: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Long, list[str]]:
    """The losses in a log, samples numbered, and what was guessed.

    `columns` maps `loss` to a tag; without, it is `loss` or the only one with tensors (samples,).
    Raises ParameterError, and FormatError where `tensorboard` is not installed.
    """
    if others := [role for role in columns or {} if role != LOSS]:
        raise ParameterError(f"columns maps {others[0]!r}; needed loss alone: a log has steps of its own")
    found: dict[str, _Tag] = {}
    notes: list[str] = []
    for number, path in enumerate(event_files(source)):
        records, size = 0, 0
        for event in _events(path):
            records += 1
            for value in event.summary.value:
                tag = found.setdefault(value.tag, _Tag())
                if (losses := _losses(path, value, event.step)) is not None:
                    size += losses.size * _ITEM_BYTES
                    refuse_unfolding(path, size, "write the log again, with the losses of fewer samples")
                    row = _Row(tag.attempt(number, event.step), event.step, losses.reshape(-1))
                    (tag.rows if losses.ndim else tag.scalars).append(row)
        if left := _bytes_after(path, records):
            notes.append(
                f"could not read the last {counted(left, 'byte')} of {path.name}: damaged, or cut short"
            )
    wanted = (columns or {}).get(LOSS)
    if not any(tag.rows for tag in found.values()) and (tags := _tags_of_samples(found, wanted)):
        others = left_out("tag", [tag for tag in found if tag not in tags.values()])
        said = (
            f"took the scalars {shortened([*tags.values()])} for the losses of {counted(len(tags), 'sample')}"
        )
        return _table_of_scalars(tags, found), [*notes, said, *others]
    tag, said = _tag(found, wanted)
    return _table(tag, found[tag].rows), notes + said


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
    return _parsed(path, RawEventFileLoader(str(path)).Load(), Event.FromString)


def _parsed(path: Path, records: Iterator[bytes], parse: Any) -> Iterator[Any]:
    number = 0
    try:
        for record in records:
            number += 1
            yield parse(record)
    except GeneratorExit:
        raise
    except Exception as error:  # of protobuf, whose errors are of no kind that we know
        raise FormatError(
            f"{path} has a record {number} that is no event ({one_line(error)}); needed a whole event file; "
            "copy it again"
        ) from error


def _losses(path: Path, value: Any, step: int) -> NDArray[Any] | None:
    """The tensor (samples,) that was logged, or the number, (); None where something else was."""
    if value.WhichOneof("value") == "simple_value":
        return np.array(value.simple_value, np.float32)
    try:
        return _values(path, value.tensor)
    except FormatError:
        raise
    except Exception as error:  # whatever a shape or a type that is none leads to
        raise FormatError(
            f"{path} has a tensor that does not read, under tag {value.tag!r} at step {step} "
            f"({one_line(error)}); needed numbers of its shape; log it again"
        ) from error


def _values(path: Path, tensor: Any) -> NDArray[Any] | None:
    from tensorboard.compat.proto.types_pb2 import DataType
    from tensorboard.util.tensor_util import make_ndarray

    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    if len(sizes) > 1 or DataType.Name(tensor.dtype) not in _FLOATS or min(sizes, default=0) < 0:
        return None
    refuse_unfolding(path, _ITEM_BYTES * sum(sizes), "write the log again, with the losses of fewer samples")
    if DataType.Name(tensor.dtype) == "DT_BFLOAT16":  # the upper halves of float32, which NumPy does not know
        halves = np.frombuffer(tensor.tensor_content, np.uint16) if tensor.tensor_content else tensor.half_val
        floats = (np.array(halves, np.uint32) << 16).view(np.float32)
        return np.broadcast_to(floats, sizes) if sizes else floats.reshape(())
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


def _tags_of_samples(found: Mapping[str, _Tag], wanted: str | None) -> dict[str, str]:
    """Tags of scalars that are each a sample, by its id; none where there are only curves of means."""
    scalars = [tag for tag, logged in found.items() if logged.scalars]
    groups: dict[str, dict[str, str]] = {}
    for tag in scalars:
        if (numbered := _NUMBERED.fullmatch(tag)) and _OF_SETS not in tag:
            groups.setdefault(numbered[1], {})[numbered[2]] = tag
    named: dict[str, dict[str, str]] = {}
    for tag in scalars:
        prefix, slash, name = tag.rpartition("/")
        if slash and prefix + slash not in groups:
            named.setdefault(prefix + slash, {})[name] = tag
    if wanted is not None:
        fit = [tags for prefix, tags in (groups | named).items() if wanted.strip("/_") == prefix.strip("/_")]
        return fit[0] if len(fit) == 1 and len(fit[0]) > 1 else {}
    named = {
        key: tags for key, tags in named.items() if len(tags) >= _FEWEST_NAMED and _together(tags, found)
    }
    groups = {key: tags for key, tags in groups.items() if len(tags) >= _FEWEST} | named
    groups = {key: tags for key, tags in groups.items() if _speaks_of_losses(key)}
    if len(groups) > 1:
        names = [key.strip("/_") for key in groups]
        raise ParameterError(
            f"scalars of samples under {shortened(names)}; needed those of one kind; "
            f'choose with columns={{"loss": "{names[0]}"}}'
        )
    return next(iter(groups.values()), {})


def _speaks_of_losses(name: str) -> bool:
    return any(word in name.lower() for word in ("loss", "nll"))


def _together(tags: Mapping[str, str], found: Mapping[str, _Tag]) -> bool:
    """Whether all were logged at the same steps."""
    steps = [[row.step for row in found[tag].scalars] for tag in tags.values()]
    return all(each == steps[0] for each in steps)


def _table_of_scalars(tags: Mapping[str, str], found: Mapping[str, _Tag]) -> Long:
    rows = [(name, row) for name, tag in zip(typed_ids([*tags]), tags.values(), strict=True)
            for row in found[tag].scalars]  # fmt: skip
    table = {
        STEP: [row.step for _, row in rows],
        SAMPLE_ID: pa.array([name for name, _ in rows]),
        LOSS: np.concatenate([row.losses for _, row in rows]),
        ATTEMPT: [row.attempt for _, row in rows],
    }
    return Long(table=pa.table(table))


def _tag(found: Mapping[str, _Tag], wanted: str | None) -> tuple[str, list[str]]:
    """The tag that holds losses, and what was guessed or left out."""
    fit = [tag for tag, logged in found.items() if logged.rows]
    curves = [tag for tag, logged in found.items() if logged.scalars]
    if not fit and curves and len(curves) == len(found):
        losses = [tag for tag in curves if _speaks_of_losses(tag)] or curves
        raise ParameterError(NO_SAMPLES.format(names=shortened(losses)))
    if wanted is None:
        wanted = LOSS if LOSS in fit or len(fit) != 1 else fit[0]
        said = [] if wanted == LOSS else [f"took tag {wanted!r} for the losses"]
    else:
        said = []
    if wanted not in fit:
        others = shortened([tag for tag in found if tag not in fit]) or "no tag"
        fix = (
            f'map with columns={{"loss": "{fit[0]}"}}'
            if fit
            else "log them: add_tensor('loss', losses, step)"
        )
        raise ParameterError(
            f"no tensors of shape (samples,) under tag {wanted!r}; found such under "
            f"{shortened(fit) or 'no tag'}, something else under {others}; {fix}"
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
