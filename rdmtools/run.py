"""What is a run in memory? Its steps, samples and scalars, and losses that are read when asked for.

A `Run` is clean: steps rise strictly, every sample has a finite loss at every step, and `quality` counts what
it took to get there. `read_run` makes one from files, `from_arrays` and `from_frame` from what is in memory.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rdmtools.cleaning import Quality, Rules, counted, finite_part, grid
from rdmtools.columns import arrow_table, tidy_rows
from rdmtools.errors import ParameterError
from rdmtools.schema import SAMPLE_ID, STEP

__all__ = ["Draws", "LossRows", "Quality", "Run", "Spacing"]

Draws = list[tuple[int, NDArray[Any]]]


class LossRows(Protocol):
    """Losses that lie elsewhere, read a range of rows at a time."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Losses of rows start ... stop-1, (stop - start, samples), in C order; not to be written to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Spacing:
    """How far apart the logged steps lie, in steps; all 0 for a single row."""

    median: float
    smallest: int
    largest: int

    @property
    def even(self) -> bool:
        return self.smallest == self.largest

    def __str__(self) -> str:
        if self.even:
            return f"every {self.smallest} steps"
        return f"every {self.smallest} to {self.largest} steps, median {self.median:g}"


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Run:
    """Per-sample losses of one training run, `shape` = (rows, samples).

    Made by `read_run`, `Run.from_arrays` or `Run.from_frame`, which check everything; the constructor trusts.
    The losses of a file in canonical order stay there until `rows`, `blocks` or `losses` asks for them.
    """

    name: str
    unit: str
    steps: NDArray[np.int64]
    """Training step of each row, (rows,), strictly increasing."""
    samples: pd.DataFrame
    """One row per sample, in the order of the columns of losses; `sample_id` first, then what is known."""
    scalars: pd.DataFrame
    """Anything else logged, `step` first and strictly increasing, then floats; NaN where not logged."""
    metadata: dict[str, Any]
    """The user's own."""
    quality: Quality
    source: Path | None
    stored: LossRows
    """Where the losses are read from."""
    stored_draws: Callable[[], Draws]
    _losses: NDArray[Any] | None = field(default=None, init=False)
    _draws: Draws | None = field(default=None, init=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, samples)."""
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the losses, float32 or float64."""
        return self.stored.dtype

    @property
    def spacing(self) -> Spacing:
        """How far apart the logged steps lie."""
        gaps = np.diff(self.steps) if len(self.steps) > 1 else np.zeros(1, np.int64)
        return Spacing(median=float(np.median(gaps)), smallest=int(gaps.min()), largest=int(gaps.max()))

    @property
    def losses(self) -> NDArray[Any]:
        """All losses, (rows, samples), finite, read once and then kept; read-only."""
        if self._losses is None:
            self._losses = _read_only(self.stored.read(0, self.shape[0]))
        return self._losses

    @property
    def draws(self) -> Draws:
        """Losses under Gaussian parameter draws: (step, (draws, samples)) by step; empty if none logged."""
        if self._draws is None:
            self._draws = self.stored_draws()
        return self._draws

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Losses of rows start ... stop-1, (stop - start, samples), in C order, read-only."""
        if not 0 <= start <= stop <= self.shape[0]:
            raise ParameterError(
                f"rows {start} to {stop} of a run of {self.shape[0]}; "
                f"choose 0 <= start <= stop <= {self.shape[0]}"
            )
        if self._losses is not None:
            return self._losses[start:stop]
        return _read_only(self.stored.read(start, stop))

    def blocks(self, rows: int = 256, start: int = 0, stop: int | None = None) -> Iterator[NDArray[Any]]:
        """Consecutive blocks of the losses, (rows, samples) each; the last one may be shorter."""
        if rows < 1:
            raise ParameterError(f"blocks of {rows} rows; choose at least 1")
        stop = self.shape[0] if stop is None else stop
        for first in range(start, stop, rows):
            yield self.rows(first, min(first + rows, stop))

    @classmethod
    def from_arrays(
        cls,
        steps: ArrayLike,
        losses: ArrayLike,
        *,
        samples: Any = None,
        scalars: Any = None,
        metadata: Mapping[str, Any] | None = None,
        name: str = "run",
        unit: str = "nats",
        nonfinite: str = "error",
    ) -> Self:
        """Run of losses in memory; arrays are viewed where their type allows it, never changed.

        Parameters
        ----------
        steps
            Training step of each row, (rows,), integers that rise strictly.
        losses
            (rows, samples); float32 and float64 stay as they are, float16 becomes float32.
        samples
            A table with one row per sample, in the order of the columns (`sample_id`, `group`, …), or their
            ids; 0 … n-1 if None.
        scalars
            A table with `step` and columns of numbers.
        nonfinite
            What to do about NaN and inf: "error", "drop-samples" or "drop-steps".

        Raises
        ------
        ParameterError
            Where the arrays do not make a run.

        Examples
        --------
        >>> import numpy as np
        >>> Run.from_arrays([0, 20, 40], np.ones((3, 5)), name="flat")
        Run('flat', 3 rows x 5 samples, steps 0 to 40, float64, nats)
        """
        rules = Rules(nonfinite=nonfinite)
        values = _losses_array(losses)
        step = _steps_array(steps, len(values))
        table = samples_table(samples, values.shape[1])
        rows, kept, quality = finite_part([values], step, table[SAMPLE_ID].tolist(), rules.nonfinite)
        if quality.nonfinite:
            step, values = step[rows], values[np.ix_(rows, kept)]
            table = table[kept].reset_index(drop=True)
        return cls(
            name=name,
            unit=unit,
            steps=_read_only(step),
            samples=table,
            scalars=scalars_table(scalars),
            metadata=dict(metadata or {}),
            quality=quality,
            source=None,
            stored=InMemory(_read_only(values)),
            stored_draws=list,
        )

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        columns: Mapping[str, str] | None = None,
        samples: Any = None,
        scalars: Any = None,
        metadata: Mapping[str, Any] | None = None,
        name: str = "run",
        unit: str = "nats",
        missing: str = "error",
        nonfinite: str = "error",
        duplicates: str = "last",
    ) -> Self:
        """Run of a tidy table in memory: pandas, polars, pyarrow, or whatever speaks the Arrow C interface.

        It has one row for each step and sample, in any order; the columns of the losses are in order of id.

        Parameters
        ----------
        columns
            Maps `step`, `sample_id`, `loss`, `attempt` to the table's own names, where they differ.
        samples
            A table with `sample_id` and what else is known of the samples, in any order.
        scalars
            A table with `step` and columns of numbers.
        missing, nonfinite
            What to do about absent losses, and about NaN and inf: "error", "drop-samples" or "drop-steps".
        duplicates
            Of rows with the same step and sample but different losses keep the "last", or "error".

        Raises
        ------
        ParameterError
            Where the table does not make a run.
        """
        rules = Rules(missing=missing, nonfinite=nonfinite, duplicates=duplicates)
        found = grid(tidy_rows(*arrow_table(df, columns)), rules)
        table, unused = match_samples(samples, found.ids)
        run = cls.from_arrays(
            found.steps,
            found.losses,
            samples=table,
            scalars=scalars,
            metadata=metadata,
            name=name,
            unit=unit,
            nonfinite=nonfinite,
        )
        run.quality += found.quality + Quality(unused_samples=max(0, unused - found.quality.dropped_samples))
        return run

    def __repr__(self) -> str:
        rows, samples = self.shape
        return (
            f"Run({self.name!r}, {rows} rows x {samples} samples, "
            f"steps {self.steps[0]} to {self.steps[-1]}, {self.dtype}, {self.unit})"
        )

    def _repr_html_(self) -> str:
        rows, samples = self.shape
        facts = {
            "rows x samples": f"{rows:,} x {samples:,} ({self.dtype}, {self.unit})",
            "steps": f"{self.steps[0]:,} to {self.steps[-1]:,}, {self.spacing}",
            "scalars": ", ".join(map(str, self.scalars.columns[1:])),
            "samples": ", ".join(map(str, self.samples.columns)),
            "source": str(self.source or ""),
            "quality": " ".join(self.quality.notes()),
            **{str(key): str(value) for key, value in self.metadata.items()},
        }
        cells = (f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items() if v)
        return f"<table><caption>{escape(self.name)}</caption>{''.join(cells)}</table>"


@dataclass(frozen=True, slots=True)
class InMemory:
    """Losses that are here already, (rows, samples)."""

    losses: NDArray[Any]

    @property
    def shape(self) -> tuple[int, int]:
        rows, samples = self.losses.shape
        return rows, samples

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.losses.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self.losses[start:stop]

    def read_all(self) -> NDArray[Any]:
        return self.losses


def samples_table(samples: Any, count: int) -> pd.DataFrame:
    """A new table of `count` samples, `sample_id` first, from a table, ids, or None for 0 … count-1."""
    if samples is None:
        return pd.DataFrame({SAMPLE_ID: np.arange(count)})
    table = _frame(samples, "samples", ids=SAMPLE_ID)
    if len(table) != count:
        raise ParameterError(
            f"samples has {len(table)} rows, the losses have {count} columns; "
            "needed one row per column, in their order"
        )
    if SAMPLE_ID not in table:
        table.insert(0, SAMPLE_ID, np.arange(count))
    ids = table.pop(SAMPLE_ID)
    if ids.isna().any():
        raise ParameterError("samples has a sample_id that is null; needed one integer or string for each")
    kind = pd.api.types.infer_dtype(ids)
    if kind not in ("integer", "string", "empty"):
        raise ParameterError(f"samples has sample_id of type {kind}; needed integers or strings")
    if (again := ids.duplicated()).any():
        raise ParameterError(
            f"samples has sample_id {ids[again].tolist()[0]!r} more than once; needed one row per sample"
        )
    table.insert(0, SAMPLE_ID, ids)
    return table


def match_samples(samples: Any, ids: NDArray[Any]) -> tuple[pd.DataFrame, int]:
    """What `samples` says of `ids`, in their order, and how many others it describes."""
    if samples is None:
        return samples_table(ids, len(ids)), 0
    table = _frame(samples, "samples", ids=SAMPLE_ID)
    if SAMPLE_ID not in table:
        raise ParameterError(f"samples has columns {_listed(table)}; needed a column 'sample_id'")
    table = samples_table(table, len(table))
    place = pd.Index(table[SAMPLE_ID]).get_indexer(pd.Index(ids))
    if len(absent := ids[place < 0]):
        raise ParameterError(
            f"samples lacks {counted(len(absent), 'id')} of the {len(ids)} in the losses "
            f"(first: {absent.tolist()[0]!r}, of type {type(absent.tolist()[0]).__name__}); "
            f"found {len(table)}, such as {table[SAMPLE_ID].tolist()[0]!r}; add them"
        )
    return table.iloc[place].reset_index(drop=True), len(table) - len(ids)


def scalars_table(scalars: Any) -> pd.DataFrame:
    """A new table of scalars, `step` first and rising strictly, then float64; only `step` from None."""
    if scalars is None:
        return pd.DataFrame({STEP: np.empty(0, np.int64)})
    table = _frame(scalars, "scalars")
    if STEP not in table:
        raise ParameterError(f"scalars has columns {_listed(table)}; needed a column 'step'")
    for column in table:
        kind = table[column].dtype
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind)):
            raise ParameterError(f"scalars has column {column!r} of type {kind}; needed numbers")
    if not pd.api.types.is_integer_dtype(table[STEP].dtype) or table[STEP].isna().any():
        raise ParameterError(f"scalars has steps of type {table[STEP].dtype}; needed integers, without nulls")
    table = table.sort_values(STEP, kind="stable", ignore_index=True)
    if (again := table[STEP].duplicated()).any():
        raise ParameterError(
            f"scalars has step {table[STEP][again].iloc[0]} more than once; needed one row per step"
        )
    steps = table.pop(STEP).to_numpy(np.int64)
    table = table.astype(np.float64)
    table.insert(0, STEP, steps)
    return table


def _losses_array(losses: ArrayLike) -> NDArray[Any]:
    values = _array(losses, "losses")
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise ParameterError(
            f"losses are of type {values.dtype}; needed float16, float32 or float64; "
            "convert them, as by .astype(float)"
        )
    if values.ndim != 2 or 0 in values.shape:
        raise ParameterError(
            f"losses have shape {values.shape}; needed (rows, samples), at least one of each"
        )
    return np.ascontiguousarray(values, np.float32 if values.dtype.itemsize < 8 else np.float64)


def _steps_array(steps: ArrayLike, rows: int) -> NDArray[np.int64]:
    found = _array(steps, "steps")
    if found.dtype.kind not in "iu":
        raise ParameterError(
            f"steps are of type {found.dtype}; needed integers; convert them, as by .astype(int)"
        )
    if found.shape != (rows,):
        raise ParameterError(f"steps have shape {found.shape}; needed ({rows},), one for each row of losses")
    step = found.astype(np.int64)
    falls = np.flatnonzero(np.diff(step) <= 0)
    if len(falls):
        at = falls[0]
        raise ParameterError(
            f"steps do not rise: {step[at + 1]} follows {step[at]} at row {at + 1}; "
            "sort the rows by step and keep one for each"
        )
    return step


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    if np.ma.is_masked(values):
        raise ParameterError(f"{what} has masked entries; needed an array without a mask; fill or drop them")
    try:
        return np.asarray(values)
    except (
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:  # ragged lists, tensors on a device or with a gradient
        raise ParameterError(
            f"{what} cannot become an array ({_one_line(error)}); pass NumPy arrays"
        ) from error


def _frame(table: Any, what: str, ids: str | None = None) -> pd.DataFrame:
    """A new pandas table with a RangeIndex; with `ids`, a plain sequence is the column of that name."""
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    elif ids and not isinstance(table, pd.DataFrame | Mapping):
        table = {ids: table}
    try:
        return pd.DataFrame(table).reset_index(drop=True)
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"{what} cannot become a table ({_one_line(error)}); pass a DataFrame"
        ) from error


def _listed(table: pd.DataFrame) -> str:
    return ", ".join(map(str, table.columns))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
