"""What is a run in memory? Its steps, samples and scalars, and losses that are read when asked for.

A `Run` is clean: steps rise strictly, every sample has a finite loss at every step, and `quality` counts what
it took to get there. `read_run` makes one from files, `from_arrays` and `from_frame` from what is in memory.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rdmtools.errors import ParameterError, RdmtoolsWarning
from rdmtools.format.names import SAMPLE_ID, Named
from rdmtools.run.checks import losses_array, match_samples, samples_table, scalars_table, steps_array
from rdmtools.run.dirt import finite_part
from rdmtools.run.from_table import Losses, Wide, from_table
from rdmtools.run.in_memory import arrow_table
from rdmtools.run.losses import LossRows, StoredLosses
from rdmtools.run.quality import Quality, counted
from rdmtools.run.rules import Rules

Draws = list[tuple[int, NDArray[Any]]]


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
        if self.largest == 0:
            return "a single row"
        if self.largest == 1:
            return "every step"
        if self.even:
            return f"every {self.smallest:,} steps"
        return f"every {self.smallest:,} to {self.largest:,} steps, median {self.median:,.12g}"


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Run:
    """Per-sample losses of one training run, `shape` = (rows, samples).

    Made by `read_run`, `Run.from_arrays` or `Run.from_frame`, which check everything; the constructor trusts.
    The losses of a file in canonical order stay there until `rows`, `blocks` or `losses` asks for them.
    """

    name: str
    unit: str | None
    """Of the losses, such as "nats"; None where nobody said."""
    steps: NDArray[np.int64]
    """Training step of each row, (rows,), strictly increasing."""
    samples: pd.DataFrame
    """One row per sample, in the order of the columns of losses; `sample_id` first, then what is known."""
    scalars: pd.DataFrame
    """Anything else logged, `step` first and strictly increasing, then floats; NaN where not logged."""
    metadata: dict[str, Any]
    """The user's own."""
    quality: Quality
    source: Named | None
    """Where it was read from, None if it was not; `str` of it is what `read_run` takes, without passwords."""
    stored: LossRows
    """Where the losses are read from: memory, once all of them were asked for."""
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
            self.stored = StoredLosses.of(self._losses)
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
        unit: str | None = None,
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
        unit
            Of the losses, such as "nats"; None where it is not known.
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
        Run('flat', 3 rows x 5 samples, steps 0 to 40, float64)
        """
        rules = Rules(nonfinite=nonfinite)
        values = losses_array(losses)
        step = steps_array(steps, len(values))
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
            stored=StoredLosses.of(_read_only(values)),
            stored_draws=list,
        )

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        layout: str | None = None,
        columns: Mapping[str, str] | None = None,
        samples: Any = None,
        scalars: Any = None,
        metadata: Mapping[str, Any] | None = None,
        name: str = "run",
        unit: str | None = None,
        missing: str = "error",
        nonfinite: str = "error",
        duplicates: str = "last",
        restarts: str = "keep",
    ) -> Self:
        """Run of a table: pandas, polars (lazy, too), pyarrow, or what speaks the Arrow C interface.

        It may be tidy, one row for each step and sample in any order; or wide, a row for each step. Levels of
        a pandas index that have names are columns. The columns of the losses are in order of id.

        Parameters
        ----------
        layout
            "long" (tidy), "wide" (a column for each sample), "lists" (a column with a list of losses in each
            row) or "samples" (a row for each sample, a column for each step); guessed if None.
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
        restarts
            Where steps fall back in a table without attempts: "keep" all rows, or "supersede" by later ones.

        Raises
        ------
        ParameterError
            Where the table does not make a run.

        Warns
        -----
        RdmtoolsWarning
            Of what was guessed: a layout, names, types.

        Examples
        --------
        >>> import pandas as pd
        >>> wide = pd.DataFrame({"a": [0.5, 0.4], "b": [0.3, 0.1]}, index=pd.Index([0, 10], name="step"))
        >>> Run.from_frame(wide, layout="wide")
        Run('run', 2 rows x 2 samples, steps 0 to 10, float64)
        """
        rules = Rules(
            columns=columns, missing=missing, nonfinite=nonfinite, duplicates=duplicates, restarts=restarts
        )
        losses, notes = from_table(arrow_table(df, layout, columns), layout, columns)
        run = cls.of(losses, rules, samples=samples, scalars=scalars, metadata=metadata, name=name, unit=unit)
        run.quality += Quality(guesses=tuple(notes))
        for note in notes:
            warnings.warn(note, RdmtoolsWarning, stacklevel=2)
        return run

    @classmethod
    def of(
        cls,
        losses: Losses,
        rules: Rules,
        *,
        samples: Any = None,
        scalars: Any = None,
        metadata: Mapping[str, Any] | None = None,
        name: str = "run",
        unit: str | None = None,
    ) -> Self:
        """Run of losses of any layout, cleaned by the rules. Raises ParameterError."""
        found = losses.grid(rules)
        table, unused = (found.ids, 0) if samples is None else match_samples(samples, found.ids)
        run = cls.from_arrays(
            found.steps,
            found.losses,
            samples=table,
            scalars=scalars,
            metadata=metadata,
            name=name,
            unit=losses.unit if unit is None else unit,
            nonfinite=rules.nonfinite,
        )
        run.quality += found.quality + Quality(unused_samples=max(0, unused - found.quality.dropped_samples))
        if isinstance(losses, Wide) and losses.draws is not None:
            drawn = dict(zip(losses.steps.tolist(), losses.draws, strict=True))
            kept = np.isin(found.ids, run.samples[SAMPLE_ID].to_numpy())
            run.stored_draws = lambda: [(step, drawn[step][:, kept]) for step in run.steps.tolist()]
        return run

    def __repr__(self) -> str:
        rows, samples = self.shape
        return (
            f"Run({self.name!r}, {counted(rows, 'row')} x {counted(samples, 'sample')}, "
            f"steps {self.steps[0]} to {self.steps[-1]}, {self.dtype}{f', {self.unit}' if self.unit else ''})"
        )

    def _repr_html_(self) -> str:
        rows, samples = self.shape
        facts = {
            "rows x samples": f"{rows:,} x {samples:,} ({self.dtype}{f', {self.unit}' if self.unit else ''})",
            "steps": f"{self.steps[0]:,} to {self.steps[-1]:,}, {self.spacing}",
            "scalars": ", ".join(map(str, self.scalars.columns[1:])),
            "samples": ", ".join(map(str, self.samples.columns)),
            "source": str(self.source or ""),
            "quality": " ".join(self.quality.notes()),
            **{str(key): str(value) for key, value in self.metadata.items()},
        }
        cells = (f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items() if v)
        return f"<table><caption>{escape(self.name)}</caption>{''.join(cells)}</table>"


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
