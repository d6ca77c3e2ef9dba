"""What becomes of dirt in rows that do not fit in memory? What `run.clean` does, a range of steps at a time.

scratch, without superseded rows -> gaps, doubles -> finite -> blocks of losses by step and sample

Every rule looks at the whole run: a sample that one range lacks is a gap. Counts and messages are those of
`run.clean.grid`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.read.scratch import Scratch
from rdmtools.run.clean import distinct, places
from rdmtools.run.dirt import Dirt, Doubles, clean_part, finite_part, gaps
from rdmtools.run.quality import Quality
from rdmtools.run.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Some of the steps and samples in a scratch; their losses stay on disk."""

    scratch: Scratch
    steps: NDArray[np.int64]
    ids: NDArray[Any]
    columns: NDArray[np.int64]
    """Of each position in the scratch's ids: that in `ids`, or -1."""
    quality: Quality
    """What it took to choose them."""

    def spans(self) -> Iterator[tuple[int, int, NDArray[np.integer[Any]], NDArray[Any]]]:
        """Of each range: the place and number of its steps; the cell of each of its rows; their losses."""
        start = 0
        for tidy in self.scratch.ranges():
            keep = self.columns[tidy.samples] >= 0
            if len(self.steps) < len(self.scratch.steps):
                place = np.searchsorted(self.steps, tidy.steps)
                keep &= self.steps[np.minimum(place, len(self.steps) - 1)] == tidy.steps
            if not keep.all():
                tidy = tidy.where(keep)
            if len(tidy.steps):
                row, steps = places(tidy.steps)
                cells = row(slice(None)) * len(self.ids) + self.columns[tidy.samples]
                yield start, len(steps), cells, tidy.losses
                start += len(steps)

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Steps and losses, (rows,) and (rows, samples), where none is missing; of doubles the last."""
        for start, rows, cells, losses in self.spans():
            grid = np.empty((rows, len(self.ids)), losses.dtype)
            grid.reshape(-1)[cells] = losses
            yield self.steps[start : start + rows], grid

    def dirt(self, doubles: Doubles) -> Iterator[Dirt]:
        """What is missing in each range; what is doubled is counted in `doubles`."""
        width = len(self.ids)
        for start, rows, cells, losses in self.spans():
            filled = distinct(cells, rows * width)
            yield gaps(filled, rows, width)
            if len(cells) > len(filled):
                place = np.searchsorted(filled, cells)
                kept = np.empty(len(filled), losses.dtype)
                kept[place] = losses  # where a cell comes again, NumPy leaves the last value
                doubles.count += len(cells) - len(filled)
                doubles.compare(cells + start * width, kept[place], losses)

    def chosen(self, rows: NDArray[np.bool_], samples: NDArray[np.bool_], quality: Quality) -> "Chosen":
        """Only the steps and samples that stay, and what that took."""
        return replace(
            self,
            steps=self.steps[rows],
            ids=self.ids[samples],
            columns=np.append(np.where(samples, np.cumsum(samples) - 1, -1), -1)[self.columns],
            quality=self.quality + quality,
        )


def ordered(scratch: Scratch, ids: Sequence[Any], rules: Rules) -> Chosen:
    """The finite losses in `scratch`, whose samples are positions in `ids`. Raises ParameterError."""
    part = gapless(scratch, ids, rules)
    losses = (block for _, block in part.blocks())
    return part.chosen(*finite_part(losses, part.steps, part.ids.tolist(), rules.nonfinite))


def gapless(scratch: Scratch, ids: Sequence[Any], rules: Rules) -> Chosen:
    """The losses in `scratch` that stay, as in `run.clean.grid`; `ids` as in `ordered`."""
    part, doubles = _present(scratch, ids), Doubles()
    names = part.ids.tolist()
    rows, samples, missing = clean_part(part.dirt(doubles), part.steps, names, "missing", rules.missing)
    if missing.missing:
        part, doubles = part.chosen(rows, samples, missing), Doubles()
        for _ in part.dirt(doubles):  # of what stays
            pass
    quality = doubles.quality(part.steps, part.ids.tolist(), rules.duplicates)
    return replace(part, quality=part.quality + quality)


def _present(scratch: Scratch, ids: Sequence[Any]) -> Chosen:
    """Steps and samples of the rows that no later attempt supersedes, and how many rows do not stay."""
    present, steps, superseded = np.ones(len(ids), np.bool_), scratch.steps, 0
    if len(scratch.starts) > 1:
        present[:] = False
        superseded = int(scratch.counts.sum())
        by_range: list[NDArray[np.integer[Any]]] = []
        for tidy in scratch.ranges():
            superseded -= len(tidy.steps)
            present[tidy.samples] = True
            by_range.append(np.unique(tidy.steps))
        steps = np.concatenate(by_range).astype(np.int64, copy=False)
    named = np.array(ids, dtype=object if isinstance(ids[0], str) else np.int64)
    order = np.flatnonzero(present)
    order = order[np.argsort(named[order])]
    columns = np.full(len(ids), -1)
    columns[order] = np.arange(len(order))
    return Chosen(
        scratch=scratch,
        steps=steps,
        ids=named[order],
        columns=columns,
        quality=Quality(superseded_rows=superseded),
    )
