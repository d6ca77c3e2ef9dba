"""What becomes of cells without a loss, of losses that are not finite, of rows that come twice?

Counts of each, what stays, and what is said where the rules leave nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.run.quality import Quality, counted

_WRONG = {
    "missing": "{} of step and sample without a loss (first: {}); needed every sample at every step; {}",
    "nonfinite": "{} not finite (first: {}); needed finite losses; {}, or cut the run before it diverges",
}
_NOTHING_STAYS = {
    "missing": "no sample has every step and no step every sample: log one fixed probe set each time",
    "nonfinite": "no sample is finite at every step and no step in every sample",
}
_NOUNS = {"missing": "pair", "nonfinite": "loss"}


class DirtyError(ParameterError):
    """Something is wrong with the rows that an option of reading can pass over."""

    option: str


class NonfiniteError(DirtyError):
    """Some losses are NaN or infinite."""

    option = "nonfinite"


class DoublesError(DirtyError):
    """Some rows came twice with different losses."""

    option = "duplicates"


class GapsError(DirtyError):
    """Some samples lack a loss at some steps."""

    option = "missing"

    def mended_by(self, step: str | None) -> "GapsError":
        """The same, where another column makes every sample come at every step."""
        if step is None:
            return self
        return GapsError(f'{self}; or map columns={{"step": "{step}"}}, with which no loss is missing')


class Dirt(NamedTuple):
    """How many cells of consecutive rows have a loss that is not there, or not finite."""

    cells: int
    first: int  # of these cells, counted row by row
    clean_rows: NDArray[np.bool_]
    clean_samples: NDArray[np.bool_]


def gaps(filled: NDArray[np.integer[Any]], rows: int, samples: int) -> Dirt:
    """Cells of a grid but for those that are `filled`, of which each is named once, in order."""
    count = rows * samples - len(filled)
    if not count:
        return Dirt(0, 0, np.ones(rows, np.bool_), np.ones(samples, np.bool_))
    absent = np.flatnonzero(filled != np.arange(len(filled)))
    first = int(absent[0]) if len(absent) else len(filled)
    clean_rows = np.bincount(filled // samples, minlength=rows) == samples
    return Dirt(count, first, clean_rows, np.bincount(filled % samples, minlength=samples) == rows)


def _not_finite(losses: NDArray[Any]) -> Dirt:
    finite = np.isfinite(losses)
    count = finite.size - int(np.count_nonzero(finite))
    first = int(np.argmin(finite)) if count else 0
    return Dirt(count, first, np.logical_and.reduce(finite, axis=1), np.logical_and.reduce(finite, axis=0))


def finite_part(
    blocks: Iterable[NDArray[Any]], steps: NDArray[np.int64], ids: Sequence[Any], rule: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Quality]:
    """Which rows and which samples stay so that all losses are finite, and what that took.

    `blocks` are consecutive (rows, samples) parts of the losses, looked at one at a time.
    """
    return clean_part(map(_not_finite, blocks), steps, ids, "nonfinite", rule)


def clean_part(
    blocks: Iterable[Dirt], steps: NDArray[np.int64], ids: Sequence[Any], option: str, rule: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Quality]:
    """Which rows and which samples stay so that none of the dirt does, and what that took.

    Of the clean rows and clean samples one kind only is dropped, as the `rule` for `option` says: "missing"
    or "nonfinite". Raises ParameterError where nothing may be dropped, or everything would be.
    """
    rows, samples = np.ones(len(steps), np.bool_), np.ones(len(ids), np.bool_)
    count, start, first = 0, 0, ""
    for dirt in blocks:
        if dirt.cells:
            first = first or _cell(start * len(ids) + dirt.first, steps, ids)
            rows[start : start + len(dirt.clean_rows)] = dirt.clean_rows
            samples &= dirt.clean_samples
        count += dirt.cells
        start += len(dirt.clean_rows)
    if not count:
        return rows, samples, Quality()
    wrong = GapsError if option == "missing" else NonfiniteError
    if rule == "error":
        raise wrong(
            _WRONG[option].format(counted(count, _NOUNS[option]), first, _drops(option, rows, samples))
        )
    by_sample = rule == "drop-samples"
    if not (samples if by_sample else rows).any():
        what = "sample" if by_sample else "step"
        raise wrong(f'{option}="{rule}" would drop every {what}; {_drops(option, rows, samples)}')
    (rows if by_sample else samples)[:] = True
    dropped = Quality(dropped_steps=int((~rows).sum()), dropped_samples=int((~samples).sum()))
    return rows, samples, replace(dropped, **{option: count})


def _drops(option: str, rows: NDArray[np.bool_], samples: NDArray[np.bool_]) -> str:
    """Which rule would leave something, where the clean rows and samples are these."""
    rules = [f'"{rule}"' for rule, clean in (("drop-samples", samples), ("drop-steps", rows)) if clean.any()]
    return f"pass {option}={' or '.join(rules)}" if rules else _NOTHING_STAYS[option]


def _cell(cell: int, steps: NDArray[np.int64], ids: Sequence[Any]) -> str:
    """How a cell is called, counted row by row."""
    row, sample = divmod(cell, len(ids))
    return f"step {steps[row]}, sample {ids[sample]!r}"


@dataclass(slots=True, kw_only=True)
class Doubles:
    """Rows whose step and sample came more than once, counted."""

    count: int = 0
    replaced: int = 0
    """Those among them whose loss is not the one that was kept."""
    first: int = 1 << 63
    """The first cell of these, counted row by row."""

    def compare(self, cells: NDArray[np.integer[Any]], kept: NDArray[Any], given: NDArray[Any]) -> None:
        """Look at rows in `cells`: what was kept there, and what they gave; NaN is equal to NaN."""
        differ = (kept != given) & ~(np.isnan(kept) & np.isnan(given))
        if differ.any():
            self.first = min(self.first, int(cells[differ].min()))
            self.replaced += int(np.count_nonzero(differ))

    def quality(self, steps: NDArray[np.int64], ids: Sequence[Any], rule: str) -> Quality:
        """The counts. Raises ParameterError where losses differ and may not."""
        if self.replaced and rule == "error":
            raise DoublesError(
                f"{counted(self.replaced, 'row')} came twice with different losses "
                f"(first: {_cell(self.first, steps, ids)}); needed one loss for each step and sample; "
                'add a column attempt, or pass duplicates="last" to keep the last'
            )
        return Quality(
            duplicates=self.count, duplicates_replaced=self.replaced, order_trusted=self.replaced > 0
        )
