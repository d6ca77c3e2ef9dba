"""What becomes of rows that are doubled, absent, superseded or not finite? Each is counted, none repaired.

tidy rows (step, sample, loss [, attempt]) -> superseded rows left out -> one scatter, which counts doubles
and gaps -> gaps and losses that are not finite: an error, or their samples or steps are dropped.

Pure functions of arrays. They raise ParameterError; `read` adds the path and makes it a FormatError.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.run.dirt import Doubles, clean_part, gaps
from rdmtools.run.quality import Quality
from rdmtools.run.rules import Rules

_PART = 1 << 16
_FEW = 31  # every so-many-th row is looked at first; prime, as rows may come in turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidy:
    """Losses as a tidy table has them, one row for each step and sample, in any order."""

    steps: NDArray[np.integer[Any]]
    """(tidy rows,)."""
    samples: NDArray[np.integer[Any]]
    """(tidy rows,): ids, or positions in `ids` where that is given."""
    losses: NDArray[np.floating[Any]]
    """(tidy rows,)."""
    attempts: NDArray[np.integer[Any]] | None = None
    """(tidy rows,): which start of the training wrote the row."""
    ids: NDArray[Any] | None = None
    """Ids that are strings, distinct and in order."""

    def where(self, keep: NDArray[np.bool_]) -> "Tidy":
        """Only the tidy rows to keep."""
        columns = ("steps", "samples", "losses", "attempts")
        kept = {name: getattr(self, name)[keep] for name in columns if getattr(self, name) is not None}
        return replace(self, **kept)

    def named(self, samples: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Ids of `samples`."""
        return samples if self.ids is None else self.ids[samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Losses with one row per step and one column per sample, both in order."""

    steps: NDArray[np.int64]
    ids: NDArray[Any]
    losses: NDArray[Any]
    """(rows, samples); not yet known to be finite."""
    quality: Quality


def grid(tidy: Tidy, rules: Rules) -> Grid:
    """The losses of `tidy` by step and sample, whatever order they come in.

    Rows in canonical order are verified and reshaped. All others go through one lookup-table scatter, which
    sees every double and every gap: to sort and reshape would miss those that balance.
    """
    tidy, superseded = latest_attempts(tidy)
    layout = None if superseded else whole_steps(tidy.steps, tidy.samples)
    if layout is None:
        found = _scatter(tidy, rules)
        return replace(found, quality=found.quality + Quality(superseded_rows=superseded))
    steps, template = layout
    losses, order = tidy.losses.reshape(len(steps), -1), np.argsort(template)
    if (template[order] != template).any():
        losses, template = losses[:, order], template[order]
    return Grid(steps=steps, ids=tidy.named(template), losses=losses, quality=Quality())


def joined(parts: Sequence[Tidy]) -> Tidy:
    """The rows of several parts of one run, one after the other."""
    if len(parts) == 1:
        return parts[0]
    named = [part.ids for part in parts if part.ids is not None]
    samples = [part.samples for part in parts]
    attempts = [part.attempts for part in parts if part.attempts is not None]
    refuse_mixed(len(named), len(attempts), len(parts))
    ids = None
    if named:
        ids = np.unique(np.concatenate(named))
        samples = [np.searchsorted(ids, words)[codes] for words, codes in zip(named, samples, strict=True)]
    return Tidy(
        steps=np.concatenate([part.steps for part in parts]),
        samples=np.concatenate(samples),
        losses=np.concatenate([part.losses for part in parts]),
        attempts=np.concatenate(attempts) if attempts else None,
        ids=ids,
    )


def refuse_mixed(named: int, attempts: int, parts: int) -> None:
    """Raise ParameterError where only some of the parts have ids that are strings, or attempts."""
    for column, count in (("sample_id that is a string", named), ("column attempt", attempts)):
        if 0 < count < parts:
            raise ParameterError(
                f"{count} of {parts} parts have a {column}; needed it in all of them or in none"
            )


def numbered(tidy: Tidy, index: dict[Any, int]) -> Tidy:
    """The same rows, whose samples are positions in `index`, to which new ids are added."""
    codes, samples = pd.factorize(tidy.samples)
    places = [index.setdefault(each, len(index)) for each in tidy.named(samples).tolist()]
    return replace(tidy, samples=np.array(places)[codes], ids=None)


def latest_attempts(tidy: Tidy) -> tuple[Tidy, int]:
    """`tidy` without the rows that a later attempt superseded, and their count.

    An attempt that starts at step s supersedes every row of an earlier one with step >= s.
    """
    if tidy.attempts is None or tidy.attempts.min() == tidy.attempts.max():
        return tidy, 0
    attempt, distinct = places(tidy.attempts)
    starts = np.full(len(distinct), np.iinfo(np.int64).max)
    for part in _parts(len(tidy.steps)):
        np.minimum.at(starts, attempt(part), tidy.steps[part].astype(np.int64, copy=False))
    keep = np.concatenate(
        [survives(tidy.steps[part], attempt(part), starts) for part in _parts(len(tidy.steps))]
    )
    superseded = len(keep) - int(np.count_nonzero(keep))
    return (tidy.where(keep) if superseded else tidy), superseded


def survives(
    steps: NDArray[np.integer[Any]], attempt: NDArray[np.integer[Any]], starts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows no later attempt supersedes; `attempt` is the place of each row's own in `starts`."""
    limits = np.append(np.minimum.accumulate(starts[:0:-1])[::-1], np.iinfo(np.int64).max)
    return (steps < limits[attempt]) | (attempt == len(starts) - 1)


def whole_steps(
    steps: NDArray[np.integer[Any]], samples: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Steps and samples of tidy rows in canonical order, None for any other.

    Canonical: steps rise, and each has the same distinct samples in the same order.
    """
    width = _first_run(steps)
    if len(steps) % width:
        return None
    by_step, by_sample = steps.reshape(-1, width), samples.reshape(-1, width)
    first, template = by_step[:, 0], by_sample[0]
    for part in _parts(len(first) - 1):
        if (first[1:][part] <= first[:-1][part]).any():
            return None
    if not _are_distinct(template):
        return None
    for part in _parts(len(first), max(1, _PART // width)):
        if (by_step[part] != by_step[part, :1]).any() or (by_sample[part] != template).any():
            return None
    return first.astype(np.int64), template.astype(np.int64)


def _are_distinct(ids: NDArray[np.integer[Any]]) -> bool:
    """Whether no id comes twice; where they rise, which is the rule, without sorting them."""
    if (ids[1:] > ids[:-1]).all():
        return True
    ordered = np.sort(ids)  # np.unique hashes, and takes a second for a million
    return bool((ordered[1:] > ordered[:-1]).all())


def _first_run(values: NDArray[Any]) -> int:
    """How many values at the start equal the first."""
    for part in _parts(len(values)):
        if (other := values[part] != values[0]).any():
            return part.start + int(np.argmax(other))
    return len(values)


def places(
    values: NDArray[np.integer[Any]], every: int = 1
) -> tuple[Callable[[slice], NDArray[np.integer[Any]]], NDArray[np.int64]]:
    """Where each value stands among the distinct ones in order, as a function of a slice, and those.

    Where only every so-many-th value is looked at to learn them, another may stand at -1.
    """
    seen = np.ascontiguousarray(values[::every])
    low, high = int(seen.min()), int(seen.max())
    if high - low < 4 * len(values) + _PART and low > np.iinfo(np.int64).min:
        before = low - 1  # the table has a place more at either end, where all that lies outside of it falls
        present = np.zeros(high - before + 2, np.bool_)
        for part in _parts(len(seen)):
            present[np.subtract(seen[part], before, dtype=np.int64)] = True
        table = np.where(present, np.cumsum(present) - 1, -1)
        return (
            lambda part: table.take(np.subtract(values[part], before, dtype=np.int64), mode="clip"),
            np.flatnonzero(present) + before,
        )
    found, distinct = pd.factorize(values.astype(np.int64))
    order = np.argsort(distinct)
    table = np.empty_like(order)
    table[order] = np.arange(len(order))
    return lambda part: table[found[part]], distinct[order]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """Where tidy rows lie in a grid of steps and samples, counted row by row."""

    row: Callable[[slice], NDArray[np.integer[Any]]]
    column: Callable[[slice], NDArray[np.integer[Any]]]
    steps: NDArray[np.int64]
    samples: NDArray[np.int64]

    @classmethod
    def of(cls, tidy: Tidy, every: int = 1) -> Self:
        """With the steps and samples that every so-many-th row has."""
        row, steps = places(tidy.steps, every)
        column, samples = places(tidy.samples, every)
        return cls(row=row, column=column, steps=steps, samples=samples)

    @property
    def size(self) -> int:
        return len(self.steps) * len(self.samples)

    def __call__(self, part: slice) -> NDArray[np.integer[Any]]:
        return self.row(part) * len(self.samples) + self.column(part)


def _scatter(tidy: Tidy, rules: Rules) -> Grid:
    # A few of the rows nearly always have every step and every sample, and the scatter meets what they lack;
    # to look at all rows beforehand would take half as long as the scatter itself.
    cells = _Cells.of(tidy, every=_FEW)
    losses = _filled(cells, tidy)
    if losses is None:
        cells = _Cells.of(tidy)
        losses = _filled(cells, tidy)
    if losses is None:
        return _without_gaps(cells, tidy, rules)
    ids = tidy.named(cells.samples)
    doubles = Doubles(count=len(tidy.steps) - cells.size)
    for part in _parts(len(tidy.steps)) if doubles.count else ():
        doubles.compare(place := cells(part), losses[place], tidy.losses[part])
    return Grid(
        steps=cells.steps,
        ids=ids,
        losses=losses.reshape(len(cells.steps), -1),
        quality=doubles.quality(cells.steps, ids.tolist(), rules.duplicates),
    )


def _filled(cells: _Cells, tidy: Tidy) -> NDArray[Any] | None:
    """The loss of each cell, of several the last; None where a cell has no row, or a row no cell."""
    rows = len(tidy.steps)
    if cells.size > rows:
        return None
    losses = np.full(cells.size, np.nan, tidy.losses.dtype)
    for part in _parts(rows):
        row, column = cells.row(part), cells.column(part)
        if min(row.min(), column.min()) < 0:
            return None
        row *= len(cells.samples)
        row += column
        losses[row] = tidy.losses[part]  # where a cell comes again, NumPy leaves the last value
    # A cell that is not NaN was filled. Only where some are NaN, and so their minimum, may there be gaps.
    if np.isnan(losses.min()):
        there = np.zeros(cells.size, np.bool_)
        for part in _parts(rows):
            there[cells(part)] = True
        if not there.all():
            return None
    return losses


def distinct(cells: NDArray[np.integer[Any]], size: int) -> NDArray[np.integer[Any]]:
    """The cells of a grid of that size that are there, each once, in order."""
    if size > 8 * len(cells):  # mostly gaps: the grid may be far larger than memory
        return np.unique(cells)
    there = np.zeros(size, np.bool_)
    there[cells] = True
    return np.flatnonzero(there)


def _without_gaps(cells: _Cells, tidy: Tidy, rules: Rules) -> Grid:
    """The grid of the steps or samples that are whole, where the rules allow for it."""
    everywhere, ids = slice(None), tidy.named(cells.samples)
    absent = gaps(distinct(cells(everywhere), cells.size), len(cells.steps), len(ids))
    rows, samples, missing = clean_part([absent], cells.steps, ids.tolist(), "missing", rules.missing)
    found = _scatter(tidy.where(rows[cells.row(everywhere)] & samples[cells.column(everywhere)]), rules)
    return replace(found, quality=found.quality + missing)


def _parts(length: int, size: int = 0) -> Iterator[slice]:
    """Consecutive slices of `length` things, small enough to stay in cache."""
    size = size or _PART
    return (slice(start, min(start + size, length)) for start in range(0, length, size))
