"""What becomes of dirt in rows that do not fit in memory? What `cleaning` does, a range of steps at a time.

scratch -> superseded rows left out -> gaps, doubles -> finite -> blocks of losses by step and sample

Every rule looks at the whole run: a sample that one range lacks is a gap. Counts and messages are those of
`cleaning.grid`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.read.scratch import Scratch
from rdmtools.run.clean import (
    Tidy,
    different,
    doubles_error,
    finite_part,
    first_gap,
    gaps_error,
    one_kind,
    places,
    survives,
)
from rdmtools.run.quality import Quality
from rdmtools.run.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Losses that are clean, in order, and still on disk."""

    part: "Chosen"
    rows: NDArray[np.bool_]
    samples: NDArray[np.bool_]
    quality: Quality

    @property
    def ids(self) -> NDArray[Any]:
        return self.part.ids[self.samples]

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Steps and losses, (rows,) and (rows, samples)."""
        for span, losses in self.part.grids():
            rows = self.rows[span]
            if rows.any():
                yield self.part.steps[span][rows], losses[rows][:, self.samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Some of the steps and samples in a scratch."""

    scratch: Scratch
    steps: NDArray[np.int64]
    ids: NDArray[Any]
    columns: NDArray[np.int64]
    """Of each position in the scratch's ids: that in `ids`, or -1."""

    def spans(self) -> Iterator[tuple[slice, NDArray[np.integer[Any]], NDArray[Any]]]:
        """Where a range lies among the steps; the cell of each of its rows, row by row; their losses."""
        start = 0
        for tidy in self.scratch.ranges():
            keep = self._stays(tidy)
            if not keep.all():
                tidy = tidy.where(keep)
            if len(tidy.steps):
                row, steps = places(tidy.steps)
                cells = row(slice(None)) * len(self.ids) + self.columns[tidy.samples]
                yield slice(start, start + len(steps)), cells, tidy.losses
                start += len(steps)

    def grids(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Losses (rows, samples) where none is missing; of doubles the last."""
        for span, cells, losses in self.spans():
            grid = np.empty((span.stop - span.start, len(self.ids)), losses.dtype)
            grid.reshape(-1)[cells] = losses
            yield span, grid

    def chosen(self, rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> "Chosen":
        """Only the steps and samples that stay."""
        columns = np.append(np.where(samples, np.cumsum(samples) - 1, -1), -1)[self.columns]
        return replace(self, steps=self.steps[rows], ids=self.ids[samples], columns=columns)

    def _stays(self, tidy: Tidy) -> NDArray[np.bool_]:
        keep = unsuperseded(self.scratch, tidy) & (self.columns[tidy.samples] >= 0)
        if len(self.steps) < len(self.scratch.steps):
            place = np.searchsorted(self.steps, tidy.steps)
            keep &= self.steps[np.minimum(place, len(self.steps) - 1)] == tidy.steps
        return keep


@dataclass(frozen=True, slots=True, kw_only=True)
class _Survey:
    by_row: NDArray[np.int64]
    """How many samples each step has, (rows,)."""
    by_sample: NDArray[np.int64]
    """How many steps each sample has, (samples,)."""
    first_gap: tuple[int, int]
    doubles: int
    replaced: int
    first_replaced: tuple[int, int]
    """Row and sample."""


def ordered(scratch: Scratch, ids: Sequence[Any], rules: Rules) -> Ordered:
    """The finite losses in `scratch`, whose samples are positions in `ids`. Raises ParameterError."""
    part, quality = gapless(scratch, ids, rules)
    grids = (losses for _, losses in part.grids())
    rows, samples, finite = finite_part(grids, part.steps, part.ids.tolist(), rules.nonfinite)
    return Ordered(part=part, rows=rows, samples=samples, quality=quality + finite)


def gapless(scratch: Scratch, ids: Sequence[Any], rules: Rules) -> tuple[Chosen, Quality]:
    """The losses in `scratch` that stay, as in `cleaning.grid`, and what that took; `ids` as in `ordered`."""
    part, quality = _unsuperseded_part(scratch, ids)
    survey = _survey(part)
    if missing := len(part.steps) * len(part.ids) - int(survey.by_row.sum()):
        if rules.missing == "error":
            raise gaps_error(missing, *_named(part, survey.first_gap))
        full = survey.by_row == len(part.ids), survey.by_sample == len(part.steps)
        rows, samples, dropped = one_kind(rules.missing, *full, "missing", missing)
        part, quality = part.chosen(rows, samples), quality + dropped
        survey = _survey(part)
    if survey.replaced and rules.duplicates == "error":
        raise doubles_error(survey.replaced, *_named(part, survey.first_replaced))
    return part, quality + Quality(
        duplicates=survey.doubles,
        duplicates_replaced=survey.replaced,
        order_trusted=survey.replaced > 0,
    )


def unsuperseded(scratch: Scratch, tidy: Tidy) -> NDArray[np.bool_]:
    """Which rows no later attempt supersedes."""
    if tidy.attempts is None:
        return np.ones(len(tidy.steps), np.bool_)
    attempts = sorted(scratch.starts)
    starts = np.array([scratch.starts[attempt] for attempt in attempts])
    return survives(tidy.steps, np.searchsorted(attempts, tidy.attempts), starts)


def _unsuperseded_part(scratch: Scratch, ids: Sequence[Any]) -> tuple[Chosen, Quality]:
    """Steps and samples of the rows that no later attempt supersedes, and how many rows do not stay."""
    present, steps, superseded = np.ones(len(ids), np.bool_), scratch.steps, 0
    if len(scratch.starts) > 1:
        present[:] = False
        found: list[NDArray[np.int64]] = []
        for tidy in scratch.ranges():
            keep = unsuperseded(scratch, tidy)
            superseded += len(keep) - int(np.count_nonzero(keep))
            present[tidy.samples[keep]] = True
            found.append(np.unique(tidy.steps[keep]).astype(np.int64))
        steps = np.concatenate(found)
    named = np.array(ids, dtype=object if isinstance(ids[0], str) else np.int64)
    places = np.flatnonzero(present)
    places = places[np.argsort(named[places])]
    columns = np.full(len(ids), -1)
    columns[places] = np.arange(len(places))
    return Chosen(scratch=scratch, steps=steps, ids=named[places], columns=columns), Quality(
        superseded_rows=superseded
    )


def _survey(part: Chosen) -> _Survey:
    """What is missing and what is doubled."""
    by_row, by_sample = np.zeros(len(part.steps), np.int64), np.zeros(len(part.ids), np.int64)
    gaps: list[tuple[int, int]] = []
    firsts: list[tuple[int, int]] = []
    doubles = replaced = 0
    for span, cells, losses in part.spans():
        rows, width = span.stop - span.start, len(part.ids)
        filled = _distinct(cells, rows * width)
        if len(filled) == rows * width:
            by_row[span] = width
            by_sample += rows
        else:
            by_row[span] = np.bincount(filled // width, minlength=rows)
            by_sample += np.bincount(filled % width, minlength=width)
            gaps.append(_at(span, first_gap(filled), width))
        if len(cells) > len(filled):
            place = np.searchsorted(filled, cells)
            kept = np.empty(len(filled), losses.dtype)
            kept[place] = losses  # where a cell comes again, NumPy leaves the last value
            differ = different(kept[place], losses)
            doubles += len(cells) - len(filled)
            replaced += int(np.count_nonzero(differ))
            if differ.any():
                firsts.append(_at(span, int(cells[differ].min()), width))
    return _Survey(
        by_row=by_row,
        by_sample=by_sample,
        first_gap=gaps[0] if gaps else (0, 0),
        doubles=doubles,
        replaced=replaced,
        first_replaced=firsts[0] if firsts else (0, 0),
    )


def _distinct(cells: NDArray[np.integer[Any]], size: int) -> NDArray[np.integer[Any]]:
    """The cells that are there, each once, in order."""
    if size > 8 * len(cells):  # mostly gaps: the range may be far larger than memory
        return np.unique(cells)
    seen = np.zeros(size, np.bool_)
    seen[cells] = True
    return np.flatnonzero(seen)


def _at(span: slice, cell: int, width: int) -> tuple[int, int]:
    row, sample = divmod(cell, width)
    return span.start + row, sample


def _named(part: Chosen, at: tuple[int, int]) -> tuple[int, Any]:
    """Step and id of a row and a sample."""
    return int(part.steps[at[0]]), part.ids[at[1] : at[1] + 1].tolist()[0]
