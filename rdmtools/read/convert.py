"""How do losses in some other form become ``run.parquet``?

CSV, JSON lines, NumPy, TensorBoard and others -> `formats` -> `Run` -> run.parquet
Parquet in any order or layout -> `read_run` -------------------/              /
a long table that is large -> `batches` -> `scratch` -> `ranges` -------------/

What was guessed or left out is said. What the rules dropped is counted in the file, and told by its readers.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning, reading
from rdmtools.format.names import DRAWS_FILE, LOSSES_SUFFIX, SAMPLE_ID, SAMPLES_FILE, SCALARS_FILE
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.write_table import write_draws, write_losses
from rdmtools.read import formats
from rdmtools.read.batches import BATCH_ROWS, Batches
from rdmtools.read.paths import companion_of, has_journal, local_path, run_files, stem_of
from rdmtools.read.ranges import ordered
from rdmtools.read.read import read, recorded
from rdmtools.read.scratch import scratch
from rdmtools.read.tables import open_whole_steps
from rdmtools.run.columns import type_notes
from rdmtools.run.from_table import from_table
from rdmtools.run.layout import LAYOUTS, planned
from rdmtools.run.quality import Quality
from rdmtools.run.restarts import Restarts
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

_ROWS = 256
_ROOM = 'choose another place with target="…"'
_ROW_BYTES = 20  # of a tidy row in memory, without copies
# Of what lies beside the source, of its own pages, or said when it is converted; not of the new file.
_OF_THE_SOURCE = ("unused_samples", "unchecked", "guesses")


def convert(
    source: str | Path,
    target: str | Path | None = None,
    *,
    layout: str | None = None,
    columns: Mapping[str, str] | None = None,
    missing: str = "error",
    nonfinite: str = "error",
    duplicates: str = "last",
    restarts: str = "keep",
    overwrite: bool = False,
) -> Path:
    """Path of the run that the losses in `source`, in some other form, were written to.

    They keep their type (what is in CSV is float64), so nothing is rounded. `source` is never changed. A long
    table larger than half a gigabyte is put in order on disk beside `target`, in bounded memory.

    Parameters
    ----------
    source
        A table, as ``.csv``, ``.csv.gz``, ``.tsv``, ``.tsv.gz``, ``.jsonl``, ``.jsonl.gz``, ``.ndjson``,
        ``.ndjson.gz``, ``.arrow``, ``.feather`` or ``.parquet``, or a folder of folders ``step=0``,
        ``step=10`` and so on. An array (steps, samples) as ``.npy``, or as ``.npz``, where steps and ids may
        lie beside it. A folder of training dynamics, ``dynamics_epoch_0.jsonl`` and so on, or the one around
        it: the losses are the cross-entropies of the
        gold labels in nats, the steps are the epochs. A TensorBoard log, the folder or one of its event
        files: tensors (samples,) under one tag are the losses, or scalars ``loss/0``, ``loss/1`` and so on;
        this needs the package `tensorboard`. A ``.zarr`` store of devinterp, whose draws become those of the
        run; this needs the package `zarr`.
    target
        A name that ends in ``.parquet``; by default that of `source`, beside it.
    layout
        Of a table: "long", a row for each step and sample; "wide", a row for each step and a column for each
        sample; "lists", a row for each step with a list of its losses; "samples", a row for each sample and a
        column for each step. Guessed if None.
    columns
        Maps `step`, `sample_id`, `loss`, `attempt` to the names of columns, arrays or tags in `source`, where
        they differ.
    missing, nonfinite, duplicates, restarts
        As in `read_run`.
    overwrite
        Replace a `target` that is there. What lies in its companion folder stays.

    Raises
    ------
    FormatError
        Where the source does not make a run, or the target cannot be written.
    ParameterError
        Where an argument does not fit, or the target is there already.

    Warns
    -----
    RdmtoolsWarning
        Of all that was guessed or left out: a layout, names, steps that are not there, other columns.

    Examples
    --------
    >>> import tempfile, pathlib, rdmtools
    >>> source = pathlib.Path(tempfile.mkdtemp()) / "run.csv"
    >>> _ = source.write_text("step,sample_id,loss\\n0,a,0.5\\n0,b,0.25\\n10,a,0.4\\n10,b,0.2\\n")
    >>> rdmtools.read_run(rdmtools.convert(source))
    Run('run', 2 rows x 2 samples, steps 0 to 10, float64)
    """
    rules = Rules(
        columns=columns, missing=missing, nonfinite=nonfinite, duplicates=duplicates, restarts=restarts
    )
    path, notes = converted(source, target, layout, rules, overwrite)
    for note in notes:
        warnings.warn(f"{source}: {note}", RdmtoolsWarning, stacklevel=2)
    return path


def converted(
    source: str | Path,
    target: str | Path | None,
    layout: str | None,
    rules: Rules,
    overwrite: bool,
) -> tuple[Path, list[str]]:
    """What `convert` does, and what is to be said of it."""
    if layout not in (None, *LAYOUTS):
        raise ParameterError(f"layout is {layout!r}; needed one of {', '.join(LAYOUTS)}, or None to guess")
    source = local_path(source)
    target = _free_target(source, target, overwrite)
    large = _large(source, layout, rules.columns)
    try:
        if large is not None:
            return target, large.notes + _ordered(source, target, large, rules)
        run, notes = _read(source, layout, rules)
        _write(run, target, overwrite)
    except OSError as error:
        raise FormatError(f"{target} cannot be written ({error.strerror}); choose another place") from error
    return target, notes


def _large(source: Path, layout: str | None, columns: Mapping[str, str] | None) -> Batches | None:
    """The long table in `source` where it is better not in memory at once, and None where it may be."""
    if not source.is_file() or has_journal(companion_of(source)):
        return None
    with reading(source):
        if source.suffix != LOSSES_SUFFIX:
            return formats.open_large(source, layout, columns)
        part = ParquetPart.open(source)
        rows = part.rows
        if rows * _ROW_BYTES <= formats.LARGE_BYTES:
            return None

        def tables(names: Mapping[str, str]) -> Iterator[Any]:
            return part.batches([*names.values()], BATCH_ROWS)

        large = Batches.of(part.schema, layout, columns, tables, rows)
        ours = large is not None and open_whole_steps([part], columns) is not None
        if large is None or ours:
            return None
        part.refuse_unfolded([*large.names.values()])
        return large


def _ordered(source: Path, target: Path, large: Batches, rules: Rules) -> list[str]:
    """Put the rows in order on disk and write them as a run; returns what is to be said of it."""
    restarts = Restarts.of(rules)
    starts = large.attempts or restarts.supersede
    with scratch(target.parent, large.dtype, starts, _ROOM) as rows:
        with reading(source):
            index: dict[Any, int] = {}
            rows.refuse_little_room(large.rows * (rows.row_bytes + large.dtype.itemsize))
            for tidy in large.tidy(index, restarts):
                rows.append(tidy)
            found = ordered(rows, large.ids(index), rules)
        told = ParquetPart.open(source).about if source.suffix == LOSSES_SUFFIX else {}
        quality, unit = found.quality + restarts.quality() + recorded(told), told.get("unit")
        about = _about(target, quality, unit, told.get("metadata"))
        write_losses(target, found.blocks(), found.ids, dtype=str(large.dtype), about=about)
    return _beside(source) if source.suffix == LOSSES_SUFFIX else []


def _read(source: Path, layout: str | None, rules: Rules) -> tuple[Run, list[str]]:
    """The run that is in `source`, and what was guessed or left out. Raises FormatError."""
    ours = source.is_dir() or source.suffix == LOSSES_SUFFIX
    if not ours or formats.format_of(source) is not None:
        return formats.read(source, layout, rules)
    with reading(source):
        return _parquet(source, layout, rules)


def _parquet(source: Path, layout: str | None, rules: Rules) -> tuple[Run, list[str]]:
    parts = [ParquetPart.open(file) for file in run_files(source, True)]
    if not parts:  # all there is is a journal
        return read(source, rules), _beside(source)
    plan = planned(parts[0].schema, layout, rules.columns)
    if plan.layout != "long":
        table = pa.concat_tables([part.read() for part in parts], promote_options="permissive")
        losses, notes = from_table(table, layout, rules.columns)
        return Run.of(losses, rules), notes
    notes = [*plan.notes, *type_notes(parts[0].schema, plan.names)] if source.is_file() else []
    return read(source, rules), notes + _beside(source)


def _beside(source: Path) -> list[str]:
    folder = companion_of(source)
    beside = [file for file in (SAMPLES_FILE, SCALARS_FILE, DRAWS_FILE) if (folder / file).exists()]
    return [f"left {', '.join(beside)} in {folder}; copy what belongs to the new run"] if beside else []


def _free_target(source: Path, target: str | Path | None, overwrite: bool) -> Path:
    """Where the run goes. Raises ParameterError where it must not."""
    path = source.with_name(stem_of(source) + LOSSES_SUFFIX) if target is None else local_path(target)
    other = 'choose another with target="…"'
    if path.suffix != LOSSES_SUFFIX or path.is_dir():
        raise ParameterError(f"target is '{path}'; needed a file name such as 'run{LOSSES_SUFFIX}'; {other}")
    if path.resolve() == source.resolve():
        raise ParameterError(f"{path} is the source, which is never changed; needed a target; {other}")
    if has_journal(companion_of(path)):
        raise ParameterError(f"{path} has rows that a logger left in {companion_of(path)}; {other}")
    if path.exists() and not overwrite:
        raise ParameterError(f"{path} already exists; pass overwrite=True, or {other}")
    return path


def _write(run: Run, target: Path, overwrite: bool) -> None:
    ids: list[Any] = run.samples[SAMPLE_ID].tolist()
    about = _about(target, run.quality, run.unit, run.metadata)
    draws = companion_of(target) / DRAWS_FILE
    drawn = run.source is None and bool(run.draws)  # of a run of ours they stay where they are
    if drawn and draws.exists() and not overwrite:
        raise ParameterError(f"{draws} already exists; pass overwrite=True, or choose another target")
    write_losses(target, _blocks(run), ids, dtype=str(run.dtype), about=about)
    if drawn:
        draws.parent.mkdir(exist_ok=True)
        write_draws(draws, run.draws, ids, dtype=str(run.dtype), about=about)


def _about(target: Path, quality: Quality, unit: str | None, metadata: Any) -> dict[str, Any]:
    """What the file says of itself, and of what it took to get its losses."""
    counts = {
        name: count for name, count in quality.to_dict().items() if count and name not in _OF_THE_SOURCE
    }
    about = {
        "name": target.stem,
        "unit": unit,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "metadata": metadata if isinstance(metadata, Mapping) else {},
    }
    return about | counts


def _blocks(run: Run) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Steps and losses, a few rows at a time."""
    for start in range(0, run.shape[0], _ROWS):
        stop = min(start + _ROWS, run.shape[0])
        yield run.steps[start:stop], run.rows(start, stop)
