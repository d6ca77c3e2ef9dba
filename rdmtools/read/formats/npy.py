"""What losses are in a NumPy file? In .npy (rows, samples) alone; in .npz maybe with steps and ids.

What a header says is held against the bytes that are there before anything is allocated, and no pickle is
opened. Columns of a tidy table, as an array of records or as arrays of one length in .npz, are read as one.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import math
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import ParameterError, RdmtoolsError, one_line
from rdmtools.format.names import LOSS, SAMPLE_ID, STEP
from rdmtools.read.formats.unfolded import refuse_unfolding
from rdmtools.run.from_table import Losses, Wide, from_table, numbered
from rdmtools.run.layout import left_out, shortened
from rdmtools.run.usual_names import NO_SAMPLES

_USUAL = {
    LOSS: ("loss", "losses", "per_sample_loss", "per_sample_losses", "nll"),
    STEP: ("step", "steps", "global_step", "global_steps", "epoch", "epochs"),
    SAMPLE_ID: ("sample_id", "sample_ids", "id", "ids", "idx"),
}
_NOUNS = {LOSS: "losses", STEP: "steps", SAMPLE_ID: "ids"}
_ARRAY_SUFFIX = ".npy"
_NUMBERS, _INTEGERS = "iuf", "iu"
_PICKLED = (
    "holds Python objects, a pickle, which can run code when it is opened: never read here; needed numbers: "
    "save np.array(losses, dtype=float)"
)


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Losses, list[str]]:
    """The losses in `path`, and what was guessed. Raises what NumPy raises, and ParameterError.

    Parameters
    ----------
    layout
        Of records; arrays have but one.
    columns
        Maps `loss`, `step` and `sample_id` to the arrays in an .npz file; where it does not, usual names do.
    """
    if path.suffix != ".npz":
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size, "the array")
        losses = np.load(path, mmap_mode="r", allow_pickle=False)
        if losses.dtype.names:
            return _of_records(losses, layout, columns)
        return _unnamed(losses)
    return _named(_arrays(path), layout, columns)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in an .npz file, by name. Raises ParameterError, FormatError and what zipfile raises."""
    with _told("the archive"), zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(_ARRAY_SUFFIX)]
        size = sum(member.file_size for member in members)
        refuse_unfolding(path, size, "write the losses alone: np.save('losses.npy', losses)")
        found: dict[str, NDArray[Any]] = {}
        for member in members:
            name = member.filename.removesuffix(_ARRAY_SUFFIX)
            with archive.open(member) as file:
                _check_header(file, member.file_size, f"array {name!r}")
            with archive.open(member) as file, _told(f"array {name!r}"):
                found[name] = np.lib.format.read_array(file, allow_pickle=False)
        return found


@contextmanager
def _told(what: str) -> Generator[None]:
    """What NumPy makes of a file that is none may be any error."""
    try:
        yield
    except RdmtoolsError:
        raise
    except Exception as error:
        raise ParameterError(
            f"{what} cannot be read ({one_line(error)}); needed a whole file of NumPy; save it again"
        ) from error


def _check_header(file: IO[bytes], size: int, what: str) -> None:
    """Raise ParameterError where a header does not read, or speaks of other than `size` bytes."""
    with _told(what):
        version = np.lib.format.read_magic(file)
        reader: Any = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            reader = np.lib.format.read_array_header_2_0
        shape, _, kind = reader(file)
        if kind.hasobject:
            raise ParameterError(f"{what} {_PICKLED}")
        needed, there = math.prod(shape) * kind.itemsize, size - file.tell()
        if min(shape, default=0) < 0 or needed != there:
            raise ParameterError(
                f"{what} has {there:,} bytes where its header speaks of {needed:,}, shape {shape}; "
                "needed a whole file; save or copy it again"
            )


def _of_records(
    records: NDArray[Any], layout: str | None, columns: Mapping[str, str] | None
) -> tuple[Losses, list[str]]:
    if records.ndim != 1:
        raise ParameterError(f"records have shape {records.shape}; needed (rows,); save records.reshape(-1)")
    return from_table(_table({name: records[name] for name in records.dtype.names or ()}), layout, columns)


def _unnamed(losses: NDArray[Any]) -> tuple[Wide, list[str]]:
    _check_losses(losses)
    steps, said = numbered(len(losses))
    return Wide(steps=steps, ids=None, losses=losses), said


def _check_losses(losses: NDArray[Any]) -> None:
    """Raise ParameterError where an array cannot be (rows, samples), saying what it may be."""
    kind, shape = losses.dtype.kind, losses.shape
    if kind in _INTEGERS:
        raise ParameterError(
            f"losses are of type {losses.dtype}; needed float16, float32 or float64: whole numbers may be "
            "counts, labels or ids; where they are losses, save losses.astype(float)"
        )
    if kind != "f":
        raise ParameterError(
            f"losses are of type {losses.dtype}; needed float16, float32 or float64; "
            "save losses.astype(float)"
        )
    if len(shape) < 2:
        curve = NO_SAMPLES.format(names="a single axis")
        raise ParameterError(f"losses have shape {shape}; needed (rows, samples); this is {curve}")
    if len(shape) > 2:
        raise ParameterError(
            f"losses have shape {shape}; needed (rows, samples); where the first axis is the steps, save "
            f"losses.reshape({shape[0]}, -1); where the last is tokens, losses.mean(-1)"
        )


def _table(arrays: Mapping[str, NDArray[Any]]) -> pa.Table:
    """Arrays of one length as the columns of a table; of (rows, n) each row is a list."""
    native = {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    return pa.table({name: array if array.dtype.kind in _NUMBERS and array.ndim == 1 else array.tolist()
                     for name, array in native.items()})  # fmt: skip


def _named(
    found: Mapping[str, NDArray[Any]], layout: str | None, mapped: Mapping[str, str] | None
) -> tuple[Losses, list[str]]:
    columns, names = mapped or {}, list(found)
    chosen = {role: name for role in _USUAL if (name := _name(role, names, columns)) is not None}
    if LOSS not in chosen:
        if len(names) != 1:
            raise ParameterError(
                f'no array \'loss\'; found {shortened(names) or "none"}; map with columns={{"loss": "…"}}'
            )
        chosen[LOSS] = names[0]
    losses = found[chosen[LOSS]]
    guessed = [(name, _NOUNS[role]) for role, name in chosen.items() if name not in (role, columns.get(role))]
    notes = [f"took array {name!r} for the {noun}" for name, noun in guessed]
    notes += left_out("array", [name for name in names if name not in chosen.values()])
    shapes = {found[name].shape for name in chosen.values()}
    if losses.ndim == 1 and len(chosen) == len(_USUAL) and len(shapes) == 1:
        tidy, said = from_table(_table({role: found[name] for role, name in chosen.items()}), "long", None)
        return tidy, said + notes
    wide, said = _unnamed(losses)
    steps, ids = wide.steps, None
    if STEP in chosen:
        steps, said = found[chosen[STEP]], said[1:]
    if SAMPLE_ID in chosen:
        ids = found[chosen[SAMPLE_ID]]
    return Wide(steps=steps, ids=ids, losses=wide.losses), said + notes


def _name(role: str, names: list[str], columns: Mapping[str, str]) -> str | None:
    """The array that is `role`: the one mapped, or the first under a usual name."""
    if role not in columns:
        return next((name for name in _USUAL[role] if name in names), None)
    if columns[role] not in names:
        raise ParameterError(
            f"no array {columns[role]!r}; found {shortened(names) or 'none'}; map {role} to one of them"
        )
    return columns[role]
