"""How do files become a `Run`? Losses from Parquet, a journal or both, the rest from the companion folder.

row groups of whole steps -> they stay on disk -\\
rows in any other order -> cleaning.grid ---------> journal on top -> finite -> samples, scalars -> Run
the same, and many -> on_disk ------------------/                               /
no Parquet file, only a journal -> its rows ------/                             /
CSV, NumPy, Arrow and the like -> foreign -------------------------------------/

Everything wrong with a file is a FormatError of one line, with its path.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, DeniedError, FormatError, ParameterError, RdmtoolsWarning
from rdmtools.format.names import (
    COMPANION_SUFFIX,
    DRAW,
    DRAWS_FILE,
    GROUP,
    JOURNAL_FOLDER,
    LOSSES_SUFFIX,
    MERGED,
    SAMPLE_ID,
    SAMPLES_FILE,
    SCALARS_FILE,
    STEP,
    companion,
    stem,
)
from rdmtools.journal import extras
from rdmtools.journal.attempts import Attempt, read_attempts, together
from rdmtools.journal.supersede import Logged, losses_of_whole_ranks, superseding
from rdmtools.journal.supersede import losses as losses_of
from rdmtools.read import forms, out_of_core
from rdmtools.read.parquet import ParquetPart, StoredLosses, open_whole_steps
from rdmtools.read.paths import has_journal, located, named_paths, run_files
from rdmtools.read.progress import Opening, Progress
from rdmtools.read.shards import ShardedLosses, open_shards
from rdmtools.read.stores import Location, StorePath
from rdmtools.run.checks import check_groups, match_samples, scalars_table
from rdmtools.run.clean import (
    Quality,
    Rules,
    Tidy,
    counted,
    finite_part,
    grid,
    joined,
    places,
)
from rdmtools.run.columns import check_mapping, find_columns, integers, row_bytes, sample_codes, tidy_rows
from rdmtools.run.run import Draws, Run

Starts = list[list[Attempt]]

# A logger that closes replaces files; a reader that meets that begins again.
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Losses:
    """Losses as found, before anybody asked whether they are finite."""

    steps: NDArray[np.int64]
    ids: NDArray[Any]
    stored: StoredLosses | ShardedLosses
    quality: Quality


def read_run(
    path: str | Location,
    *,
    columns: Mapping[str, str] | None = None,
    missing: str = "error",
    nonfinite: str = "error",
    duplicates: str = "last",
    group_by: str | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """One run: ``run.parquet``, a folder of Parquet parts, the journal beside them, or both merged.

    Also what `convert` reads, as ``run.csv`` or ``run.npz``, where it is small; its companion folder, too, is
    ``run.rdm``. An address such as ``s3://bucket/run.parquet`` names Parquet files in a store, with their
    companion folder; a journal there is refused.

    Parameters
    ----------
    columns
        Maps `step`, `sample_id`, `loss`, `attempt` to the file's own names, where they differ.
    missing, nonfinite
        What to do about absent losses, and about NaN and inf (null counts as NaN): "error", "drop-samples"
        or "drop-steps".
    duplicates
        Of rows with the same step and sample but different losses keep the "last", or "error".
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
    rules = Rules(missing=missing, nonfinite=nonfinite, duplicates=duplicates)
    check_mapping(columns)
    path = located(path)
    if isinstance(path, Path) and forms.is_foreign(path):
        return _foreign(path, columns, rules, group_by, name)
    for _ in range(_TRIES):
        with suppress(ChangedError):
            return _read(path, columns, rules, group_by, name, progress)
    return _read(path, columns, rules, group_by, name, progress)


def read_runs(
    paths: str | Location | Iterable[str | Location],
    *,
    columns: Mapping[str, str] | None = None,
    missing: str = "error",
    nonfinite: str = "error",
    duplicates: str = "last",
    group_by: str | None = None,
    progress: Progress | None = None,
) -> list[Run]:
    """Many runs, each as `read_run` reads it; globs such as ``"runs/*.parquet"`` are expanded.

    Companion folders are never taken for runs, but one that holds a journal stands for the run that left it.
    Names come from file names; where those collide, from the shortest path that tells them apart. `progress`
    is called for each run as by `read_run`.
    """
    found = named_paths(paths if isinstance(paths, Iterable) and not isinstance(paths, str) else [paths])
    return [
        read_run(
            path,
            columns=columns,
            missing=missing,
            nonfinite=nonfinite,
            duplicates=duplicates,
            group_by=group_by,
            name=name,
            progress=progress,
        )
        for name, path in found.items()
    ]


def _read(
    path: Location,
    columns: Mapping[str, str] | None,
    rules: Rules,
    group_by: str | None,
    name: str | None,
    progress: Progress | None,
) -> Run:
    journal = _journal(path)  # first: a logger that closes meanwhile writes the file before it removes this
    parts = [ParquetPart.open(file) for file in run_files(path, bool(journal))]
    if isinstance(path, StorePath):
        _refuse_journal(companion(path))
    journal = _not_merged(journal, parts)
    with _in(path):
        _refuse_many_runs(path, parts)
        opening = Opening(progress, sum(map(partial(_bytes, columns=columns), parts)))
        found = [_from_files(path, parts, columns, rules, opening)] if parts else []
        found += [_from_journal(journal, rules, found[0].ids if found else None)] if journal else []
        losses = reduce(_merged, found)
        if not len(losses.steps):
            raise ParameterError("no losses in the journal; needed at least one row")
        if not parts:
            opening = Opening(progress, math.prod(losses.stored.shape) * losses.stored.dtype.itemsize)
        blocks = _counted(losses.stored, opening)
        rows, kept, quality = finite_part(blocks, losses.steps, losses.ids.tolist(), rules.nonfinite)
    stored = losses.stored.chosen(rows, kept) if quality.nonfinite else losses.stored
    folder = companion(path)
    samples, unused = _samples(folder, journal, losses.ids)
    if group_by is not None:
        samples[GROUP] = _groups(path, parts, columns, samples, group_by)
    about = next((part.about for part in parts if part.about), {})
    metadata = about["metadata"] if isinstance(about.get("metadata"), Mapping) else {}
    for attempt in chain(*journal):
        about = about | {"unit": attempt.manifest.unit}
        metadata = {**metadata, **attempt.manifest.metadata}
    return Run(
        name=stem(path) if name is None else name,
        unit=str(about.get("unit", "nats")),
        steps=losses.steps[rows],
        samples=samples[kept].reset_index(drop=True),
        scalars=_scalars(folder / SCALARS_FILE, journal),
        metadata=dict(metadata),
        quality=losses.quality
        + quality
        + recorded(about)
        + Quality(unused_samples=max(0, unused - losses.quality.dropped_samples)),
        source=path,
        stored=stored,
        stored_draws=partial(_draws, folder / DRAWS_FILE, journal, losses.ids, kept),
    )


def _bytes(part: ParquetPart, columns: Mapping[str, str] | None) -> int:
    """Of the rows of a part in memory."""
    return part.metadata.num_rows * row_bytes(part.schema, find_columns(part.schema, columns))


def _counted(stored: StoredLosses | ShardedLosses, opening: Opening) -> Iterator[NDArray[Any]]:
    """The losses a row group at a time, told of as they are looked at."""
    opening.left(math.prod(stored.shape))
    for block in stored.blocks():
        yield block
        opening.seen(block.size)


def _foreign(
    path: Path, columns: Mapping[str, str] | None, rules: Rules, group_by: str | None, name: str | None
) -> Run:
    """The run in a file of another form, with what its companion folder says of samples and scalars."""
    forms.refuse_large(path)
    run, notes = forms.read(path, None, columns, rules)
    for note in notes:
        warnings.warn(f"{path}: {note}", RdmtoolsWarning, stacklevel=3)
    folder = companion(path)
    run.samples, unused = _samples(folder, [], run.samples[SAMPLE_ID].to_numpy())
    if group_by is not None:
        run.samples[GROUP] = _groups(path, [], columns, run.samples, group_by)
    run.name, run.source = stem(path) if name is None else name, path
    run.scalars = _scalars(folder / SCALARS_FILE, [])
    run.quality += Quality(unused_samples=max(0, unused - run.quality.dropped_samples))
    return run


def recorded(about: Mapping[str, Any]) -> Quality:
    """What whoever wrote the file said of rows that are not in it."""

    def count(found: Any) -> int:
        if isinstance(found, Mapping):  # refused calls, by reason
            return sum(map(count, found.values()))
        return found if isinstance(found, int) else 0

    counts: dict[str, Any] = {each.name: count(about.get(each.name)) for each in fields(Quality)}
    return Quality(**counts)


def _journal(path: Location) -> Starts:
    """What crashed loggers, large runs or loggers that are still open left beside `path`, by start."""
    folder = companion(path)
    if isinstance(folder, StorePath) or not has_journal(folder):
        return []
    try:
        return together(read_attempts(folder / JOURNAL_FOLDER, hold=True))
    except FormatError as error:
        if has_journal(folder):
            raise
        raise ChangedError(f"{path} was closed while it was read; read it again") from error


def _refuse_journal(folder: StorePath) -> None:
    """What a logger left is read where it lies, by locks and places in files; a store has neither."""
    with _if_let(folder):
        if has_journal(folder):
            raise FormatError(
                f"{folder / JOURNAL_FOLDER} has rows that a logger left; needed them on this machine: "
                "copy the run and its folder here, or recover it before it is put into a store"
            )


@contextmanager
def _if_let(place: Location) -> Generator[None]:
    """A store that shows a run may yet refuse to say what lies beside it: then that is told, and left out."""
    try:
        yield
    except DeniedError as error:
        warnings.warn(f"{error}; read without {place.name}", RdmtoolsWarning, stacklevel=4)


def _not_merged(journal: Starts, parts: list[ParquetPart]) -> Starts:
    """The attempts that are not in the file yet; one that was merged just now, or before a kill, is."""
    merged = {identity for part in parts for identity in part.about.get(MERGED, [])}
    starts = [[attempt for attempt in start if attempt.identity not in merged] for start in journal]
    return [start for start in starts if start]


def _refuse_many_runs(path: Location, parts: list[ParquetPart]) -> None:
    """A folder of runs read as the parts of one would mix them without a sign."""
    inside = [part.path for part in parts if part.path != path]
    companions = (
        {each.name for each in path.glob("*" + COMPANION_SUFFIX) if each.is_dir()} if inside else set()
    )
    own = [file.name for file in inside if companion(file).name in companions]
    names = {part.about["name"] for part in parts if "name" in part.about}
    if own or len(names) > 1:
        raise _many_runs(path, own[0] if own else parts[0].path.name)


def _many_runs(folder: Location, one: str) -> ParameterError:
    return ParameterError(
        f"several runs in one folder, such as {one}; needed the parts of one; "
        f"for many runs pass '{folder}/*{LOSSES_SUFFIX}'"
    )


def _from_files(
    path: Location,
    parts: list[ParquetPart],
    columns: Mapping[str, str] | None,
    rules: Rules,
    opening: Opening,
) -> _Losses:
    in_all = sum(part.metadata.num_rows for part in parts)
    opening.left(2 * in_all)  # ids, and losses
    large = out_of_core.is_large(parts)
    shuffled = large and out_of_core.starts_shuffled(parts, columns)
    if not shuffled and (opened := open_whole_steps(parts, columns, opening.seen)) is not None:
        steps, ids, stored = opened
        return _Losses(steps=steps, ids=ids, stored=stored, quality=Quality())
    if not shuffled and len(parts) > 1 and (sharded := open_shards(parts, columns, opening.seen)) is not None:
        steps, ids, stored = sharded
        return _Losses(steps=steps, ids=ids, stored=stored, quality=Quality())
    if large:
        steps, ids, stored, quality = out_of_core.in_order(parts, columns, rules, opening)
        found = _Losses(steps=steps, ids=ids, stored=stored, quality=quality)
    else:
        opening.left(2 * in_all)
        held = grid(joined([_tidy(part, columns, opening) for part in parts]), rules)
        stored = StoredLosses.of(held.losses)
        found = _Losses(steps=held.steps, ids=held.ids, stored=stored, quality=held.quality)
    if found.quality.order_trusted and len(parts) > 1:
        _refuse_same_start(path, parts, columns)
    return found


def _refuse_same_start(path: Location, parts: list[ParquetPart], columns: Mapping[str, str] | None) -> None:
    """Parts that disagree are restarts of one run where they begin at different steps, else several runs.

    Parts that begin together but hold different samples are shards.
    """
    starts: dict[int, set[Any]] = {}
    for part in parts:
        start, ids = _start(part, columns)
        seen = starts.setdefault(start, set())
        if seen & ids:
            raise _many_runs(path, part.path.name)
        seen |= ids


def _start(part: ParquetPart, columns: Mapping[str, str] | None) -> tuple[int, set[Any]]:
    """First step and all ids of a part."""
    names = find_columns(part.schema, columns)
    firsts: list[int] = []
    ids: set[Any] = set()
    for table in part.batches([names[STEP], names[SAMPLE_ID]], out_of_core.BATCH_ROWS):
        codes, words = sample_codes(table.column(names[SAMPLE_ID]), names[SAMPLE_ID])
        codes = np.unique(codes)
        ids.update((codes if words is None else words[codes]).tolist())
        firsts.append(int(integers(table.column(names[STEP]), names[STEP]).min()))
    return min(firsts), ids


def _tidy(part: ParquetPart, columns: Mapping[str, str] | None, opening: Opening) -> Tidy:
    names = find_columns(part.schema, columns)
    tidy = tidy_rows(part.read([*names.values()]), names)
    opening.seen(len(tidy.steps))
    return tidy


def _from_journal(starts: Starts, rules: Rules, stored: NDArray[Any] | None) -> _Losses:
    """The losses of all starts; steps that some rank lacks are left out, unless samples are to be.

    `stored` are the ids of what is in a file before them: there, steps are left out in any case.
    """
    if stored is None and rules.missing == "drop-samples" and max(map(len, starts)) > 1:
        logged = losses_of_whole_ranks(starts)
    else:
        known = losses_of(starts)
        several = any(start.world_size > 1 for start in known)
        logged = Logged.of(known, stored if several else None)
    if stored is None and logged.dropped and not len(logged.steps):
        raise ParameterError(
            f"no step that every rank has, {logged.dropped} that some rank lacks; needed one of all ranks; "
            'to drop the samples of the others, pass missing="drop-samples" (--missing)'
        )
    each = list(chain(*starts))
    return _Losses(
        steps=logged.steps,
        ids=logged.ids,
        stored=StoredLosses(groups=logged.ranges(), rows=np.arange(len(logged.steps)), samples=None),
        quality=Quality(
            superseded_rows=logged.superseded * len(logged.ids),
            bytes_left=sum(attempt.bytes_left for attempt in each),
            dropped_steps=logged.dropped,
            dropped_samples=logged.dropped_samples,
            missing=logged.missing,
            refused=sum(sum(attempt.manifest.refused.values()) for attempt in each),
            out_of_reach=sum(attempt.out_of_reach for attempt in each),
        ),
    )


def _merged(old: _Losses, new: _Losses) -> _Losses:
    """The rows of `new`, which starts later, and those of `old` before its first step."""
    if not len(new.steps):
        return replace(old, quality=old.quality + new.quality)
    if not np.array_equal(old.ids, new.ids):
        raise ParameterError(
            f"the file has {counted(len(old.ids), 'sample')} and the journal {len(new.ids)}, not the same; "
            "needed one probe set; move the journal away"
        )
    assert isinstance(new.stored, StoredLosses)  # what a journal holds
    kept = int(np.searchsorted(old.steps, new.steps[0]))
    superseded = (len(old.steps) - kept) * len(old.ids)
    return _Losses(
        steps=np.concatenate([old.steps[:kept], new.steps]),
        ids=old.ids,
        stored=old.stored.first(kept, new.stored),
        quality=old.quality + new.quality + Quality(superseded_rows=superseded),
    )


def _samples(folder: Location, journal: Starts, ids: NDArray[Any]) -> tuple[pd.DataFrame, int]:
    """What the companion folder and the journal say of `ids`, and how many others they describe."""
    if journal and isinstance(folder, Path):
        found = extras.samples(folder, journal)
        frame = None if found is None else found.to_pandas()
    else:
        frame = _frame(folder / SAMPLES_FILE)
    with _in(folder / SAMPLES_FILE):
        return match_samples(frame, ids)


def _frame(file: Location) -> pd.DataFrame | None:
    return ParquetPart.open(file).read().to_pandas() if _is_there(file) else None


def _is_there(file: Location) -> bool:
    with _if_let(file):
        return file.exists()
    return False


def _groups(
    path: Location,
    parts: list[ParquetPart],
    columns: Mapping[str, str] | None,
    samples: pd.DataFrame,
    name: str,
) -> pd.Series:
    """The group of each of `samples`, by the column `name` of samples.parquet or of the losses."""
    if name in samples:
        with _in(companion(path) / SAMPLES_FILE):
            check_groups(samples[name])
        return samples[name]
    if not parts or any(name not in part.schema.names for part in parts):
        others = [*samples.columns[1:], *(parts[0].schema.names if parts else [])]
        raise FormatError(
            f"{path}: no column {name!r} to group by; found {', '.join(map(str, others)) or 'none'}; "
            f"choose one of them or add it to {SAMPLES_FILE}"
        )
    pairs = pd.concat([_pairs(part, columns, name) for part in parts]).drop_duplicates()
    if (again := pairs[SAMPLE_ID].duplicated()).any():
        raise FormatError(
            f"{path}: column {name!r} changes within sample {pairs[SAMPLE_ID][again].tolist()[0]!r}; "
            f"needed one value per sample; choose another or put it into {SAMPLES_FILE}"
        )
    return samples[SAMPLE_ID].map(pairs.set_index(SAMPLE_ID)[GROUP])


def _pairs(part: ParquetPart, columns: Mapping[str, str] | None, name: str) -> pd.DataFrame:
    """Distinct sample ids and values of the column `name`, a row group at a time."""
    key = find_columns(part.schema, columns)[SAMPLE_ID]
    pairs: list[pd.DataFrame] = []
    for group in range(part.metadata.num_row_groups):
        frame = part.read([key, name], group).to_pandas()[[key, name]].astype(object)
        with _in(part.path):
            check_groups(frame[name])
        pairs.append(frame.set_axis([SAMPLE_ID, GROUP], axis=1).drop_duplicates())
    return pd.concat(pairs)


def _scalars(file: Location, journal: Starts) -> pd.DataFrame:
    """The scalars of the file before the first of the journal, and those."""
    frame = _frame(file)
    with _in(file):
        table = scalars_table(frame)
    logged = [extras.scalars(start) for start in journal]
    if not any(logged):
        return table
    kept = superseding([[int(row[STEP]) for row in start] for start in logged])
    rows = scalars_table(
        pd.DataFrame([row for start, stay in zip(logged, kept, strict=True) for row in start[:stay]])
    )
    return pd.concat([table[table[STEP] < rows[STEP][0]], rows], ignore_index=True)


def _draws(file: Location, journal: Starts, ids: NDArray[Any], kept: NDArray[np.bool_]) -> Draws:
    """Losses under parameter draws, of the samples kept, NaN and inf as they are."""
    draws = _stored_draws(file, ids) if _is_there(file) else []
    logged = [extras.draws(start)[0] for start in journal]
    stay = superseding([[drawn.step for drawn in start] for start in logged])
    new = [
        (drawn.step, drawn.read())
        for start, count in zip(logged, stay, strict=True)
        for drawn in start[:count]
    ]
    if new:
        draws = [(step, losses) for step, losses in draws if step < new[0][0]] + new
    return [(step, losses[:, kept]) for step, losses in draws]


def _stored_draws(file: Location, ids: NDArray[Any]) -> Draws:
    part = ParquetPart.open(file)
    with _in(file):
        names = find_columns(part.schema, None)
        if DRAW not in part.schema.names:
            raise ParameterError(f"no column {DRAW!r}; found {', '.join(part.schema.names)}; add it")
        table = part.read([*names.values(), DRAW])
        tidy = tidy_rows(table, names)
        row, steps = places(tidy.steps)
        draw, draws = places(integers(table.column(DRAW), DRAW))
        # a row for each pair of step and draw, which stands in for the step
        found = grid(
            replace(tidy, steps=row(slice(None)) * len(draws) + draw(slice(None)), attempts=None), Rules()
        )
        if not np.array_equal(found.ids, ids):
            raise ParameterError(
                f"{len(found.ids)} samples, not the {len(ids)} of the losses; needed the same"
            )
    of_step = found.steps // len(draws)
    return [(int(step), found.losses[of_step == index]) for index, step in enumerate(steps)]


@contextmanager
def _in(path: Location) -> Generator[None]:
    """What is wrong with rows and columns is wrong with the file they are from."""
    try:
        yield
    except ParameterError as error:
        raise FormatError(f"{path}: {error}") from error
