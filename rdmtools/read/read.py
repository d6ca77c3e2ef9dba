"""How do files become a `Run`? Losses from Parquet, a journal or both, the rest from the companion folder.

Parquet files -> tables ------------\\
a journal, alone or upon them -> journal -> finite -> companion: samples, scalars, draws -> Run
CSV, NumPy, Arrow and the like -> formats ------------------/

Everything wrong with a file is a FormatError of one line, with its path.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import Any

from rdmtools.errors import ChangedError, ParameterError, RdmtoolsWarning, reading
from rdmtools.format.names import DRAWS_FILE, SAMPLE_ID, SCALARS_FILE
from rdmtools.format.page_checksums import pages_are_checked
from rdmtools.format.read_table import ParquetPart
from rdmtools.read import formats
from rdmtools.read.companion import draws_of, samples_of, scalars_of
from rdmtools.read.journal import losses_of_starts, not_merged, refuse_in_store, starts_beside, upon
from rdmtools.read.paths import companion_of, located, named_paths, only_path, run_files, stem_of
from rdmtools.read.stores import Location, StorePath
from rdmtools.read.tables import losses_in_rows, losses_of_files, refuse_many_runs
from rdmtools.run.columns import find_columns, row_bytes, type_notes
from rdmtools.run.dirt import finite_part
from rdmtools.run.progress import Opening, Progress
from rdmtools.run.quality import Quality
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

# A logger that closes replaces files; a reader that meets that begins again.
_TRIES = 20


def read_run(
    path: str | Location,
    *,
    columns: Mapping[str, str] | None = None,
    missing: str = "error",
    nonfinite: str = "error",
    duplicates: str = "last",
    restarts: str = "keep",
    group_by: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """One run: ``run.parquet``, a folder of Parquet parts, the journal beside them, or both merged.

    Also what `convert` reads, as ``run.csv`` or ``run.npz``, where it is small; its companion folder, too, is
    ``run.rdm``. A glob may stand for the one path that it matches. An address such as
    ``s3://bucket/run.parquet`` names Parquet files in a store, with their companion folder; a journal there
    is refused.

    Parameters
    ----------
    columns
        Maps `step`, `sample_id`, `loss`, `attempt` to the file's own names, where they differ.
    missing, nonfinite
        What to do about absent losses, and about NaN and inf (null counts as NaN): "error", "drop-samples"
        or "drop-steps".
    duplicates
        Of rows with the same step and sample but different losses keep the "last", or "error".
    restarts
        Where steps fall back in a table without attempts, "keep" all rows or let later starts "supersede".
    group_by
        A column of samples.parquet, or one of the losses that is constant per sample: it becomes `group`.
    name
        Of the run; by default that of the file.
    progress
        Called with (bytes done, bytes in all) while Parquet files and journals are opened and checked: bytes
        of their rows in memory.

    Raises
    ------
    FormatError
        Where the files do not make a run: what was found, what was needed, the usual fix.
    ParameterError
        Where an option is not one of its choices.

    Warns
    -----
    RdmtoolsWarning
        Of what was guessed or left out of a file in another form.
    """
    rules = Rules(
        columns=columns,
        group_by=group_by,
        missing=missing,
        nonfinite=nonfinite,
        duplicates=duplicates,
        restarts=restarts,
    )
    run = read(only_path(path), rules, name=name, progress=progress)
    warn_of_guesses(run, stacklevel=3)
    return run


def warn_of_guesses(run: Run, stacklevel: int = 2) -> None:
    """Warn of what was guessed or left out while `run` was read."""
    for guess in run.quality.guesses:
        warnings.warn(f"{run.source}: {guess}", RdmtoolsWarning, stacklevel=stacklevel + 1)


def read(
    path: str | Location, rules: Rules, *, name: str | None = None, progress: Progress | None = None
) -> Run:
    """What `read_run` returns, of a path and rules; what was guessed is in its `quality` alone."""
    path = located(path)
    if isinstance(path, Path) and formats.format_of(path) is not None:
        return _foreign(path, rules, name)
    for _ in range(_TRIES):
        with suppress(ChangedError):
            return _read(path, rules, name, progress)
    return _read(path, rules, name, progress)


def read_runs(
    paths: str | Location | Iterable[str | Location], *, progress: Progress | None = None, **reading: Any
) -> list[Run]:
    """Many runs, each as `read_run` reads it; globs such as ``"runs/*.parquet"`` are expanded.

    Companion folders are never taken for runs, but one that holds a journal stands for the run that left it.
    Names come from file names; where those collide, from the shortest path that tells them apart. `progress`
    is called for each run as by `read_run`, whose other options, such as `columns`, hold for all.
    """
    rules = Rules(**reading)
    named = named_paths(paths if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths])
    runs = [read(path, rules, name=name, progress=progress) for name, path in named.items()]
    for run in runs:
        warn_of_guesses(run, stacklevel=3)
    return runs


def _read(path: Location, rules: Rules, name: str | None, progress: Progress | None) -> Run:
    journal = starts_beside(path)  # first: a logger that closes writes the file before it removes this
    parts = [ParquetPart.open(file) for file in run_files(path, bool(journal))]
    if isinstance(path, StorePath):
        refuse_in_store(companion_of(path))
    journal = not_merged(journal, parts)
    with reading(path):
        refuse_many_runs(path, parts)
        if not journal and (losses := losses_in_rows(path, parts, rules.columns)) is not None:
            return _of_table(path, Run.of(losses[0], rules), losses[1], rules, name)
        named = [find_columns(part.schema, rules.columns) for part in parts]
        sizes = [row_bytes(part.schema, names) for part, names in zip(parts, named, strict=True)]
        opening = Opening(progress, sum(part.rows * size for part, size in zip(parts, sizes, strict=True)))
        opened = [losses_of_files(path, parts, rules, opening)] if parts else []
        opened += [losses_of_starts(journal, rules, opened[0].ids if opened else None)] if journal else []
        losses = reduce(upon, opened)
        if not len(losses.steps):
            raise ParameterError("no losses in the journal; needed at least one row")
        if not parts:
            opening = Opening(progress, math.prod(losses.stored.shape) * losses.stored.dtype.itemsize)
        blocks = opening.counted(losses.stored)
        rows, kept, quality = finite_part(blocks, losses.steps, losses.ids.tolist(), rules.nonfinite)
    stored = losses.stored.chosen(rows, kept) if quality.nonfinite else losses.stored
    samples, unused = samples_of(path, journal, parts, losses.ids, rules)
    about = next((part.about for part in parts if part.about), {})
    metadata = about.get("metadata", {})
    for part in parts:
        for fault in part.faults:
            warnings.warn(f"{part.path}: {fault}", RdmtoolsWarning, stacklevel=4)
    for attempt in chain(*journal):
        about = about if attempt.manifest.unit is None else about | {"unit": attempt.manifest.unit}
        metadata = {**metadata, **attempt.manifest.metadata}
    others = Quality(
        unused_samples=max(0, unused - losses.quality.dropped_samples),
        unchecked=_unchecked(parts, rules),
        guesses=tuple(note for part in parts[:1] for note in type_notes(part.schema, named[0], losses.ids)),
    )
    return Run(
        name=stem_of(path) if name is None else name,
        unit=about.get("unit"),
        steps=losses.steps[rows],
        samples=samples[kept].reset_index(drop=True),
        scalars=scalars_of(companion_of(path) / SCALARS_FILE, journal),
        metadata=dict(metadata),
        quality=losses.quality + quality + recorded(about) + others,
        source=path,
        stored=stored,
        stored_draws=partial(draws_of, companion_of(path) / DRAWS_FILE, journal, losses.ids, kept),
    )


def _unchecked(parts: Sequence[ParquetPart], rules: Rules) -> int:
    """How many files have losses in pages without checksums; those in a store are not looked at."""
    return sum(
        not pages_are_checked(part.path, part.metadata, find_columns(part.schema, rules.columns).values())
        for part in parts
        if isinstance(part.path, Path)
    )


def _foreign(path: Path, rules: Rules, name: str | None) -> Run:
    """The run in a file of another form, with what its companion folder says of samples and scalars."""
    formats.refuse_large(path)
    return _of_table(path, *formats.read(path, None, rules), rules, name)


def _of_table(path: Location, run: Run, notes: Sequence[str], rules: Rules, name: str | None) -> Run:
    """`run`, whose losses are in memory, with what its companion folder says of samples and scalars."""
    run.samples, unused = samples_of(path, [], [], run.samples[SAMPLE_ID].to_numpy(), rules)
    run.name, run.source = stem_of(path) if name is None else name, path
    run.scalars = scalars_of(companion_of(path) / SCALARS_FILE, [])
    unused = max(0, unused - run.quality.dropped_samples)
    run.quality += Quality(unused_samples=unused, guesses=tuple(notes))
    return run


def recorded(about: Mapping[str, Any]) -> Quality:
    """What whoever wrote the file said of rows that are not in it."""

    def count(value: Any) -> int:
        if isinstance(value, Mapping):  # refused calls, by reason
            return sum(map(count, value.values()))
        return value if isinstance(value, int) else 0

    names = [field.name for field in fields(Quality) if field.name != "guesses"]  # words, said at the time
    counts: dict[str, Any] = {name: count(about.get(name)) for name in names}
    return Quality(**counts)
