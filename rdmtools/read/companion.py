"""What lies beside the losses? Samples, scalars and draws, in the companion folder and the journal."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rdmtools.errors import ChangedError, FormatError, ParameterError, RdmtoolsWarning, reading
from rdmtools.format.names import DRAW, GROUP, SAMPLE_ID, SAMPLES_FILE, SCALARS_FILE, STEP
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.values import integers
from rdmtools.journal import extras
from rdmtools.journal.supersede import superseding
from rdmtools.read.journal import Starts
from rdmtools.read.paths import companion_of
from rdmtools.read.stores import Location, if_let
from rdmtools.run.checks import check_groups, match_samples, scalars_table
from rdmtools.run.clean import grid, places
from rdmtools.run.columns import find_columns, tidy_rows
from rdmtools.run.rules import Rules
from rdmtools.run.run import Draws

Row = TypeVar("Row")

_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
_NULLABLE: dict[Any, Any] = {
    getattr(pa, kind.lower())(): getattr(pd, f"{kind}Dtype")()
    for kind in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
}


def samples_of(
    path: Location, journal: Starts, parts: Sequence[ParquetPart], ids: NDArray[Any], rules: Rules
) -> tuple[pd.DataFrame, int]:
    """What the companion folder of `path` and the journal say of `ids`, and how many others they describe.

    Their `group` is, where the rules name one, a column of samples.parquet or of the losses in `parts`.
    """
    file = companion_of(path) / SAMPLES_FILE
    try:
        samples, unused = _described(file, journal, ids, rules)
    except ChangedError:
        raise
    except FormatError as error:
        in_losses = parts and all(rules.group_by in part.schema.names for part in parts)
        if rules.group_by is not None and not in_losses:
            raise
        _warn(f"{error}; read without {SAMPLES_FILE}")
        samples, unused = match_samples(None, ids)
    if rules.group_by is not None and rules.group_by not in samples:
        samples[GROUP] = _groups_of(path, parts, rules, samples)
    return samples, unused


def _described(file: Location, journal: Starts, ids: NDArray[Any], rules: Rules) -> tuple[pd.DataFrame, int]:
    """What samples.parquet, and those of the journal, say of `ids`, and how many others they describe."""
    with reading(file):
        if journal and isinstance(file, Path):
            table = extras.samples(file.parent, journal)
            frame = None if table is None else _pandas(table)
        else:
            frame = _frame(file)
        samples, unused = match_samples(frame, ids, told=lambda words: _warn(f"{file}: {words}"))
        if rules.group_by in samples:
            check_groups(samples[rules.group_by])
            samples[GROUP] = samples[rules.group_by]
    return samples, unused


def _warn(words: str) -> None:
    warnings.warn(words, RdmtoolsWarning, stacklevel=2)


def _frame(file: Location) -> pd.DataFrame | None:
    return _pandas(ParquetPart.open(file).read()) if _is_there(file) else None


def _pandas(table: pa.Table) -> pd.DataFrame:
    """The table, but for what pandas kept as an index without a name; whole numbers with nulls stay whole."""
    table = table.drop_columns([name for name in table.column_names if _UNNAMED_INDEX.fullmatch(name)])
    columns = [
        column.to_pandas(types_mapper=_NULLABLE.get) if column.null_count else column.to_pandas()
        for column in table.columns
    ]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    frame.columns = table.column_names
    return frame


def _is_there(file: Location) -> bool:
    with if_let(file):
        return file.exists()
    return False


def _groups_of(
    path: Location, parts: Sequence[ParquetPart], rules: Rules, samples: pd.DataFrame
) -> pd.Series:
    """The group of each of `samples` by a column of the losses."""
    name: Any = rules.group_by
    if not parts or any(name not in part.schema.names for part in parts):
        others = [*samples.columns[1:], *(parts[0].schema.names if parts else [])]
        raise FormatError(
            f"{path}: no column {name!r} to group by; found {', '.join(map(str, others)) or 'none'}; "
            f"choose one of them or add it to {SAMPLES_FILE}"
        )
    pairs: list[pd.DataFrame] = []
    for part in parts:
        key = find_columns(part.schema, rules.columns)[SAMPLE_ID]
        for _, table in part.row_groups([key, name]):
            with reading(part.path):
                frame = table.to_pandas()[[key, name]].astype(object).set_axis([SAMPLE_ID, GROUP], axis=1)
                check_groups(frame[GROUP])
            pairs.append(frame.drop_duplicates())
    groups = pd.concat(pairs).drop_duplicates()
    if (again := groups[SAMPLE_ID].duplicated()).any():
        raise FormatError(
            f"{path}: column {name!r} changes within sample {groups[SAMPLE_ID][again].tolist()[0]!r}; "
            f"needed one value per sample; choose another or put it into {SAMPLES_FILE}"
        )
    return samples[SAMPLE_ID].map(groups.set_index(SAMPLE_ID)[GROUP])


def scalars_of(file: Location, journal: Starts) -> pd.DataFrame:
    """The scalars of the file before the first of the journal, and those."""
    try:
        with reading(file):
            table = scalars_table(_frame(file))
    except ChangedError:
        raise
    except FormatError as error:
        _warn(f"{error}; read without {SCALARS_FILE}")
        table = scalars_table(None)
    logged = _latest([extras.scalars(start) for start in journal], lambda row: int(row[STEP]))
    if not logged:
        return table
    rows = scalars_table(pd.DataFrame(logged))
    return pd.concat([table[table[STEP] < rows[STEP][0]], rows], ignore_index=True)


def draws_of(file: Location, journal: Starts, ids: NDArray[Any], kept: NDArray[np.bool_]) -> Draws:
    """Losses under parameter draws, of the samples kept, NaN and inf as they are."""
    draws = _stored_draws(file, ids) if _is_there(file) else []
    logged = _latest([extras.draws(start)[0] for start in journal], lambda drawn: drawn.step)
    if logged:
        draws = [(step, losses) for step, losses in draws if step < logged[0].step]
        draws += [(drawn.step, drawn.read()) for drawn in logged]
    return [(step, losses[:, kept]) for step, losses in draws]


def _latest(starts: Sequence[Sequence[Row]], step: Callable[[Row], int]) -> list[Row]:
    """What each start recorded before the first `step` of any later one."""
    kept = superseding([[step(row) for row in rows] for rows in starts])
    return [row for rows, stay in zip(starts, kept, strict=True) for row in rows[:stay]]


def _stored_draws(file: Location, ids: NDArray[Any]) -> Draws:
    part = ParquetPart.open(file)
    with reading(file):
        names = find_columns(part.schema, None)
        if DRAW not in part.schema.names:
            raise ParameterError(f"no column {DRAW!r}; found {', '.join(part.schema.names)}; add it")
        table = part.read([*names.values(), DRAW])
        tidy = tidy_rows(table, names)
        row, steps = places(tidy.steps)
        draw, draws = places(integers(table.column(DRAW), DRAW))
        # a row for each pair of step and draw, which stands in for the step
        pairs = row(slice(None)) * len(draws) + draw(slice(None))
        drawn = grid(replace(tidy, steps=pairs, attempts=None), Rules())
        if not np.array_equal(drawn.ids, ids):
            raise ParameterError(
                f"{len(drawn.ids)} samples, not the {len(ids)} of the losses; needed the same"
            )
    of_step = drawn.steps // len(draws)
    return [(int(step), drawn.losses[of_step == index]) for index, step in enumerate(steps)]
